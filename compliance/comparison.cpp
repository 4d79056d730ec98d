#include "compliance/comparison.hpp"

#include "core/resource_id.hpp"

#include <algorithm>
#include <tuple>

namespace plumbline::compliance {

using core::ComplianceState;

std::string_view to_string(Difference difference) noexcept {
  switch (difference) {
    case Difference::kNewCheck:
      return "new_check";
    case Difference::kCheckGone:
      return "check_gone";
    case Difference::kDefinition:
      return "definition";
    case Difference::kParameters:
      return "parameters";
    case Difference::kExemption:
      return "exemption";
    case Difference::kEvidence:
      return "evidence";
    case Difference::kHistory:
      break;
  }
  return "history";
}

Comparison::Comparison(const std::vector<core::CheckRow>& before, const Baseline& after) {
  for (const auto& row : before) {
    before_.emplace(CheckName(row.assignment, row.reference), row);
  }
  for (const auto& check : after.checks) {
    after_.emplace(CheckName(check.assignment, check.reference), &check);
  }
  std::map<CheckName, Difference> differences;
  for (const auto& [name, row] : before_) {
    const auto found = after_.find(name);
    if (found == after_.end()) {
      differences[name] = Difference::kCheckGone;
    } else if (found->second->definition_hash != row.definition_hash) {
      differences[name] = Difference::kDefinition;
    } else if (found->second->parameters_hash != row.parameters_hash) {
      differences[name] = Difference::kParameters;
    } else if (found->second->exemptions_hash != row.exemptions_hash) {
      differences[name] = Difference::kExemption;
    }
  }
  for (const auto& [name, check] : after_) {
    if (!before_.contains(name)) {
      differences[name] = Difference::kNewCheck;
    }
  }
  for (const auto& [name, what] : differences) {
    checks_.push_back({name.first, name.second, what});
  }
}

std::size_t Comparison::number_of(const core::VerdictRow& row) {
  const auto [entry, added] =
      numbers_.try_emplace(CheckName(row.assignment, row.reference), names_.size());
  if (added) {
    names_.push_back(entry->first);
  }
  return entry->second;
}

void Comparison::add_before(const core::VerdictRow& row) {
  const auto number = number_of(row);
  auto& known = known_[row.resource_key];
  if (known.states.empty()) {
    known.id = row.resource_id;
    known.type = row.resource_type;
  }
  known.states.emplace_back(number, row.verdict.state);
  ++counts_before_[{{number, row.verdict.state},
                    std::string(core::subscription_of_key(row.resource_key))}];
}

void Comparison::add_after(const core::VerdictRow& row) {
  const auto number = number_of(row);
  ++counts_after_[{{number, row.verdict.state},
                   std::string(core::subscription_of_key(row.resource_key))}];
  std::optional<ComplianceState> from;
  if (const auto known = known_.find(row.resource_key); known != known_.end()) {
    auto& states = known->second.states;
    const auto state =
        std::ranges::find(states, number, &std::pair<std::size_t, ComplianceState>::first);
    if (state != states.end()) {
      from = state->second;
      states.erase(state);
    }
    if (states.empty()) {
      known_.erase(known);
    }
  }
  if (from == row.verdict.state) {
    return;
  }
  verdicts_.push_back({row.assignment,
                       row.reference,
                       row.resource_id,
                       row.resource_type,
                       from,
                       row.verdict.state,
                       row.verdict.reason,
                       cause_of(names_[number], from, row.verdict.state)});
}

std::vector<VerdictDifference> Comparison::verdicts() {
  for (const auto& [key, known] : known_) {
    for (const auto& [number, state] : known.states) {
      verdicts_.push_back({names_[number].first,
                           names_[number].second,
                           known.id,
                           known.type,
                           state,
                           std::nullopt,
                           "",
                           cause_of(names_[number], state, std::nullopt)});
    }
  }
  known_.clear();
  std::ranges::sort(verdicts_, {}, [](const VerdictDifference& difference) {
    return std::tie(difference.assignment, difference.reference, difference.resource_id);
  });
  return std::move(verdicts_);
}

Difference Comparison::cause_of(const CheckName& check,
                                std::optional<ComplianceState> from,
                                std::optional<ComplianceState> to) const {
  const auto after = after_.find(check);
  if (after == after_.end()) {
    return Difference::kCheckGone;
  }
  const auto before = before_.find(check);
  if (before == before_.end()) {
    return from ? Difference::kDefinition : Difference::kNewCheck;
  }
  const core::CheckRow& row = before->second;
  const Check& now = *after->second;
  const auto is_one = [&](ComplianceState state) { return from == state || to == state; };
  if (row.exemptions_hash != now.exemptions_hash && is_one(ComplianceState::kExempt)) {
    return Difference::kExemption;
  }
  if (row.definition_hash != now.definition_hash) {
    return Difference::kDefinition;
  }
  if (row.parameters_hash != now.parameters_hash) {
    return Difference::kParameters;
  }
  return is_one(ComplianceState::kNoEvidence) ? Difference::kEvidence : Difference::kHistory;
}

std::vector<core::PastCount> Comparison::listed(const Counts& counts) const {
  std::vector<core::PastCount> out;
  for (const auto& [what, count] : counts) {
    const auto& [number, state] = what.first;
    out.push_back({names_[number].first, names_[number].second, state, what.second, count});
  }
  return out;
}

std::vector<core::PastCount> Comparison::counts_before() const {
  return listed(counts_before_);
}

std::vector<core::PastCount> Comparison::counts_after() const {
  return listed(counts_after_);
}

}  // namespace plumbline::compliance
