#include "compliance/drift_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::compliance {

namespace {

// Of Microsoft.AlertsManagement what people configure: alerts that fired are none of it.
constexpr std::array<std::string_view, 8> kMonitorTypes = {
    "microsoft.insights/*",
    "microsoft.operationalinsights/*",
    "microsoft.operationsmanagement/*",
    "microsoft.monitor/*",
    "microsoft.dashboard/*",
    "microsoft.alertsmanagement/actionrules",
    "microsoft.alertsmanagement/prometheusrulegroups",
    "microsoft.alertsmanagement/smartdetectoralertrules",

};

bool is_any(std::string_view type, const auto& patterns) {
  return std::ranges::any_of(
      patterns, [&](std::string_view pattern) { return core::matches_wildcard(type, pattern); });
}

}  // namespace

std::span<const std::string_view> monitor_types() noexcept {
  return kMonitorTypes;
}

DriftRules::DriftRules(Noise noise, ReadPaths reads, std::vector<core::DriftInclude> include)
    : noise_(std::move(noise)), reads_(std::move(reads)), include_(std::move(include)) {}

bool DriftRules::counts_whole(std::string_view type) const {
  return is_any(type, kMonitorTypes) || std::ranges::any_of(include_, [&](const auto& include) {
           return include.paths.empty() && is_any(type, include.types);
         });
}

std::vector<DriftChange> DriftRules::differences(std::string_view type,
                                                 bool is_detail,
                                                 simdjson::dom::element before,
                                                 simdjson::dom::element after) const {
  std::vector<DriftChange> out;
  auto changes = noise_.diff(type, is_detail, before, after, reads_);
  if (changes.empty()) {
    return out;
  }
  const bool whole = counts_whole(type);
  std::vector<const core::PathPattern*> included;
  for (const auto& include : include_) {
    if (is_any(type, include.types)) {
      for (const auto& path : include.paths) {
        included.push_back(&path);
      }
    }
  }
  for (auto& change : changes) {
    const auto names = pointer_segments(change.path);
    const std::vector<std::string_view> segments(names.begin(), names.end());
    const auto place = resource_path(is_detail, segments);
    const auto severity = reads_.severity_of(type, place);
    if (severity || whole || std::ranges::any_of(included, [&](const auto* pattern) {
          return pattern->overlaps(place);
        })) {
      out.push_back({std::move(change), severity.value_or(core::Severity::kLow)});
    }
  }
  return out;
}

}  // namespace plumbline::compliance
