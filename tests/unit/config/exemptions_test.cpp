#include "config/exemptions.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("an exemption as Azure writes it") {
  const auto parsed = config::parse_exemptions(R"(exemptions:
  - name: dev
    scope: /subscriptions/s/resourceGroups/g
    properties:
      policyAssignmentId: azure-monitor
      policyDefinitionReferenceIds: [a, b]
      exemptionCategory: Mitigated
      expiresOn: 2027-03-31T00:00:00Z
      displayName: Dev
      description: Because.
      metadata: {owner: team, ticket: 5}
      assignmentScopeValidation: Default
      resourceSelectors: [{selectors: [{kind: resourceType, in: [a/b]}]}]
  - {name: two, scope: /, properties: {exemptionCategory: Waiver, description: why}}
)",
                                               "e.yaml");
  CAPTURE((parsed ? std::string() : parsed.error().message));
  REQUIRE(parsed);
  REQUIRE(parsed->size() == 2);
  const auto& first = parsed->front();
  CHECK(first.scope == "/subscriptions/s/resourceGroups/g");
  CHECK(first.assignment == "azure-monitor");
  CHECK(first.references == std::vector<std::string>{"a", "b"});
  CHECK(first.category == "Mitigated");
  CHECK(first.expires_on == core::parse_rfc3339("2027-03-31T00:00:00Z"));
  CHECK(first.owner == "team");
  CHECK(first.place == "e.yaml:2:5");
  CHECK(first.resource_selectors_json ==
        R"([{"selectors":[{"kind":"resourceType","in":["a/b"]}]}])");
  CHECK_FALSE(parsed->back().expires_on);
  CHECK(config::parse_exemptions("exemptions: []", "e.yaml")->empty());
}

TEST_CASE("what is wrong with an exemption is told with its place") {
  struct Case {
    const char* text;
    const char* want;
  };

  const Case cases[] = {
      {"{}", "e.yaml:1:1: the document needs `exemptions`"},
      {"exemptions: 5", "e.yaml:1:13: `exemptions` must be a list"},
      {"exemptions:\n- {scope: /, properties: {}}", "e.yaml:2:3: an exemption needs a `name`"},
      {"exemptions:\n- {name: a, properties: {}}", "e.yaml:2:3: an exemption needs a `scope`"},
      {"exemptions:\n- {name: a, scope: /}", "e.yaml:2:3: an exemption needs `properties`"},
      {"exemptions:\n- {name: a, scope: /, x: 1, properties: {}}", "e.yaml:2:23: unknown key `x`"},
      {"exemptions:\n- {name: a, scope: /, properties: {description: d}}",
       "`exemptionCategory` must be one of Waiver, Mitigated"},
      {"exemptions:\n- {name: a, scope: /, properties: {exemptionCategory: Waiver}}",
       "e.yaml:2:35: an exemption needs a `description`"},
      {"exemptions:\n- {name: a, scope: /, properties: {exemptionCategory: Waiver, description: d, "
       "expiresOn: soon}}",
       "`soon` is no instant"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto parsed = config::parse_exemptions(c.text, "e.yaml");
    REQUIRE_FALSE(parsed);
    CAPTURE(parsed.error().message);
    CHECK(parsed.error().message.contains(c.want));
  }
}
