#include "compliance/expected.hpp"

#include "core/path_pattern.hpp"
#include "core/resource_id.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace plumbline::compliance {

using core::ExpectedRule;

namespace {

bool is_any(std::string_view text, const std::vector<std::string>& patterns) {
  return patterns.empty() || std::ranges::any_of(patterns, [&](const std::string& pattern) {
           return core::matches_wildcard(text, pattern);
         });
}

/// Whether both instants lie in the same run of a window.
bool lie_in(const ExpectedRule::Window& window, core::Time from, core::Time to) {
  using std::chrono::days;
  using std::chrono::minutes;
  const minutes length((window.to > window.from ? 0U : 24U * 60U) + window.to - window.from);
  const auto today = std::chrono::floor<days>(from);
  // The run that holds the first instant began today, or before midnight.
  return std::ranges::any_of(std::array{today, today - days(1)}, [&](const auto& day) {
    const std::chrono::weekday weekday(day);
    if (!window.days.empty() &&
        std::ranges::find(window.days, weekday.c_encoding()) == window.days.end()) {
      return false;
    }
    const core::Time start = day + minutes(window.from);
    return from >= start && to < start + length;
  });
}

bool concerns(const ExpectedRule& rule, std::string_view key, std::string_view type) {
  return is_any(type, rule.types) &&
         (rule.scopes.empty() || std::ranges::any_of(rule.scopes, [&](const std::string& scope) {
            return core::is_under(key, scope);
          }));
}

bool is_in_window(const ExpectedRule& rule, core::Time from, core::Time to) {
  return rule.windows.empty() || std::ranges::any_of(rule.windows, [&](const auto& window) {
           return lie_in(window, from, to);
         });
}

/// Whoever made the change, and whenever in the interval.
bool holds_anyway(const ExpectedRule& rule, const Attribution& attribution) {
  return !rule.asks_who() && is_in_window(rule, attribution.not_before, attribution.not_after);
}

bool holds(const ExpectedRule& rule, const Attribution& attribution) {
  if (!attribution.is_exact) {
    return holds_anyway(rule, attribution);
  }
  return is_any(attribution.changed_by, rule.actors) &&
         is_any(attribution.client_type, rule.clients) &&
         is_any(attribution.operation, rule.operations) &&
         is_in_window(rule,
                      attribution.at.value_or(attribution.not_before),
                      attribution.at.value_or(attribution.not_after));
}

}  // namespace

Ruling ruling_of(std::span<const ExpectedRule> rules,
                 std::string_view resource_key,
                 std::string_view lower_type,
                 const Attribution& attribution) {
  Ruling out;
  for (const auto& rule : rules) {
    if (!concerns(rule, resource_key, lower_type)) {
      continue;
    }
    out.is_final = out.is_final && (attribution.is_complete || holds_anyway(rule, attribution));
    if (holds(rule, attribution)) {
      out.expectation = Expectation{rule.effect, rule.name};
      break;
    }
  }
  return out;
}

core::Severity severity_by(ExpectedRule::Effect effect, core::Severity severity) {
  const int step = effect == ExpectedRule::Effect::kEscalate    ? 1
                   : effect == ExpectedRule::Effect::kDowngrade ? -1
                                                                : 0;
  const int moved = static_cast<int>(severity) + step;
  return static_cast<core::Severity>(std::clamp(
      moved, static_cast<int>(core::Severity::kLow), static_cast<int>(core::Severity::kCritical)));
}

}  // namespace plumbline::compliance
