// Changes that were expected, or never are: rules on who, with what, where and when.
#pragma once

#include "compliance/attribution.hpp"
#include "core/model/drift_rules.hpp"
#include "core/model/verdict.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plumbline::compliance {

struct Expectation {
  core::ExpectedRule::Effect effect = core::ExpectedRule::Effect::kAccept;
  std::string rule;  // its name
};

struct Ruling {
  std::optional<Expectation> expectation;  // nullopt: no rule holds
  /// No change record that may still come could make it another.
  bool is_final = true;
};

/// What the first rule that holds, by what is known, says of drift on a resource (key and
/// lower-case type). A rule that asks who made the change holds only where that is known, one that
/// asks when only where the whole interval lies in one of its windows.
[[nodiscard]] Ruling ruling_of(std::span<const core::ExpectedRule> rules,
                               std::string_view resource_key,
                               std::string_view lower_type,
                               const Attribution& attribution);

/// The severity that drift has by a decision. Accepting leaves it as it is.
[[nodiscard]] core::Severity severity_by(core::ExpectedRule::Effect effect,
                                         core::Severity severity);

}  // namespace plumbline::compliance
