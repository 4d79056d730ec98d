#include "compliance/decision.hpp"

namespace plumbline::compliance {

using core::ComplianceState;

namespace {

std::optional<ComplianceState> state_of(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kCompliant:
      return ComplianceState::kCompliant;
    case policy::Outcome::kNonCompliant:
      return ComplianceState::kNonCompliant;
    case policy::Outcome::kNoEvidence:
      return ComplianceState::kNoEvidence;
    case policy::Outcome::kError:
      return ComplianceState::kError;
    case policy::Outcome::kUnknown:
      return ComplianceState::kUnknown;
    case policy::Outcome::kProtected:
      return ComplianceState::kProtected;
    case policy::Outcome::kNotApplicable:
    case policy::Outcome::kNotEvaluated:
      return std::nullopt;
  }
  return ComplianceState::kError;
}

}  // namespace

std::optional<ComplianceState> Decision::known() const {
  const auto underlying = state == ComplianceState::kExempt ? without_exemption : state;
  return underlying == ComplianceState::kNoEvidence ? std::nullopt : underlying;
}

bool concerns(const Baseline& baseline,
              const Check& check,
              std::string_view resource_key,
              policy::Json resource) {
  const Assignment* assignment = baseline.find_assignment(check.assignment);
  return assignment != nullptr && in_scope(*assignment, resource_key) &&
         is_selected(*assignment, resource);
}

Decision decision_of(const policy::Evaluation& evaluation) {
  return {state_of(evaluation.outcome), evaluation.reason};
}

void exempt(Decision& decision,
            const Check& check,
            std::string_view resource_key,
            policy::Json resource,
            core::Time now) {
  const Exemption* exemption = check.exemption_of(resource_key, resource, now);
  if (exemption == nullptr) {
    return;
  }
  decision.without_exemption = decision.state;
  decision.state = ComplianceState::kExempt;
  decision.reason = exemption->spec.name;
}

}  // namespace plumbline::compliance
