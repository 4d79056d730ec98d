#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using core::DriftKind;
using tests::component_key;
using tests::JudgeFixture;
using tests::workspace_key;

TEST_CASE_FIXTURE(
    JudgeFixture,
    "a property decides, its change is the cause, and putting it back resolves the drift") {
  workspace("w", "Disabled").settings(workspace_key("w"), R"([{"name":"d"}])").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  CHECK(verdict("diagnostics", workspace_key("w")) == "Compliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 0);

  workspace("w", "Enabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "NonCompliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  REQUIRE(open_drift(DriftKind::kConfiguration) == 1);
  const auto rows = snapshot()->drift(true, 10);
  const auto item = std::ranges::find(*rows,
                                      std::string("/properties/publicNetworkAccessForQuery"),
                                      [](const core::DriftRow& row) { return row.item.path; });
  REQUIRE(item != rows->end());
  CHECK(item->item.old_value == "\"Disabled\"");
  CHECK(item->item.new_value == "\"Enabled\"");

  workspace("w", "SecuredByPerimeter").commit();
  CHECK(open_drift(DriftKind::kConfiguration) == 1);
  workspace("w", "Disabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  CHECK(open_drift(DriftKind::kConfiguration) == 0);
}

TEST_CASE_FIXTURE(
    JudgeFixture,
    "what is not collected is no verdict; what comes is decided with the right cause") {
  workspace("w", "Disabled").commit();
  CHECK(verdict("diagnostics", workspace_key("w")) == "NoEvidence(not_collected) evidence");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  settings(workspace_key("w"), "[]").commit();
  // The first verdict there is: nothing but the resource caused it, and it is drift from the start.
  CHECK(verdict("diagnostics", workspace_key("w")) == "NonCompliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  settings(workspace_key("w"), R"([{"name":"d"}])").commit();
  CHECK(verdict("diagnostics", workspace_key("w")) == "Compliant related");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
}

TEST_CASE_FIXTURE(JudgeFixture, "lost evidence opens no drift and closes none") {
  workspace("good", "Disabled")
      .workspace("bad", "Enabled")
      .evidence("arg:resources|s1", "")
      .commit();
  const auto before = open_drift(DriftKind::kBaseline);
  CHECK(before == 1);
  evidence("arg:resources|s1", "forbidden").commit();
  CHECK(verdict("query", workspace_key("good")) == "NoEvidence(forbidden) evidence");
  CHECK(verdict("query", workspace_key("bad")) == "NoEvidence(forbidden) evidence");
  CHECK(open_drift(DriftKind::kBaseline) == before);
  evidence("arg:resources|s1", "").commit();
  CHECK(verdict("query", workspace_key("good")) == "Compliant evidence");
  CHECK(verdict("query", workspace_key("bad")) == "NonCompliant evidence");
  CHECK(open_drift(DriftKind::kBaseline) == before);

  SUBCASE("a change during the gap is the resource's") {
    evidence("arg:resources|s1", "forbidden").commit();
    workspace("good", "Enabled").evidence("arg:resources|s1", "").commit();
    CHECK(verdict("query", workspace_key("good")) == "NonCompliant resource");
    CHECK(open_drift(DriftKind::kBaseline) == before + 1);
  }
}

TEST_CASE_FIXTURE(JudgeFixture, "one resource in doubt leaves the others alone") {
  workspace("a", "Disabled").workspace("b", "Disabled").commit();
  evidence("resource:" + workspace_key("a"), "truncated").commit();
  CHECK(verdict("query", workspace_key("a")) == "NoEvidence(truncated) evidence");
  CHECK(verdict("query", workspace_key("b")) == "Compliant resource");
  evidence("resource:" + workspace_key("a"), "").commit();
  CHECK(verdict("query", workspace_key("a")) == "Compliant evidence");
}

TEST_CASE_FIXTURE(
    JudgeFixture,
    "a related resource's change decides again what depends on it, and nothing else") {
  workspace("w", "Disabled")
      .workspace("other", "Disabled")
      .component("c", "w")
      .component("d", "other")
      .commit();
  CHECK(verdict("target", component_key("c")) == "Compliant resource");
  workspace("w", "Enabled").commit();
  CHECK(verdict("target", component_key("c")) == "NonCompliant related");
  CHECK(verdict("target", component_key("d")) == "Compliant resource");
  // Two checks on the workspace itself, one on the component that points at it.
  CHECK(last.row.evaluated == 3);
  commit();
  CHECK(last.row.evaluated == 0);
  CHECK(last.row.transitions == 0);
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a related resource in doubt is no evidence for those that point at it") {
  workspace("w", "Disabled").component("c", "w").commit();
  evidence("resource:" + workspace_key("w"), "truncated").commit();
  CHECK(verdict("target", component_key("c")) == "NoEvidence(truncated) evidence");
  evidence("resource:" + workspace_key("w"), "").commit();
  CHECK(verdict("target", component_key("c")) == "Compliant evidence");
}

TEST_CASE_FIXTURE(JudgeFixture, "a target outside the inventory is no evidence until it comes") {
  component("c", "elsewhere").commit();
  CHECK(verdict("target", component_key("c")) == "NoEvidence(not_collected) evidence");
  workspace("elsewhere", "Disabled").commit();
  CHECK(verdict("target", component_key("c")) == "Compliant resource");
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a deleted resource takes its verdicts and drift along, history stays") {
  workspace("w", "Enabled").commit();
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  gone(workspace_key("w")).commit();
  CHECK(verdict("query", workspace_key("w")) == "-");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  const auto transitions = snapshot()->transitions(10);
  CHECK(transitions->front().transition.reason == "deleted");
}

TEST_CASE_FIXTURE(JudgeFixture, "an upgrade of the baseline pages nobody") {
  workspace("w", "Disabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  auto spec = tests::make_assignment();
  SUBCASE("definition") {
    auto& text = spec.initiative.definitions.at(0).text;
    text.replace(text.find("\"notEquals\":\"Disabled\""), 22, "\"notEquals\":\"Perimeter\"");
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "NonCompliant definition");
  }
  SUBCASE("parameters") {
    spec.parameters_json = R"({"effect":"Disabled"})";
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("scope") {
    spec.scope = "/subscriptions/other";
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("notScopes") {
    spec.not_scopes = {workspace_key("w")};
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("a check that is gone") {
    auto& text = spec.initiative.initiative.text;
    const auto at = text.find("{\"policyDefinitionReferenceId\":\"query\"");
    text.erase(at, text.find("{\"policyDefinitionReferenceId\":\"diagnostics\"") - at);
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  CHECK(open_drift(DriftKind::kBaseline) == 0);
}
