// Assignments of initiatives, compiled: what is evaluated.
#pragma once

#include "compliance/exemptions.hpp"
#include "compliance/relations.hpp"
#include "compliance/selectors.hpp"
#include "compliance/structure.hpp"
#include "core/model/drift.hpp"
#include "core/model/drift_rules.hpp"
#include "core/model/verdict.hpp"
#include "core/result.hpp"
#include "policy/engine.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace plumbline::compliance {

class DriftRules;

/// A file of an initiative's directory, read by the caller.
struct SourceFile {
  std::string path;  // for messages; the part after the directory tells its role
  std::string text;
};

/// An initiative as a directory holds it: `initiative.json`, `definitions/*.json`, and optionally
/// `relations.json` and `features.json`.
struct InitiativeFiles {
  std::string directory;
  SourceFile initiative;
  std::vector<SourceFile> definitions;
  SourceFile relations;  // empty text: none
  SourceFile features;   // empty text: none
  std::vector<core::NoiseRule> noise;
  /// It comes from Azure: the paths of `definitions` are keys of references (key_of), and what is
  /// wrong with it is nobody's here to correct, so that it spoils no other.
  bool is_fetched = false;
  std::map<std::string, std::string> unreadable{};  // by key: why Azure did not give a definition
};

/// An assignment as configured.
struct AssignmentSpec {
  std::string name;
  /// The Azure id of the policy assignment that this one stands for; empty: made of scope and name.
  std::string id;
  std::string scope = "/";  // `/`, or the id of a subscription or resource group
  std::vector<std::string> not_scopes;
  std::string parameters_json = "{}";
  std::string resource_selectors_json = "[]";  // as Azure's `resourceSelectors`
  std::string overrides_json = "[]";           // as Azure's `overrides`
  InitiativeFiles initiative;
  /// Not empty: why the initiative is not there; nothing of it is evaluated.
  std::string unavailable{};
};

/// A control of an initiative (a policyDefinitionGroup).
struct Control {
  std::string name;
  std::string title;
};

/// One definition reference of one assignment, ready to evaluate. Immutable.
struct Check {
  std::string assignment;
  std::string reference;
  /// With the effect that is in force where no override says otherwise.
  std::shared_ptr<const policy::BoundDefinition> definition;
  /// Overrides that depend on the resource; the first one that selects it decides.
  std::vector<std::pair<EffectOverride, std::shared_ptr<const policy::BoundDefinition>>> overrides;
  std::string title;
  std::string description;
  std::string remediation;
  std::string documentation;  // where the rule comes from
  core::Severity severity = core::Severity::kMedium;
  std::vector<std::string> controls;
  std::vector<const Relation*> relations;                    // into Baseline::relations
  std::vector<std::shared_ptr<const Exemption>> exemptions;  // those about it; the first decides
  std::string definition_hash;
  std::string parameters_hash;
  std::string exemptions_hash;  // empty: none
  /// What policy() gives to the rule: assignmentId, definitionId, setDefinitionId and
  /// definitionReferenceId.
  simdjson::dom::document policy;

  /// The exemption that covers a resource now; null: none.
  [[nodiscard]] const Exemption* exemption_of(std::string_view resource_key,
                                              policy::Json resource,
                                              core::Time now) const;
  /// The definition with the effect that is in force for a resource.
  [[nodiscard]] const policy::BoundDefinition& definition_for(policy::Json resource) const;
  /// Nothing can come of it, whatever the resource.
  [[nodiscard]] bool is_disabled() const;
  /// Whether this effect (lower case) is in force for some resource.
  [[nodiscard]] bool may_be(std::string_view effect) const;
};

struct Assignment {
  std::string name;
  std::string id;     // Azure's
  std::string scope;  // key, `/` for everything
  std::vector<std::string> not_scopes;
  std::vector<ResourceSelector> resource_selectors;  // none: every resource in scope
  std::string initiative_name;
  std::string initiative_version;
  std::vector<Control> controls;
  Structure structure{};  // empty where the initiative follows no document
};

/// Something of an initiative of Azure's that cannot be evaluated.
struct LeftOut {
  std::string assignment;
  std::string reference;  // empty: all of the assignment
  std::string reason;
};

/// All assignments, compiled. Immutable and shared between threads.
struct Baseline {
  std::vector<Assignment> assignments;
  std::vector<Check> checks;
  std::vector<LeftOut> left_out;
  std::vector<std::shared_ptr<const Relation>> relations;
  std::vector<std::shared_ptr<const Exemption>> exemptions;
  std::vector<core::Acceptance> acceptances;  // of the file: drift that is agreed to
  std::vector<core::ExpectedRule> expected;   // changes that are expected, or never are
  core::FlappingRule flapping;
  std::vector<std::string> owner_tags;
  /// What differs worth telling. Never null in a compiled baseline.
  std::shared_ptr<const DriftRules> drift;

  [[nodiscard]] const Assignment* find_assignment(std::string_view name) const;
};

/// Compiles assignments with their exemptions, accepted drift, and what is configured of drift.
/// Errors name file, line and column, or the assignment and parameter. An initiative of Azure's
/// that is unavailable or does not compile, and those of its definitions that do not, are left out.
[[nodiscard]] core::Result<std::shared_ptr<const Baseline>> compile_baseline(
    const std::vector<AssignmentSpec>& assignments,
    const std::vector<core::ExemptionSpec>& exemptions,
    const policy::AliasCatalogue& aliases,
    const core::DriftSettings& drift = {},
    std::vector<core::Acceptance> acceptances = {});

/// Whether a resource key lies in an assignment's scope and outside its notScopes.
[[nodiscard]] bool in_scope(const Assignment& assignment, std::string_view resource_key);
/// Whether the assignment's resource selectors leave the resource in.
[[nodiscard]] bool is_selected(const Assignment& assignment, policy::Json resource);

}  // namespace plumbline::compliance
