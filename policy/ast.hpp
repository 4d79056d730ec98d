// A definition as its text says it: structure checked, nothing resolved.
#pragma once

#include "policy/expression.hpp"
#include "policy/json_tree.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumbline::policy {

/// The positive operators; the others are their negations.
enum class Operator : std::uint8_t {
  kEquals,
  kLike,
  kMatch,
  kMatchInsensitively,
  kContains,
  kIn,
  kContainsKey,
  kLess,
  kLessOrEquals,
  kGreater,
  kGreaterOrEquals,
  kExists,
};

/// JSON in which strings may be expressions.
struct Template {
  const JsonNode* node = nullptr;  // in the definition's tree
  std::optional<Expression> expression{};
  /// The elements of an array, or the members of an object, whose names are `names`.
  std::vector<Template> items{};
  std::vector<std::string> names{};
  /// An expression somewhere inside.
  bool dynamic = false;
};

struct Constraint {
  enum class Kind : std::uint8_t { kAllOf, kAnyOf, kNot, kField, kValue, kCountField, kCountValue };

  Kind kind = Kind::kAllOf;
  std::size_t offset = 0;
  /// Of allOf, anyOf and not; a count's `where` (at most one).
  std::vector<Constraint> children{};
  Template left{};           // the field's name, the value, or what is counted
  std::string count_name{};  // of a value count
  Operator op = Operator::kEquals;
  bool negated = false;
  std::string op_text{};  // as written
  Template right{};
};

struct ParameterDeclaration {
  std::string name{};
  std::size_t offset = 0;
  std::string type{};  // lower case; empty where not given
  const JsonNode* default_value = nullptr;
  const JsonNode* allowed_values = nullptr;
};

/// `then`.
struct Consequence {
  std::size_t offset = 0;
  Template effect;
  const JsonNode* details = nullptr;
  // The parts of `details` that bear on compliance.
  std::optional<Template> type;
  std::optional<Template> name;
  std::optional<Template> existence_scope;
  std::optional<Template> resource_group_name;
  std::optional<Constraint> existence_condition;
};

struct Definition {
  std::string id;
  std::string name;
  std::string display_name;
  std::string description;
  std::string version;
  std::string mode;
  const JsonNode* metadata = nullptr;
  /// A bare `{if, then}`, which declares no parameters and may still use them.
  bool bare_rule = false;
  std::vector<ParameterDeclaration> parameters;
  Constraint condition;
  Consequence then;
};

}  // namespace plumbline::policy
