#include "compliance/baseline.hpp"

#include "compliance/drift_rules.hpp"
#include "core/digest.hpp"
#include "core/json_limits.hpp"
#include "core/json_member.hpp"
#include "core/policy_definition.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace plumbline::compliance {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using core::text_member;
using nlohmann::json;

namespace {

// Raised when the engine's answer to the same rule on the same resource changes.
constexpr int kEngineVersion = 1;

Result<json> parse_json(const SourceFile& file) {
  if (auto limits = core::check_json_limits(file.text); !limits) {
    return limits.error().with_context(file.path);
  }
  try {
    return json::parse(file.text);
  } catch (const json::parse_error& error) {
    const auto upto = std::string_view(file.text).substr(0, error.byte);
    const auto line = std::ranges::count(upto, '\n') + 1;
    const auto column = upto.size() - std::min(upto.rfind('\n') + 1, upto.size());
    return Error{
        Errc::kParse,
        fmt::format("{}:{}:{}: not valid JSON", file.path, line, std::max<std::size_t>(column, 1))};
  }
}

/// The member `properties` of a wrapped document, or the document itself.
const json& unwrap(const json& document) {
  const auto properties = document.find("properties");
  return properties != document.end() && properties->is_object() ? *properties : document;
}

/// Parameters ignore case; JSON objects do not.
const json* find_ignoring_case(const json& object, std::string_view name) {
  for (const auto& [key, value] : object.items()) {
    if (core::iequals(key, name)) {
      return &value;
    }
  }
  return nullptr;
}

/// The name in `[parameters('name')]`; empty for any other text.
std::string parameter_reference(std::string_view text) {
  constexpr std::string_view kOpen = "[parameters('";
  constexpr std::string_view kClose = "')]";
  if (!core::istarts_with(text, kOpen) || !text.ends_with(kClose) ||
      text.size() < kOpen.size() + kClose.size()) {
    return {};
  }
  const auto name = text.substr(kOpen.size(), text.size() - kOpen.size() - kClose.size());
  return name.contains('\'') ? std::string() : std::string(name);
}

std::string id_of(const AssignmentSpec& spec) {
  return spec.id.empty() ? fmt::format("{}/providers/Microsoft.Authorization/policyAssignments/{}",
                                       spec.scope == "/" ? std::string() : spec.scope,
                                       spec.name)
                         : spec.id;
}

class InitiativeCompiler {
 public:
  InitiativeCompiler(const AssignmentSpec& spec,
                     const policy::AliasCatalogue& aliases,
                     Baseline& out)
      : spec_(&spec), aliases_(&aliases), out_(&out) {}

  Status compile() {
    auto document = parse_json(spec_->initiative.initiative);
    if (!document) {
      return document.error();
    }
    properties_ = unwrap(*document);
    auto given = parse_json(
        {fmt::format("parameters of assignment {}", spec_->name), spec_->parameters_json});
    if (!given) {
      return given.error();
    }
    given_ = *std::move(given);
    if (auto checked = check_parameters(); !checked) {
      return checked;
    }
    if (auto relations = compile_relations(); !relations) {
      return relations;
    }
    add_assignment();
    if (auto selected = read_selectors(); !selected) {
      return selected;
    }
    const auto references = properties_.find("policyDefinitions");
    if (references == properties_.end() || !references->is_array()) {
      return fail("`policyDefinitions` must be an array");
    }
    for (const auto& reference : *references) {
      if (auto added = add_check(reference); !added) {
        if (!spec_->initiative.is_fetched) {
          return added;
        }
        references_.insert(core::to_lower(reference_of(reference)));
        out_->left_out.push_back({.assignment = spec_->name,
                                  .reference = reference_of(reference),
                                  .reason = added.error().message});
      }
    }
    if (auto structured = read_structure(); !structured) {
      return structured;
    }
    return check_overrides();
  }

 private:
  [[nodiscard]] Error fail(const std::string& message) const {
    return {Errc::kInvalidArgument,
            fmt::format("{}: {}", spec_->initiative.initiative.path, message)};
  }

  Status check_parameters() {
    static const json kNone = json::object();
    const auto found = properties_.find("parameters");
    declared_ = found != properties_.end() ? *found : kNone;
    for (const auto& [name, value] : given_.items()) {
      if (find_ignoring_case(declared_, name) == nullptr) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("assignment {}: the initiative {} has no parameter `{}`",
                                 spec_->name,
                                 spec_->initiative.directory,
                                 name)};
      }
      (void)value;
    }
    // Of Azure's initiatives a definition that fails is left out; the assignment's own omission is
    // to be told as such.
    for (const auto& [name, declaration] : declared_.items()) {
      if (spec_->initiative.is_fetched && find_ignoring_case(given_, name) == nullptr &&
          !declaration.contains("defaultValue")) {
        return lacks_value(name);
      }
    }
    return Status::ok();
  }

  [[nodiscard]] Error lacks_value(const std::string& name) const {
    return {Errc::kInvalidArgument,
            fmt::format(
                "assignment {}: parameter `{}` has no value and no default", spec_->name, name)};
  }

  Status compile_relations() {
    const auto& file = spec_->initiative.relations;
    if (file.text.empty()) {
      return Status::ok();
    }
    auto relations = parse_relations(file.text, file.path);
    if (!relations) {
      return relations.error();
    }
    for (auto& relation : *relations) {
      // A relation is known by its name throughout the store; two initiatives may share one.
      const auto same = std::ranges::find_if(out_->relations, [&](const auto& other) {
        return core::iequals(other->name, relation->name);
      });
      if (same == out_->relations.end()) {
        out_->relations.push_back(std::move(relation));
      } else if ((*same)->definition != relation->definition) {
        return Error{Errc::kInvalidArgument,
                     fmt::format("{}: relation {} differs from another initiative's of that name",
                                 file.path,
                                 relation->name)};
      }
    }
    return Status::ok();
  }

  void add_assignment() {
    Assignment assignment;
    assignment.name = spec_->name;
    assignment.id = id_of(*spec_);
    assignment.scope = spec_->scope == "/" ? "/" : core::resource_key(spec_->scope);
    for (const auto& scope : spec_->not_scopes) {
      assignment.not_scopes.push_back(core::resource_key(scope));
    }
    assignment.initiative_name = text_member(properties_, "displayName");
    if (const auto metadata = properties_.find("metadata"); metadata != properties_.end()) {
      assignment.initiative_version = text_member(*metadata, "version");
    }
    if (auto version = text_member(properties_, "version"); !version.empty()) {
      assignment.initiative_version = std::move(version);
    }
    if (const auto groups = properties_.find("policyDefinitionGroups");
        groups != properties_.end()) {
      for (const auto& group : *groups) {
        assignment.controls.push_back(
            {text_member(group, "name"), text_member(group, "displayName")});
      }
    }
    out_->assignments.push_back(std::move(assignment));
  }

  /// An array of the assignment; errors name it.
  Result<json> assigned(std::string_view what, const std::string& text) const {
    return parse_json({fmt::format("{} of assignment {}", what, spec_->name), text});
  }

  Status read_selectors() {
    auto selectors = assigned("resource_selectors", spec_->resource_selectors_json);
    auto overrides = assigned("overrides", spec_->overrides_json);
    if (!selectors || !overrides) {
      return !selectors ? selectors.error() : overrides.error();
    }
    auto resource_selectors = parse_resource_selectors(*selectors);
    auto effects = parse_overrides(*overrides);
    const std::string context = fmt::format("assignment {}", spec_->name);
    if (!resource_selectors || !effects) {
      return (!resource_selectors ? resource_selectors.error() : effects.error())
          .with_context(context);
    }
    out_->assignments.back().resource_selectors = *std::move(resource_selectors);
    overrides_ = *std::move(effects);
    return Status::ok();
  }

  /// Rows name checks, so these come first.
  Status read_structure() {
    const auto& file = spec_->initiative.features;
    if (file.text.empty()) {
      return Status::ok();
    }
    auto& assignment = out_->assignments.back();
    KnownNames known;
    for (const auto& control : assignment.controls) {
      known.controls.push_back(control.name);
    }
    for (const auto& check : out_->checks) {
      if (check.assignment == assignment.name) {
        known.references.push_back(check.reference);
      }
    }
    auto structure = parse_structure(file.text, file.path, known);
    if (!structure) {
      return structure.error();
    }
    assignment.structure = *std::move(structure);
    return Status::ok();
  }

  [[nodiscard]] Status check_overrides() const {
    for (const auto& override : overrides_) {
      for (const auto& selector : override.selectors) {
        for (const auto& value : selector.values) {
          if (selector.kind == Selector::Kind::kReference && !references_.contains(value)) {
            return Error{Errc::kInvalidArgument,
                         fmt::format("assignment {}: overrides: the initiative {} has no "
                                     "policyDefinitionReferenceId `{}`",
                                     spec_->name,
                                     spec_->initiative.directory,
                                     value)};
          }
        }
      }
    }
    return Status::ok();
  }

  /// Binds the definition with the effect in force and, where overrides depend on the resource,
  /// with theirs.
  Status bind(Check& check,
              const std::shared_ptr<const policy::CompiledDefinition>& compiled,
              const std::string& parameters) const {
    policy::BindOptions options;
    for (const auto& override : overrides_) {
      if (!override.concerns(check.reference)) {
        continue;
      }
      options.effect_override = override.effect;
      if (!override.is_selective()) {
        break;
      }
      auto bound = policy::bind_parameters(compiled, parameters, options);
      if (!bound) {
        return bound.error();
      }
      check.overrides.emplace_back(override, *std::move(bound));
      options.effect_override.reset();
    }
    auto bound = policy::bind_parameters(compiled, parameters, options);
    if (!bound) {
      return bound.error();
    }
    check.definition = *std::move(bound);
    return Status::ok();
  }

  /// The value a definition's parameter gets: a literal, or what the initiative's parameter holds.
  Result<json> resolve(const json& value, const std::string& reference) const {
    if (!value.is_string()) {
      return value;
    }
    const auto text = value.get<std::string>();
    if (!text.starts_with('[') || text.starts_with("[[")) {
      return value;
    }
    const std::string name = parameter_reference(text);
    if (name.empty()) {
      return fail(fmt::format(
          "{}: only [parameters('name')] may map a parameter, not `{}`", reference, text));
    }
    const json* declaration = find_ignoring_case(declared_, name);
    if (declaration == nullptr) {
      return fail(fmt::format("{}: there is no initiative parameter `{}`", reference, name));
    }
    if (const json* given = find_ignoring_case(given_, name)) {
      return given->is_object() && given->size() == 1 && given->contains("value")
                 ? given->at("value")
                 : *given;
    }
    if (const auto fallback = declaration->find("defaultValue"); fallback != declaration->end()) {
      return *fallback;
    }
    return lacks_value(name);
  }

  [[nodiscard]] const SourceFile* find_definition(const json& reference,
                                                  std::string_view id) const {
    if (spec_->initiative.is_fetched) {
      const auto key = fetched_key(reference);
      const auto found = std::ranges::find(spec_->initiative.definitions, key, &SourceFile::path);
      return found == spec_->initiative.definitions.end() ? nullptr : &*found;
    }
    const auto name = id.substr(id.rfind('/') == std::string_view::npos ? 0 : id.rfind('/') + 1);
    for (const auto& file : spec_->initiative.definitions) {
      auto stem = std::string_view(file.path);
      stem = stem.substr(stem.rfind('/') == std::string_view::npos ? 0 : stem.rfind('/') + 1);
      if (core::iequals(stem, std::string(name) + ".json")) {
        return &file;
      }
    }
    return nullptr;
  }

  static std::string fetched_key(const json& reference) {
    return core::key_of({.id = text_member(reference, "policyDefinitionId"),
                         .version = text_member(reference, "definitionVersion")});
  }

  static std::string reference_of(const json& reference) {
    auto name = text_member(reference, "policyDefinitionReferenceId");
    if (name.empty()) {
      const auto id = text_member(reference, "policyDefinitionId");
      name = id.substr(id.rfind('/') == std::string::npos ? 0 : id.rfind('/') + 1);
    }
    return name;
  }

  Status add_check(const json& reference) {
    const std::string id = text_member(reference, "policyDefinitionId");
    const SourceFile* file = find_definition(reference, id);
    if (const auto why = spec_->initiative.unreadable.find(fetched_key(reference));
        why != spec_->initiative.unreadable.end()) {
      return fail(why->second);
    }
    if (file == nullptr) {
      return fail(fmt::format("policyDefinitionId `{}` names no file in {}/definitions",
                              id,
                              spec_->initiative.directory));
    }
    Check check;
    check.assignment = spec_->name;
    check.reference = reference_of(reference);
    if (!references_.insert(core::to_lower(check.reference)).second) {
      return fail(fmt::format("policyDefinitionReferenceId `{}` is used twice", check.reference));
    }
    json parameters = json::object();
    if (const auto mapped = reference.find("parameters"); mapped != reference.end()) {
      for (const auto& [name, holder] : mapped->items()) {
        auto value =
            resolve(holder.is_object() && holder.contains("value") ? holder.at("value") : holder,
                    check.reference);
        if (!value) {
          return value.error();
        }
        parameters[name] = *std::move(value);
      }
    }
    if (const auto groups = reference.find("groupNames"); groups != reference.end()) {
      for (const auto& group : *groups) {
        check.controls.push_back(group.get<std::string>());
      }
    }
    auto compiled = policy::compile_definition(file->text, file->path, *aliases_);
    if (!compiled) {
      return compiled.error();
    }
    if (auto bound = bind(check, *compiled, parameters.dump()); !bound) {
      return bound.error().with_context(
          fmt::format("{} (assignment {})", check.reference, spec_->name));
    }
    // Everything besides resources that a verdict depends on: what changes here is decided again.
    check.definition_hash =
        core::to_hex(core::sha256(fmt::format("{}\n{}\n{}\n{}",
                                              kEngineVersion,
                                              file->text,
                                              spec_->initiative.relations.text,
                                              (*compiled)->info().alias_digest)));
    check.parameters_hash =
        core::to_hex(core::sha256(fmt::format("{}\n{}\n{}\n{}\n{}",
                                              parameters.dump(),
                                              spec_->scope,
                                              fmt::join(spec_->not_scopes, "\n"),
                                              spec_->id + spec_->resource_selectors_json,
                                              spec_->overrides_json)));
    describe(check);
    if (auto told = tell_policy(check, id); !told) {
      return told;
    }
    for (const auto& name : check.definition->info().relations) {
      const auto found = std::ranges::find_if(out_->relations, [&](const auto& relation) {
        return core::iequals(relation->name, name);
      });
      if (found == out_->relations.end()) {
        return Error{
            Errc::kInvalidArgument,
            fmt::format("{}: relation `{}` is not declared in relations.json", file->path, name)};
      }
      check.relations.push_back(found->get());
    }
    out_->checks.push_back(std::move(check));
    return Status::ok();
  }

  [[nodiscard]] std::string set_definition_id() const {
    if (!spec_->initiative.is_fetched) {
      return text_member(properties_, "id");
    }
    const auto& id = spec_->initiative.directory;
    return core::definition_kind(id) == core::DefinitionKind::kInitiative ? id : std::string();
  }

  /// "policy()" of the functions in Azure Policy's definition structure.
  [[nodiscard]] Status tell_policy(Check& check, const std::string& definition_id) const {
    const json policy = {{"assignmentId", out_->assignments.back().id},
                         {"definitionId", definition_id},
                         {"setDefinitionId", set_definition_id()},
                         {"definitionReferenceId", check.reference}};
    simdjson::dom::parser parser;
    if (const auto error = parser.parse_into_document(check.policy, policy.dump()).error()) {
      return fail(fmt::format("{}: {}", check.reference, simdjson::error_message(error)));
    }
    return Status::ok();
  }

  static void describe(Check& check) {
    const auto& info = check.definition->info();
    check.title = info.display_name.empty() ? check.reference : info.display_name;
    check.description = info.description;
    const json metadata = json::parse(info.metadata_json, nullptr, false);
    if (metadata.is_object()) {
      check.severity =
          core::parse_severity(text_member(metadata, "severity")).value_or(core::Severity::kMedium);
      check.remediation = text_member(metadata, "remediation");
      check.documentation = text_member(metadata, "reference");
    }
  }

  const AssignmentSpec* spec_;
  const policy::AliasCatalogue* aliases_;
  Baseline* out_;
  json properties_;
  json declared_;
  json given_;
  std::vector<EffectOverride> overrides_;
  std::set<std::string> references_;
};

/// Gives each check the exemptions that are about it.
Status add_exemption(const core::ExemptionSpec& spec,
                     const std::vector<AssignmentSpec>& specs,
                     Baseline& baseline) {
  const auto fail = [&](const std::string& message) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("{}: exemption {}: {}", spec.place, spec.name, message)};
  };
  const auto is_named = [&](const Assignment& assignment) {
    return spec.assignment.empty() || assignment.name == spec.assignment ||
           core::iequals(assignment.id, spec.assignment);
  };
  // What Azure takes out of an initiative, or does not give, is no mistake of the exemption.
  const bool may_be_missing = std::ranges::any_of(specs, [&](const AssignmentSpec& assigned) {
    return (assigned.initiative.is_fetched || !assigned.unavailable.empty()) &&
           (spec.assignment.empty() || assigned.name == spec.assignment ||
            core::iequals(id_of(assigned), spec.assignment));
  });
  if (std::ranges::none_of(baseline.assignments, is_named) && !may_be_missing) {
    return fail(fmt::format("there is no assignment `{}`", spec.assignment));
  }
  if (std::ranges::any_of(baseline.exemptions,
                          [&](const auto& other) { return other->spec.name == spec.name; })) {
    return fail("this name is used twice");
  }
  auto made = make_exemption(spec);
  if (!made) {
    return made.error();
  }
  const auto exemption = std::make_shared<const Exemption>(*std::move(made));
  std::set<std::string> unknown;
  for (const auto& reference : spec.references) {
    unknown.insert(core::to_lower(reference));
  }
  for (auto& check : baseline.checks) {
    if (!is_named(*baseline.find_assignment(check.assignment))) {
      continue;
    }
    const bool listed = std::ranges::any_of(spec.references, [&](const std::string& reference) {
      return core::iequals(reference, check.reference);
    });
    unknown.erase(core::to_lower(check.reference));
    if (spec.references.empty() || listed) {
      check.exemptions.push_back(exemption);
      check.exemptions_hash =
          core::to_hex(core::sha256(check.exemptions_hash + exemption->digest()));
    }
  }
  if (!unknown.empty() && !may_be_missing) {
    return fail(fmt::format("no policyDefinitionReferenceId `{}` is assigned", *unknown.begin()));
  }
  baseline.exemptions.push_back(exemption);
  return Status::ok();
}

Status add_exemptions(const std::vector<core::ExemptionSpec>& exemptions,
                      const std::vector<AssignmentSpec>& specs,
                      Baseline& baseline) {
  for (const auto& spec : exemptions) {
    if (auto added = add_exemption(spec, specs, baseline); !added) {
      return added;
    }
  }
  return Status::ok();
}

/// A member of an unexpected JSON type is an error; the library's message names it.
Status compile_assignment(const AssignmentSpec& spec,
                          const policy::AliasCatalogue& aliases,
                          Baseline& baseline) {
  try {
    return InitiativeCompiler(spec, aliases, baseline).compile();
  } catch (const json::exception& error) {
    return Error{Errc::kParse, fmt::format("initiative: {}", error.what())};
  }
}

/// As if the assignment had never been there.
void leave_out(const AssignmentSpec& spec, std::string reason, Baseline& baseline) {
  const auto is_its = [&](const auto& item) { return item.assignment == spec.name; };
  std::erase_if(baseline.checks, is_its);
  std::erase_if(baseline.left_out, is_its);
  std::erase_if(baseline.assignments, [&](const Assignment& a) { return a.name == spec.name; });
  baseline.left_out.push_back(
      {.assignment = spec.name, .reference = {}, .reason = std::move(reason)});
}

}  // namespace

const Assignment* Baseline::find_assignment(std::string_view name) const {
  const auto found =
      std::ranges::find_if(assignments, [&](const Assignment& a) { return a.name == name; });
  return found == assignments.end() ? nullptr : &*found;
}

Result<std::shared_ptr<const Baseline>> compile_baseline(
    const std::vector<AssignmentSpec>& assignments,
    const std::vector<core::ExemptionSpec>& exemptions,
    const policy::AliasCatalogue& aliases,
    const core::DriftSettings& drift,
    std::vector<core::Acceptance> acceptances) {
  auto baseline = std::make_shared<Baseline>();
  baseline->acceptances = std::move(acceptances);
  baseline->expected = drift.expected;
  baseline->flapping = drift.flapping;
  baseline->owner_tags = drift.owner_tags;
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    const auto& spec = assignments[i];
    if (std::ranges::find(assignments.begin(),
                          assignments.begin() + static_cast<std::ptrdiff_t>(i),
                          spec.name,
                          &AssignmentSpec::name) !=
        assignments.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error{Errc::kInvalidArgument,
                   fmt::format("two assignments are named `{}`", spec.name)};
    }
    if (!spec.unavailable.empty()) {
      leave_out(spec, spec.unavailable, *baseline);
      continue;
    }
    if (auto compiled = compile_assignment(spec, aliases, *baseline); !compiled) {
      if (!spec.initiative.is_fetched) {
        return compiled.error();
      }
      leave_out(spec, compiled.error().message, *baseline);
    }
  }
  if (auto exempted = add_exemptions(exemptions, assignments, *baseline); !exempted) {
    return exempted.error();
  }
  auto noise = drift.noise;
  for (const auto& spec : assignments) {
    noise.insert(noise.end(), spec.initiative.noise.begin(), spec.initiative.noise.end());
  }
  baseline->drift =
      std::make_shared<const DriftRules>(Noise(noise), ReadPaths(baseline->checks), drift.include);
  return std::shared_ptr<const Baseline>(std::move(baseline));
}

bool in_scope(const Assignment& assignment, std::string_view resource_key) {
  const auto under = [&](std::string_view scope) {
    return scope == "/" || core::is_under(resource_key, scope);
  };
  return under(assignment.scope) && std::ranges::none_of(assignment.not_scopes, under);
}

bool is_selected(const Assignment& assignment, policy::Json resource) {
  const auto& selectors = assignment.resource_selectors;
  if (selectors.empty()) {
    return true;
  }
  const auto traits = selected_resource(resource);
  return std::ranges::any_of(
      selectors, [&](const ResourceSelector& selector) { return selector.selects(traits); });
}

const Exemption* Check::exemption_of(std::string_view resource_key,
                                     policy::Json resource,
                                     core::Time now) const {
  const auto found = std::ranges::find_if(exemptions, [&](const auto& exemption) {
    return !exemption->is_expired(now) && exemption->covers(resource_key, resource);
  });
  return found == exemptions.end() ? nullptr : found->get();
}

const policy::BoundDefinition& Check::definition_for(policy::Json resource) const {
  if (!overrides.empty()) {
    const auto traits = selected_resource(resource);
    for (const auto& [override, bound] : overrides) {
      if (override.selects(traits)) {
        return *bound;
      }
    }
  }
  return *definition;
}

bool Check::may_be(std::string_view effect) const {
  return definition->effect() == effect || std::ranges::any_of(overrides, [&](const auto& entry) {
           return entry.second->effect() == effect;
         });
}

bool Check::is_disabled() const {
  return definition->effect() == "disabled" &&
         std::ranges::all_of(
             overrides, [](const auto& entry) { return entry.second->effect() == "disabled"; });
}

}  // namespace plumbline::compliance
