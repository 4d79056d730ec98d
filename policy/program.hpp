// A compiled definition: names resolved to paths and slots, constants folded.
#pragma once

#include "policy/ast.hpp"
#include "policy/engine.hpp"
#include "policy/field_path.hpp"
#include "policy/functions.hpp"
#include "policy/value.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::policy {

struct FieldRef;

/// What has to be known before an expression has a value.
enum class Depends : std::uint8_t { kNothing, kParameters, kResource };

struct Expr {
  enum class Op : std::uint8_t {
    kConstant,
    kParameter,  // index
    kField,
    kCurrent,  // index = scope; field = the rest of the path, null for the value itself
    kIf,
    kAnd,
    kOr,
    kCoalesce,
    kCall,
    kMember,  // args[0].constant
    kIndex,   // args[0][args[1]]
    kArray,
    kObject,  // keys
    kRequestContext,
    kPolicy,
    kSubscription,
    kResourceGroup,
    kUtcNow,
  };

  Op op = Op::kConstant;
  Depends depends = Depends::kNothing;
  /// Set on the outermost expressions that depend on parameters only: their value is computed once
  /// when parameters are bound.
  std::optional<std::size_t> slot{};
  Value constant{};
  std::size_t index = 0;
  const Function* function = nullptr;
  std::unique_ptr<FieldRef> field;
  std::vector<Expr> args{};
  std::vector<std::string> keys{};
};

/// One way in which a field's name is a path.
struct FieldPath {
  /// Lower case, interned by the program; empty: whatever the type.
  std::string_view type{};
  Path path{};
  std::size_t stars = 0;                    // count_stars(path)
  std::vector<std::string> api_versions{};  // lower case; empty: the default path
};

struct FieldRef {
  enum class Kind : std::uint8_t { kPath, kFullName, kApiVersion, kDynamic };
  enum class Root : std::uint8_t { kPrimary, kCandidate };

  // What an evaluation reads of every field comes first: it shares a cache line.
  Kind kind = Kind::kPath;
  Root root = Root::kPrimary;
  bool has_star = false;
  /// The name has a [*]: it selects elements. Without one it selects a single value, so that a path
  /// which still has a [*] to walk gives nothing.
  bool plural = true;
  bool location = false;
  /// `type`, `name` or `kind`: the conditions that decide applicability.
  bool identifying = false;
  bool is_type = false;
  std::vector<FieldPath> paths{};

  /// Inside `where`: which enclosing count the path starts in, and how many of its `[*]` are bound.
  std::optional<std::size_t> scope{};
  std::size_t bound_stars = 0;

  std::string name{};  // as written
  /// Name of the relation read, empty for other fields.
  std::string relation{};

  /// kDynamic: the name is computed. `known` holds the fields that it may turn out to be.
  std::unique_ptr<Expr> computed_name{};
  std::vector<FieldRef> known{};

  /// Takes one more way in which the name is a path; see FieldPath.
  void add_path(Path path, std::string_view type = {}, std::vector<std::string> api_versions = {}) {
    const std::size_t stars = count_stars(path);
    has_star = has_star || stars > 0;
    paths.push_back({type, std::move(path), stars, std::move(api_versions)});
  }
};

struct Condition {
  Constraint::Kind kind = Constraint::Kind::kAllOf;
  Operator op = Operator::kEquals;
  bool negated = false;
  std::vector<Condition> children{};
  Expr right{};
  FieldRef field{};  // of a field condition or field count
  Expr left{};       // of a value condition or value count
  std::string count_name{};
  std::string op_text{};
  /// The left and right sides as written, for explanations.
  std::string left_text{};
  std::string right_text{};
};

struct Parameter {
  std::string name{};
  std::string type{};
  bool declared = true;
  std::optional<Value> default_value{};
  std::optional<Value> allowed_values{};
};

/// The related resource that an *IfNotExists rule looks for.
struct Existence {
  std::string type{};                   // lower case
  std::optional<Expr> computed_type{};  // where it is no literal
  std::optional<Expr> name{};
  std::optional<Expr> scope{};
  std::optional<Expr> resource_group{};
  std::optional<Condition> condition{};
};

class Program final : public CompiledDefinition {
 public:
  [[nodiscard]] const DefinitionInfo& info() const override { return info_; }

  /// The one copy of a type's name that this program's fields share.
  [[nodiscard]] std::string_view intern_type(std::string_view lower_type) {
    return *types_.emplace(lower_type).first;
  }

  // Filled by the compiler, constant afterwards.
  DefinitionInfo info_;
  std::set<std::string, std::less<>> types_;
  Arena arena_;
  std::vector<Parameter> parameters_;
  std::vector<const Expr*> slots_;
  Condition condition_;
  Expr effect_;
  std::unique_ptr<Existence> existence_;  // null where it looks for nothing
  /// What effect manual says before there is an attestation (details.defaultState).
  Outcome manual_state_ = Outcome::kUnknown;
  bool reads_location_ = false;
  bool raw_paths_ = false;
  /// False where the mode or every possible effect leaves the evaluation to others.
  bool evaluated_here_ = false;
};

class BoundProgram final : public BoundDefinition {
 public:
  [[nodiscard]] const DefinitionInfo& info() const override { return program_->info_; }

  [[nodiscard]] std::string_view effect() const override { return effect_; }

  std::shared_ptr<const Program> program_;
  Arena arena_;
  std::vector<Value> parameters_;  // missing where undefined
  std::vector<Value> slots_;
  /// A known effect; empty where it depends on the resource or cannot be computed.
  std::string_view effect_;
};

/// The types that deploy onto any resource: their id is that of the resource and
/// `/providers/<type>/<name>`.
[[nodiscard]] bool is_extension_type(std::string_view lower_type) noexcept;
[[nodiscard]] bool is_existence_effect(std::string_view lower_effect) noexcept;
/// The spelling of an effect that Azure Policy has, in lower case and for ever; empty for others.
[[nodiscard]] std::string_view known_effect(std::string_view effect) noexcept;
[[nodiscard]] std::span<const std::string_view> known_effects() noexcept;
/// Effects that give an existing resource a compliance state.
[[nodiscard]] bool is_evaluated_effect(std::string_view lower_effect) noexcept;

/// How a field of that name that needs no catalogue is read; nullopt for aliases.
[[nodiscard]] std::optional<FieldRef> builtin_field(std::string_view name);

}  // namespace plumbline::policy
