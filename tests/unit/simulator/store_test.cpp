#include "simulator/store.hpp"

#include "simulator/arg.hpp"
#include "simulator/arm.hpp"
#include "tests/unit/simulator/testing.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace plumbline;
using namespace plumbline::simulator;

namespace {

struct Tenant {
  Tenant() {
    const Json tenant = Json::parse(R"({"tenantId":"T","subscriptions":[
      {"subscriptionId":"S1","displayName":"One","state":"Enabled"},
      {"subscriptionId":"S2","displayName":"Two","state":"Disabled"}],
      "managementGroups":[{"name":"top","subscriptions":[]},
        {"name":"sub","parent":"top","subscriptions":["S2"]}],
      "argTables":{"Microsoft.Custom/things":"featureresources"}})");
    REQUIRE(store.set_tenant(tenant));
    options.endpoint = "https://127.0.0.1:1";
  }

  Reply arm(const std::string& path, const std::string& query = "api-version=2021-01-01") {
    return answer_arm(store, options, make_request("GET", path, query)).reply;
  }

  Json arg(const std::string& body, int status = 200) {
    auto request = make_request("POST", "/", "api-version=2024-04-01", body);
    request.headers.add("Content-Type", "application/json");
    const Reply reply = graph.answer(request);
    CHECK(reply.status == status);
    return reply.raw ? Json::parse(*reply.raw) : reply.body;
  }

  FixedClock clock;
  Store store{&clock};
  ArmOptions options;
  ResourceGraph graph{&store, &clock, false};
};

std::string code(const Reply& reply) {
  return reply.body["error"]["code"];
}

const std::string kSettings =
    std::string(kVault) + "/providers/Microsoft.Insights/diagnosticSettings";

}  // namespace

TEST_CASE("types go to the table that Resource Graph keeps them in") {
  const struct {
    std::string type;
    bool extends;
    std::string table;
  } cases[] = {
      {"microsoft.keyvault/vaults", false, "resources"},
      {"microsoft.compute/virtualmachines/extensions", false, "resources"},
      {"microsoft.network/networkwatchers/flowlogs", false, "resources"},
      {"microsoft.resources/subscriptions/resourcegroups", false, "resourcecontainers"},
      {"microsoft.authorization/roleassignments", true, "authorizationresources"},
      {"microsoft.authorization/policyassignments", false, "policyresources"},
      {"microsoft.insights/datacollectionruleassociations", true, "insightsresources"},
      {"microsoft.security/pricings", false, "securityresources"},
      {"microsoft.guestconfiguration/guestconfigurationassignments",
       true,
       "guestconfigurationresources"},
      {"microsoft.network/networksecurityperimeters/profiles", false, "networkresources"},
      {"microsoft.insights/diagnosticsettings", true, ""},
      {"microsoft.insights/diagnosticsettings", false, ""},
      {"microsoft.insights/privatelinkscopes/scopedresources", false, ""},
      {"microsoft.operationalinsights/workspaces/tables", false, ""},
      {"microsoft.operationalinsights/workspaces/savedsearches", false, ""},
      {"microsoft.operationalinsights/querypacks/queries", false, ""},
  };

  for (const auto& test : cases) {
    CAPTURE(test.type);
    CHECK(graph_table_of(test.type, test.extends) == test.table);
    CHECK((test.table.empty() || is_graph_table(test.table)));
  }
}

TEST_CASE("the resource manager answers by id, whatever its casing") {
  Tenant tenant;
  CHECK(tenant.store.add(resource(kVault)) == Added::kNew);
  CHECK(tenant.store.add(resource(core::resource_key(kVault))) == Added::kDuplicate);
  CHECK(tenant.store.add(resource("no id")) == Added::kNotAnId);
  const std::string upper =
      "/SUBSCRIPTIONS/s1/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/KV";
  CHECK(tenant.arm(upper).body["id"] == kVault);
  CHECK(tenant.arm("/subscriptions/s1").body["displayName"] == "One");
  CHECK(tenant.arm("/subscriptions").body["value"].size() == 2);
  CHECK(tenant.arm("/subscriptions/S1/resourceGroups").body["value"][0]["name"] == "Rg");
  CHECK(tenant.arm("/subscriptions/S1/resourceGroups/rg").body["name"] == "Rg");
  CHECK(tenant.arm("/subscriptions/S1/providers/Microsoft.KeyVault/vaults").body["value"].size() ==
        1);
  CHECK(tenant.arm("/subscriptions/S1/resourceGroups/RG/providers/Microsoft.KeyVault/vaults")
            .body["value"]
            .size() == 1);
  CHECK(tenant.arm("/subscriptions/S2/providers/Microsoft.KeyVault/vaults").body["value"].empty());
  CHECK_FALSE(tenant.arm("/subscriptions/S1/resources").body["value"][0].contains("properties"));
  CHECK(tenant.arm("/providers/Microsoft.Management/managementGroups/top/descendants")
            .body["value"]
            .size() == 2);
}

TEST_CASE("the resource manager's refusals") {
  Tenant tenant;
  REQUIRE(tenant.store.add(resource(kVault)) == Added::kNew);

  const struct {
    std::string path;
    std::string query;
    int status;
    std::string code;
  } cases[] = {
      {"/subscriptions", "", 400, "MissingApiVersionParameter"},
      {"/subscriptions/none", "api-version=1", 404, "SubscriptionNotFound"},
      {"/subscriptions/none/providers/Microsoft.X/y", "api-version=1", 404, "SubscriptionNotFound"},
      {"/subscriptions/S1/resourceGroups/none", "api-version=1", 404, "ResourceGroupNotFound"},
      {"/subscriptions/S1/resourceGroups/none/providers/M.X/y/z",
       "api-version=1",
       404,
       "ResourceGroupNotFound"},
      {"/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/none",
       "api-version=1",
       404,
       "ResourceNotFound"},
      {"/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/none/providers/"
       "Microsoft.Insights/diagnosticSettings",
       "api-version=1",
       404,
       "ResourceNotFound"},
      {"/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/none/keys",
       "api-version=1",
       404,
       "ResourceNotFound"},
      {"/providers/Microsoft.Management/managementGroups/none",
       "api-version=1",
       404,
       "ManagementGroupNotFound"},
      {"/", "api-version=1", 404, "NotFound"},
      {"/elsewhere", "api-version=1", 404, "NotFound"},
      {"/subscriptions/S1/providers/Microsoft.KeyVault/vaults",
       "api-version=1&$skiptoken=x",
       400,
       "InvalidSkipToken"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.path);
    const Reply reply = tenant.arm(test.path, test.query);
    CHECK(reply.status == test.status);
    CHECK(code(reply) == test.code);
  }
}

TEST_CASE("lists page by nextLink until it is absent") {
  Tenant tenant;
  for (int i = 0; i < 7; ++i) {
    tenant.store.add(resource(std::string(kVault) + std::to_string(i)));
  }
  std::set<std::string> seen;
  std::string path = "/subscriptions/S1/providers/Microsoft.KeyVault/vaults";
  std::string query = "api-version=2021-01-01&%24top=3";
  int pages = 0;
  for (bool more = true; more; ++pages) {
    REQUIRE(pages < 10);
    const Reply reply = tenant.arm(path, query);
    for (const Json& item : reply.body["value"]) {
      CHECK(seen.insert(item["id"]).second);
    }
    more = reply.body.contains("nextLink");
    if (more) {
      const auto next = net::parse_url(reply.body["nextLink"].get<std::string>());
      REQUIRE(next);
      CHECK(next->origin() == tenant.options.endpoint);
      const std::size_t question = next->target.find('?');
      path = next->target.substr(0, question);
      query = next->target.substr(question + 1);
    }
  }
  CHECK(pages == 3);
  CHECK(seen.size() == 7);
}

TEST_CASE("settings and children belong to their resource alone") {
  Tenant tenant;
  tenant.store.add(resource(kVault));
  tenant.store.add(resource(std::string(kVault) + "2"));
  tenant.store.add(resource(kSettings + "/one"));
  tenant.store.add(
      resource("/subscriptions/S1/providers/Microsoft.Insights/diagnosticSettings/activity"));
  tenant.store.add(
      resource("subscriptions/s1/providers/AzureResourceManager/diagnosticSettings/ds4"));
  CHECK(tenant.arm(kSettings).body["value"].size() == 1);
  CHECK_FALSE(tenant.arm(kSettings).body.contains("nextLink"));
  CHECK(tenant.arm(std::string(kVault) + "2/providers/microsoft.insights/diagnosticSettings")
            .body["value"]
            .empty());
  CHECK(tenant.arm("/subscriptions/s1/providers/microsoft.insights/diagnosticsettings")
            .body["value"]
            .size() == 2);
  const std::string association =
      std::string(kVault) + "/providers/Microsoft.Insights/dataCollectionRuleAssociations/a";
  const std::string rule =
      "/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.Insights/dataCollectionRules/r";
  tenant.store.add(resource(rule));
  tenant.store.add(resource(
      association, {{"properties", {{"dataCollectionRuleId", core::resource_key(rule)}}}}));
  CHECK(tenant.arm(rule + "/associations").body["value"].size() == 1);
  CHECK(tenant.arg(R"({"query":"insightsresources | project id"})")["count"] == 1);
  CHECK(tenant.arg(R"({"query":"resources | where type contains 'diagnostic'"})")["count"] == 0);
}

TEST_CASE("Resource Graph pages by skip token, within its limits") {
  Tenant tenant;
  for (int i = 0; i < 7; ++i) {
    tenant.store.add(resource(std::string(kVault) + std::to_string(i)));
  }
  std::set<std::string> seen;
  Json request = {{"query", "resources | project id | order by id asc"},
                  {"options", {{"$top", 3}}}};
  int pages = 0;
  for (bool more = true; more; ++pages) {
    REQUIRE(pages < 10);
    const Json page = tenant.arg(dump(request));
    CHECK(page["totalRecords"] == 7);
    CHECK(page["resultTruncated"] == "false");
    for (const Json& row : page["data"]) {
      CHECK(seen.insert(row["id"]).second);
    }
    more = page.contains("$skipToken");
    if (more) {
      request["options"]["$skipToken"] = page["$skipToken"];
    }
  }
  CHECK(pages == 3);
  CHECK(seen.size() == 7);

  // Without id, or with a limit, the rest is out of reach and the answer says so.
  for (const char* const query : {"resources | project name", "resources | project id | take 5"}) {
    const Json page = tenant.arg(dump({{"query", query}, {"options", {{"$top", 3}}}}));
    CHECK(page["resultTruncated"] == "true");
    CHECK_FALSE(page.contains("$skipToken"));
  }
  request["query"] = "resources | project id";
  CHECK(tenant.arg(dump(request), 400)["error"]["details"][0]["code"] == "InvalidSkipToken");
  const Json table = tenant.arg(
      R"({"query":"resources | project id, properties | take 1","options":{"resultFormat":"table","$skip":0}})");
  CHECK(dump(table["data"]["columns"]) ==
        R"([{"name":"id","type":"string"},{"name":"properties","type":"object"}])");
  CHECK(table["data"]["rows"][0].size() == 2);
}

TEST_CASE("Resource Graph's refusals") {
  Tenant tenant;

  const struct {
    std::string body;
    int status;
    std::string code;
    std::string detail;
  } cases[] = {
      {"not json", 400, "BadRequest", "InvalidRequest"},
      {"{}", 400, "BadRequest", "InvalidRequest"},
      {R"({"query":"nosuchtable"})", 400, "BadRequest", "InvalidQuery"},
      {R"({"query":"resources | join x"})", 400, "BadRequest", "InvalidQuery"},
      {R"({"query":"resources","options":{"$top":1001}})",
       400,
       "BadRequest",
       "InvalidPagingOptions"},
      {R"({"query":"resources","options":{"resultFormat":"xml"}})",
       400,
       "BadRequest",
       "InvalidResultFormat"},
      {R"({"query":"resources","subscriptions":["none"]})", 403, "AccessDenied", "AccessDenied"},
      {R"({"query":"resources","managementGroups":["none"]})", 403, "AccessDenied", "AccessDenied"},
      {R"({"query":"resources","subscriptions":["S1"],"managementGroups":["top"]})",
       400,
       "BadRequest",
       "InvalidScope"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.body);
    const Json answer = tenant.arg(test.body, test.status);
    CHECK(answer["error"]["code"] == test.code);
    CHECK(answer["error"]["details"][0]["code"] == test.detail);
  }
  CHECK(tenant.graph.answer(make_request("POST", "/", "", "{}")).status == 500);  // no content type
}

TEST_CASE("scopes decide whose rows a query sees") {
  Tenant tenant;
  tenant.store.add(resource(kVault));
  tenant.store.add(
      resource("/subscriptions/S2/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/Other"));
  tenant.store.add(resource("/providers/Microsoft.Authorization/roleDefinitions/reader"));
  tenant.store.add(resource("/subscriptions/S1/providers/Microsoft.Custom/things/t"));
  const auto count = [&](const char* scope, const char* table) {
    return tenant.arg(std::string(R"({"query":")") + table + R"(")" + scope + "}")["count"]
        .get<int>();
  };
  CHECK(count("", "resources") == 2);
  CHECK(count(R"(,"subscriptions":["s1"])", "resources") == 1);
  CHECK(count(R"(,"subscriptions":["S1","none"])", "resources") == 1);  // silently less
  CHECK(count(R"(,"managementGroups":["TOP"])", "resources") == 1);
  CHECK(count(R"(,"managementGroups":["T"])", "resources") == 2);
  CHECK(count("", "authorizationresources") == 1);
  CHECK(count(R"(,"subscriptions":["s1"])", "authorizationresources") == 0);
  CHECK(count(R"(,"subscriptions":["s1"],"options":{"authorizationScopeFilter":"AtScopeAndAbove"})",
              "authorizationresources") == 1);
  CHECK(count("", "featureresources") == 1);
  // Two subscriptions, two resource groups, two management groups.
  CHECK(count("", "resourcecontainers") == 6);
}

TEST_CASE("the quota is counted, and enforced when asked for") {
  FixedClock clock;
  Store store(&clock);
  ResourceGraph graph(&store, &clock, true);
  auto request = make_request("POST", "/", "", R"({"query":"resources"})");
  request.headers.add("Content-Type", "application/json");
  for (int i = 14; i >= 0; --i) {
    const Reply reply = graph.answer(request);
    CHECK(reply.status == 200);
    CHECK(reply.headers.get("x-ms-user-quota-remaining") == std::to_string(i));
    CHECK(reply.headers.get("x-ms-user-quota-resets-after") == "00:00:05");
  }
  clock.advance(std::chrono::seconds(2));
  const Reply refused = graph.answer(request);
  CHECK(refused.status == 429);
  CHECK(refused.body["error"]["code"] == "RateLimiting");
  CHECK(refused.headers.get("Retry-After") == "3");
  CHECK(refused.headers.get("x-ms-user-quota-remaining") == "0");
  clock.advance(std::chrono::seconds(3));
  CHECK(graph.answer(request).status == 200);
}

TEST_CASE("changes leave rows in the change tables and events in the activity log") {
  Tenant tenant;
  const Cause cause{"mia@contoso.example", "Azure Portal"};
  REQUIRE(tenant.store.put(kVault, resource(kVault, {{"tags", {{"a", "1"}}}}), cause));
  REQUIRE(tenant.store.patch(
      kVault, Json::parse(R"({"tags":{"a":"2","b":"3"},"properties":{"a":null}})"), cause));
  REQUIRE(tenant.store.patch(kVault, Json::parse(R"({"tags":{"a":"2"}})"), cause));  // no change
  REQUIRE(tenant.store.put(kSettings + "/x", resource(kSettings + "/x"), cause));
  REQUIRE(tenant.store.remove(kVault, cause));
  CHECK(tenant.store.find(kSettings + "/x") == nullptr);

  const Json rows = tenant.arg(
      R"({"query":"resourcechanges | project id, p = properties | order by tostring(p.changeType) asc"})")
                        ["data"];
  REQUIRE(rows.size() == 3);  // none for the setting: Resource Graph does not hold it
  CHECK(rows[0]["p"]["changeType"] == "Create");
  CHECK(rows[1]["p"]["changeType"] == "Delete");
  CHECK_FALSE(rows[1]["p"].contains("changes"));
  const Json update = rows[2]["p"];
  CHECK(update["changeType"] == "Update");
  CHECK(update["targetResourceType"] == "microsoft.keyvault/vaults");
  CHECK(update["changeAttributes"]["changedBy"] == "mia@contoso.example");
  CHECK(update["changeAttributes"]["timestamp"] == "2026-11-22T05:00:00.0000000Z");
  CHECK(update["changeAttributes"]["changesCount"] == 3);
  CHECK(update["changes"]["tags.a"]["previousValue"] == "1");
  CHECK(update["changes"]["tags.b"]["propertyChangeType"] == "Insert");
  CHECK(update["changes"]["properties.a"]["propertyChangeType"] == "Remove");

  const std::string log =
      "/subscriptions/S1/providers/microsoft.insights/eventtypes/management/values";
  const std::string since =
      "api-version=2015-04-01&$filter=eventTimestamp%20ge%20'2026-11-22T00:00:00Z'";
  CHECK(tenant.arm(log, since).body["value"].size() == 5);
  const Json insights =
      tenant.arm(log, since + "%20and%20resourceProvider%20eq%20'Microsoft.Insights'")
          .body["value"];
  REQUIRE(insights.size() == 2);
  CHECK(insights[0]["operationName"]["value"] == "microsoft.insights/diagnosticsettings/delete");
  CHECK(tenant.arm(log, "api-version=1&$filter=eventTimestamp%20ge%20'2027-01-01T00:00:00Z'")
            .body["value"]
            .empty());
  CHECK(tenant.arm(log, "api-version=1").status == 400);
}

TEST_CASE("traces and rows come late when told to, with the time of the change") {
  Tenant tenant;
  tenant.store.add(resource(kVault));
  const Delays delays{std::chrono::seconds(10), std::chrono::seconds(20), std::chrono::seconds(30)};
  tenant.store.set_delays(delays);
  REQUIRE(tenant.store.patch(kVault, {{"kind", "first"}}, {}));
  tenant.clock.advance(std::chrono::seconds(5));
  REQUIRE(tenant.store.patch(kVault, {{"kind", "second"}}, {}));
  REQUIRE(tenant.store.put(std::string(kVault) + "2", Json::object(), {}));
  const auto changes = [&]() {
    return tenant.arg(R"({"query":"resourcechanges | project id, properties"})")["data"];
  };
  const auto kind = [&]() {
    const Json rows = tenant.arg(R"({"query":"resources | project id, kind | order by id asc"})");
    return rows["count"] == 0 ? Json() : rows["data"][0]["kind"];
  };
  const auto events = [&]() {
    return tenant
        .arm("/subscriptions/S1/providers/microsoft.insights/eventtypes/management/values",
             "api-version=1&$filter=eventTimestamp%20ge%20'2026-11-22T00:00:00Z'")
        .body["value"]
        .size();
  };
  CHECK(tenant.arm(kVault).body["kind"] == "second");
  CHECK(changes().empty());
  CHECK(kind() == "");
  tenant.clock.advance(
      std::chrono::seconds(5));  // 10 s after the first change, 5 s after the second
  REQUIRE(changes().size() == 1);
  CHECK(changes()[0]["properties"]["changeAttributes"]["timestamp"] ==
        "2026-11-22T05:00:00.0000000Z");
  CHECK(events() == 0);
  tenant.clock.advance(std::chrono::seconds(10));
  CHECK(changes().size() == 3);
  CHECK(events() == 1);
  tenant.clock.advance(std::chrono::seconds(10));
  CHECK(events() == 3);
  CHECK(kind() == "first");
  CHECK(tenant.arg(R"({"query":"resources"})")["count"] == 1);
  tenant.clock.advance(std::chrono::seconds(5));
  CHECK(kind() == "second");
  CHECK(tenant.arg(R"({"query":"resources"})")["count"] == 2);

  REQUIRE(tenant.store.remove(kVault, {}));
  CHECK(code(tenant.arm(kVault)) == "ResourceNotFound");
  CHECK(tenant.arg(R"({"query":"resources"})")["count"] == 2);
  tenant.clock.advance(std::chrono::seconds(30));
  CHECK(tenant.arg(R"({"query":"resources"})")["count"] == 1);
}

TEST_CASE("subscriptions and groups leave rows in the change table of containers") {
  Tenant tenant;
  REQUIRE(tenant.store.patch("/subscriptions/S1", {{"tags", {{"env", "prod"}}}}, {}));
  REQUIRE(tenant.store.patch("/subscriptions/S1", {{"tags", {{"env", "prod"}}}}, {}));  // no change
  REQUIRE(tenant.store.put("/subscriptions/S1/resourceGroups/New", Json::object(), {}));
  const Json rows = tenant.arg(
      R"({"query":"resourcecontainerchanges | project id, p = properties | order by tostring(p.changeType) asc"})")
                        ["data"];
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["p"]["targetResourceType"] == "microsoft.resources/subscriptions/resourcegroups");
  CHECK(rows[1]["p"]["targetResourceId"] == "/subscriptions/S1");
  CHECK(rows[1]["p"]["changes"]["tags.env"]["newValue"] == "prod");
}

TEST_CASE("subscriptions and groups come and go") {
  Tenant tenant;
  tenant.store.add(resource(kVault));
  REQUIRE(tenant.store.put("/subscriptions/S3", {{"displayName", "Three"}}, {}));
  CHECK(tenant.arm("/subscriptions/s3").body["displayName"] == "Three");
  REQUIRE(tenant.store.patch("/subscriptions/S3", {{"state", "Warned"}}, {}));
  CHECK(tenant.arm("/subscriptions/s3").body["state"] == "Warned");
  REQUIRE(tenant.store.remove("/subscriptions/S1/resourceGroups/rg", {}));
  CHECK(code(tenant.arm(kVault)) == "ResourceGroupNotFound");
  REQUIRE(tenant.store.remove("/subscriptions/s1", {}));
  CHECK(code(tenant.arm(kVault)) == "SubscriptionNotFound");
  CHECK(tenant.store.remove("/subscriptions/s1", {}).error().code == core::Errc::kNotFound);
  CHECK(tenant.store.put("nonsense", Json::object(), {}).error().code ==
        core::Errc::kInvalidArgument);
  CHECK(tenant.store.put(kVault, resource(std::string(kVault) + "2"), {}).error().code ==
        core::Errc::kInvalidArgument);
}

TEST_CASE("removing does not take a neighbour whose name begins alike") {
  Tenant tenant;
  tenant.store.add(resource(kVault));
  tenant.store.add(resource(std::string(kVault) + "-2"));
  tenant.store.add(resource(kSettings + "/x"));
  REQUIRE(tenant.store.remove(kVault, {}));
  CHECK(tenant.store.find(std::string(kVault) + "-2") != nullptr);
  CHECK(tenant.store.find(kSettings + "/x") == nullptr);
}
