#include "compliance/plan.hpp"

#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

using namespace plumbline;

namespace {

/// The plan of one check on components that reads the relation `read`, `type` one to a line.
std::string plan_for(const std::string& relations) {
  auto spec = tests::make_assignment();
  auto& text = spec.initiative.definitions.at(2).text;
  for (auto at = text.find("/workspace[*]"); at != std::string::npos;
       at = text.find("/workspace[*]", at)) {
    text.replace(at, 13, "/read[*]");
  }
  auto& initiative = spec.initiative.initiative.text;
  const auto query = initiative.find("{\"policyDefinitionReferenceId\":\"query\"");
  const auto target = initiative.find("{\"policyDefinitionReferenceId\":\"target\"");
  initiative.erase(query, target - query);
  spec.initiative.relations.text = fmt::format(R"({{"relations":[{}]}})", relations);
  const auto baseline =
      compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
  CAPTURE((baseline ? std::string() : baseline.error().message));
  REQUIRE(baseline);
  const auto plan = compliance::make_plan(**baseline, false);
  std::vector<std::string> out;
  for (const auto& table : plan.tables) {
    for (const auto& type : table.types) {
      if (!type.starts_with("microsoft.resources/") && type != "microsoft.insights/components") {
        out.push_back(type);
      }
    }
  }
  for (const auto& detail : plan.details) {
    out.push_back(fmt::format("{} of {}",
                              detail.type,
                              detail.parent_types.empty()
                                  ? "everything"
                                  : fmt::format("{}", fmt::join(detail.parent_types, ","))));
  }
  return fmt::format("{}", fmt::join(out, "; "));
}

}  // namespace

TEST_CASE("both ends of every relation that a rule reads are collected") {
  const struct {
    const char* name;
    const char* relations;
    const char* want;
  } cases[] = {
      {"lists of types",
       R"({"name":"read","sourceType":["microsoft.insights/components","m.a/s"],"path":"p","targetType":["m.a/t","m.a/u"]})",
       "m.a/s; m.a/t; m.a/u"},
      {"any target",
       R"({"name":"read","sourceType":["microsoft.insights/components","m.a/s"],"path":"p"})",
       "m.a/s"},
      {"what no rule reads is not",
       R"({"name":"read","sourceType":"m.a/s","path":"p"},{"name":"other","sourceType":"m.a/o","path":"p"})",
       "m.a/s"},
      {"inverse",
       R"({"name":"f","sourceType":"m.a/s","path":"p","targetType":"m.a/t"},{"name":"read","inverseOf":"f"})",
       "m.a/s; m.a/t"},
      {"union",
       R"({"name":"f","sourceType":"m.a/s","path":"p","targetType":"m.a/t"},{"name":"g","sourceType":"m.b/s","path":"p"},{"name":"h","inverseOf":"g"},{"name":"read","unionOf":["f","h"]})",
       "m.a/s; m.a/t; m.b/s"},
      {"composition, its middle as well",
       R"({"name":"f","sourceType":"m.a/s","path":"p","targetType":"m.a/t"},{"name":"g","sourceType":"m.a/t","path":"p","targetType":"m.a/u"},{"name":"read","compositionOf":["f","g"]})",
       "m.a/s; m.a/t; m.a/u"},
      {"inverse of a composition",
       R"({"name":"f","sourceType":"m.a/s","path":"p","targetType":"m.a/t"},{"name":"g","sourceType":"m.a/t","path":"$subscription"},{"name":"c","compositionOf":["f","g"]},{"name":"read","inverseOf":"c"})",
       "m.a/s; m.a/t"},
      {"lists that anything may have",
       R"({"name":"read","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.workspaceId"})",
       "microsoft.insights/diagnosticsettings of everything"},
      {"lists read for their owner only",
       R"({"name":"f","sourceType":"microsoft.insights/diagnosticsettings","path":"$parent","targetType":"m.a/t"},{"name":"read","inverseOf":"f"})",
       "m.a/t; microsoft.insights/diagnosticsettings of m.a/t"},
      {"lists of children, asked of their parents",
       R"({"name":"read","sourceType":"microsoft.operationalinsights/workspaces/tables","path":"p"})",
       "microsoft.operationalinsights/workspaces; microsoft.operationalinsights/workspaces/tables "
       "of microsoft.operationalinsights/workspaces"},
      {"a target in such a list",
       R"({"name":"read","sourceType":"m.a/s","path":"p","targetType":"microsoft.insights/privatelinkscopes/scopedresources"})",
       "m.a/s; microsoft.insights/privatelinkscopes; "
       "microsoft.insights/privatelinkscopes/scopedresources of "
       "microsoft.insights/privatelinkscopes"},
  };

  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(plan_for(c.relations) == c.want);
  }
}

TEST_CASE("a check that is switched off asks for nothing") {
  auto spec = tests::make_assignment();
  // Leaves the one check whose effect is the initiative's parameter.
  auto& initiative = spec.initiative.initiative.text;
  const auto others = initiative.find(",\n      {\"policyDefinitionReferenceId\":\"diagnostics\"");
  REQUIRE(others != std::string::npos);
  initiative.replace(others, std::string::npos, "]}}");
  const auto types_with = [&](const char* parameters) {
    spec.parameters_json = parameters;
    const auto baseline =
        compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
    CAPTURE((baseline ? std::string() : baseline.error().message));
    REQUIRE(baseline);
    std::vector<std::string> types;
    for (const auto& table : compliance::make_plan(**baseline, false).tables) {
      if (table.table != "resourcecontainers") {
        types.insert(types.end(), table.types.begin(), table.types.end());
      }
    }
    return types;
  };
  CHECK(types_with("{}") == std::vector<std::string>{"microsoft.operationalinsights/workspaces"});
  CHECK(types_with(R"({"effect":"Disabled"})").empty());
  spec.parameters_json = R"({"effect":"Disabled"})";
  const auto disabled =
      compliance::compile_baseline({spec}, {}, **policy::AliasCatalogue::shipped());
  REQUIRE(disabled);
  CHECK(compliance::readers_of_types(**disabled).empty());
}

TEST_CASE("every type that is asked for on account of a check is one that the check reads") {
  const auto baseline = compliance::compile_baseline(
      {tests::make_assignment()}, {}, **policy::AliasCatalogue::shipped());
  REQUIRE(baseline);
  const auto readers = compliance::readers_of_types(**baseline);
  std::set<std::string> read;
  for (const auto& [type, references] : readers) {
    CAPTURE(type);
    CHECK_FALSE(references.empty());
    read.insert(type);
  }
  std::set<std::string> asked;
  const auto plan = compliance::make_plan(**baseline, false);
  for (const auto& table : plan.tables) {
    asked.insert(table.types.begin(), table.types.end());
  }
  for (const auto& detail : plan.details) {
    asked.insert(detail.type);
  }
  // Whatever the checks are.
  asked.erase("microsoft.resources/subscriptions");
  asked.erase("microsoft.resources/subscriptions/resourcegroups");
  read.erase("microsoft.resources/subscriptions");
  read.erase("microsoft.resources/subscriptions/resourcegroups");
  CHECK(read == asked);
  CHECK(readers.at("microsoft.insights/diagnosticsettings") ==
        std::vector<std::string>{"diagnostics"});
}
