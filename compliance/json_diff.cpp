#include "compliance/json_diff.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <unordered_set>
#include <utility>

namespace plumbline::compliance {

using simdjson::dom::element;

namespace {

using Value = std::optional<element>;
using Elements = std::vector<element>;

constexpr std::size_t kMaxSegment = 1024;  // beyond any resource id, which names an element
constexpr std::array<std::string_view, 3> kIdentities = {"id", "name", "key"};

/// At most `size` bytes, never half a character; what is cut off is told by its digest.
std::string bounded(std::string text, std::size_t size) {
  constexpr std::size_t kDigest = 16;
  if (text.size() <= size) {
    return text;
  }
  const auto digest = core::to_hex(core::sha256(text)).substr(0, kDigest);
  std::size_t end = size - kDigest - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  text.resize(end);
  return text + "..." + digest;
}

std::string text_of(const Value& value) {
  return value ? bounded(simdjson::minify(*value), kMaxDiffValue) : std::string();
}

bool is_resource_id(std::string_view text) {
  return core::istarts_with(text, "/subscriptions/") || core::istarts_with(text, "/providers/");
}

bool is_object(const Value& value) {
  return value && value->is_object();
}

bool is_array(const Value& value) {
  return value && value->is_array();
}

/// Text that equal values share: members sorted, resource ids in lower case.
void append_canonical(std::string& out, element value) {
  if (value.is_object()) {
    std::vector<std::pair<std::string_view, element>> members;
    for (const auto member : value.get_object().value_unsafe()) {
      members.emplace_back(member.key, member.value);
    }
    std::ranges::sort(members, {}, &std::pair<std::string_view, element>::first);
    out += '{';
    for (const auto& [key, inner] : members) {
      core::append_json_quoted(out, key);
      out += ':';
      append_canonical(out, inner);
      out += ',';
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (const element item : value.get_array().value_unsafe()) {
      append_canonical(out, item);
      out += ',';
    }
    out += ']';
  } else if (value.is_string()) {
    const std::string_view text = value.get_string().value_unsafe();
    core::append_json_quoted(out, is_resource_id(text) ? core::to_lower(text) : std::string(text));
  } else {
    out += simdjson::minify(value);
  }
}

std::string canonical(element value) {
  std::string out;
  append_canonical(out, value);
  return out;
}

/// Scalars that say the same, but for the letters of texts that are no ids.
bool is_same_scalar(element before, element after) {
  if (before.is_string() && after.is_string()) {
    const std::string_view one = before.get_string().value_unsafe();
    const std::string_view two = after.get_string().value_unsafe();
    return one == two || (is_resource_id(one) && core::iequals(one, two));
  }
  if (before.is_int64() && after.is_int64()) {
    return before.get_int64().value_unsafe() == after.get_int64().value_unsafe();
  }
  if (before.is_number() && after.is_number()) {
    // 30 and 30.0 are one number; integers beyond a double's are of one type on both sides.
    return simdjson::minify(before) == simdjson::minify(after) ||
           (before.type() != after.type() &&
            before.get_double().value_unsafe() == after.get_double().value_unsafe());
  }
  return before.type() == after.type() && simdjson::minify(before) == simdjson::minify(after);
}

Elements elements_of(element array) {
  Elements out;
  for (const element item : array.get_array().value_unsafe()) {
    out.push_back(item);
  }
  return out;
}

/// What tells an element apart, by the first of `properties` that it has; empty: nothing.
std::string identity_of(element item, std::span<const std::string_view> properties) {
  if (!item.is_object()) {
    return {};
  }
  for (const auto property : properties) {
    element value;
    if (item[property].get(value) != simdjson::SUCCESS) {
      continue;
    }
    if (value.is_string()) {
      const std::string_view text = value.get_string().value_unsafe();
      return property == "id" || is_resource_id(text) ? core::to_lower(text) : std::string(text);
    }
    if (value.is_number()) {
      return simdjson::minify(value);
    }
  }
  return {};
}

/// The identity of each element; nullopt where one has none, or two have the same.
std::optional<std::vector<std::string>> identities(const Elements& items,
                                                   std::span<const std::string_view> properties) {
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  for (const element item : items) {
    out.push_back(identity_of(item, properties));
    if (out.back().empty() || !seen.insert(out.back()).second) {
      return std::nullopt;
    }
  }
  return out;
}

std::string segment_of(element item) {
  return item.is_string() ? std::string(item.get_string().value_unsafe())
         : item.is_object() || item.is_array()
             ? core::to_hex(core::sha256(canonical(item))).substr(0, 12)
             : std::string(simdjson::minify(item));
}

/// `[x,x]` of one value that an array holds several times.
std::string repeated(element item, std::size_t count) {
  if (count == 0) {
    return {};
  }
  const std::string text = simdjson::minify(item);
  std::string out = "[" + text;
  for (std::size_t i = 1; i < count && out.size() <= kMaxDiffValue; ++i) {
    out += "," + text;
  }
  return bounded(fmt::format("{}]", out), kMaxDiffValue);
}

class Differ {
 public:
  /// Differences more than `told` segments deep are told of the property at that depth.
  Differ(const DiffRules* rules, std::size_t told) : rules_(rules), told_(told) {}

  void compare(const Value& before, const Value& after) {
    if (is_full()) {
      return;
    }
    if (path_.size() == told_) {
      told_before_ = before;
      told_after_ = after;
    }
    if (path_.size() < kMaxDiffDepth && is_object(before) && is_object(after)) {
      compare_objects(*before, *after);
    } else if (path_.size() < kMaxDiffDepth && is_array(before) && is_array(after)) {
      compare_arrays(elements_of(*before), elements_of(*after));
    } else if (!is_same(before, after)) {
      tell(text_of(before), text_of(after));
    }
  }

  /// There may be more than are told.
  [[nodiscard]] bool is_full() const { return changes_.size() > kMaxDifferences; }

  std::vector<JsonChange> finish() && {
    std::ranges::sort(changes_);
    return std::move(changes_);
  }

 private:
  void compare_inner(std::string_view segment, const Value& before, const Value& after) {
    path_.push_back(segment);
    compare(before, after);
    path_.pop_back();
  }

  void compare_objects(element before, element after) {
    std::deque<std::string> folded;  // names that are ids, as userAssignedIdentities has them
    const auto name_of = [&](std::string_view key) -> std::string_view {
      return is_resource_id(key) ? folded.emplace_back(core::to_lower(key)) : key;
    };
    std::map<std::string_view, std::pair<Value, Value>> members;
    for (const auto member : before.get_object().value_unsafe()) {
      members[name_of(member.key)].first = member.value;
    }
    for (const auto member : after.get_object().value_unsafe()) {
      members[name_of(member.key)].second = member.value;
    }
    for (const auto& [key, sides] : members) {
      compare_inner(key, sides.first, sides.second);
    }
  }

  void compare_arrays(const Elements& before, const Elements& after) {
    const auto* unordered = rules_ == nullptr ? nullptr : rules_->unordered(path_);
    if (compare_identified(before, after, unordered)) {
      return;
    }
    if (unordered != nullptr) {
      compare_multisets(before, after);
      return;
    }
    for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
      compare_inner(fmt::format_int(i).str(),
                    i < before.size() ? Value(before[i]) : Value(),
                    i < after.size() ? Value(after[i]) : Value());
    }
  }

  bool compare_identified(const Elements& before,
                          const Elements& after,
                          const DiffRules::Unordered* unordered) {
    if (unordered != nullptr && !unordered->by.empty()) {
      const std::vector<std::string_view> by(unordered->by.begin(), unordered->by.end());
      return compare_by(before, after, by);
    }
    return std::ranges::any_of(kIdentities, [&](const std::string_view& property) {
      return compare_by(before, after, std::span(&property, 1));
    });
  }

  /// False where these properties do not tell all elements apart.
  bool compare_by(const Elements& before,
                  const Elements& after,
                  std::span<const std::string_view> properties) {
    const auto old_names = identities(before, properties);
    const auto new_names = old_names ? identities(after, properties) : std::nullopt;
    if (!old_names || !new_names) {
      return false;
    }
    std::map<std::string, std::pair<Value, Value>> items;
    for (std::size_t i = 0; i < before.size(); ++i) {
      items[(*old_names)[i]].first = before[i];
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
      items[(*new_names)[i]].second = after[i];
    }
    for (const auto& [name, sides] : items) {
      compare_inner(bounded(name, kMaxSegment), sides.first, sides.second);
    }
    return true;
  }

  void compare_multisets(const Elements& before, const Elements& after) {
    struct Times {
      Value value;
      std::size_t before = 0;
      std::size_t after = 0;
    };

    std::map<std::string, Times> values;
    for (const element item : before) {
      auto& times = values[canonical(item)];
      times.value = item;
      ++times.before;
    }
    for (const element item : after) {
      auto& times = values[canonical(item)];
      times.value = item;
      ++times.after;
    }
    for (const auto& [text, times] : values) {
      if (times.before == times.after || is_full()) {
        continue;
      }
      const Value old_value = times.before > 0 ? times.value : Value();
      const Value new_value = times.after > 0 ? times.value : Value();
      const std::string segment = bounded(segment_of(*times.value), kMaxSegment);
      if (times.before <= 1 && times.after <= 1) {
        compare_inner(segment, old_value, new_value);
        continue;
      }
      path_.push_back(segment);
      if (path_.size() == told_) {
        told_before_ = old_value;
        told_after_ = new_value;
      }
      if (rules_ == nullptr || !rules_->is_ignored(path_)) {
        tell(repeated(*times.value, times.before), repeated(*times.value, times.after));
      }
      path_.pop_back();
    }
  }

  [[nodiscard]] bool is_same(const Value& before, const Value& after) {
    if (before && after &&
        (is_object(before) || is_array(before) ? canonical(*before) == canonical(*after)
                                               : is_same_scalar(*before, *after))) {
      return true;
    }
    if (rules_ == nullptr) {
      return false;
    }
    if (before && after && before->is_string() && after->is_string() &&
        core::iequals(before->get_string().value_unsafe(), after->get_string().value_unsafe()) &&
        rules_->ignores_case(path_)) {
      return true;
    }
    return rules_->is_ignored(path_) || (is_nothing(before) && is_nothing(after));
  }

  /// Absent, or what says the same: the default, or an object of nothing else.
  [[nodiscard]] bool is_nothing(const Value& value) {
    if (!value || rules_->is_default(path_, *value)) {
      return true;
    }
    if (!value->is_object() || path_.size() >= kMaxDiffDepth) {
      return false;
    }
    const auto members = value->get_object().value_unsafe();
    return members.size() > 0 && std::ranges::all_of(members, [&](const auto& member) {
             path_.push_back(member.key);
             const bool nothing = rules_->is_ignored(path_) || is_nothing(member.value);
             path_.pop_back();
             return nothing;
           });
  }

  void tell(std::string before, std::string after) {
    const bool above = path_.size() > told_;
    std::string path;
    for (const auto segment : std::span(path_).first(std::min(path_.size(), told_))) {
      path += '/';
      for (const char c : segment) {
        if (c == '~') {
          path += "~0";
        } else if (c == '/') {
          path += "~1";
        } else {
          path += c;
        }
      }
    }
    if (above && !changes_.empty() && changes_.back().path == path) {
      return;
    }
    changes_.push_back({std::move(path),
                        above ? text_of(told_before_) : std::move(before),
                        above ? text_of(told_after_) : std::move(after)});
  }

  const DiffRules* rules_;
  std::size_t told_;
  Value told_before_;  // of the property at that depth on the way to the current one
  Value told_after_;
  std::vector<std::string_view> path_;
  std::vector<JsonChange> changes_;
};

}  // namespace

std::vector<JsonChange> diff_json(element before, element after, const DiffRules* rules) {
  for (const std::size_t told : {kMaxDiffDepth, std::size_t{3}, std::size_t{2}, std::size_t{1}}) {
    Differ differ(rules, told);
    differ.compare(before, after);
    if (!differ.is_full()) {
      return std::move(differ).finish();
    }
  }
  Differ differ(rules, 0);
  differ.compare(before, after);
  return std::move(differ).finish();
}

std::vector<std::string> pointer_segments(std::string_view path) {
  std::vector<std::string> out;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const auto end = std::min(path.find('/'), path.size());
    std::string& segment = out.emplace_back();
    for (std::size_t i = 0; i < end; ++i) {
      if (path[i] == '~' && i + 1 < end && (path[i + 1] == '0' || path[i + 1] == '1')) {
        segment += path[++i] == '0' ? '~' : '/';
      } else {
        segment += path[i];
      }
    }
    path.remove_prefix(end);
  }
  return out;
}

}  // namespace plumbline::compliance
