#include "policy/lint.hpp"

#include "tests/unit/policy/files.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace plumbline::policy;

namespace {

Linter shipped_linter() {
  auto aliases = AliasCatalogue::shipped();
  REQUIRE(aliases);
  return Linter(*std::move(aliases));
}

std::string first_message(std::string_view path, std::string_view text) {
  Linter linter = shipped_linter();
  linter.check(path, text);
  return linter.report().messages.empty() ? "" : linter.report().messages.front();
}

}  // namespace

TEST_CASE("what is wrong is named with its place") {
  struct Case {
    const char* name;
    const char* text;
    const char* want;
  };

  const Case cases[] = {
      {"misspelt alias",
       "{\"if\": {\"field\": \"Microsoft.Storage/storageAccounts/minimumTlsVerson\", \"exists\": "
       "true},\n"
       " \"then\": {\"effect\": \"audit\"}}",
       "p.json:1:18: unknown field or alias 'Microsoft.Storage/storageAccounts/minimumTlsVerson'; "
       "did "
       "you mean 'Microsoft.Storage/storageAccounts/minimumTlsVersion'?"},
      {"two operators",
       "{\"if\": {\"field\": \"type\",\n  \"equals\": \"a\", \"in\": []}, \"then\": {\"effect\": "
       "\"audit\"}}",
       "p.json:2:18: 'in' cannot stand beside 'equals': a condition has one operator"},
      {"key after duplicate",
       "{\"if\": {\"field\": \"type\", \"equals\": \"a\"},\n\"then\": {\"effect\": "
       "\"audit\"},\n\"IF\": {}}",
       "p.json:3:1: 'IF' occurs twice"},
      {"unknown function",
       R"({"if": {"value": "[frobnicate()]", "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:18: unknown function frobnicate()"},
      {"forbidden function",
       R"({"if": {"value": "[reference('x')]", "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:18: the function reference() cannot be used in a policy rule"},
      {"number of arguments",
       R"({"if": {"value": "[padLeft('x')]", "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:18: padLeft() takes 2 to 3 arguments, not 1"},
      {"expression syntax",
       R"({"if": {"value": "[concat('a' 'b')]", "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:18: in expression, character 13: expected ',' or ')'"},
      {"undeclared parameter",
       R"({"policyRule": {"if": {"value": "[parameters('x')]", "equals": 1}, "then": {"effect": "audit"}}})",
       "p.json:1:33: the parameter 'x' is not declared"},
      {"unknown effect",
       R"({"if": {"field": "type", "equals": "a"}, "then": {"effect": "adit"}})",
       "p.json:1:61: unknown effect 'adit'; did you mean 'audit'?"},
      {"misspelt operator",
       R"({"if": {"field": "type", "equalls": "a"}, "then": {"effect": "audit"}})",
       "p.json:1:26: unknown key 'equalls' in condition; did you mean 'equals'?"},
      {"misspelt left side",
       R"({"if": {"feild": "type", "equals": "a"}, "then": {"effect": "audit"}})",
       "p.json:1:9: unknown key 'feild' in condition; did you mean 'field'?"},
      {"misspelt function",
       R"({"if": {"value": "[conact('a')]", "equals": "a"}, "then": {"effect": "audit"}})",
       "p.json:1:18: unknown function conact(); did you mean 'concat'?"},
      {"misspelt parameter",
       R"({"parameters": {"allowedTypes": {}}, "policyRule": {"if": {"value": "[parameters('allowdTypes')]", "equals": 1}, "then": {"effect": "audit"}}})",
       "p.json:1:69: the parameter 'allowdTypes' is not declared; did you mean 'allowedTypes'?"},
      {"misspelt type of a parameter",
       R"({"parameters": {"a": {"type": "Strng"}}, "policyRule": {"if": {"field": "type", "equals": 1}, "then": {"effect": "audit"}}})",
       "p.json:1:22: parameter 'a': unknown type 'strng'; did you mean 'string'?"},
      {"misspelt mode",
       R"({"mode": "Indxed", "policyRule": {"if": {"field": "type", "equals": "a"}, "then": {"effect": "audit"}}})",
       "p.json:1:10: unknown mode 'Indxed'; did you mean 'Indexed'?"},
      {"misspelt state of a manual rule",
       R"({"if": {"field": "type", "equals": "a"}, "then": {"effect": "manual", "details": {"defaultState": "Complaint"}}})",
       "p.json:1:99: unknown defaultState 'Complaint'; did you mean 'Compliant'?"},
      {"existence without type",
       R"({"if": {"field": "type", "equals": "a"}, "then": {"effect": "auditIfNotExists"}})",
       "p.json:1:50: auditIfNotExists and deployIfNotExists need details.type"},
      {"current outside of count",
       R"({"if": {"value": "[current('x')]", "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:18: current() has a meaning only inside the 'where' of a count"},
      {"count over no collection",
       R"({"if": {"count": {"field": "Microsoft.Storage/storageAccounts/accessTier"}, "equals": 1}, "then": {"effect": "audit"}})",
       "p.json:1:28: count: 'Microsoft.Storage/storageAccounts/accessTier' names no elements; did "
       "you "
       "mean 'Microsoft.Storage/storageAccounts/accessTier[*]'?"},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      CHECK(first_message("p.json", c.text) == c.want);
    }
  }
}

TEST_CASE("broken JSON is named with its place") {
  CHECK(first_message("p.json", "{\"if\": \n  {,}}").starts_with("p.json:2:"));
  CHECK(first_message("p.json", "").starts_with("p.json:1:1: "));
  CHECK(first_message("p.json", "{} {}").starts_with("p.json:1:"));
  CHECK(first_message("p.json", "[1, 2]").starts_with("p.json:1:1: "));
  CHECK(first_message("p.json", std::string(200, '[')).contains("nests deeper"));
}

TEST_CASE("initiatives are recognised and checked") {
  Linter linter = shipped_linter();
  linter.check("good.json",
               R"({"properties": {"parameters": {"e": {"type": "String"}}, "policyDefinitions": [
                   {"policyDefinitionId": "/p/a", "policyDefinitionReferenceId": "a",
                    "parameters": {"effect": {"value": "[parameters('E')]"}}}]}})");
  CHECK(linter.report().initiatives == 1);
  CHECK(linter.report().messages.empty());
  linter.check("bad.json",
               R"({"policyDefinitions": [{"policyDefinitionReferenceId": "a"},
                   {"policyDefinitionId": "/p/a", "policyDefinitionReferenceId": "A",
                    "parameters": {"effect": {"value": "[parameters('x')]"}}, "groupNames": ["g"]}]})");
  CHECK(linter.report().messages.size() == 4);
  CHECK(linter.report().rejected == 1);
  CHECK(linter.report().definitions == 0);
}

TEST_CASE("every built-in definition and initiative is accepted") {
  const std::string folder = std::string(PLUMBLINE_SHARED_DIR) + "/azure-policy/";
  for (const std::string name : {"definitions.jsonl", "initiatives.jsonl"}) {
    const auto content = read_file(folder + name);
    if (!content) {
      MESSAGE("skipped: " << folder << name << " is not there");
      continue;
    }
    Linter linter = shipped_linter();
    const auto start = std::chrono::steady_clock::now();
    linter.check(name, *content);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    MESSAGE(linter.report().summary()
            << ", " << linter.report().initiatives << " initiatives, " << taken.count() << " s");
    for (const auto& message : linter.report().messages) {
      MESSAGE(message);
    }
    CHECK(linter.report().rejected == 0);
    // Modes of resource providers, and nothing else, are evaluated elsewhere.
    std::size_t provider_modes = 0;
    for (std::size_t at = 0; (at = content->find("\"mode\":\"Microsoft.", at)) != std::string::npos;
         ++at) {
      ++provider_modes;
    }
    CHECK(linter.report().not_evaluated == provider_modes);
  }
}
