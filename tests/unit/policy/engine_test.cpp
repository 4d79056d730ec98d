#include "policy/engine.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using namespace plumbline::policy;

namespace {

constexpr std::string_view kStorage = R"({
  "properties": {
    "displayName": "Storage must use TLS 1.2",
    "mode": "Indexed",
    "metadata": {"category": "Storage", "version": "1.0.0"},
    "parameters": {"effect": {"type": "String", "defaultValue": "Audit",
                              "allowedValues": ["Audit", "Disabled"]}},
    "policyRule": {
      "if": {"allOf": [
        {"field": "type", "equals": "Microsoft.Storage/storageAccounts"},
        {"field": "Microsoft.Storage/storageAccounts/minimumTlsVersion", "notEquals": "TLS1_2"}]},
      "then": {"effect": "[parameters('effect')]"}}}})";

struct Resource {
  explicit Resource(std::string_view json) : text(json) { element = parser.parse(text); }

  simdjson::padded_string text;
  simdjson::dom::parser parser;
  Json element;
};

std::shared_ptr<const BoundDefinition> storage_rule(std::string_view parameters = "{}") {
  const auto aliases = AliasCatalogue::shipped();
  REQUIRE(aliases);
  const auto compiled = compile_definition(kStorage, "storage.json", **aliases);
  REQUIRE_MESSAGE(compiled, (compiled ? "" : compiled.error().message));
  const auto bound = bind_parameters(*compiled, parameters);
  REQUIRE_MESSAGE(bound, (bound ? "" : bound.error().message));
  return *bound;
}

}  // namespace

TEST_CASE("an effect that there is not is refused, whoever names it") {
  const auto aliases = AliasCatalogue::raw_paths();
  const auto compiled = compile_definition(
      R"({"parameters":{"effect":{"type":"String"}},"policyRule":{"if":{"field":"type","equals":"a"},)"
      R"("then":{"effect":"[parameters('effect')]"}}})",
      "p.json",
      *aliases);
  REQUIRE(compiled);
  const auto misspelt = bind_parameters(*compiled, R"({"effect":"adit"})");
  REQUIRE_FALSE(misspelt);
  CHECK(misspelt.error().message == "unknown effect 'adit'; did you mean 'audit'?");
  CHECK_FALSE(bind_parameters(
      *compiled, R"({"effect":"audit"})", {.effect_override = "off", .lenient = false}));
  // Where only the resource tells, it is an error on that resource.
  const auto computed = compile_definition(
      R"({"if":{"field":"type","equals":"a"},"then":{"effect":"[field('kind')]"}})",
      "c.json",
      *aliases);
  REQUIRE(computed);
  const auto bound = bind_parameters(*computed, "{}");
  REQUIRE(bound);
  const Resource resource(R"({"type":"a","location":"x","kind":"off"})");
  const auto verdict = evaluate(**bound, resource.element, {});
  CHECK(verdict.outcome == Outcome::kError);
  CHECK(verdict.reason == "'off' is no effect that Azure Policy has");
}

TEST_CASE("a definition is compiled, bound and evaluated") {
  const auto rule = storage_rule();
  CHECK(rule->effect() == "audit");
  CHECK(rule->info().types == std::vector<std::string>{"microsoft.storage/storageaccounts"});
  CHECK(rule->info().category == "Storage");

  const Resource bad(
      R"({"type":"Microsoft.Storage/storageAccounts","location":"eastus","properties":{"minimumTlsVersion":"TLS1_0"}})");
  const auto verdict = evaluate(*rule, bad.element, {}, true);
  CHECK(verdict.outcome == Outcome::kNonCompliant);
  REQUIRE(verdict.explanation.has_value());
  REQUIRE(verdict.explanation->children.size() == 1);
  const auto& condition = verdict.explanation->children[0];
  REQUIRE(condition.children.size() == 2);
  CHECK(condition.children[1].actual == "\"TLS1_0\"");
  CHECK(condition.children[1].path == "properties.minimumTlsVersion");
  CHECK(condition.children[1].decisive);

  const Resource good(
      R"({"type":"microsoft.storage/storageaccounts","location":"eastus","properties":{"minimumTlsVersion":"tls1_2"}})");
  CHECK(evaluate(*rule, good.element, {}).outcome == Outcome::kCompliant);
  const Resource other(R"({"type":"Microsoft.Web/sites","location":"eastus"})");
  CHECK(evaluate(*rule, other.element, {}).outcome == Outcome::kNotApplicable);
  const Resource unknown(
      R"({"type":"Microsoft.Storage/storageAccounts","location":"eastus","properties":{"$noEvidence":"forbidden"}})");
  const auto undetermined = evaluate(*rule, unknown.element, {});
  CHECK(undetermined.outcome == Outcome::kNoEvidence);
  CHECK(undetermined.reason == "forbidden");

  CHECK(evaluate(*storage_rule(R"({"Effect":{"value":"disabled"}})"), bad.element, {}).outcome ==
        Outcome::kNotEvaluated);
}
