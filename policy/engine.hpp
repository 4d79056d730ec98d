// The Azure Policy language as the rest of Plumbline sees it: parse a definition, compile it
// against an alias catalogue, bind an assignment's parameters, evaluate it on a resource, explain
// why. Pure: no I/O, no clock, no global state. Language: Microsoft's "Azure Policy definition
// structure" pages; where they and others differ, the documentation decides.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

using Json = simdjson::dom::element;

/// Which JSON path an alias names, by resource type and API version. Immutable after construction
/// and safe to share between threads; needed only while compiling.
class AliasCatalogue {
 public:
  /// The catalogue that ships inside the library.
  [[nodiscard]] static core::Result<std::shared_ptr<const AliasCatalogue>> shipped();
  /// From the answer of ARM's `providers?$expand=resourceTypes/aliases` (an object with `value`, or
  /// the bare array). `source` names the text in errors.
  [[nodiscard]] static core::Result<std::shared_ptr<const AliasCatalogue>> from_providers(
      std::string_view json, std::string_view source);
  /// `base` with the entries of `newer` in front: for a name and a type that both have, `newer`
  /// decides. Holds both.
  [[nodiscard]] static std::shared_ptr<const AliasCatalogue> overlaid(
      std::shared_ptr<const AliasCatalogue> base, std::shared_ptr<const AliasCatalogue> newer);
  /// No aliases at all: any field is a dotted path from the resource's root. For conformance cases
  /// with `aliases: none` only.
  [[nodiscard]] static std::shared_ptr<const AliasCatalogue> raw_paths();

  virtual ~AliasCatalogue() = default;
};

/// What provider metadata (as for `from_providers`; a single provider too) says of aliases that
/// `base` does not, as provider metadata again: aliases that are new, that lie elsewhere, or that
/// lie elsewhere in some API versions. In a fixed order, so that equal answers give equal text.
[[nodiscard]] core::Result<std::string> alias_differences(const AliasCatalogue& base,
                                                          std::string_view providers_json,
                                                          std::string_view source);

/// Aliases of this prefix are relations: `Plumbline.Relations/<name>[*]<path>`. They select
/// `<path>` in the elements of the array `kRelationsProperty.<name>` at the resource's root, which
/// the caller fills in before it evaluates. A relation that it does not fill in is undetermined
/// (`not_collected`): an empty array says that nothing is related.
inline constexpr std::string_view kRelationAliasPrefix = "Plumbline.Relations/";
inline constexpr std::string_view kRelationsProperty = "$plumblineRelations";

/// An object whose first key this is stands, in a resource given to `evaluate`, for missing
/// evidence:
/// `{"$noEvidence": "not_collected", "id": "/subscriptions/..."}`. Reading `id`, `type` or `name`
/// gives what the object holds; reading any other property, or the value itself where a value is
/// expected, is undetermined with that reason.
/// As an element of an array a marker with an `id` is one element whose body is unknown; one
/// without says that the array may hold any number of further elements. In place of an array:
/// nothing is known of its elements.
inline constexpr std::string_view kNoEvidenceKey = "$noEvidence";

enum class Mode : std::uint8_t { kAll, kIndexed, kProvider };

/// The scope in which an *IfNotExists rule looks for related resources.
enum class ExistenceScope : std::uint8_t {
  kResource,  // child or extension type: those of the evaluated resource alone
  kResourceGroup,
  kSubscription,
};

/// Something outside the evaluated resource that a definition reads.
struct Lookup {
  std::string type;  // lower case: what it looks for
  ExistenceScope scope = ExistenceScope::kResourceGroup;
};

/// A property that a definition reads, in whatever part of it.
struct ReadPath {
  /// Lower case: of the resource that has the property; empty: any.
  std::string type;
  /// Not empty: what has it is at the end of this relation, and `type` is empty.
  std::string relation;
  std::string path;  // `properties.rules[*].port`
  /// Everything below it counts. False where only the number of elements does.
  bool whole = true;
  auto operator<=>(const ReadPath&) const = default;
};

/// What is known of a definition once compiled.
struct DefinitionInfo {
  std::string id;    // as written, may be empty
  std::string name;  // definition name (GUID or catalogue id), may be empty
  std::string display_name;
  std::string description;
  std::string version;
  std::string category;
  std::string metadata_json;  // the `metadata` object as JSON text, `{}` where absent
  Mode mode = Mode::kIndexed;
  std::string provider_mode;  // the text of `mode` where it is kProvider
  /// Lower-cased resource types the rule can apply to; empty: any type.
  std::vector<std::string> types;
  std::vector<Lookup> lookups;
  /// Names of the relations that the rule reads, as written.
  std::vector<std::string> relations;
  /// Lower-cased resource providers whose aliases the rule names, sorted.
  std::vector<std::string> alias_providers;
  /// Stands for the paths that the rule's aliases were resolved to: it changes when they do. Empty
  /// where the rule names none.
  std::string alias_digest;
  /// The rule reads utcNow(), or its effect may be manual (attestations expire), so that its
  /// outcome may change without any change of the resource.
  bool reads_time = false;
  bool reads_subscription = false;    // subscription()
  bool reads_resource_group = false;  // resourceGroup()
  /// Sorted, without repetition. Rather too many than too few: of a name that is computed, all that
  /// it may be.
  std::vector<ReadPath> reads;
};

/// A definition that parsed and compiled. Immutable; safe to share between threads.
class CompiledDefinition {
 public:
  virtual ~CompiledDefinition() = default;
  [[nodiscard]] virtual const DefinitionInfo& info() const = 0;
};

/// Parses and compiles one definition, wrapped in `properties` or bare (`{policyRule, parameters,
/// mode, ...}` or `{if, then}`). Every error reads `source:line:col: message`. Limits on size,
/// depth and number of nodes apply. A definition with a provider mode compiles to one that is never
/// evaluated here.
[[nodiscard]] core::Result<std::shared_ptr<const CompiledDefinition>> compile_definition(
    std::string_view json, std::string_view source, const AliasCatalogue& aliases);

/// A compiled definition with parameter values: what an assignment evaluates.
class BoundDefinition {
 public:
  virtual ~BoundDefinition() = default;
  [[nodiscard]] virtual const DefinitionInfo& info() const = 0;
  /// The effect in force, lower case, where it depends on parameters and constants only.
  [[nodiscard]] virtual std::string_view effect() const = 0;
};

/// Binds parameter values: a JSON object `{name: value}` or `{name: {"value": value}}` (names
/// ignore case). Fails with kInvalidArgument, naming the parameter, when one has neither value nor
/// default, has the wrong type, is outside allowedValues, or is unknown. `effect_override` replaces
/// the effect (policy set overrides). `lenient` skips the checks of type and allowedValues and
/// leaves missing parameters undefined (conformance cases).
struct BindOptions {
  std::optional<std::string> effect_override;
  bool lenient = false;
};

[[nodiscard]] core::Result<std::shared_ptr<const BoundDefinition>> bind_parameters(
    std::shared_ptr<const CompiledDefinition> definition,
    std::string_view parameters_json,
    const BindOptions& options = {});

enum class Outcome : std::uint8_t {
  kNotApplicable,  // the rule says nothing about this resource; never counted
  kCompliant,
  kNonCompliant,
  kNoEvidence,    // the outcome depends on evidence that is missing
  kError,         // the rule cannot be evaluated on this resource
  kNotEvaluated,  // effect disabled, provider mode, addToNetworkGroup, ...
  kUnknown,       // effect manual and the rule holds: an attestation has to tell
  kProtected,     // effect denyAction and the rule holds
};

/// `NotApplicable`, `Compliant`, ...
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

/// One condition of the rule, with what it saw. Trees mirror the rule.
struct Explanation {
  enum class Truth : std::uint8_t { kFalse, kTrue, kUndetermined, kError, kNotEvaluated };
  std::string text;      // `field Microsoft.X/y notEquals 'Disabled'`, `allOf`, `count ...`
  std::string path;      // the JSON path read, for fields
  std::string actual;    // JSON text of the actual value, bounded; empty for logical operators
  std::string expected;  // JSON text of the right side
  std::string reason;    // why undetermined or in error
  Truth truth = Truth::kNotEvaluated;
  bool decisive = false;  // the outcome rests on it
  std::vector<Explanation> children;
};

/// Related resources found for an *IfNotExists rule. Elements must stay valid until evaluate
/// returns.
struct RelatedAnswer {
  std::vector<Json> candidates;
  /// Set when what was found may not be all there is, or nothing could be looked at: the reason.
  std::optional<std::string> missing;
};

struct ExistenceQuery {
  std::string_view type;  // lower case
  ExistenceScope scope;
  std::string_view resource_group;  // `details.resourceGroupName` where given, else empty
};

/// How evaluate reaches resources other than the evaluated one: those of *IfNotExists rules, and
/// for effect manual the resource's attestations (`Microsoft.PolicyInsights/attestations`). Called
/// on the evaluating thread.
class RelatedResources {
 public:
  virtual ~RelatedResources() = default;
  /// All resources of the type in the scope seen from the evaluated resource; the engine applies
  /// `name` and `existenceCondition` itself.
  virtual RelatedAnswer find(const ExistenceQuery& query) = 0;
};

/// Everything besides the resource that a rule may read.
struct EvaluationContext {
  core::Time now;                       // utcNow(); the cycle's clock
  std::optional<Json> subscription;     // subscription()
  std::optional<Json> resource_group;   // resourceGroup()
  std::optional<Json> policy;           // policy(); also tells the attestations that concern it
  std::optional<Json> request_context;  // requestContext()
  std::string_view api_version;         // selects alias paths; empty: default paths
  RelatedResources* related = nullptr;  // null: nothing is collected (undetermined)
  /// Types that support tags and location (mode Indexed); null: a resource that has a location.
  const std::vector<std::string>* indexed_types = nullptr;
};

struct Evaluation {
  Outcome outcome = Outcome::kNotApplicable;
  /// Lower case; lives as long as the bound definition. Empty where it is none that Azure Policy
  /// has.
  std::string_view effect;
  /// kNoEvidence: why (`not_collected`, `forbidden`, ...); kError: the message. Else empty.
  std::string reason;
  /// Filled when asked for; see `evaluate`.
  std::optional<Explanation> explanation;
};

/// Evaluates a bound definition on one resource (ARM JSON: id, type, name, location, tags,
/// properties...). Never throws on any input; steps are bounded, beyond that kError.
/// `explain`: also build the explanation, which costs several times the evaluation.
[[nodiscard]] Evaluation evaluate(const BoundDefinition& definition,
                                  Json resource,
                                  const EvaluationContext& context,
                                  bool explain = false);

}  // namespace plumbline::policy
