#include "compliance/confirmation.hpp"

#include "tests/unit/compliance/fixture.hpp"

#include <set>

using namespace plumbline;
using namespace plumbline::tests;

namespace {

struct Fixture : JudgeFixture {
  Fixture() { confirming = compliance::Confirming::kHeldBack; }

  std::string query(const std::string& name) { return verdict("query", workspace_key(name)); }

  /// Says with which keys who would be asked.
  std::vector<std::string> waiting(std::size_t limit = 100,
                                   const std::set<std::string>& later = {}) {
    std::vector<std::string> out;
    const auto found = compliance::pending_confirmations(
        *baseline, *snapshot(), limit, [&](const std::string& key) { return later.contains(key); });
    REQUIRE(found);
    for (const auto& request : found->requests) {
      out.push_back(request.key.substr(request.key.rfind('/') + 1));
    }
    return out;
  }

  JudgeFixture& says(const std::string& name, const std::string& access) {
    return confirm(workspace_key(name),
                   fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"{}"}})", access));
  }

  void refuse(const std::string& name, const std::string& reason) {
    evidence(core::detail_evidence_key(core::confirmation_key(workspace_key(name))), reason)
        .commit();
  }
};

}  // namespace

TEST_CASE("what Resource Manager says goes before what Resource Graph shows") {
  struct Row {
    const char* name;
    const char* graph;
    const char* manager;
    const char* expected;
  };

  for (const Row& row : {
           Row{"a property that is only there", R"({"a":1})", R"({"b":2})", R"({"a":1,"b":2})"},
           Row{"another value", R"({"a":1,"b":1})", R"({"b":2})", R"({"a":1,"b":2})"},
           Row{"objects are put together",
               R"({"p":{"a":1,"c":{"d":1}}})",
               R"({"p":{"b":2,"c":{"e":[]}}})",
               R"({"p":{"a":1,"c":{"d":1,"e":[]},"b":2}})"},
           Row{"arrays are whole", R"({"a":[1,2]})", R"({"a":[3]})", R"({"a":[3]})"},
           Row{"names ignore case",
               R"({"Sku":{"Name":"x"}})",
               R"({"sKU":{"name":"y"}})",
               R"({"Sku":{"Name":"y"}})"},
           Row{"a null says nothing",
               R"({"a":{"b":1}})",
               R"({"a":null,"c":null})",
               R"({"a":{"b":1}})"},
           Row{"a null is no value", R"({"a":null})", R"({"a":1})", R"({"a":1})"},
           Row{"another kind", R"({"a":{"b":1}})", R"({"a":"x"})", R"({"a":"x"})"},
           Row{"nothing", R"({"a":1})", "{}", R"({"a":1})"},
           Row{"escapes", R"({"a\"":1})", R"({"\n":2})", R"({"a\"":1,"\n":2})"},
       }) {
    CAPTURE(row.name);
    simdjson::dom::parser one;
    simdjson::dom::parser other;
    CHECK(compliance::overlaid(one.parse(std::string(row.graph)).value(),
                               other.parse(std::string(row.manager)).value()) == row.expected);
  }
}

TEST_CASE("a grave finding waits, and counts as if it had not") {
  Fixture f;
  f.workspace("a", "Disabled").commit();
  CHECK(f.query("a") == "Compliant resource");
  f.workspace("a", "Enabled").commit();
  CHECK(f.query("a") == "NoEvidence(confirming) resource");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 0);
  CHECK(f.waiting() == std::vector<std::string>{"a"});
  f.says("a", "Enabled").commit();
  CHECK(f.query("a") == "NonCompliant resource");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 1);
  CHECK(f.waiting().empty());
  // The configuration has changed once, as Resource Graph shows it.
  CHECK(f.snapshot()->versions(workspace_key("a"))->size() == 2);
  CHECK(f.open_drift(core::DriftKind::kConfiguration) == 1);

  SUBCASE("it is not asked for again") {
    f.resource(workspace_key("a"),
               kWorkspaceType,
               R"("properties":{"publicNetworkAccessForQuery":"Enabled","x":1})")
        .commit();
    CHECK(f.query("a") == "NonCompliant resource");
    CHECK(f.waiting().empty());
  }
  SUBCASE("nor after an outage") {
    f.evidence("arg:resources|s1", "forbidden").commit();
    CHECK(f.query("a") == "NoEvidence(forbidden) evidence");
    f.evidence("arg:resources|s1", "").commit();
    CHECK(f.query("a") == "NonCompliant evidence");
  }
  SUBCASE("but once it was mended") {
    f.workspace("a", "Disabled").commit();
    CHECK(f.query("a") == "Compliant resource");
    f.workspace("a", "Enabled").commit();
    CHECK(f.query("a") == "NoEvidence(confirming) resource");
  }
  SUBCASE("it goes with its resource") {
    f.gone(workspace_key("a")).commit();
    CHECK(f.query("a") == "-");
    CHECK_FALSE(f.snapshot()->find(core::confirmation_key(workspace_key("a"))).value());
  }
}

TEST_CASE("a finding that Resource Manager contradicts was none") {
  Fixture f;
  f.workspace("a", "Disabled").commit();
  f.workspace("a", "Enabled").commit();
  const auto asked = compliance::pending_confirmations(*f.baseline, *f.snapshot(), 10);
  REQUIRE(asked);
  f.says("a", "Disabled").commit();
  CHECK(f.query("a") == "Compliant evidence");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 0);
  const auto outcome =
      compliance::outcome_of(*f.baseline, *f.snapshot(), asked->requests, f.clock.now());
  REQUIRE(outcome);
  CHECK(outcome->confirmed == 0);
  CHECK(outcome->contradicted == 1);
  REQUIRE(outcome->contradictions.size() == 1);
  CHECK(outcome->contradictions.front().reference == "query");
  CHECK(outcome->contradictions.front().state == "Compliant");
  CHECK(outcome->contradictions.front().paths ==
        std::vector<std::string>{"properties.publicNetworkAccessForQuery"});
  // It speaks of that body alone.
  f.resource(workspace_key("a"),
             kWorkspaceType,
             R"("properties":{"publicNetworkAccessForQuery":"Enabled","x":1})")
      .commit();
  CHECK(f.query("a") == "NoEvidence(confirming) resource");
}

TEST_CASE("what Resource Graph hides is looked at again, and its change is one") {
  Fixture f;
  f.resource(workspace_key("a"), kWorkspaceType, R"("properties":{})").commit();
  const auto key = core::detail_evidence_key(core::confirmation_key(workspace_key("a")));
  f.says("a", "Disabled").evidence(key, "").commit();
  CHECK(f.query("a") == "Compliant resource");
  const auto renewed = [&](core::Time before) {
    const auto found =
        compliance::pending_confirmations(*f.baseline, *f.snapshot(), 10, nullptr, before);
    REQUIRE(found);
    CHECK(found->resources == 0);
    return found->requests.size();
  };
  CHECK(renewed(f.clock.now() - std::chrono::hours(1)) == 0);
  CHECK(renewed(f.clock.now() + std::chrono::hours(1)) == 1);
  f.says("a", "Enabled").evidence(key, "").commit();
  CHECK(f.query("a") == "NonCompliant resource");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 1);
  f.gone(workspace_key("a")).commit();
  CHECK(renewed(f.clock.now() + std::chrono::hours(1)) == 0);
}

TEST_CASE("who looks at a resource by a relation sees what Resource Manager said") {
  Fixture f;
  f.workspace("a", "Enabled").component("c", "a").commit();
  CHECK(f.verdict("target", component_key("c")) == "NonCompliant resource");
  f.says("a", "Disabled").commit();
  CHECK(f.verdict("target", component_key("c")) == "Compliant evidence");
}

TEST_CASE("a refusal leaves no evidence, and a reason") {
  Fixture f;
  f.workspace("a", "Disabled").commit();
  f.workspace("a", "Enabled").commit();
  f.refuse("a", "forbidden");
  CHECK(f.query("a") == "NoEvidence(confirming_forbidden) resource");
  f.refuse("a", "throttled");
  CHECK(f.query("a") == "NoEvidence(confirming_throttled) resource");
  CHECK(f.waiting() == std::vector<std::string>{"a"});
  f.says("a", "Enabled").commit();
  CHECK(f.query("a") == "NonCompliant resource");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 1);
}

TEST_CASE("what is less grave waits where it rests on what is absent") {
  auto spec = make_assignment();
  auto& text = spec.initiative.definitions.front().text;
  text.replace(text.find("\"high\""), 6, "\"low\"");
  Fixture f;
  f.adopt(spec);
  f.workspace("shown", "Enabled");
  f.resource(workspace_key("absent"), kWorkspaceType, R"("properties":{})").commit();
  CHECK(f.query("shown") == "NonCompliant resource");
  CHECK(f.query("absent") == "NoEvidence(confirming) resource");
  // A setting that is missing is no property of the workspace.
  f.settings(workspace_key("shown"), "[]").commit();
  CHECK(f.verdict("diagnostics", workspace_key("shown")) == "NonCompliant resource");
}

TEST_CASE("an upgrade opens no drift, and its findings are confirmed too") {
  auto lenient = make_assignment();
  auto& text = lenient.initiative.definitions.front().text;
  text.replace(text.find("\"notEquals\":\"Disabled\""), 22, "\"equals\":\"Nowhere\"");
  Fixture f;
  f.adopt(lenient);
  f.workspace("a", "Enabled").commit();
  CHECK(f.query("a") == "Compliant resource");
  f.adopt(make_assignment());
  CHECK(f.query("a") == "NoEvidence(confirming) definition");
  f.says("a", "Enabled").commit();
  CHECK(f.query("a") == "NonCompliant definition");
  CHECK(f.open_drift(core::DriftKind::kBaseline) == 0);
}

TEST_CASE("what nobody asks about counts at once") {
  Fixture f;
  SUBCASE("where there is nobody") {
    f.confirming = compliance::Confirming::kNobodyAsks;
    f.workspace("a", "Enabled").commit();
  }
  SUBCASE("where it did not come from Resource Graph") {
    core::Observation own;
    own.key = own.id = workspace_key("a");
    own.type = kWorkspaceType;
    own.body = fmt::format(
        R"({{"id":"{}","name":"a","properties":{{"publicNetworkAccessForQuery":"Enabled"}},"type":"{}"}})",
        own.key,
        kWorkspaceType);
    own.source = "file:dump.json";
    f.observe(std::move(own)).commit();
  }
  CHECK(f.query("a") == "NonCompliant resource");
  CHECK(f.waiting().empty());
}

TEST_CASE("the most severe are asked for first, and no more than the budget") {
  Fixture f;
  f.resource(component_key("x"), "microsoft.insights/components", R"("properties":{})");
  f.workspace("b", "Enabled").workspace("a", "Enabled").workspace("c", "Enabled").commit();
  CHECK(f.waiting() == std::vector<std::string>{"a", "b", "c"});
  CHECK(f.waiting(2) == std::vector<std::string>{"a", "b"});
  CHECK(f.waiting(2, {workspace_key("a")}) == std::vector<std::string>{"b", "c"});
  CHECK(compliance::pending_confirmations(*f.baseline, *f.snapshot(), 1)->resources == 3);
}
