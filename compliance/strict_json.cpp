#include "compliance/strict_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace plumbline::compliance {

using policy::JsonMember;
using policy::JsonNode;

const JsonNode* member(const JsonNode& object, std::string_view name) {
  const auto found = std::ranges::find(object.members, name, &JsonMember::name);
  return found == object.members.end() ? nullptr : &found->value;
}

core::Status check_keys(const policy::SourceText& source,
                        const JsonNode& object,
                        std::string_view what,
                        std::initializer_list<std::string_view> known) {
  if (!object.is_object()) {
    return source.error(object.offset, fmt::format("{} must be an object", what));
  }
  std::set<std::string_view> seen;
  for (const auto& entry : object.members) {
    if (std::ranges::find(known, entry.name) == known.end()) {
      return source.error(
          entry.offset,
          fmt::format("{} has no `{}`; it may have {}", what, entry.name, fmt::join(known, ", ")));
    }
    if (!seen.insert(entry.name).second) {
      return source.error(entry.offset, fmt::format("{} has `{}` twice", what, entry.name));
    }
  }
  return core::Status::ok();
}

}  // namespace plumbline::compliance
