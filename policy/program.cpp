#include "policy/program.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace plumbline::policy {

namespace {

using core::iequals;

constexpr auto kEffects = std::to_array<std::string_view>({
    "addtonetworkgroup",
    "append",
    "audit",
    "auditaction",
    "auditifnotexists",
    "deny",
    "denyaction",
    "deployifnotexists",
    "disabled",
    "enforceopaconstraint",
    "enforceregopolicy",
    "enforcesetting",
    "manual",
    "modify",
    "mutate",
});

// Facts from Azure's resource types of scope "extension" that policies look for.
constexpr std::array kExtensionTypes = std::to_array<std::string_view>({
    "microsoft.advisor/configurations",
    "microsoft.advisor/recommendations",
    "microsoft.authorization/locks",
    "microsoft.authorization/policyassignments",
    "microsoft.authorization/policyexemptions",
    "microsoft.authorization/roleassignments",
    "microsoft.authorization/roledefinitions",
    "microsoft.authorization/roleeligibilityscheduleinstances",
    "microsoft.automanage/configurationprofileassignments",
    "microsoft.consumption/budgets",
    "microsoft.costmanagement/exports",
    "microsoft.eventgrid/eventsubscriptions",
    "microsoft.guestconfiguration/guestconfigurationassignments",
    "microsoft.insights/datacollectionruleassociations",
    "microsoft.insights/diagnosticsettings",
    "microsoft.insights/guestdiagnosticsettings",
    "microsoft.kubernetesconfiguration/extensions",
    "microsoft.kubernetesconfiguration/fluxconfigurations",
    "microsoft.kubernetesconfiguration/sourcecontrolconfigurations",
    "microsoft.maintenance/applyupdates",
    "microsoft.maintenance/configurationassignments",
    "microsoft.policyinsights/attestations",
    "microsoft.policyinsights/remediations",
    "microsoft.recoveryservices/backupprotecteditems",
    "microsoft.resourcehealth/availabilitystatuses",
    "microsoft.resources/tags",
    "microsoft.security/advancedthreatprotectionsettings",
    "microsoft.security/assessments",
    "microsoft.security/compliances",
    "microsoft.security/compliancesresults",
    "microsoft.security/complianceresults",
    "microsoft.security/defenderforstoragesettings",
    "microsoft.security/devicesecuritygroups",
    "microsoft.security/informationprotectionpolicies",
    "microsoft.security/servervulnerabilityassessments",
    "microsoft.security/sqlvulnerabilityassessments",
    "microsoft.serialconsole/serialports",
});

FieldRef path_field(std::string_view name, Path path) {
  FieldRef field{.name = std::string(name)};
  field.add_path(std::move(path));
  return field;
}

PathStep key_step(std::string_view key) {
  return {.kind = PathStep::Kind::kKey, .key = std::string(key)};
}

}  // namespace

bool is_extension_type(std::string_view lower_type) noexcept {
  return std::ranges::find(kExtensionTypes, lower_type) != kExtensionTypes.end();
}

std::string_view known_effect(std::string_view effect) noexcept {
  const auto* const found = std::ranges::find_if(
      kEffects, [&](std::string_view known) { return iequals(known, effect); });
  return found == kEffects.end() ? std::string_view() : *found;
}

std::span<const std::string_view> known_effects() noexcept {
  return kEffects;
}

bool is_existence_effect(std::string_view lower_effect) noexcept {
  return lower_effect == "auditifnotexists" || lower_effect == "deployifnotexists";
}

bool is_evaluated_effect(std::string_view lower_effect) noexcept {
  return lower_effect == "audit" || lower_effect == "deny" || lower_effect == "append" ||
         lower_effect == "modify" || lower_effect == "manual" || lower_effect == "denyaction" ||
         is_existence_effect(lower_effect);
}

std::optional<FieldRef> builtin_field(std::string_view name) {
  for (const std::string_view simple :
       {"type", "id", "kind", "name", "location", "tags", "identity"}) {
    if (iequals(name, simple)) {
      FieldRef field = path_field(name, {key_step(simple)});
      field.location = simple == "location";
      field.is_type = simple == "type";
      field.identifying = simple == "type" || simple == "name" || simple == "kind";
      return field;
    }
  }
  if (iequals(name, "fullName")) {
    return FieldRef{.kind = FieldRef::Kind::kFullName, .name = std::string(name)};
  }
  if (iequals(name, "apiVersion")) {
    return FieldRef{.kind = FieldRef::Kind::kApiVersion, .name = std::string(name)};
  }
  if (const auto tag = tag_name(name)) {
    return path_field(name, {key_step("tags"), key_step(*tag)});
  }
  if (core::istarts_with(name, "identity.") || core::istarts_with(name, "identity[")) {
    if (auto path = parse_path(name)) {
      return path_field(name, std::move(*path));
    }
  }
  if (core::istarts_with(name, kRelationAliasPrefix)) {
    auto path = parse_path(name.substr(kRelationAliasPrefix.size()));
    if (path && path->front().kind == PathStep::Kind::kKey) {
      const std::string relation = path->front().key;
      path->insert(path->begin(), key_step(kRelationsProperty));
      FieldRef field = path_field(name, std::move(*path));
      field.relation = relation;
      return field;
    }
  }
  return std::nullopt;
}

}  // namespace plumbline::policy
