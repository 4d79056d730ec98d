#include "compliance/summary.hpp"

#include "core/text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace plumbline::compliance {

using core::ComplianceState;
using core::Result;

std::string_view to_string(ExemptionState state) noexcept {
  switch (state) {
    case ExemptionState::kExpired:
      return "expired";
    case ExemptionState::kExpiring:
      return "expiring";
    case ExemptionState::kUnused:
      return "unused";
    case ExemptionState::kCompliant:
      return "compliant";
    case ExemptionState::kActive:
      return "active";
  }
  return "active";
}

std::int64_t severity_weight(core::Severity severity) noexcept {
  return std::int64_t{1} << static_cast<unsigned>(severity);
}

void Tally::add(ComplianceState state, std::int64_t count, core::Severity severity) {
  counts.at(static_cast<std::size_t>(state)) += count;
  const bool counted = state == ComplianceState::kCompliant ||
                       state == ComplianceState::kNonCompliant ||
                       state == ComplianceState::kConflict;
  if (counted) {
    weighted_counted += count * severity_weight(severity);
  }
  if (state == ComplianceState::kCompliant) {
    weighted_compliant += count * severity_weight(severity);
  }
}

std::int64_t Tally::of(ComplianceState state) const {
  return counts.at(static_cast<std::size_t>(state));
}

std::int64_t Tally::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::optional<double> Tally::score() const {
  if (weighted_counted == 0) {
    return std::nullopt;
  }
  return static_cast<double>(weighted_compliant) / static_cast<double>(weighted_counted);
}

std::optional<double> Tally::coverage() const {
  const auto all = total() - of(ComplianceState::kExempt);
  if (all == 0) {
    return std::nullopt;
  }
  return 1.0 - static_cast<double>(of(ComplianceState::kNoEvidence)) / static_cast<double>(all);
}

std::int64_t ResourceTally::of(ComplianceState state) const {
  return counts.at(static_cast<std::size_t>(state));
}

std::optional<double> ResourceTally::azure_ratio() const {
  const auto good = of(ComplianceState::kCompliant) + of(ComplianceState::kExempt) +
                    of(ComplianceState::kUnknown);
  const auto all = good + of(ComplianceState::kNonCompliant) + of(ComplianceState::kConflict) +
                   of(ComplianceState::kError);
  if (all == 0) {
    return std::nullopt;
  }
  return static_cast<double>(good) / static_cast<double>(all);
}

std::int64_t Summary::resources() const {
  return std::accumulate(
      types.begin(), types.end(), std::int64_t{0}, [](std::int64_t sum, const auto& type) {
        return sum + type.count;
      });
}

Tally Summary::overall() const {
  return compliance::overall(assignments);
}

Tally overall(const std::vector<AssignmentSummary>& assignments) {
  Tally tally;
  for (const auto& assignment : assignments) {
    for (std::size_t i = 0; i < tally.counts.size(); ++i) {
      tally.counts.at(i) += assignment.tally.counts.at(i);
    }
    tally.weighted_compliant += assignment.tally.weighted_compliant;
    tally.weighted_counted += assignment.tally.weighted_counted;
  }
  return tally;
}

void AssignmentSummary::add(const Check& check,
                            ComplianceState state,
                            const std::string& subscription,
                            std::int64_t count) {
  tally.add(state, count, check.severity);
  by_subscription[subscription].add(state, count, check.severity);
  for (const auto& control : check.controls) {
    by_control[control].add(state, count, check.severity);
  }
}

namespace {

void count_resources(std::vector<AssignmentSummary>& assignments,
                     const std::vector<core::ResourceCount>& counts) {
  for (const auto& count : counts) {
    const auto entry = std::ranges::find_if(assignments, [&](const auto& candidate) {
      return candidate.assignment->name == count.assignment;
    });
    if (entry != assignments.end()) {
      entry->resources.counts.at(static_cast<std::size_t>(count.state)) += count.count;
    }
  }
}

class Summariser {
 public:
  Summariser(std::shared_ptr<const Baseline> baseline, core::Snapshot& snapshot, core::Time now)
      : summary_(std::make_shared<Summary>()), snapshot_(&snapshot), now_(now) {
    summary_->baseline = std::move(baseline);
  }

  Result<std::shared_ptr<const Summary>> run() {
    for (const auto step : {&Summariser::add_checks,
                            &Summariser::add_counts,
                            &Summariser::add_resource_counts,
                            &Summariser::add_exemptions,
                            &Summariser::add_evidence,
                            &Summariser::add_subscriptions,  // after the evidence
                            &Summariser::add_drift,
                            &Summariser::add_inventory}) {
      if (auto done = (this->*step)(); !done) {
        return done.error();
      }
    }
    return std::shared_ptr<const Summary>(summary_);
  }

 private:
  core::Status add_checks() {
    auto rows = snapshot_->checks();
    if (!rows) {
      return rows.error();
    }
    for (const auto& assignment : summary_->baseline->assignments) {
      AssignmentSummary entry;
      entry.assignment = &assignment;
      summary_->assignments.push_back(std::move(entry));
    }
    for (const auto& check : summary_->baseline->checks) {
      const auto row = std::ranges::find_if(*rows, [&](const core::CheckRow& candidate) {
        return candidate.assignment == check.assignment && candidate.reference == check.reference;
      });
      summary_->checks.push_back({&check, row == rows->end() ? 0 : row->row, {}});
    }
    for (const auto& assignment : summary_->baseline->assignments) {
      const auto place = [&](const auto& row) {
        for (const auto& check : summary_->baseline->checks) {
          if (check.assignment == assignment.name &&
              std::ranges::find(row.checks, check.reference) != row.checks.end()) {
            rows_.emplace(&check, row.id);
          }
        }
      };
      std::ranges::for_each(assignment.structure.features, place);
      std::ranges::for_each(assignment.structure.recommendations, place);
    }
    return core::Status::ok();
  }

  core::Status add_counts() {
    auto counts = snapshot_->verdict_counts();
    if (!counts) {
      return counts.error();
    }
    for (const auto& count : *counts) {
      const auto check = std::ranges::find(summary_->checks, count.check, &CheckSummary::row);
      if (check == summary_->checks.end()) {
        continue;
      }
      const auto severity = check->check->severity;
      check->tally.add(count.state, count.count, severity);
      const auto assignment = std::ranges::find_if(summary_->assignments, [&](const auto& entry) {
        return entry.assignment->name == check->check->assignment;
      });
      assignment->add(*check->check, count.state, count.subscription, count.count);
      if (const auto row = rows_.find(check->check); row != rows_.end()) {
        assignment->by_row[std::string(row->second)].add(count.state, count.count, severity);
      }
      if (count.state == ComplianceState::kNonCompliant) {
        assignment->noncompliant[{count.subscription, severity}] += count.count;
      }
    }
    return core::Status::ok();
  }

  core::Status add_resource_counts() {
    const auto counts = snapshot_->resource_counts();
    if (!counts) {
      return counts.error();
    }
    count_resources(summary_->assignments, *counts);
    return core::Status::ok();
  }

  core::Status add_exemptions() {
    if (summary_->baseline->exemptions.empty()) {
      return core::Status::ok();
    }
    auto counts = snapshot_->exempt_counts();
    if (!counts) {
      return counts.error();
    }
    for (const auto& exemption : summary_->baseline->exemptions) {
      ExemptionSummary entry;
      entry.exemption = exemption.get();
      const auto found =
          std::ranges::find(*counts, exemption->spec.name, &core::ExemptCount::exemption);
      if (found != counts->end()) {
        entry.verdicts = found->verdicts;
        entry.compliant = found->compliant;
      }
      entry.state = exemption->is_expired(now_)                   ? ExemptionState::kExpired
                    : exemption->is_expired(now_ + kExpiringSoon) ? ExemptionState::kExpiring
                    : entry.verdicts == 0                         ? ExemptionState::kUnused
                    : entry.verdicts == entry.compliant           ? ExemptionState::kCompliant
                                                                  : ExemptionState::kActive;
      summary_->exemptions.push_back(entry);
    }
    return core::Status::ok();
  }

  core::Status add_subscriptions() {
    return snapshot_->for_each_of_type(
        "microsoft.resources/subscriptions", "", [&](const core::StoredResource& resource) {
          SubscriptionSummary entry;
          entry.id = resource.key.substr(resource.key.rfind('/') + 1);
          simdjson::dom::parser parser;
          simdjson::dom::element body;
          std::string_view name;
          if (parser.parse(resource.body).get(body) == simdjson::SUCCESS) {
            if (body["name"].get(name) == simdjson::SUCCESS) {
              entry.name = name;
            }
            // From the nearest to the root.
            if (body.at_pointer("/properties/managementGroupAncestorsChain/0/name").get(name) ==
                simdjson::SUCCESS) {
              entry.management_group = core::to_lower(name);
            }
          }
          entry.readable =
              std::ranges::none_of(summary_->missing_evidence, [&](const core::Evidence& item) {
                return item.key.starts_with("arg:") && item.key.ends_with("|" + entry.id);
              });
          summary_->subscriptions.push_back(std::move(entry));
        });
  }

  core::Status add_evidence() {
    auto missing = snapshot_->incomplete_evidence();
    auto oldest = snapshot_->oldest_evidence();
    if (!missing || !oldest) {
      return !missing ? missing.error() : oldest.error();
    }
    summary_->missing_evidence = *std::move(missing);
    summary_->oldest_evidence = *std::move(oldest);
    return core::Status::ok();
  }

  core::Status add_drift() {
    const auto counts = snapshot_->open_drift_counts();
    if (!counts) {
      return counts.error();
    }
    for (const auto& count : *counts) {
      summary_->open_drift[{count.kind, count.severity, count.subscription}] = count.count;
    }
    return core::Status::ok();
  }

  core::Status add_inventory() {
    auto types = snapshot_->type_counts();
    if (!types) {
      return types.error();
    }
    summary_->types = *std::move(types);
    auto cycles = snapshot_->cycles(1);
    if (!cycles) {
      return cycles.error();
    }
    if (!cycles->empty()) {
      summary_->last_cycle = cycles->front();
    }
    return core::Status::ok();
  }

  std::shared_ptr<Summary> summary_;
  std::map<const Check*, std::string_view> rows_;  // the row that a check stands under
  core::Snapshot* snapshot_;
  core::Time now_;
};

}  // namespace

Past tally_past(const Baseline& baseline,
                const std::vector<core::PastCount>& counts,
                const std::vector<core::ResourceCount>& resources) {
  Past out;
  for (const auto& assignment : baseline.assignments) {
    out.assignments.emplace_back().assignment = &assignment;
  }
  for (const auto& count : counts) {
    const auto check = std::ranges::find_if(baseline.checks, [&](const Check& candidate) {
      return candidate.assignment == count.assignment && candidate.reference == count.reference;
    });
    if (check == baseline.checks.end()) {
      out.left_out += count.count;
      continue;
    }
    const auto entry = std::ranges::find_if(out.assignments, [&](const auto& candidate) {
      return candidate.assignment->name == count.assignment;
    });
    entry->add(*check, count.state, count.subscription, count.count);
  }
  count_resources(out.assignments, resources);
  return out;
}

Result<std::shared_ptr<const Summary>> summarise(std::shared_ptr<const Baseline> baseline,
                                                 core::Snapshot& snapshot,
                                                 core::Time now) {
  return Summariser(std::move(baseline), snapshot, now).run();
}

}  // namespace plumbline::compliance
