// The difference between two versions of a configuration, property by property.
#pragma once

#include <simdjson.h>

#include <string>
#include <vector>

namespace plumbline::compliance {

/// One property that differs: its JSON pointer (RFC 6901) and both values as JSON text, at most
/// kMaxDiffValue bytes each; empty text: absent.
struct JsonChange {
  std::string path;
  std::string old_value;
  std::string new_value;
  auto operator<=>(const JsonChange&) const = default;
};

inline constexpr std::size_t kMaxDiffValue = 1024;

/// Leaves that differ, in the order of their paths. Arrays are compared by position; where their
/// lengths differ, each added or removed element is one change. `etag` and `systemData` of the root
/// are noise and left out.
[[nodiscard]] std::vector<JsonChange> diff_json(simdjson::dom::element before,
                                                simdjson::dom::element after);

}  // namespace plumbline::compliance
