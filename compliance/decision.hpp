// What one evaluation amounts to. Private to compliance/.
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/verdict.hpp"
#include "policy/engine.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::compliance {

/// What is decided about one subject before history comes in.
struct Decision {
  std::optional<core::ComplianceState> state;  // nullopt: not applicable
  std::string reason;
  /// What an exempt one would be without its exemption.
  std::optional<core::ComplianceState> without_exemption{};
  /// NonCompliant, if Resource Manager confirms it.
  bool held_back = false;

  /// The state that evidence speaks for; nullopt: there is too little.
  [[nodiscard]] std::optional<core::ComplianceState> known() const;
};

/// Whether a check's assignment is about a resource.
[[nodiscard]] bool concerns(const Baseline& baseline,
                            const Check& check,
                            std::string_view resource_key,
                            policy::Json resource);

[[nodiscard]] Decision decision_of(const policy::Evaluation& evaluation);

/// Applies the exemption that covers the resource, if there is one.
void exempt(Decision& decision,
            const Check& check,
            std::string_view resource_key,
            policy::Json resource,
            core::Time now);

}  // namespace plumbline::compliance
