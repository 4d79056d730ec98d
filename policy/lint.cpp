#include "policy/lint.hpp"

#include "core/text.hpp"
#include "policy/compile.hpp"
#include "policy/expression.hpp"
#include "policy/json_tree.hpp"
#include "policy/suggestion.hpp"

#include <fmt/format.h>

#include <exception>
#include <set>
#include <string_view>
#include <vector>

namespace plumbline::policy {

namespace {

using core::iequals;

/// The structure of an initiative, as far as it can be judged without its definitions.
class InitiativeCheck {
 public:
  InitiativeCheck(const JsonNode& body, const SourceText& source) : body_(body), source_(source) {}

  std::vector<std::string> run() {
    const JsonNode* list = body_.find("policyDefinitions");
    if (!list->is_array()) {
      complain(list->offset, "policyDefinitions: expected an array");
      return messages_;
    }
    collect_names("parameters", parameters_);
    if (const JsonNode* groups = body_.find("policyDefinitionGroups")) {
      if (!groups->is_array()) {
        complain(groups->offset, "policyDefinitionGroups: expected an array");
      }
      for (const auto& group : groups->items) {
        const JsonNode* name = group.find("name");
        if (name == nullptr || !name->is_string()) {
          complain(group.offset, "the group has no name");
        } else if (!groups_.insert(core::to_lower(name->text)).second) {
          complain(name->offset, fmt::format("the group '{}' occurs twice", name->text));
        }
      }
    }
    for (const auto& reference : list->items) {
      check_reference(reference);
    }
    return messages_;
  }

 private:
  void complain(std::size_t offset, std::string_view message) {
    messages_.push_back(source_.error(offset, message).message);
  }

  void collect_names(std::string_view key, std::set<std::string>& names) {
    const JsonNode* object = body_.find(key);
    if (object == nullptr) {
      return;
    }
    if (!object->is_object()) {
      complain(object->offset, fmt::format("{}: expected an object", key));
    }
    for (const auto& member : object->members) {
      if (!names.insert(core::to_lower(member.name)).second) {
        complain(member.offset, fmt::format("'{}' occurs twice", member.name));
      }
    }
  }

  void check_reference(const JsonNode& reference) {
    if (!reference.is_object()) {
      complain(reference.offset, "expected a reference to a definition (an object)");
      return;
    }
    const JsonNode* id = reference.find("policyDefinitionId");
    if (id == nullptr || !id->is_string() || id->text.empty()) {
      complain(reference.offset, "the reference has no policyDefinitionId");
    }
    if (const JsonNode* name = reference.find("policyDefinitionReferenceId")) {
      if (!name->is_string()) {
        complain(name->offset, "policyDefinitionReferenceId: expected a string");
      } else if (!references_.insert(core::to_lower(name->text)).second) {
        complain(name->offset, fmt::format("the reference '{}' occurs twice", name->text));
      }
    }
    if (const JsonNode* names = reference.find("groupNames")) {
      for (const auto& name : names->items) {
        if (name.is_string() && !groups_.contains(core::to_lower(name.text))) {
          const std::vector<std::string_view> declared(groups_.begin(), groups_.end());
          complain(
              name.offset,
              fmt::format(
                  "the group '{}' is not declared{}", name.text, suggestion(name.text, declared)));
        }
      }
    }
    const JsonNode* parameters = reference.find("parameters");
    if (parameters == nullptr) {
      return;
    }
    if (!parameters->is_object()) {
      complain(parameters->offset, "parameters: expected an object");
      return;
    }
    for (const auto& member : parameters->members) {
      const JsonNode* value = member.value.find("value");
      if (value == nullptr) {
        complain(member.offset, fmt::format("the parameter '{}' has no value", member.name));
      } else {
        check_value(*value);
      }
    }
  }

  /// Recursion is bounded by the depth of the document.
  void check_value(const JsonNode& value) {
    for (const auto& item : value.items) {
      check_value(item);
    }
    for (const auto& member : value.members) {
      check_value(member.value);
    }
    if (!value.is_string() || !is_expression(value.text)) {
      return;
    }
    const auto expression = parse_expression(value.text);
    if (!expression) {
      complain(value.offset, expression.error().message);
      return;
    }
    check_expression(*expression, value.offset);
  }

  void check_expression(const Expression& expression, std::size_t offset) {
    if (expression.kind == Expression::Kind::kCall && iequals(expression.text, "parameters") &&
        expression.children.size() == 1 &&
        expression.children[0].kind == Expression::Kind::kString &&
        !parameters_.contains(core::to_lower(expression.children[0].text))) {
      const std::vector<std::string_view> declared(parameters_.begin(), parameters_.end());
      complain(offset,
               fmt::format("the parameter '{}' is not declared{}",
                           expression.children[0].text,
                           suggestion(expression.children[0].text, declared)));
    }
    for (const auto& child : expression.children) {
      check_expression(child, offset);
    }
  }

  const JsonNode& body_;
  const SourceText& source_;
  std::vector<std::string> messages_;
  std::set<std::string> parameters_;
  std::set<std::string> groups_;
  std::set<std::string> references_;
};

}  // namespace

std::string LintReport::summary() const {
  return fmt::format(
      "{} definitions, {} rejected, {} not evaluated here", definitions, rejected, not_evaluated);
}

void Linter::check(std::string_view path, std::string_view content) {
  if (!core::iends_with(path, ".jsonl")) {
    check_document(path, content, 1);
    return;
  }
  std::size_t number = 0;
  for (const auto line : core::split(content, '\n')) {
    ++number;
    if (!core::trim(line).empty()) {
      check_document(path, line, number);
    }
  }
}

void Linter::check_document(std::string_view path, std::string_view text, std::size_t first_line) {
  const SourceText source(text, path, first_line);
  try {
    const auto tree = parse_json_tree(source, text);
    if (tree) {
      const JsonNode* properties = tree->find("properties");
      const JsonNode& body = properties != nullptr ? *properties : *tree;
      if (body.find("policyDefinitions") != nullptr && body.find("policyRule") == nullptr) {
        ++report_.initiatives;
        auto messages = InitiativeCheck(body, source).run();
        report_.rejected += messages.empty() ? 0U : 1U;
        report_.messages.insert(report_.messages.end(), messages.begin(), messages.end());
        return;
      }
    }
    ++report_.definitions;
    const auto program = compile_text(text, path, *aliases_, {.first_line = first_line});
    if (!program) {
      ++report_.rejected;
      report_.messages.push_back(program.error().message);
    } else if (!(*program)->evaluated_here_) {
      ++report_.not_evaluated;
    }
  } catch (const std::exception& e) {
    ++report_.rejected;
    report_.messages.push_back(source.error(0, e.what()).message);
  }
}

}  // namespace plumbline::policy
