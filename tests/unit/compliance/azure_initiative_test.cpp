#include "compliance/azure_initiative.hpp"

#include "core/text.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using compliance::FetchedMember;
using core::DefinitionReference;

namespace {

constexpr const char* kSet = "/providers/Microsoft.Authorization/policySetDefinitions/Set";
constexpr const char* kRule = "/providers/Microsoft.Authorization/policyDefinitions/Rule";
constexpr const char* kBroken = "/providers/Microsoft.Authorization/policyDefinitions/Broken";
constexpr const char* kSecret = "/providers/Microsoft.Authorization/policyDefinitions/Secret";

std::string rule(const std::string& value, const std::string& version = "1.0.0") {
  return R"({"id":"x","name":"Rule","systemData":{"lastModifiedAt":"2026-01-01T00:00:00Z"},"properties":{
    "displayName":"Name","mode":"All","version":")" +
         version + R"(","versions":["1.0.0","2.0.0"],
    "parameters":{"effect":{"type":"String","defaultValue":"Audit","allowedValues":["Audit","Disabled"]}},
    "policyRule":{"if":{"allOf":[{"field":"type","equals":"Microsoft.OperationalInsights/workspaces"},
      {"field":"location","equals":")" +
         value + R"("}]},"then":{"effect":"[parameters('effect')]"}}}})";
}

std::string initiative() {
  return fmt::format(
      R"({{"id":"{0}","name":"Set","properties":{{"displayName":"The set","version":"3.1.0",
    "metadata":{{"version":"3.0.0"}},"parameters":{{"mode":{{"type":"String","defaultValue":"Audit"}}}},
    "policyDefinitionGroups":[{{"name":"G"}}],
    "policyDefinitions":[
      {{"policyDefinitionReferenceId":"old","policyDefinitionId":"{1}","definitionVersion":"1.*.*","groupNames":["G"]}},
      {{"policyDefinitionReferenceId":"new","policyDefinitionId":"{2}","definitionVersion":"2.*.*",
        "parameters":{{"effect":{{"value":"[parameters('mode')]"}}}}}},
      {{"policyDefinitionReferenceId":"broken","policyDefinitionId":"{3}"}},
      {{"policyDefinitionReferenceId":"secret","policyDefinitionId":"{4}"}},
      {{"policyDefinitionReferenceId":"lost","policyDefinitionId":"/providers/Microsoft.Authorization/policyDefinitions/Lost"}}]}}}})",
      kSet,
      kRule,
      core::to_lower(kRule),
      kBroken,
      kSecret);
}

std::string text_of(const std::string& body) {
  return compliance::read_azure_definition(body)->text;
}

compliance::AssignmentSpec fetched_assignment() {
  const std::vector<FetchedMember> members = {
      {{kRule, "1.*.*"}, text_of(rule("westeurope")), ""},
      {{kRule, "2.*.*"}, text_of(rule("northeurope", "2.0.0")), ""},
      {{kBroken, ""}, R"({"properties":{"policyRule":{"if":{"field":5}}}})", ""},
      {{kSecret, ""}, "", "status 403 AuthorizationFailed"}};
  const auto definition = compliance::read_azure_definition(initiative());
  REQUIRE(definition);
  auto files = compliance::read_initiative_document(
      compliance::initiative_document(*definition, members), {kSet, ""});
  REQUIRE(files);
  compliance::AssignmentSpec spec;
  spec.name = "azures";
  spec.initiative = *std::move(files);
  return spec;
}

core::Result<std::shared_ptr<const compliance::Baseline>> compile(
    const std::vector<compliance::AssignmentSpec>& specs,
    const std::vector<core::ExemptionSpec>& exemptions = {}) {
  return compliance::compile_baseline(specs, exemptions, **policy::AliasCatalogue::shipped());
}

}  // namespace

TEST_CASE("what Azure says beside a definition does not change it") {
  const auto one = compliance::read_azure_definition(rule("a"));
  REQUIRE(one);
  CHECK(one->version == "1.0.0");
  CHECK(one->versions == std::vector<std::string>{"1.0.0", "2.0.0"});
  auto later = rule("a");
  later.replace(later.find("2026-01-01"), 10, "2027-02-02");
  later.replace(later.find(R"(,"2.0.0"])"), 9, R"(,"2.0.0","2.1.0"])");
  CHECK(text_of(later) == one->text);
  CHECK(text_of(rule("b")) != one->text);
}

TEST_CASE("answers that are no definitions") {
  for (const char* body : {"", "<html>", "[]", "5", "{}", R"({"properties":[]})"}) {
    CAPTURE(body);
    CHECK_FALSE(compliance::read_azure_definition(body));
  }
  CHECK_FALSE(compliance::members_of(
      {.text = R"({"properties":{}})", .version = {}, .versions = {}}, {kSet, ""}));
  for (const char* body : {"", "{}", R"({"initiative":"{}","definitions":[]})"}) {
    CAPTURE(body);
    CHECK_FALSE(compliance::read_initiative_document(body, {kSet, ""}));
  }
}

TEST_CASE("an initiative names each version of a definition once") {
  const auto members =
      compliance::members_of(*compliance::read_azure_definition(initiative()), {kSet, ""});
  REQUIRE(members);
  REQUIRE(members->size() == 5);
  CHECK(members->at(0).version == "1.*.*");
  CHECK(members->at(1).version == "2.*.*");
}

TEST_CASE("each reference gets the version it names; what cannot be evaluated spoils itself only") {
  const auto baseline = compile({tests::make_assignment(), fetched_assignment()});
  REQUIRE(baseline);
  std::vector<std::string> checks;
  for (const auto& check : (*baseline)->checks) {
    if (check.assignment == "azures") {
      checks.push_back(fmt::format("{} {}", check.reference, check.definition->info().version));
    }
  }
  CHECK(checks == std::vector<std::string>{"old 1.0.0", "new 2.0.0"});
  const auto* const assignment = (*baseline)->find_assignment("azures");
  REQUIRE(assignment != nullptr);
  CHECK(assignment->initiative_name == "The set");
  CHECK(assignment->initiative_version == "3.1.0");
  REQUIRE((*baseline)->left_out.size() == 3);
  CHECK((*baseline)->left_out[0].reference == "broken");
  CHECK((*baseline)->left_out[1].reference == "secret");
  CHECK((*baseline)->left_out[1].reason.contains("AuthorizationFailed"));
  CHECK((*baseline)->left_out[2].reference == "lost");
}

TEST_CASE("an assignment that fails is left out whole, and only itself") {
  struct Case {
    const char* name;
    void (*spoil)(compliance::AssignmentSpec&);
    const char* want;
  };

  const Case cases[] = {
      {"unavailable", [](auto& spec) { spec.unavailable = "no network"; }, "no network"},
      {"unknown parameter",
       [](auto& spec) { spec.parameters_json = R"({"other":1})"; },
       "has no parameter `other`"},
      {"override of what is not there",
       [](auto& spec) {
         spec.overrides_json =
             R"([{"kind":"policyEffect","value":"disabled","selectors":[{"kind":"policyDefinitionReferenceId","in":["nope"]}]}])";
       },
       "`nope`"},
      {"parameter without value",
       [](auto& spec) {
         auto& text = spec.initiative.initiative.text;
         text.replace(text.find(R"("defaultValue":"Audit",)"), 23, "");
       },
       "parameter `mode` has no value and no default"},
      {"wrong JSON type",
       [](auto& spec) {
         auto& text = spec.initiative.initiative.text;
         text.replace(text.find(R"(["G"])"), 5, "[5]");
       },
       "initiative: "},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      auto spec = fetched_assignment();
      c.spoil(spec);
      core::ExemptionSpec exemption;
      exemption.name = "kept";
      exemption.scope = "/";
      exemption.assignment = "azures";
      exemption.references = {"old"};
      exemption.category = "Waiver";
      const auto baseline = compile({spec, tests::make_assignment()}, {exemption});
      REQUIRE(baseline);
      CHECK((*baseline)->find_assignment("azures") == nullptr);
      CHECK((*baseline)->checks.size() ==
            compile({tests::make_assignment()}).value()->checks.size());
      REQUIRE((*baseline)->left_out.size() == 1);
      CHECK((*baseline)->left_out[0].reference.empty());
      CAPTURE((*baseline)->left_out[0].reason);
      CHECK((*baseline)->left_out[0].reason.contains(c.want));
    }
  }
}

TEST_CASE("a single definition is an initiative of one, whose parameters are the assignment's") {
  const DefinitionReference reference{kRule, "2.*.*"};
  const auto definition = compliance::read_azure_definition(rule("westeurope", "2.0.0"));
  REQUIRE(definition);
  const auto members = compliance::members_of(*definition, reference);
  REQUIRE(members);
  REQUIRE(members->size() == 1);
  auto files = compliance::read_initiative_document(
      compliance::initiative_document(*definition, {{members->front(), definition->text, ""}}),
      reference);
  REQUIRE(files);
  compliance::AssignmentSpec spec;
  spec.name = "one";
  spec.initiative = *std::move(files);
  spec.parameters_json = R"({"effect":"Disabled"})";
  const auto baseline = compile({spec});
  REQUIRE(baseline);
  CHECK((*baseline)->left_out.empty());
  REQUIRE((*baseline)->checks.size() == 1);
  CHECK((*baseline)->checks[0].reference == "Rule");
  CHECK((*baseline)->checks[0].definition->effect() == "disabled");
  CHECK((*baseline)->assignments[0].initiative_version == "2.0.0");
}
