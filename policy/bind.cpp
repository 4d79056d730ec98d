// Parameter values: what an assignment gives, checked against what the definition declares.
#include "core/json_limits.hpp"
#include "core/text.hpp"
#include "policy/engine.hpp"
#include "policy/evaluate.hpp"
#include "policy/operators.hpp"
#include "policy/program.hpp"
#include "policy/suggestion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>

namespace plumbline::policy {

namespace {

using core::iequals;

core::Error invalid(std::string message) {
  return {core::Errc::kInvalidArgument, std::move(message)};
}

bool has_type(const Value& value, std::string_view type) {
  if (type.empty()) {
    return true;
  }
  if (type == "string") {
    return value.is_string();
  }
  if (type == "array") {
    return value.is_array();
  }
  if (type == "object") {
    return value.is_object();
  }
  if (type == "boolean") {
    // Assignments made by tools often hold "true"; Azure converts it.
    return value.is_bool() ||
           (value.is_string() && (iequals(value.text(), "true") || iequals(value.text(), "false")));
  }
  if (type == "integer") {
    return value.is_number() &&
           (!value.is(Value::Kind::kDouble) || std::trunc(value.as_double()) == value.as_double());
  }
  if (type == "float") {
    return value.is_number();
  }
  return value.is_string() && parse_date(value.text()).has_value();  // datetime
}

bool is_allowed(const Value& value, const Value& allowed) {
  bool found = false;
  allowed.each_element([&](const Value& candidate) {
    found = loosely_equal(candidate, value);
    return !found;
  });
  return found;
}

/// The value itself is allowed, or, for an array, each of its elements.
bool within_allowed(const Value& value, const Value& allowed) {
  if (!value.is_array() || is_allowed(value, allowed)) {
    return is_allowed(value, allowed);
  }
  bool all = true;
  value.each_element([&](const Value& element) { return all = is_allowed(element, allowed); });
  return all;
}

std::string names_of(const std::vector<Parameter>& parameters) {
  std::string out;
  for (const auto& parameter : parameters) {
    out += fmt::format("{}'{}'", out.empty() ? "" : ", ", parameter.name);
  }
  return out.empty() ? "none" : out;
}

core::Result<std::shared_ptr<const BoundDefinition>> bind(std::shared_ptr<const Program> program,
                                                          std::string_view parameters_json,
                                                          const BindOptions& options) {
  auto bound = std::make_shared<BoundProgram>();
  bound->program_ = std::move(program);
  const Program& definition = *bound->program_;
  if (auto limits = core::check_json_limits(parameters_json); !limits) {
    return limits.error();
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  const simdjson::padded_string padded(core::trim(parameters_json).empty() ? std::string_view("{}")
                                                                           : parameters_json);
  if (const auto error = parser.parse(padded).get(root)) {
    return invalid(fmt::format("parameters: invalid JSON: {}", simdjson::error_message(error)));
  }
  simdjson::dom::object given;
  if (root.get(given) != simdjson::SUCCESS) {
    return invalid("parameters: expected an object");
  }
  bound->parameters_.assign(definition.parameters_.size(), Value());
  for (const auto field : given) {
    const std::string_view name = field.key;
    const auto found = std::ranges::find_if(
        definition.parameters_, [&](const Parameter& p) { return iequals(p.name, name); });
    if (found == definition.parameters_.end()) {
      if (options.lenient || definition.info_.mode == Mode::kProvider) {
        continue;
      }
      return invalid(fmt::format(
          "unknown parameter '{}'; the definition has {}", name, names_of(definition.parameters_)));
    }
    Value value = Value::element(field.value);
    // `{"value": ...}` is the wrapper of assignments, unless the parameter is such an object.
    if (value.is_object() && value.size() == 1 && found->type != "object") {
      if (const Value inner = value.member("value"); !inner.is_missing()) {
        value = inner;
      }
    } else if (value.is_object() && value.size() == 1 && !options.lenient) {
      if (const Value inner = value.member("value"); inner.is_object()) {
        value = inner;
      }
    }
    const auto index = static_cast<std::size_t>(found - definition.parameters_.begin());
    bound->parameters_[index] = bound->arena_.copy(value);
  }
  for (std::size_t i = 0; i < definition.parameters_.size(); ++i) {
    const Parameter& parameter = definition.parameters_[i];
    Value& value = bound->parameters_[i];
    if (value.is_missing() && parameter.default_value) {
      value = *parameter.default_value;
      continue;  // what the definition itself says needs no check
    }
    if (options.lenient) {
      continue;
    }
    if (value.is_missing()) {
      return invalid(
          fmt::format("parameter '{}' has neither a value nor a default", parameter.name));
    }
    if (!has_type(value, parameter.type)) {
      return invalid(fmt::format("parameter '{}' must be of type {}, not {}",
                                 parameter.name,
                                 parameter.type,
                                 kind_name(value)));
    }
    if (parameter.allowed_values && !within_allowed(value, *parameter.allowed_values)) {
      return invalid(fmt::format("parameter '{}': {} is not one of {}",
                                 parameter.name,
                                 to_json(value, 200),
                                 to_json(*parameter.allowed_values, 500)));
    }
  }
  // Slots are independent of one another: an outermost expression holds no other slot.
  const std::vector<Value> no_slots;
  Evaluator evaluator(
      definition, bound->parameters_, no_slots, nullptr, std::nullopt, bound->arena_);
  bound->slots_.reserve(definition.slots_.size());
  for (const Expr* expr : definition.slots_) {
    bound->slots_.push_back(evaluator.value(*expr));
  }
  if (options.effect_override) {
    bound->effect_ = known_effect(*options.effect_override);
    if (bound->effect_.empty()) {
      return invalid(fmt::format("unknown effect '{}'{}",
                                 *options.effect_override,
                                 suggestion(*options.effect_override, known_effects())));
    }
  } else if (definition.effect_.depends != Depends::kResource) {
    const Value effect = definition.effect_.slot ? bound->slots_[*definition.effect_.slot]
                                                 : evaluator.value(definition.effect_);
    if (effect.is_string()) {
      bound->effect_ = known_effect(effect.text());
      if (bound->effect_.empty() && !options.lenient && definition.info_.mode != Mode::kProvider) {
        return invalid(fmt::format(
            "unknown effect '{}'{}", effect.text(), suggestion(effect.text(), known_effects())));
      }
    } else if (!options.lenient && definition.info_.mode != Mode::kProvider) {
      return invalid(effect.is_error() ? std::string(effect.text()) : "the effect is not a string");
    }
  }
  return std::shared_ptr<const BoundDefinition>(std::move(bound));
}

}  // namespace

core::Result<std::shared_ptr<const BoundDefinition>> bind_parameters(
    std::shared_ptr<const CompiledDefinition> definition,
    std::string_view parameters_json,
    const BindOptions& options) {
  auto program = std::dynamic_pointer_cast<const Program>(std::move(definition));
  if (program == nullptr) {
    return invalid("the definition is of a foreign kind");
  }
  try {
    return bind(std::move(program), parameters_json, options);
  } catch (const std::exception& e) {
    return core::Error{core::Errc::kInternal, e.what()};
  }
}

}  // namespace plumbline::policy
