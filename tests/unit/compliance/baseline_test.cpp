#include "compliance/baseline.hpp"

#include "compliance/plan.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

namespace {

core::Result<std::shared_ptr<const compliance::Baseline>> compile(
    const compliance::AssignmentSpec& spec) {
  return compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
}

}  // namespace

TEST_CASE("an initiative's checks carry what people read and what collection needs") {
  const auto baseline = compile(tests::make_assignment());
  REQUIRE(baseline);
  const auto& check = (*baseline)->checks.at(0);
  CHECK(check.title == "Query");
  CHECK(check.severity == core::Severity::kHigh);
  CHECK(check.controls == std::vector<std::string>{"NS-2"});
  const auto plan = compliance::make_plan(**baseline, false);
  REQUIRE(plan.tables.size() == 2);
  CHECK(plan.tables.at(1).types ==
        std::vector<std::string>{"microsoft.insights/components",
                                 "microsoft.operationalinsights/workspaces"});
  REQUIRE(plan.details.size() == 1);
  CHECK(plan.details.at(0).parent_types ==
        std::vector<std::string>{"microsoft.operationalinsights/workspaces"});
  const auto everything = compliance::make_plan(**baseline, true);
  const auto resources = std::ranges::find(everything.tables, "resources", &core::TablePlan::table);
  REQUIRE(resources != everything.tables.end());
  CHECK(resources->types.empty());
}

TEST_CASE("a broken initiative says where") {
  struct Case {
    const char* name;
    std::function<void(compliance::AssignmentSpec&)> spoil;
    const char* want;
  };

  const Case cases[] = {
      {"JSON",
       [](auto& spec) { spec.initiative.initiative.text = "{\n \"a\": }"; },
       "dir/initiative.json:2:"},
      {"unknown definition",
       [](auto& spec) { spec.initiative.definitions.erase(spec.initiative.definitions.begin()); },
       "policyDefinitionId `public-query` names no file in dir/definitions"},
      {"unknown parameter",
       [](auto& spec) { spec.parameters_json = R"({"colour":1})"; },
       "assignment prod: the initiative dir has no parameter `colour`"},
      {"value outside allowedValues",
       [](auto& spec) { spec.parameters_json = R"({"effect":"Deny"})"; },
       "effect"},
      {"unknown alias",
       [](auto& spec) {
         auto& text = spec.initiative.definitions.at(0).text;
         text.replace(text.find("publicNetworkAccessForQuery"), 27, "publicNetworkAccessForQuerx");
       },
       "dir/definitions/public-query.json:"},
      {"undeclared relation",
       [](auto& spec) { spec.initiative.relations.text = R"({"relations":[]})"; },
       "relation `workspace` is not declared"},
      {"broken relation",
       [](auto& spec) { spec.initiative.relations.text = "{\"relations\":[\n {\"name\":5}]}"; },
       "dir/relations.json:2:10: a relation has no name"},
      {"no references",
       [](auto& spec) { spec.initiative.initiative.text = "{}"; },
       "`policyDefinitions` must be an array"},
      {"wrong JSON type",
       [](auto& spec) { spec.initiative.initiative.text = R"({"policyDefinitions":[5]})"; },
       ""},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      auto spec = tests::make_assignment();
      c.spoil(spec);
      const auto baseline = compile(spec);
      REQUIRE_FALSE(baseline);
      CAPTURE(baseline.error().message);
      CHECK(baseline.error().message.contains(c.want));
    }
  }
}

TEST_CASE("initiatives may share a relation if they mean the same by it") {
  const auto aliases = *policy::AliasCatalogue::shipped();
  const auto with = [](const char* name, const std::string& relations) {
    auto spec = tests::make_assignment();
    spec.name = name;
    spec.initiative.relations.text = relations;
    return spec;
  };
  const std::string base =
      R"({"relations":[{"name":"f","sourceType":"microsoft.insights/components","path":"properties.WorkspaceResourceId","targetType":"microsoft.operationalinsights/workspaces"},)";
  const auto one = with(
      "one",
      base +
          R"({"name":"g","sourceType":"m.a/t","path":"p"},{"name":"workspace","unionOf":["f","g"]}]})");
  auto spelled = one;
  spelled.name = "two";
  auto& text = spelled.initiative.relations.text;
  text.replace(text.find("m.a/t"), 5, "M.A/T");
  const auto same = compliance::compile_baseline({one, spelled}, {}, *aliases);
  REQUIRE(same);
  CHECK((*same)->relations.size() == 3);

  // Of the same parts by name, but one of the parts differs.
  const auto other = with(
      "two",
      base +
          R"({"name":"h","sourceType":"m.a/t","path":"p"},{"name":"workspace","unionOf":["f","h"]}]})");
  const auto different = compliance::compile_baseline({one, other}, {}, *aliases);
  REQUIRE_FALSE(different);
  CHECK(different.error().message.contains("relation workspace differs from another initiative's"));
}

TEST_CASE("scopes match whole segments") {
  compliance::Assignment assignment;
  assignment.scope = "/subscriptions/s1";
  assignment.not_scopes = {"/subscriptions/s1/resourcegroups/sandbox"};
  CHECK(in_scope(assignment, "/subscriptions/s1"));
  CHECK(in_scope(assignment, "/subscriptions/s1/resourcegroups/a"));
  CHECK_FALSE(in_scope(assignment, "/subscriptions/s10/resourcegroups/a"));
  CHECK_FALSE(in_scope(assignment, "/subscriptions/s1/resourcegroups/sandbox/providers/x/y/z"));
  CHECK(in_scope(assignment, "/subscriptions/s1/resourcegroups/sandbox2"));
}
