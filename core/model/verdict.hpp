// Verdicts and their history.
#pragma once

#include "core/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plumbline::core {

/// Azure Policy's compliance states plus NoEvidence, in the order in which they win when several
/// verdicts are rolled up (ARCHITECTURE.md, truth 5). Not applicable is the absence of a verdict.
enum class ComplianceState : std::uint8_t {
  kNonCompliant,
  kNoEvidence,
  kCompliant,
  kError,
  kConflict,
  kProtected,
  kExempt,
  kUnknown,
};
inline constexpr std::array kComplianceStates = {
    ComplianceState::kNonCompliant,
    ComplianceState::kNoEvidence,
    ComplianceState::kCompliant,
    ComplianceState::kError,
    ComplianceState::kConflict,
    ComplianceState::kProtected,
    ComplianceState::kExempt,
    ComplianceState::kUnknown,
};

/// Whether a verdict says something of the resource, and not only that nothing is known.
[[nodiscard]] constexpr bool rests_on_evidence(ComplianceState state) noexcept {
  return state != ComplianceState::kNoEvidence && state != ComplianceState::kError;
}

/// `NonCompliant`, ...: the spelling of API, report and store.
[[nodiscard]] std::string_view to_string(ComplianceState state) noexcept;
[[nodiscard]] std::optional<ComplianceState> parse_compliance_state(std::string_view text) noexcept;

/// The reason of a NonCompliant that waits for Resource Manager to confirm it (truth 2): this, or
/// this with a word for why it could not be asked, `confirming_forbidden`.
inline constexpr std::string_view kConfirming = "confirming";

/// Why a verdict changed. Only the first three can open drift (truth 6).
enum class Cause : std::uint8_t {
  kResource,
  kRelated,
  kTime,
  kDefinition,
  kParameters,
  kExemption,
  kEvidence,
  kNormaliser,
};
[[nodiscard]] std::string_view to_string(Cause cause) noexcept;
[[nodiscard]] std::optional<Cause> parse_cause(std::string_view text) noexcept;

[[nodiscard]] constexpr bool opens_drift(Cause cause) noexcept {
  return cause <= Cause::kTime;
}

enum class Severity : std::uint8_t { kLow, kMedium, kHigh, kCritical };
inline constexpr std::array kSeverities = {
    Severity::kLow, Severity::kMedium, Severity::kHigh, Severity::kCritical};
[[nodiscard]] std::string_view to_string(Severity severity) noexcept;
[[nodiscard]] std::optional<Severity> parse_severity(std::string_view text) noexcept;

/// The verdict of one check (an assignment's definition reference) on one resource.
struct Verdict {
  std::int64_t check = 0;     // row of the check in the store
  std::int64_t resource = 0;  // row of the resource
  ComplianceState state = ComplianceState::kNoEvidence;
  std::string reason;  // why NoEvidence or Error
  Cause cause = Cause::kResource;
  std::int64_t version = 0;  // the resource version it was decided on
  std::int64_t since_cycle = 0;
  Time evaluated_at;
  /// The last state that rested on evidence, and the version it was decided on: what a state after
  /// a gap is compared with.
  std::optional<ComplianceState> known_state;
  std::int64_t known_version = 0;
};

/// One change of a verdict. `nullopt` on either side: not applicable (no verdict).
struct Transition {
  std::int64_t check = 0;
  std::int64_t resource = 0;
  std::optional<ComplianceState> from;
  std::optional<ComplianceState> to;
  std::string reason;
  Cause cause = Cause::kResource;
};

}  // namespace plumbline::core
