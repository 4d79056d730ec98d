#include "compliance/json_diff.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace plumbline::compliance {

using simdjson::dom::element;

namespace {

std::string text_of(std::optional<element> value) {
  if (!value) {
    return {};
  }
  std::string text = simdjson::minify(*value);
  if (text.size() > kMaxDiffValue) {
    text.resize(kMaxDiffValue - 3);
    text += "...";
  }
  return text;
}

std::string pointer_segment(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

class Differ {
 public:
  void compare(const std::string& path,
               std::optional<element> before,
               std::optional<element> after) {
    if (before && after && before->is_object() && after->is_object()) {
      compare_objects(path, *before, *after);
    } else if (before && after && before->is_array() && after->is_array()) {
      compare_arrays(path, *before, *after);
    } else if (!before || !after || simdjson::minify(*before) != simdjson::minify(*after)) {
      changes_.push_back({path, text_of(before), text_of(after)});
    }
  }

  std::vector<JsonChange> finish() && { return std::move(changes_); }

 private:
  void compare_objects(const std::string& path, element before, element after) {
    std::map<std::string_view, std::pair<std::optional<element>, std::optional<element>>> members;
    for (const auto member : before.get_object().value_unsafe()) {
      members[member.key].first = member.value;
    }
    for (const auto member : after.get_object().value_unsafe()) {
      members[member.key].second = member.value;
    }
    for (const auto& [key, sides] : members) {
      const bool noise =
          path.empty() ? key == "etag" || key == "systemData"
          : path == "/properties"
              ? key == "modifiedDate" || key == "lastModifiedDate" || key == "lastUpdatedTime"
              : false;
      if (noise) {
        continue;
      }
      compare(path + pointer_segment(key), sides.first, sides.second);
    }
  }

  void compare_arrays(const std::string& path, element before, element after) {
    const auto old_items = before.get_array().value_unsafe();
    const auto new_items = after.get_array().value_unsafe();
    auto old_item = old_items.begin();
    auto new_item = new_items.begin();
    for (std::size_t i = 0; old_item != old_items.end() || new_item != new_items.end(); ++i) {
      std::optional<element> left;
      std::optional<element> right;
      if (old_item != old_items.end()) {
        left = *old_item;
        ++old_item;
      }
      if (new_item != new_items.end()) {
        right = *new_item;
        ++new_item;
      }
      compare(fmt::format("{}/{}", path, i), left, right);
    }
  }

  std::vector<JsonChange> changes_;
};

}  // namespace

std::vector<JsonChange> diff_json(element before, element after) {
  Differ differ;
  differ.compare("", before, after);
  return std::move(differ).finish();
}

}  // namespace plumbline::compliance
