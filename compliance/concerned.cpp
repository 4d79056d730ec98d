#include "compliance/concerned.hpp"

#include "compliance/noise.hpp"

#include <algorithm>

namespace plumbline::compliance {

ConcernedChecks::ConcernedChecks(const Baseline& baseline, std::string_view control) {
  for (const auto& check : baseline.checks) {
    if (control.empty() || std::ranges::find(check.controls, control) != check.controls.end()) {
      entries_.push_back({&check, ReadPaths(check)});
    }
  }
}

std::vector<const Check*> ConcernedChecks::of(const core::DriftRow& row) const {
  const auto names = pointer_segments(row.item.path);
  const std::vector<std::string_view> segments(names.begin(), names.end());
  const auto place = resource_path(row.is_detail, segments);
  std::vector<const Check*> out;
  for (const auto& [check, reads] : entries_) {
    const bool concerns =
        row.item.kind == core::DriftKind::kBaseline
            ? check->assignment == row.assignment && check->reference == row.reference
            : reads.severity_of(row.resource_type, place).has_value();
    if (concerns) {
      out.push_back(check);
    }
  }
  return out;
}

}  // namespace plumbline::compliance
