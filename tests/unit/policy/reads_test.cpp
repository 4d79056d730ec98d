#include "policy/engine.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace plumbline;
using policy::ReadPath;

namespace {

std::vector<ReadPath> reads_of(const std::string& condition, const std::string& then) {
  const auto aliases = policy::AliasCatalogue::shipped();
  REQUIRE(aliases);
  const auto compiled = policy::compile_definition(
      fmt::format(
          R"({{"mode":"All","parameters":{{"tag":{{"type":"String"}}}},"policyRule":{{"if":{},"then":{}}}}})",
          condition,
          then),
      "rule",
      **aliases);
  CAPTURE((compiled ? std::string() : compiled.error().message));
  REQUIRE(compiled);
  return (*compiled)->info().reads;
}

constexpr const char* kAudit = R"({"effect":"audit"})";
constexpr const char* kWorkspace = "microsoft.operationalinsights/workspaces";
constexpr const char* kSettings = "microsoft.insights/diagnosticsettings";

std::string with_type(const std::string& condition) {
  return fmt::format(
      R"({{"allOf":[{{"field":"type","equals":"Microsoft.OperationalInsights/workspaces"}},{}]}})",
      condition);
}

}  // namespace

TEST_CASE("a definition knows which properties it reads") {
  struct Case {
    const char* name;
    std::string condition;
    std::string then;
    std::vector<ReadPath> want;
  };

  const ReadPath type{kWorkspace, "", "type", true};
  const Case cases[] = {
      {"an alias",
       with_type(
           R"({"field":"Microsoft.OperationalInsights/workspaces/publicNetworkAccessForQuery","notEquals":"Disabled"})"),
       kAudit,
       {{kWorkspace, "", "properties.publicNetworkAccessForQuery", true}, type}},
      {"a value, both sides, and a template",
       with_type(
           R"({"value":"[field('Microsoft.OperationalInsights/workspaces/retentionInDays')]","less":"[field('location')]"})"),
       kAudit,
       {{kWorkspace, "", "location", true},
        {kWorkspace, "", "properties.retentionInDays", true},
        type}},
      {"a tag that a parameter names",
       with_type(R"({"field":"[concat('tags[', parameters('tag'), ']')]","exists":false})"),
       kAudit,
       {{kWorkspace, "", "tags", true}, type}},
      {"any type",
       R"({"field":"tags.owner","exists":false})",
       kAudit,
       {{"", "", "tags.owner", true}}},
      {"a count asks for its elements, and what its conditions ask for",
       R"({"allOf":[{"field":"type","equals":"Microsoft.Network/virtualNetworks"},{"count":{"field":"Microsoft.Network/virtualNetworks/subnets[*]","where":{"field":"Microsoft.Network/virtualNetworks/subnets[*].name","equals":"a"}},"greater":0}]})",
       kAudit,
       {{"microsoft.network/virtualnetworks", "", "properties.subnets[*]", false},
        {"microsoft.network/virtualnetworks", "", "properties.subnets[*].name", true},
        {"microsoft.network/virtualnetworks", "", "type", true}}},
      {"a count that asks for whole elements",
       R"({"allOf":[{"field":"type","equals":"Microsoft.Network/virtualNetworks"},{"count":{"field":"Microsoft.Network/virtualNetworks/subnets[*]","where":{"value":"[length(current())]","greater":3}},"greater":0}]})",
       kAudit,
       {{"microsoft.network/virtualnetworks", "", "properties.subnets[*]", true},
        {"microsoft.network/virtualnetworks", "", "type", true}}},
      {"what it looks for",
       R"({"field":"type","equals":"Microsoft.OperationalInsights/workspaces"})",
       R"({"effect":"auditIfNotExists","details":{"type":"Microsoft.Insights/diagnosticSettings","existenceCondition":{"allOf":[{"field":"Microsoft.Insights/diagnosticSettings/workspaceId","exists":true},{"field":"name","equals":"[field('name')]"}]}}})",
       {{kSettings, "", "name", true},
        {kSettings, "", "properties.workspaceId", true},
        {kWorkspace, "", "name", true},
        type}},
      {"what a relation leads to",
       with_type(
           R"({"count":{"field":"Plumbline.Relations/cluster[*]","where":{"field":"Plumbline.Relations/cluster[*].properties.isDoubleEncryptionEnabled","equals":true}},"equals":0})"),
       kAudit,
       {{"", "cluster", "properties.isDoubleEncryptionEnabled", true}, type}},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      auto want = c.want;
      std::ranges::sort(want);
      const auto got = reads_of(c.condition, c.then);
      std::string told;
      for (const auto& read : got) {
        told += fmt::format("{} {} {} {}\n", read.type, read.relation, read.path, read.whole);
      }
      CAPTURE(told);
      CHECK(got == want);
    }
  }
}
