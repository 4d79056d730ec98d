#include "compliance/selectors.hpp"

#include "compliance/plan.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace plumbline;
using tests::JudgeFixture;
using tests::workspace_key;

namespace {

bool selected(const char* selectors, const char* resource) {
  const auto parsed = compliance::parse_resource_selectors(nlohmann::json::parse(selectors));
  CAPTURE((parsed ? std::string() : parsed.error().message));
  REQUIRE(parsed);
  compliance::Assignment assignment;
  assignment.resource_selectors = *parsed;
  simdjson::dom::parser parser;
  policy::Json body;
  REQUIRE(parser.parse(simdjson::padded_string(std::string(resource))).get(body) ==
          simdjson::SUCCESS);
  return compliance::is_selected(assignment, body);
}

constexpr const char* kVm =
    R"({"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
        "type":"Microsoft.Compute/virtualMachines","location":"West Europe"})";
constexpr const char* kSetting =
    R"({"id":"/subscriptions/s/providers/Microsoft.Insights/diagnosticSettings/d",
        "type":"Microsoft.Insights/diagnosticSettings"})";
constexpr const char* kRule =
    R"({"id":"/subscriptions/s/resourceGroups/g/providers/Microsoft.X/globals/x",
        "type":"Microsoft.X/globals"})";

}  // namespace

TEST_CASE("a resource selector looks at location and type") {
  struct Case {
    const char* selectors;
    const char* resource;
    bool want;
  };

  const Case cases[] = {
      {"[]", kVm, true},
      {R"([{"selectors":[{"kind":"resourceLocation","in":["westeurope"]}]}])", kVm, true},
      {R"([{"selectors":[{"kind":"resourceLocation","in":["West Europe"]}]}])", kVm, true},
      {R"([{"selectors":[{"kind":"resourceLocation","in":["northeurope"]}]}])", kVm, false},
      {R"([{"selectors":[{"kind":"resourceLocation","notIn":["northeurope"]}]}])", kVm, true},
      {R"([{"selectors":[{"kind":"resourceLocation","in":["westeurope"]}]}])", kSetting, false},
      {R"([{"selectors":[{"kind":"resourceType","in":["microsoft.compute/VIRTUALMACHINES"]}]}])",
       kVm,
       true},
      {R"([{"selectors":[{"kind":"resourceType","notIn":["Microsoft.Compute/virtualMachines"]}]}])",
       kVm,
       false},
      {R"([{"selectors":[{"kind":"resourceWithoutLocation","in":["subscriptionLevelResources"]}]}])",
       kSetting,
       true},
      {R"([{"selectors":[{"kind":"resourceWithoutLocation","in":["subscriptionLevelResources"]}]}])",
       kVm,
       false},
      {R"([{"selectors":[{"kind":"resourceWithoutLocation","in":["subscriptionLevelResources"]}]}])",
       kRule,
       false},
      // All selectors of one entry, any entry.
      {R"([{"selectors":[{"kind":"resourceLocation","in":["westeurope"]},
                         {"kind":"resourceType","in":["a/b"]}]}])",
       kVm,
       false},
      {R"([{"name":"one","selectors":[{"kind":"resourceType","in":["a/b"]}]},
           {"name":"two","selectors":[{"kind":"resourceLocation","in":["westeurope"]}]}])",
       kVm,
       true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.selectors);
    CAPTURE(c.resource);
    CHECK(selected(c.selectors, c.resource) == c.want);
  }
}

TEST_CASE("a selector or override that has no meaning here says where it stands") {
  struct Case {
    const char* text;
    const char* want;
  };

  const Case selectors[] = {
      {"{}", "resourceSelectors: must be an array of at most 10"},
      {"[5]", "resourceSelectors[0]: a resource selector is an object"},
      {R"([{"selectors":[]}])", "resourceSelectors[0]: a resource selector needs `selectors`"},
      {R"([{"selector":[]}])", "resourceSelectors[0]: unknown key `selector`"},
      {R"([{"selectors":[{"kind":"userPrincipalId","in":["x"]}]}])",
       "resourceSelectors[0].selectors[0]: `userPrincipalId` selects nothing"},
      {R"([{"selectors":[{"kind":"policyDefinitionReferenceId","in":["x"]}]}])",
       "`policyDefinitionReferenceId` selects nothing"},
      {R"([{"selectors":[{"kind":"resourceType","in":["x"],"notIn":["y"]}]}])",
       "exactly one of `in` and `notIn`"},
      {R"([{"selectors":[{"kind":"resourceType","in":[5]}]}])", "list 1 to 50 texts"},
      {R"([{"selectors":[{"kind":"resourceType","in":["x"]},{"kind":"resourcetype","in":["y"]}]}])",
       "resourceSelectors[0].selectors[1]: this kind is used twice"},
      {R"([{"selectors":[{"kind":"resourceWithoutLocation","in":["x"]}]}])",
       "knows `subscriptionLevelResources` only"},
  };
  for (const auto& c : selectors) {
    CAPTURE(c.text);
    const auto parsed = compliance::parse_resource_selectors(nlohmann::json::parse(c.text));
    REQUIRE_FALSE(parsed);
    CAPTURE(parsed.error().message);
    CHECK(parsed.error().message.contains(c.want));
  }
  const Case overrides[] = {
      {R"([{"kind":"definitionVersion","value":"1.*.*"}])",
       "overrides[0]: only overrides of kind `policyEffect`"},
      {R"([{"kind":"policyEffect"}])", "overrides[0]: an override needs a `value`"},
      {R"([{"kind":5}])", "overrides[0]: only overrides of kind `policyEffect`"},
      {R"([{"kind":"policyEffect","value":5}])", "overrides[0]: an override needs a `value`"},
  };
  for (const auto& c : overrides) {
    const auto parsed = compliance::parse_overrides(nlohmann::json::parse(c.text));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message.contains(c.want));
  }
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "resource selectors and overrides decide what is evaluated, and how") {
  workspace("a", "Enabled");
  resource(workspace_key("b"),
           "microsoft.operationalinsights/workspaces",
           R"("properties":{"publicNetworkAccessForQuery":"Enabled"},"tags":{})");
  commit();
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant resource");
  const auto drift = open_drift(core::DriftKind::kBaseline);

  SUBCASE("a selector leaves resources out, and opens no drift on the way back") {
    auto spec = tests::make_assignment();
    spec.resource_selectors_json =
        R"([{"selectors":[{"kind":"resourceLocation","in":["elsewhere"]}]}])";
    adopt(spec);
    CHECK(verdict("query", workspace_key("a")) == "-");
    adopt(tests::make_assignment());
    CHECK(verdict("query", workspace_key("a")) == "NonCompliant parameters");
    CHECK(open_drift(core::DriftKind::kBaseline) < drift);
  }
  SUBCASE("an override switches one reference off") {
    auto spec = tests::make_assignment();
    spec.overrides_json =
        R"([{"kind":"policyEffect","value":"Disabled","selectors":[
             {"kind":"policyDefinitionReferenceId","in":["QUERY"]}]}])";
    adopt(spec);
    CHECK(verdict("query", workspace_key("a")) == "-");
    CHECK(verdict("diagnostics", workspace_key("a")) != "-");
    CHECK(baseline->checks.at(0).is_disabled());
  }
  SUBCASE("an override on a location concerns the resources there") {
    auto spec = tests::make_assignment();
    spec.overrides_json =
        R"([{"kind":"policyEffect","value":"Disabled","selectors":[
             {"kind":"resourceLocation","in":["X"]},
             {"kind":"policyDefinitionReferenceId","notIn":["diagnostics"]}]}])";
    adopt(spec);
    CHECK(verdict("query", workspace_key("a")) == "-");
    CHECK(verdict("diagnostics", workspace_key("a")) != "-");
    CHECK_FALSE(baseline->checks.at(0).is_disabled());
    spec.overrides_json.replace(spec.overrides_json.find("\"X\""), 3, "\"Y\"");
    adopt(spec);
    CHECK(verdict("query", workspace_key("a")) == "NonCompliant parameters");
  }
  SUBCASE("the first override that concerns a reference decides") {
    auto spec = tests::make_assignment();
    spec.overrides_json = R"([{"kind":"policyEffect","value":"audit"},
                              {"kind":"policyEffect","value":"disabled"}])";
    adopt(spec);
    CHECK_FALSE(baseline->checks.at(0).is_disabled());
  }
}

TEST_CASE("an override by an effect that Azure Policy does not have is refused") {
  auto spec = tests::make_assignment();
  spec.overrides_json = R"([{"kind":"policyEffect","value":"Audti"}])";
  const auto baseline =
      compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
  REQUIRE_FALSE(baseline);
  CAPTURE(baseline.error().message);
  CHECK(baseline.error().message.contains("audit"));
  CHECK(baseline.error().message.contains("assignment prod"));
  spec.overrides_json = R"([{"kind":"policyEffect","value":"audit","selectors":[
      {"kind":"policyDefinitionReferenceId","in":["querx"]}]}])";
  const auto other = compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
  REQUIRE_FALSE(other);
  CHECK(other.error().message.contains("has no policyDefinitionReferenceId `querx`"));
}
