// What a committed state amounts to: scores, coverage and counts. Immutable once made; metrics, API
// and page all read the same one. docs/scoring.md explains the figures.
#pragma once

#include "compliance/baseline.hpp"
#include "core/ports/snapshot.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::compliance {

/// Verdicts by state, plain and weighted by severity.
struct Tally {
  std::array<std::int64_t, core::kComplianceStates.size()> counts{};
  std::int64_t weighted_compliant = 0;
  std::int64_t weighted_counted = 0;  // compliant + non-compliant + conflict

  void add(core::ComplianceState state, std::int64_t count, core::Severity severity);
  [[nodiscard]] std::int64_t of(core::ComplianceState state) const;
  [[nodiscard]] std::int64_t total() const;
  /// Severity-weighted share of compliant verdicts; nullopt where nothing is counted.
  [[nodiscard]] std::optional<double> score() const;
  /// Share of applicable verdicts, exempt ones aside, that rest on evidence; nullopt where there
  /// are none.
  [[nodiscard]] std::optional<double> coverage() const;
};

struct CheckSummary {
  const Check* check = nullptr;  // into Summary::baseline
  std::int64_t row = 0;
  Tally tally;
};

/// Resources by the state that wins among their verdicts.
struct ResourceTally {
  std::array<std::int64_t, core::kComplianceStates.size()> counts{};

  [[nodiscard]] std::int64_t of(core::ComplianceState state) const;
  /// The percentage that Azure Policy shows of an assignment, as a share: unweighted, and with
  /// those resources above the line that Azure sees no fault in. Nullopt where nothing is counted.
  [[nodiscard]] std::optional<double> azure_ratio() const;
};

struct AssignmentSummary {
  const Assignment* assignment = nullptr;
  Tally tally;
  std::map<std::string, Tally> by_control;
  /// Of the checks under a row of the assignment's structure, by the row's id.
  std::map<std::string, Tally> by_row;
  std::map<std::string, Tally> by_subscription;
  /// Non-compliant verdicts by subscription and severity.
  std::map<std::pair<std::string, core::Severity>, std::int64_t> noncompliant;

  ResourceTally resources;

  /// Counts verdicts of one of its checks, in all but `by_row`, `noncompliant` and `resources`.
  void add(const Check& check,
           core::ComplianceState state,
           const std::string& subscription,
           std::int64_t count);
};

/// How an exemption fares. The first that fits, in this order.
enum class ExemptionState {
  kExpired,
  kExpiring,   // within kExpiringSoon
  kUnused,     // covers no verdict
  kCompliant,  // whatever it covers would be compliant without it
  kActive,
};
[[nodiscard]] std::string_view to_string(ExemptionState state) noexcept;
inline constexpr auto kExpiringSoon = std::chrono::hours(24) * 14;

struct ExemptionSummary {
  const Exemption* exemption = nullptr;  // into Summary::baseline
  ExemptionState state = ExemptionState::kActive;
  std::int64_t verdicts = 0;
  std::int64_t compliant = 0;
};

struct SubscriptionSummary {
  std::string id;
  std::string name;
  bool readable = true;
  std::string management_group{};  // the nearest, in lower case; empty where that is not known
};

/// Over all assignments.
[[nodiscard]] Tally overall(const std::vector<AssignmentSummary>& assignments);

struct Summary {
  std::shared_ptr<const Baseline> baseline;
  std::optional<core::CycleRow> last_cycle;
  std::vector<AssignmentSummary> assignments;
  std::vector<CheckSummary> checks;
  std::vector<ExemptionSummary> exemptions;
  std::vector<SubscriptionSummary> subscriptions;
  std::vector<core::TypeCount> types;
  std::vector<core::Evidence> missing_evidence;
  /// The oldest successful collection of each kind of source.
  std::map<std::string, core::Time> oldest_evidence;
  /// Open drift by kind, severity and subscription.
  std::map<std::tuple<core::DriftKind, core::Severity, std::string>, std::int64_t> open_drift;

  [[nodiscard]] std::int64_t resources() const;
  [[nodiscard]] Tally overall() const;
};

/// What was decided at some time, by the assignments, controls and severities of `baseline`.
struct Past {
  std::vector<AssignmentSummary> assignments;
  std::int64_t left_out = 0;  // verdicts of checks that the baseline does not have
};

[[nodiscard]] Past tally_past(const Baseline& baseline,
                              const std::vector<core::PastCount>& counts,
                              const std::vector<core::ResourceCount>& resources = {});

/// How much a verdict of a severity counts in a score: 1, 2, 4, 8 from low to critical.
[[nodiscard]] std::int64_t severity_weight(core::Severity severity) noexcept;

[[nodiscard]] core::Result<std::shared_ptr<const Summary>> summarise(
    std::shared_ptr<const Baseline> baseline, core::Snapshot& snapshot, core::Time now);

}  // namespace plumbline::compliance
