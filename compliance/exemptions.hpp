// Exemptions, in the shape of Azure's policyExemptions ("Azure Policy exemption structure").
#pragma once

#include "compliance/selectors.hpp"
#include "core/model/exemption.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// An exemption, checked and ready to be applied.
struct Exemption {
  core::ExemptionSpec spec;
  std::string scope_key;  // lower case; empty: everything
  std::vector<ResourceSelector> resource_selectors;

  /// Whether it is about a resource, at any time.
  [[nodiscard]] bool covers(std::string_view resource_key, policy::Json resource) const;

  [[nodiscard]] bool is_expired(core::Time now) const {
    return spec.expires_on && *spec.expires_on <= now;
  }

  /// Stands for all that decides what it exempts.
  [[nodiscard]] std::string digest() const;
};

/// Checks what can be checked without assignments. Errors begin with the exemption's place.
[[nodiscard]] core::Result<Exemption> make_exemption(const core::ExemptionSpec& spec);

}  // namespace plumbline::compliance
