// How the verdicts of two baselines on one state differ, and through what.
#pragma once

#include "compliance/baseline.hpp"
#include "core/ports/snapshot.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plumbline::compliance {

/// What of a check made a verdict another.
enum class Difference : std::uint8_t {
  kNewCheck,
  kCheckGone,
  kDefinition,
  kParameters,
  kExemption,
  kEvidence,  // the check is the same; one of the verdicts is NoEvidence
  kHistory,   // the check is the same as today, but need not have been then
};
/// `new_check`, `check_gone`, `definition`, ...
[[nodiscard]] std::string_view to_string(Difference difference) noexcept;

struct VerdictDifference {
  std::string assignment;
  std::string reference;
  std::string resource_id;
  std::string resource_type;
  std::optional<core::ComplianceState> from;  // nullopt: no verdict
  std::optional<core::ComplianceState> to;
  std::string reason;  // of `to`
  Difference cause = Difference::kHistory;
};

struct CheckDifference {
  std::string assignment;
  std::string reference;
  Difference what = Difference::kDefinition;
};

/// Takes the verdicts of one side, then those of the other, in any order. Two verdicts are the same
/// when their states are.
class Comparison {
 public:
  /// `before`: the checks as the store has them; `after`: the baseline of the other side, which
  /// must outlive this.
  Comparison(const std::vector<core::CheckRow>& before, const Baseline& after);

  void add_before(const core::VerdictRow& row);
  /// Only once every verdict of the other side is there.
  void add_after(const core::VerdictRow& row);

  /// In the order of assignments, references and resources. Once only.
  [[nodiscard]] std::vector<VerdictDifference> verdicts();

  /// Checks that are new, gone or not the same, in that order of names.
  [[nodiscard]] const std::vector<CheckDifference>& checks() const { return checks_; }

  /// Verdicts of either side by check, state and subscription, for `tally_past`.
  [[nodiscard]] std::vector<core::PastCount> counts_before() const;
  [[nodiscard]] std::vector<core::PastCount> counts_after() const;

 private:
  using CheckName = std::pair<std::string, std::string>;
  using Counts =
      std::map<std::pair<std::pair<std::size_t, core::ComplianceState>, std::string>, std::int64_t>;

  struct Known {
    std::string id;
    std::string type;
    std::vector<std::pair<std::size_t, core::ComplianceState>> states;  // by number of the check
  };

  std::size_t number_of(const core::VerdictRow& row);
  [[nodiscard]] std::vector<core::PastCount> listed(const Counts& counts) const;
  [[nodiscard]] Difference cause_of(const CheckName& check,
                                    std::optional<core::ComplianceState> from,
                                    std::optional<core::ComplianceState> to) const;

  std::map<CheckName, core::CheckRow> before_;
  std::map<CheckName, const Check*> after_;
  std::vector<CheckDifference> checks_;
  std::map<CheckName, std::size_t> numbers_;
  std::vector<CheckName> names_;
  std::unordered_map<std::string, Known> known_;  // by resource key; what is not compared yet
  std::vector<VerdictDifference> verdicts_;
  Counts counts_before_;
  Counts counts_after_;
};

}  // namespace plumbline::compliance
