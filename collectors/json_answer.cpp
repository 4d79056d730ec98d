#include "collectors/json_answer.hpp"

#include "core/json_limits.hpp"

#include <fmt/format.h>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using simdjson::dom::element;

core::Result<element> parse_answer(simdjson::dom::parser& parser, std::string_view body) {
  if (auto limits = core::check_json_limits(body); !limits) {
    return limits.error();
  }
  element root;
  if (const auto error = parser.parse(body.data(), body.size()).get(root);
      error != simdjson::SUCCESS) {
    return Error{Errc::kParse,
                 fmt::format("the answer is not JSON: {}", simdjson::error_message(error))};
  }
  return root;
}

core::Result<ListAnswer> parse_list(simdjson::dom::parser& parser,
                                    std::string_view body,
                                    const char* member,
                                    std::string_view what) {
  const auto root = parse_answer(parser, body);
  if (!root) {
    return root.error();
  }
  ListAnswer answer{*root, {}};
  if (answer.root[member].get(answer.items) != simdjson::SUCCESS) {
    return Error{Errc::kParse, fmt::format("{} has no `{}` array", what, member)};
  }
  return answer;
}

std::string_view text_member(element object, const char* name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? text : std::string_view();
}

}  // namespace plumbline::collectors
