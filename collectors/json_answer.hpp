// Reading Azure's JSON answers, for every collector. Private to collectors/.
#pragma once

#include "core/result.hpp"

#include <simdjson.h>

#include <string_view>

namespace plumbline::collectors {

/// The root of `body`, which lives as long as `parser` does. kLimit beyond the limits of
/// core/json_limits.hpp, kParse with simdjson's reason.
[[nodiscard]] core::Result<simdjson::dom::element> parse_answer(simdjson::dom::parser& parser,
                                                                std::string_view body);

/// An answer that is an object with a list in it. As long-lived as the parser.
struct ListAnswer {
  simdjson::dom::element root;
  simdjson::dom::array items;
};

/// kParse also where `body` has no such list; `what` is what the message calls it.
[[nodiscard]] core::Result<ListAnswer> parse_list(simdjson::dom::parser& parser,
                                                  std::string_view body,
                                                  const char* member,
                                                  std::string_view what);

/// A member that is a string; empty where there is none.
[[nodiscard]] std::string_view text_member(simdjson::dom::element object, const char* name);

}  // namespace plumbline::collectors
