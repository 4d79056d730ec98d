#include "policy/parser.hpp"

#include "core/text.hpp"
#include "policy/suggestion.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace plumbline::policy {

namespace {

using core::iequals;

struct OperatorName {
  std::string_view name;
  Operator op;
  bool negated;
};

constexpr std::array kOperators = std::to_array<OperatorName>({
    {"equals", Operator::kEquals, false},
    {"notEquals", Operator::kEquals, true},
    {"like", Operator::kLike, false},
    {"notLike", Operator::kLike, true},
    {"match", Operator::kMatch, false},
    {"notMatch", Operator::kMatch, true},
    {"matchInsensitively", Operator::kMatchInsensitively, false},
    {"notMatchInsensitively", Operator::kMatchInsensitively, true},
    {"contains", Operator::kContains, false},
    {"notContains", Operator::kContains, true},
    {"in", Operator::kIn, false},
    {"notIn", Operator::kIn, true},
    {"containsKey", Operator::kContainsKey, false},
    {"notContainsKey", Operator::kContainsKey, true},
    {"less", Operator::kLess, false},
    {"lessOrEquals", Operator::kLessOrEquals, false},
    {"greater", Operator::kGreater, false},
    {"greaterOrEquals", Operator::kGreaterOrEquals, false},
    {"exists", Operator::kExists, false},
});

const OperatorName* find_operator(std::string_view name) {
  for (const auto& entry : kOperators) {
    if (iequals(entry.name, name)) {
      return &entry;
    }
  }
  return nullptr;
}

/// What a condition may hold: a left side and an operator.
std::string condition_suggestion(std::string_view wrong) {
  std::vector<std::string_view> names = {"field", "value", "count", "allOf", "anyOf", "not"};
  for (const auto& entry : kOperators) {
    names.push_back(entry.name);
  }
  return suggestion(wrong, names);
}

class Parser {
 public:
  explicit Parser(const SourceText& source) : source_(source) {}

  core::Result<Definition> definition(const JsonNode& root) {
    if (!root.is_object()) {
      return source_.error(root.offset, "expected an object");
    }
    Definition definition;
    const JsonNode* body = &root;
    if (const JsonNode* properties = root.find("properties")) {
      if (auto unique = check_unique(root); !unique) {
        return unique.error();
      }
      if (!properties->is_object()) {
        return source_.error(properties->offset, "properties: expected an object");
      }
      if (root.find("policyRule") != nullptr) {
        return source_.error(root.offset, "policyRule stands beside properties");
      }
      body = properties;
      definition.id = text_of(root, "id");
      definition.name = text_of(root, "name");
    } else if (root.find("policyRule") == nullptr && root.find("if") != nullptr) {
      definition.bare_rule = true;
      return rule(root, std::move(definition));
    } else {
      definition.id = text_of(root, "id");
      definition.name = text_of(root, "name");
    }
    if (auto unique = check_unique(*body); !unique) {
      return unique.error();
    }
    definition.display_name = text_of(*body, "displayName");
    definition.description = text_of(*body, "description");
    definition.version = text_of(*body, "version");
    definition.mode = text_of(*body, "mode");
    // Provider modes are many and grow; all of them are `Microsoft.<service>.Data`.
    if (is_provider_mode(definition.mode) && !definition.mode.contains('.')) {
      static constexpr std::string_view kModes[] = {"All", "Indexed"};
      return source_.error(
          body->find("mode")->offset,
          fmt::format("unknown mode '{}'{}", definition.mode, suggestion(definition.mode, kModes)));
    }
    definition.metadata = body->find("metadata");
    if (definition.metadata != nullptr && !definition.metadata->is_object()) {
      return source_.error(definition.metadata->offset, "metadata: expected an object");
    }
    if (definition.version.empty() && definition.metadata != nullptr) {
      definition.version = text_of(*definition.metadata, "version");
    }
    if (const JsonNode* mode = body->find("mode"); mode != nullptr && !mode->is_string()) {
      return source_.error(mode->offset, "mode: expected a string");
    }
    if (const JsonNode* parameters = body->find("parameters")) {
      if (auto declared = declarations(*parameters, definition); !declared) {
        return declared.error();
      }
    }
    const JsonNode* policy_rule = body->find("policyRule");
    if (policy_rule == nullptr) {
      return source_.error(body->offset, "the definition has no policyRule");
    }
    return rule(*policy_rule, std::move(definition));
  }

  core::Result<Constraint> constraint(const JsonNode& node, std::size_t depth) {
    if (depth > kMaxConstraintDepth) {
      return source_.error(node.offset, "conditions nest too deeply", core::Errc::kLimit);
    }
    if (!node.is_object()) {
      return source_.error(node.offset, "expected a condition (an object)");
    }
    for (const auto& member : node.members) {
      const bool all = iequals(member.name, "allOf");
      if (all || iequals(member.name, "anyOf")) {
        return logical(
            node, member, all ? Constraint::Kind::kAllOf : Constraint::Kind::kAnyOf, depth);
      }
      if (iequals(member.name, "not")) {
        if (auto single = expect_single(node, member); !single) {
          return single.error();
        }
        Constraint out{.kind = Constraint::Kind::kNot, .offset = member.offset};
        auto child = constraint(member.value, depth + 1);
        if (!child) {
          return child;
        }
        out.children.push_back(std::move(*child));
        return out;
      }
    }
    return condition(node, depth);
  }

 private:
  static std::string text_of(const JsonNode& object, std::string_view name) {
    const JsonNode* node = object.find(name);
    return node != nullptr && node->is_string() ? node->text : std::string();
  }

  core::Status check_unique(const JsonNode& object) {
    for (std::size_t i = 0; i < object.members.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (iequals(object.members[i].name, object.members[k].name)) {
          return source_.error(object.members[i].offset,
                               fmt::format("'{}' occurs twice", object.members[i].name));
        }
      }
    }
    return core::Status::ok();
  }

  core::Status expect_single(const JsonNode& node, const JsonMember& key) {
    for (const auto& member : node.members) {
      if (&member != &key) {
        return source_.error(member.offset,
                             fmt::format("'{}' cannot stand beside '{}'", member.name, key.name));
      }
    }
    return core::Status::ok();
  }

  core::Result<Constraint> logical(const JsonNode& node,
                                   const JsonMember& member,
                                   Constraint::Kind kind,
                                   std::size_t depth) {
    if (auto single = expect_single(node, member); !single) {
      return single.error();
    }
    if (!member.value.is_array()) {
      return source_.error(member.value.offset,
                           fmt::format("{}: expected an array of conditions", member.name));
    }
    Constraint out{.kind = kind, .offset = member.offset};
    for (const auto& item : member.value.items) {
      auto child = constraint(item, depth + 1);
      if (!child) {
        return child;
      }
      out.children.push_back(std::move(*child));
    }
    return out;
  }

  core::Result<Constraint> condition(const JsonNode& node, std::size_t depth) {
    Constraint out{.kind = Constraint::Kind::kField, .offset = node.offset};
    const JsonMember* left = nullptr;
    const JsonMember* right = nullptr;
    for (const auto& member : node.members) {
      if (iequals(member.name, "field") || iequals(member.name, "value") ||
          iequals(member.name, "count")) {
        if (left != nullptr) {
          return source_.error(member.offset,
                               fmt::format("'{}' cannot stand beside '{}': a condition has one "
                                           "left side",
                                           member.name,
                                           left->name));
        }
        left = &member;
        continue;
      }
      const OperatorName* op = find_operator(member.name);
      if (op == nullptr) {
        return source_.error(
            member.offset,
            fmt::format(
                "unknown key '{}' in condition{}", member.name, condition_suggestion(member.name)));
      }
      if (right != nullptr) {
        return source_.error(member.offset,
                             fmt::format("'{}' cannot stand beside '{}': a condition has one "
                                         "operator",
                                         member.name,
                                         right->name));
      }
      right = &member;
      out.op = op->op;
      out.negated = op->negated;
      out.op_text = op->name;
    }
    if (left == nullptr) {
      return source_.error(node.offset,
                           "the condition has neither allOf, anyOf, not, field, value nor count");
    }
    if (right == nullptr) {
      return source_.error(node.offset, "the condition has no operator");
    }
    out.offset = left->offset;
    if (auto status = read_template(right->value, out.right); !status) {
      return status.error();
    }
    if (iequals(left->name, "count")) {
      return count(left->value, depth, std::move(out));
    }
    out.kind = iequals(left->name, "field") ? Constraint::Kind::kField : Constraint::Kind::kValue;
    if (out.kind == Constraint::Kind::kField &&
        (!left->value.is_string() || left->value.text.empty())) {
      return source_.error(left->value.offset, "field: expected a name");
    }
    if (auto status = read_template(left->value, out.left); !status) {
      return status.error();
    }
    return out;
  }

  core::Result<Constraint> count(const JsonNode& node, std::size_t depth, Constraint out) {
    if (!node.is_object()) {
      return source_.error(node.offset, "count: expected an object");
    }
    if (auto unique = check_unique(node); !unique) {
      return unique.error();
    }
    const JsonNode* field = nullptr;
    const JsonNode* value = nullptr;
    const JsonNode* name = nullptr;
    const JsonNode* where = nullptr;
    for (const auto& member : node.members) {
      if (iequals(member.name, "field")) {
        field = &member.value;
      } else if (iequals(member.name, "value")) {
        value = &member.value;
      } else if (iequals(member.name, "name")) {
        name = &member.value;
      } else if (iequals(member.name, "where")) {
        where = &member.value;
      } else {
        static constexpr std::string_view kKeys[] = {"field", "value", "name", "where"};
        return source_.error(
            member.offset,
            fmt::format(
                "unknown key '{}' in count{}", member.name, suggestion(member.name, kKeys)));
      }
    }
    if ((field == nullptr) == (value == nullptr)) {
      return source_.error(node.offset, "count: expected either field or value");
    }
    if (name != nullptr) {
      if (field != nullptr) {
        return source_.error(name->offset, "count: name goes only with value");
      }
      if (!name->is_string() || name->text.empty()) {
        return source_.error(name->offset, "count: name must be a string");
      }
      out.count_name = name->text;
    }
    if (field != nullptr && !field->is_string()) {
      return source_.error(field->offset, "count: field must be a string");
    }
    out.kind = field != nullptr ? Constraint::Kind::kCountField : Constraint::Kind::kCountValue;
    if (auto status = read_template(field != nullptr ? *field : *value, out.left); !status) {
      return status.error();
    }
    if (where != nullptr) {
      auto child = constraint(*where, depth + 1);
      if (!child) {
        return child;
      }
      out.children.push_back(std::move(*child));
    }
    return out;
  }

  /// Recursion is bounded by the depth of the document.
  core::Status read_template(const JsonNode& node, Template& out) {
    out.node = &node;
    switch (node.kind) {
      case JsonNode::Kind::kString:
        if (is_expression(node.text)) {
          auto expression = parse_expression(node.text);
          if (!expression) {
            return source_.error(node.offset, expression.error().message, expression.error().code);
          }
          out.expression = std::move(*expression);
          out.dynamic = true;
        }
        break;
      case JsonNode::Kind::kArray:
        for (const auto& item : node.items) {
          if (auto status = read_template(item, out.items.emplace_back()); !status) {
            return status;
          }
          out.dynamic = out.dynamic || out.items.back().dynamic;
        }
        break;
      case JsonNode::Kind::kObject:
        for (const auto& member : node.members) {
          out.names.push_back(member.name);
          if (auto status = read_template(member.value, out.items.emplace_back()); !status) {
            return status;
          }
          out.dynamic = out.dynamic || out.items.back().dynamic;
        }
        break;
      default:
        break;
    }
    return core::Status::ok();
  }

  core::Status declarations(const JsonNode& parameters, Definition& definition) {
    if (!parameters.is_object()) {
      return source_.error(parameters.offset, "parameters: expected an object");
    }
    if (auto unique = check_unique(parameters); !unique) {
      return unique;
    }
    for (const auto& member : parameters.members) {
      if (!member.value.is_object()) {
        return source_.error(member.value.offset,
                             fmt::format("parameter '{}': expected an object", member.name));
      }
      ParameterDeclaration declaration{.name = member.name, .offset = member.offset};
      declaration.type = core::to_lower(text_of(member.value, "type"));
      declaration.default_value = member.value.find("defaultValue");
      declaration.allowed_values = member.value.find("allowedValues");
      static constexpr std::string_view kTypes[] = {
          "", "string", "array", "object", "boolean", "integer", "float", "datetime"};
      bool known = false;
      for (const auto type : kTypes) {
        known = known || type == declaration.type;
      }
      if (!known) {
        return source_.error(member.value.offset,
                             fmt::format("parameter '{}': unknown type '{}'{}",
                                         member.name,
                                         declaration.type,
                                         suggestion(declaration.type, kTypes)));
      }
      if (declaration.allowed_values != nullptr && !declaration.allowed_values->is_array()) {
        return source_.error(
            declaration.allowed_values->offset,
            fmt::format("parameter '{}': allowedValues must be an array", member.name));
      }
      definition.parameters.push_back(std::move(declaration));
    }
    return core::Status::ok();
  }

  core::Result<Definition> rule(const JsonNode& node, Definition definition) {
    if (!node.is_object()) {
      return source_.error(node.offset, "policyRule: expected an object");
    }
    if (auto unique = check_unique(node); !unique) {
      return unique.error();
    }
    const JsonNode* condition = nullptr;
    const JsonNode* then = nullptr;
    for (const auto& member : node.members) {
      if (iequals(member.name, "if")) {
        condition = &member.value;
      } else if (iequals(member.name, "then")) {
        then = &member.value;
      } else if (!definition.bare_rule) {
        static constexpr std::string_view kKeys[] = {"if", "then"};
        return source_.error(
            member.offset,
            fmt::format(
                "unknown key '{}' in policyRule{}", member.name, suggestion(member.name, kKeys)));
      }
    }
    if (condition == nullptr) {
      return source_.error(node.offset, "the rule has no 'if'");
    }
    if (then == nullptr) {
      return source_.error(node.offset, "the rule has no 'then'");
    }
    auto parsed = constraint(*condition, 0);
    if (!parsed) {
      return parsed.error();
    }
    definition.condition = std::move(*parsed);
    if (auto status = consequence(*then, definition); !status) {
      return status.error();
    }
    return definition;
  }

  core::Status consequence(const JsonNode& node, Definition& definition) {
    Consequence& then = definition.then;
    then.offset = node.offset;
    if (!node.is_object()) {
      return source_.error(node.offset, "then: expected an object");
    }
    if (auto unique = check_unique(node); !unique) {
      return unique;
    }
    const JsonNode* effect = node.find("effect");
    if (effect == nullptr) {
      return source_.error(node.offset, "then: no effect");
    }
    if (!effect->is_string() || effect->text.empty()) {
      return source_.error(effect->offset, "effect: expected a string");
    }
    if (auto status = read_template(*effect, then.effect); !status) {
      return status;
    }
    then.details = node.find("details");
    if (then.details == nullptr || !then.details->is_object() ||
        is_provider_mode(definition.mode)) {
      return core::Status::ok();
    }
    if (auto unique = check_unique(*then.details); !unique) {
      return unique;
    }
    const auto optional_template = [&](std::string_view name, std::optional<Template>& out) {
      const JsonNode* part = then.details->find(name);
      if (part == nullptr) {
        return core::Status::ok();
      }
      if (!part->is_string()) {
        return core::Status(
            source_.error(part->offset, fmt::format("details.{}: expected a string", name)));
      }
      return read_template(*part, out.emplace());
    };
    if (auto status = optional_template("type", then.type); !status) {
      return status;
    }
    if (auto status = optional_template("name", then.name); !status) {
      return status;
    }
    if (auto status = optional_template("existenceScope", then.existence_scope); !status) {
      return status;
    }
    if (auto status = optional_template("resourceGroupName", then.resource_group_name); !status) {
      return status;
    }
    if (const JsonNode* existence = then.details->find("existenceCondition")) {
      auto parsed = constraint(*existence, 0);
      if (!parsed) {
        return parsed.error();
      }
      then.existence_condition = std::move(*parsed);
    }
    return core::Status::ok();
  }

  const SourceText& source_;
};

}  // namespace

bool is_provider_mode(std::string_view mode) noexcept {
  return !mode.empty() && !iequals(mode, "All") && !iequals(mode, "Indexed") &&
         !iequals(mode, "NotSpecified");
}

core::Result<Definition> parse_definition(const JsonNode& root, const SourceText& source) {
  return Parser(source).definition(root);
}

core::Result<Constraint> parse_constraint(const JsonNode& node, const SourceText& source) {
  return Parser(source).constraint(node, 0);
}

}  // namespace plumbline::policy
