#include "core/model/verdict.hpp"

#include <utility>

namespace plumbline::core {

namespace {

template <class E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

constexpr Names<ComplianceState, 8> kStateNames = {{
    {ComplianceState::kNonCompliant, "NonCompliant"},
    {ComplianceState::kNoEvidence, "NoEvidence"},
    {ComplianceState::kCompliant, "Compliant"},
    {ComplianceState::kError, "Error"},
    {ComplianceState::kConflict, "Conflict"},
    {ComplianceState::kProtected, "Protected"},
    {ComplianceState::kExempt, "Exempt"},
    {ComplianceState::kUnknown, "Unknown"},
}};

constexpr Names<Cause, 8> kCauseNames = {{
    {Cause::kResource, "resource"},
    {Cause::kRelated, "related"},
    {Cause::kTime, "time"},
    {Cause::kDefinition, "definition"},
    {Cause::kParameters, "parameters"},
    {Cause::kExemption, "exemption"},
    {Cause::kEvidence, "evidence"},
    {Cause::kNormaliser, "normaliser"},
}};

constexpr Names<Severity, 4> kSeverityNames = {{
    {Severity::kLow, "low"},
    {Severity::kMedium, "medium"},
    {Severity::kHigh, "high"},
    {Severity::kCritical, "critical"},
}};

template <class E, std::size_t N>
std::string_view name_of(const Names<E, N>& names, E value) noexcept {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) {
      return name;
    }
  }
  return "";
}

template <class E, std::size_t N>
std::optional<E> value_of(const Names<E, N>& names, std::string_view text) noexcept {
  for (const auto& [candidate, name] : names) {
    if (name == text) {
      return candidate;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(ComplianceState state) noexcept {
  return name_of(kStateNames, state);
}

std::optional<ComplianceState> parse_compliance_state(std::string_view text) noexcept {
  return value_of(kStateNames, text);
}

std::string_view to_string(Cause cause) noexcept {
  return name_of(kCauseNames, cause);
}

std::optional<Cause> parse_cause(std::string_view text) noexcept {
  return value_of(kCauseNames, text);
}

std::string_view to_string(Severity severity) noexcept {
  return name_of(kSeverityNames, severity);
}

std::optional<Severity> parse_severity(std::string_view text) noexcept {
  return value_of(kSeverityNames, text);
}

}  // namespace plumbline::core
