// Paths into a resource: `properties.rules[*].properties['a-b'].port`.
#pragma once

#include "policy/value.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

struct PathStep {
  enum class Kind : std::uint8_t { kKey, kIndex, kStar };

  Kind kind = Kind::kKey;
  std::string key{};
  std::size_t index = 0;
};

using Path = std::vector<PathStep>;

inline constexpr std::size_t kMaxPathSteps = 64;

/// Reads `a.b[*]['c d'][0]`; nullopt when a bracket is not closed, a part is empty, or there are
/// more than kMaxPathSteps.
[[nodiscard]] std::optional<Path> parse_path(std::string_view text);
[[nodiscard]] std::size_t count_stars(const Path& path) noexcept;
[[nodiscard]] std::string path_text(const Path& path);

/// The name of the tag that a field name such as `tags.x`, `tags[x]` or `tags['x']` means; nullopt
/// for other fields.
[[nodiscard]] std::optional<std::string> tag_name(std::string_view field);

/// What a path selects one after the other.
struct Selected {
  Value value;
  /// The collection itself is not known: any number of further values may follow.
  bool open = false;
};

/// Calls `sink(const Selected&)` for what `path[from..]` selects in `root`, until it returns
/// false. `[*]` on something that is no array selects nothing; without any `[*]` ahead a missing
/// property is selected as a missing value. `elements`, where given, holds the elements chosen at
/// each `[*]` on the way while the sink runs.
template <class Sink>
bool select(
    const Value& root, const Path& path, std::size_t from, Elements* elements, Sink&& sink) {
  Value at = root;
  for (std::size_t i = from; i < path.size(); ++i) {
    const PathStep& step = path[i];
    if (step.kind == PathStep::Kind::kKey) {
      at = at.member(step.key);
      continue;
    }
    if (step.kind == PathStep::Kind::kIndex) {
      at = at.is_unknown() ? Value::unknown(at.text()) : at.at(step.index);
      continue;
    }
    if (at.is_unknown()) {
      return sink(Selected{Value::unknown(at.text()), true});
    }
    bool go_on = true;
    at.each_element([&](const Value& item) {
      // An anonymous marker among the elements says that the list may be longer than it looks.
      if (item.is_open_end()) {
        go_on = sink(Selected{Value::unknown(item.text()), true});
        return go_on;
      }
      if (elements != nullptr) {
        elements->push_back(item);
      }
      go_on = select(item, path, i + 1, elements, sink);
      if (elements != nullptr) {
        elements->pop_back();
      }
      return go_on;
    });
    return go_on;
  }
  return sink(Selected{at, false});
}

}  // namespace plumbline::policy
