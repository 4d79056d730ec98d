// How the store writes states and causes: as the numbers that the views `verdict` and `transition`
// give names to (docs/schema.md).
#pragma once

#include "core/model/verdict.hpp"

#include <cstdint>

namespace plumbline::storage {

[[nodiscard]] constexpr std::int64_t code_of(core::ComplianceState state) noexcept {
  return static_cast<std::int64_t>(state);
}

[[nodiscard]] constexpr std::int64_t code_of(core::Cause cause) noexcept {
  return static_cast<std::int64_t>(cause);
}

/// What is no code, which the tables do not take, is an error and no state of compliance.
[[nodiscard]] constexpr core::ComplianceState state_of(std::int64_t code) noexcept {
  return code >= 0 && code <= code_of(core::ComplianceState::kUnknown)
             ? static_cast<core::ComplianceState>(code)
             : core::ComplianceState::kError;
}

[[nodiscard]] constexpr core::Cause cause_of(std::int64_t code) noexcept {
  return code >= 0 && code <= code_of(core::Cause::kNormaliser) ? static_cast<core::Cause>(code)
                                                                : core::Cause::kResource;
}

// A number that is in a database never means anything else.
static_assert(code_of(core::ComplianceState::kNonCompliant) == 0 &&
              code_of(core::ComplianceState::kCompliant) == 2 &&
              code_of(core::ComplianceState::kExempt) == 6 &&
              code_of(core::ComplianceState::kUnknown) == 7);
static_assert(code_of(core::Cause::kResource) == 0 && code_of(core::Cause::kDefinition) == 3 &&
              code_of(core::Cause::kNormaliser) == 7);

}  // namespace plumbline::storage
