// Resource selectors and overrides of an assignment ("Azure Policy assignment structure").
#pragma once

#include "core/result.hpp"
#include "policy/engine.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// What selectors look at.
struct SelectedResource {
  std::string type;      // lower case
  std::string location;  // lower case, without blanks; empty: the resource has none
  bool subscription_level = false;
};

[[nodiscard]] SelectedResource selected_resource(policy::Json resource);

/// One condition: the resource's trait is `in` the values, or not.
struct Selector {
  enum class Kind { kLocation, kType, kWithoutLocation, kReference };

  Kind kind = Kind::kType;
  bool negated = false;
  std::vector<std::string> values;  // lower case; locations without blanks

  [[nodiscard]] bool names(std::string_view value) const;
  /// Always true of kReference, which is no trait of a resource.
  [[nodiscard]] bool selects(const SelectedResource& resource) const;
};

/// All of its selectors must hold; of an assignment's resource selectors any one.
struct ResourceSelector {
  std::string name;
  std::vector<Selector> selectors;

  [[nodiscard]] bool selects(const SelectedResource& resource) const;
};

/// Another effect for some references, on some resources.
struct EffectOverride {
  std::string effect;
  std::vector<Selector> selectors;

  [[nodiscard]] bool concerns(std::string_view reference) const;
  [[nodiscard]] bool selects(const SelectedResource& resource) const;
  /// Whether it depends on the resource at all.
  [[nodiscard]] bool is_selective() const;
};

/// The array `resourceSelectors` of an assignment. Errors name the place in it.
[[nodiscard]] core::Result<std::vector<ResourceSelector>> parse_resource_selectors(
    const nlohmann::json& array);
/// The array `overrides`. Only those of kind `policyEffect` have a meaning here.
[[nodiscard]] core::Result<std::vector<EffectOverride>> parse_overrides(
    const nlohmann::json& array);

}  // namespace plumbline::compliance
