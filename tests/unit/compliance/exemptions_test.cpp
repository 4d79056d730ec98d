#include "compliance/exemptions.hpp"

#include "compliance/summary.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace plumbline;
using tests::JudgeFixture;
using tests::workspace_key;

namespace {

core::ExemptionSpec exemption(const std::string& name, const std::string& scope) {
  core::ExemptionSpec spec;
  spec.name = name;
  spec.scope = scope;
  spec.category = "Waiver";
  spec.description = "why";
  spec.place = "exemptions.yaml:3:5";
  return spec;
}

struct Fixture : JudgeFixture {
  Fixture() {
    workspace("a", "Enabled").workspace("b", "Disabled");
    settings(workspace_key("a"), "[]").settings(workspace_key("b"), "[]");
    evidence("arg:resources|s1", "");
    commit();
  }

  compliance::ExemptionSummary summary(const std::string& name) {
    auto state = snapshot();
    const auto made = compliance::summarise(baseline, *state, clock.now());
    REQUIRE(made);
    const auto found = std::ranges::find(
        (*made)->exemptions, name, [](const auto& entry) { return entry.exemption->spec.name; });
    REQUIRE(found != (*made)->exemptions.end());
    return *found;
  }

  std::string state(const std::string& name) {
    return std::string(compliance::to_string(summary(name).state));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an exemption covers what lies in its scope, and drifts nobody") {
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant resource");
  const auto drift = open_drift(core::DriftKind::kBaseline);
  auto spec = exemption("open", "/subscriptions/S1/resourceGroups/RG");
  spec.references = {"QUERY"};
  adopt(tests::make_assignment(), {spec});
  CHECK(verdict("query", workspace_key("a")) == "Exempt(open) exemption");
  CHECK(verdict("query", workspace_key("b")) == "Exempt(open) exemption");
  CHECK(verdict("diagnostics", workspace_key("a")) == "NonCompliant resource");
  CHECK(open_drift(core::DriftKind::kBaseline) == drift - 1);
  CHECK(summary("open").verdicts == 2);
  CHECK(summary("open").compliant == 1);
  CHECK(state("open") == "active");

  SUBCASE("a covered resource stays exempt whatever it becomes, and is known underneath") {
    workspace("a", "Disabled");
    commit();
    CHECK(verdict("query", workspace_key("a")) == "Exempt(open) exemption");
    CHECK(state("open") == "compliant");
    workspace("a", "Enabled");
    commit();
    CHECK(summary("open").compliant == 1);
  }
  SUBCASE("its end is no drift") {
    adopt(tests::make_assignment());
    CHECK(verdict("query", workspace_key("a")) == "NonCompliant exemption");
    CHECK(verdict("query", workspace_key("b")) == "Compliant exemption");
    CHECK(open_drift(core::DriftKind::kBaseline) == drift - 1);
  }
  SUBCASE("a new resource in its scope is exempt from the start") {
    workspace("c", "Enabled");
    commit();
    CHECK(verdict("query", workspace_key("c")) == "Exempt(open) exemption");
    CHECK(open_drift(core::DriftKind::kBaseline) == drift - 1);
  }
  SUBCASE("missing evidence is exempt too") {
    evidence("arg:resources|s1", "forbidden");
    commit();
    CHECK(verdict("query", workspace_key("a")) == "Exempt(open) exemption");
    CHECK(verdict("diagnostics", workspace_key("a")) == "NoEvidence(forbidden) evidence");
    CHECK(summary("open").compliant == 1);
  }
  SUBCASE("a changed text of it decides nothing again") {
    spec.description = "another reason";
    adopt(tests::make_assignment(), {spec});
    CHECK(last.row.evaluated == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "an exemption expires by the clock alone") {
  auto spec = exemption("until", workspace_key("a"));
  spec.expires_on = clock.now() + std::chrono::hours(24);
  adopt(tests::make_assignment(), {spec});
  CHECK(verdict("query", workspace_key("a")) == "Exempt(until) exemption");
  CHECK(state("until") == "expiring");
  clock.advance(std::chrono::hours(25));
  commit();
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant exemption");
  CHECK(state("until") == "expired");
  commit();
  CHECK(last.row.evaluated == 0);
}

TEST_CASE_FIXTURE(Fixture, "an exemption that expires before a baseline is adopted ends with it") {
  auto spec = exemption("until", workspace_key("a"));
  spec.expires_on = clock.now() + std::chrono::hours(1);
  adopt(tests::make_assignment(), {spec});
  CHECK(verdict("query", workspace_key("a")) == "Exempt(until) exemption");
  clock.advance(std::chrono::hours(2));
  auto assignment = tests::make_assignment();
  auto& text = assignment.initiative.definitions.at(1).text;
  text.replace(text.find("medium"), 6, "high");
  adopt(assignment, {spec});
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant exemption");
}

TEST_CASE_FIXTURE(Fixture, "an exemption that covers nothing is unused, and the first one counts") {
  adopt(tests::make_assignment(),
        {exemption("gone", workspace_key("gone")),
         exemption("first", workspace_key("a")),
         exemption("second", "/")});
  CHECK(state("gone") == "unused");
  CHECK(verdict("query", workspace_key("a")) == "Exempt(first) exemption");
  CHECK(verdict("query", workspace_key("b")) == "Exempt(second) exemption");
}

TEST_CASE_FIXTURE(Fixture, "resource selectors narrow an exemption down") {
  auto spec = exemption("x", "/");
  spec.resource_selectors_json = R"([{"selectors":[{"kind":"resourceType","in":["a/b"]}]}])";
  adopt(tests::make_assignment(), {spec});
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant resource");
}

TEST_CASE("an exemption that cannot be meant is refused with its place") {
  struct Case {
    const char* name;
    std::function<void(core::ExemptionSpec&)> spoil;
    const char* want;
  };

  const Case cases[] = {
      {"scope", [](auto& spec) { spec.scope = "workspaces"; }, "`workspaces` is neither / nor"},
      {"reference",
       [](auto& spec) { spec.references = {"query", "querx"}; },
       "no policyDefinitionReferenceId `querx` is assigned"},
      {"assignment", [](auto& spec) { spec.assignment = "test"; }, "there is no assignment `test`"},
      {"selectors",
       [](auto& spec) { spec.resource_selectors_json = R"([{"selectors":[{"kind":"x"}]}])"; },
       "resourceSelectors[0].selectors[0]"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    auto spec = exemption("one", "/");
    c.spoil(spec);
    const auto baseline = compliance::compile_baseline(
        {tests::make_assignment()}, {spec}, **policy::AliasCatalogue::shipped());
    REQUIRE_FALSE(baseline);
    CAPTURE(baseline.error().message);
    CHECK(baseline.error().message.starts_with("exemptions.yaml:3:5: exemption one: "));
    CHECK(baseline.error().message.contains(c.want));
  }
  const auto twice = compliance::compile_baseline({tests::make_assignment()},
                                                  {exemption("one", "/"), exemption("one", "/")},
                                                  **policy::AliasCatalogue::shipped());
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message.contains("used twice"));
  auto by_id = exemption("one", "/");
  by_id.assignment = "/providers/microsoft.authorization/POLICYASSIGNMENTS/prod";
  CHECK(compliance::compile_baseline(
      {tests::make_assignment()}, {by_id}, **policy::AliasCatalogue::shipped()));
}
