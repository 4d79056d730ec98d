// What a baseline's own files (relations, features) have in common: keys that are spelled exactly,
// none unknown, none twice. Private to compliance/.
#pragma once

#include "policy/json_tree.hpp"

#include <initializer_list>
#include <string_view>

namespace plumbline::compliance {

/// Null where there is none.
[[nodiscard]] const policy::JsonNode* member(const policy::JsonNode& object, std::string_view name);

/// Fails with the place of what is no object, or of the key that is not known or repeated. `what`
/// is what the message calls the object.
[[nodiscard]] core::Status check_keys(const policy::SourceText& source,
                                      const policy::JsonNode& object,
                                      std::string_view what,
                                      std::initializer_list<std::string_view> known);

}  // namespace plumbline::compliance
