// What rules read besides resources: subscription(), resourceGroup(), policy(), attestations.
#include "compliance/plan.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace plumbline;
using tests::JudgeFixture;
using tests::workspace_key;

namespace {

const std::string kSubscription = "/subscriptions/s1";
const std::string kGroup = "/subscriptions/s1/resourcegroups/rg";
const std::string kContainers = "arg:resourcecontainers|s1";
const std::string kAttestations =
    "/subscriptions/s1/providers/microsoft.policyinsights/attestations";

struct Fixture : JudgeFixture {
  /// One check, "rule", on workspaces.
  static compliance::AssignmentSpec one_rule(const std::string& condition,
                                             const std::string& then = R"({"effect":"audit"})") {
    auto spec = tests::make_assignment();
    spec.initiative.initiative.text =
        R"({"policyDefinitions":[{"policyDefinitionReferenceId":"rule","policyDefinitionId":"rule"}]})";
    spec.initiative.definitions = {{"dir/definitions/rule.json",
                                    fmt::format(R"({{"mode":"All","policyRule":{{"if":{{"allOf":[
             {{"field":"type","equals":"Microsoft.OperationalInsights/workspaces"}}{}]}},
             "then":{}}}}})",
                                                condition.empty() ? "" : "," + condition,
                                                then)}};
    return spec;
  }

  void containers(const std::string& environment) {
    for (const auto& [key, type] :
         {std::pair(kSubscription, "microsoft.resources/subscriptions"),
          std::pair(kGroup, "microsoft.resources/subscriptions/resourcegroups")}) {
      core::Observation row;
      row.key = row.id = key;
      row.type = type;
      row.source = kContainers;
      row.body =
          fmt::format(R"({{"id":"{}","name":"n","tags":{{"environment":"{}"}},"type":"{}"}})",
                      key,
                      environment,
                      type);
      observe(std::move(row));
    }
    evidence(kContainers, "");
  }

  void attest(const std::string& value) {
    core::Observation list;
    list.key = list.id = kAttestations;
    list.type = "microsoft.policyinsights/attestations";
    list.is_detail = true;
    list.source = core::detail_evidence_key(kAttestations);
    list.body = fmt::format(R"({{"id":"{}","value":{}}})", kAttestations, value);
    evidence(list.source, "");
    observe(std::move(list));
  }

  std::string rule() { return verdict("rule", workspace_key("a")); }
};

std::string attestation(
    const std::string& owner,
    const std::string& state,
    const std::string& more = "",
    const std::string& assignment = "/providers/Microsoft.Authorization/policyAssignments/PROD") {
  return fmt::format(
      R"({{"id":"{}/providers/Microsoft.PolicyInsights/attestations/{}","properties":{{
          "policyAssignmentId":"{}","policyDefinitionReferenceId":"rule",
          "complianceState":"{}"{}}}}})",
      owner,
      core::to_hex(core::sha256(state + more)).substr(0, 8),
      assignment,
      state,
      more);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a rule that reads its containers waits for them and follows them") {
  const char* function = "subscription";
  SUBCASE("subscription()") {
    function = "subscription";
  }
  SUBCASE("resourceGroup()") {
    function = "resourceGroup";
  }
  adopt(one_rule(
      fmt::format(R"({{"value":"[{}().tags.environment]","equals":"production"}})", function)));
  workspace("a", "Enabled").evidence("arg:resources|s1", "");
  commit();
  CHECK(rule() == "NoEvidence(not_collected) evidence");
  containers("test");
  commit();
  CHECK(rule().starts_with("Compliant"));
  containers("production");
  commit();
  CHECK(rule() == "NonCompliant related");
  evidence(kContainers, "forbidden");
  commit();
  CHECK(rule() == "NoEvidence(forbidden) evidence");
}

TEST_CASE_FIXTURE(Fixture, "the ids of containers are known without their rows") {
  adopt(one_rule(R"({"value":"[subscription().subscriptionId]","equals":"s1"},
                    {"value":"[resourceGroup().name]","equals":"RG"},
                    {"value":"[policy().definitionReferenceId]","equals":"rule"},
                    {"value":"[policy().assignmentId]",
                     "equals":"/providers/microsoft.authorization/policyassignments/prod"})"));
  workspace("a", "Enabled");
  commit();
  CHECK(rule() == "NonCompliant resource");
}

TEST_CASE_FIXTURE(Fixture, "a rule that does not read its containers does not depend on them") {
  adopt(one_rule(""));
  workspace("a", "Enabled");
  containers("test");
  commit();
  containers("production");
  commit();
  CHECK(last.row.evaluated == 0);
}

TEST_CASE_FIXTURE(Fixture, "effect manual takes its state from attestations of the resource") {
  auto spec = one_rule("", R"({"effect":"manual","details":{"defaultState":"Unknown"}})");
  adopt(spec);
  workspace("a", "Enabled").evidence("arg:resources|s1", "");
  commit();
  CHECK(rule() == "NoEvidence(not_collected) evidence");
  attest("[]");
  commit();
  CHECK(rule().starts_with("Unknown"));

  attest("[" + attestation(workspace_key("A"), "Compliant") + "]");
  commit();
  CHECK(rule() == "Compliant related");

  // Of another resource, another policy, or its group.
  attest("[" + attestation(workspace_key("b"), "Compliant") + "," +
         attestation(kGroup, "Compliant") + "," +
         attestation(workspace_key("a"), "Compliant", "", "/x/policyAssignments/other") + "]");
  commit();
  CHECK(rule() == "Unknown related");

  attest("[" + attestation(workspace_key("a"), "Compliant") + "," +
         attestation(workspace_key("a"), "NonCompliant") + "]");
  commit();
  CHECK(rule() == "NonCompliant related");

  SUBCASE("until it expires") {
    attest("[" +
           attestation(workspace_key("a"),
                       "Compliant",
                       fmt::format(R"(,"expiresOn":"{}")",
                                   core::to_rfc3339(clock.now() + std::chrono::hours(1)))) +
           "]");
    commit();
    CHECK(rule() == "Compliant related");
    clock.advance(std::chrono::hours(2));
    commit();
    CHECK(rule() == "Unknown time");
  }
  SUBCASE("of the assignment that this one stands for") {
    spec.id = "/x/policyAssignments/other";
    adopt(spec);
    CHECK(rule() == "Unknown parameters");
  }
  SUBCASE("as long as they can be read") {
    evidence(core::detail_evidence_key(kAttestations), "forbidden");
    commit();
    CHECK(rule() == "NoEvidence(forbidden) evidence");
  }
}

TEST_CASE_FIXTURE(Fixture, "attestations are asked for where an effect is manual") {
  const auto asks = [&] {
    const auto details = compliance::make_plan(*baseline, false).details;
    return std::ranges::count(
               details, "microsoft.policyinsights/attestations", &core::DetailPlan::type) == 1;
  };
  adopt(one_rule(""));
  CHECK_FALSE(asks());
  auto spec = one_rule("");
  spec.overrides_json = R"([{"kind":"policyEffect","value":"manual","selectors":[
      {"kind":"resourceLocation","in":["x"]}]}])";
  adopt(spec);
  CHECK(asks());
}
