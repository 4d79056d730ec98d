#include "collectors/activity/feed.hpp"

#include "collectors/activity/pending.hpp"
#include "collectors/details.hpp"
#include "collectors/resource_graph/query.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace plumbline;
using namespace std::chrono_literals;

namespace {

const std::string kVault =
    "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/kv";
const core::Time kNow = *core::parse_rfc3339("2026-11-22T12:00:00Z");

}  // namespace

TEST_CASE("queries of the change feed") {
  CHECK(collectors::change_query("resourcechanges", kNow - 1min, {"microsoft.keyvault/vaults"}) ==
        "resourcechanges | where todatetime(properties.changeAttributes.timestamp) >= "
        "datetime(2026-11-22T11:59:00Z) and tostring(properties.targetResourceType) in~ "
        "('microsoft.keyvault/vaults') | project id, properties | order by id asc");
  CHECK(collectors::change_query("resourcecontainerchanges", kNow, {}) ==
        "resourcecontainerchanges | where todatetime(properties.changeAttributes.timestamp) >= "
        "datetime(2026-11-22T12:00:00Z) | project id, properties | order by id asc");
  // Whatever a name holds, it stays inside its quotes.
  CHECK(collectors::resource_graph_query_of("resources", {"/a/o'brien", "/b\\') | take 1\n"}) ==
        R"(resources | where id in~ ('/a/o\'brien', '/b\\\') | take 1') | order by id asc)");
}

TEST_CASE("change rows are read with their quirks") {
  const auto row = [](const std::string& properties) {
    return R"({"id":"/x/changes/1","properties":)" + properties + "}";
  };
  const std::string full = row(
      R"({"targetResourceId":"/subscriptions/S1/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/KV",
          "targetResourceType":"Microsoft.KeyVault/vaults","changeType":"Update",
          "changeAttributes":{"correlationId":"c","changedByType":"User","changesCount":2,
            "clientType":"Azure Portal","changedBy":"mia@contoso.example","isTruncated":true,
            "operation":"microsoft.keyvault/vaults/write","timestamp":"2024-06-14T18:57:02.1234567Z"},
          "changes":{"tags.a":{"previousValue":null,"newValue":"null","isTruncated":"true"},
                     "properties.x[0].y":{"newValue":"b"}}})");
  // An early form of the feed (2021) leaves out who, and names no table's types.
  const std::string sparse = row(
      R"({"targetResourceId":"/subscriptions/s1/resourceGroups/rg","changeType":"Delete",
          "changeAttributes":{"timestamp":"2021-11-19T14:29:09.9210000Z","changesCount":0}})");
  const auto page = collectors::parse_change_page(
      R"({"totalRecords":9,"count":9,"resultTruncated":"false","$skipToken":"t","data":[)" + full +
      "," + sparse + "," +
      row(R"({"targetResourceId":"/x","changeType":"Create","changeAttributes":{"timestamp":"2021-11-19T14:29:09Z"}})") +
      "," +
      row(R"({"targetResourceId":"/subscriptions/s1","changeType":"Move","changeAttributes":{"timestamp":"2021-11-19T14:29:09Z"}})") +
      "," +
      row(R"({"targetResourceId":"/subscriptions/s1","changeType":"Create","changeAttributes":{"timestamp":5}})") +
      "," + row(R"({"targetResourceId":"/subscriptions/s1","changeType":"Create"})") + "," +
      row("null") + R"(,{"id":"y"},{}]})");
  REQUIRE(page);
  CHECK(page->row_count == 9);
  CHECK(page->unusable == 7);
  CHECK(page->skip_token == "t");
  CHECK_FALSE(page->truncated);
  REQUIRE(page->changes.size() == 2);
  const auto& change = page->changes[0];
  CHECK(change.key == kVault);
  CHECK(change.type == "microsoft.keyvault/vaults");
  CHECK(change.kind == "Update");
  CHECK(change.at == *core::parse_rfc3339("2024-06-14T18:57:02.123456Z"));
  CHECK(change.changed_by == "mia@contoso.example");
  CHECK(change.changed_by_type == "User");
  CHECK(change.client_type == "Azure Portal");
  CHECK(change.operation == "microsoft.keyvault/vaults/write");
  CHECK(change.correlation_id == "c");
  CHECK(change.paths == std::vector<std::string>{"tags.a", "properties.x[0].y"});
  CHECK(page->changes[1].type == "microsoft.resources/subscriptions/resourcegroups");
  CHECK(page->changes[1].changed_by.empty());

  CHECK(collectors::parse_change_page(R"({"resultTruncated":"true","data":[]})")->truncated);
  CHECK(collectors::parse_change_page(R"({"data":[]})")->total_records == -1);
  for (const char* const bad : {"", "{}", "[", R"({"data":{}})", R"({"data":[{"id":"x)"}) {
    CHECK_FALSE(collectors::parse_change_page(bad));
  }
}

TEST_CASE("of the activity log, successful writes and deletes count") {
  const auto event = [](const std::string& operation,
                        const std::string& status,
                        const std::string& id,
                        const std::string& sub_status = "OK") {
    return R"({"eventDataId":")" + operation + status + R"(","operationName":{"value":")" +
           operation + R"("},"status":{"value":")" + status + R"("},"subStatus":{"value":")" +
           sub_status + R"("},"resourceId":")" + id +
           R"(","eventTimestamp":"2026-11-22T11:59:00.1234567Z","caller":"mia","correlationId":"c"})";
  };
  const std::string setting = kVault + "/providers/Microsoft.Insights/diagnosticSettings/a";
  const std::string write = "Microsoft.Insights/diagnosticSettings/write";
  const auto page = collectors::parse_activity_page(
      R"({"nextLink":"https://arm.example/next","value":[)" +
      event("Microsoft.Insights/diagnosticSettings/delete", "Succeeded", setting) + "," +
      event(write, "Succeeded", setting, "Created (HTTP Status Code: 201)") + "," +
      event(write, "Started", setting) + "," + event(write, "Failed", setting) + "," +
      event("Microsoft.Insights/diagnosticSettings/read/action", "Succeeded", setting) + "," +
      event(write, "Succeeded", "nothing") + "," +
      R"({"operationName":"x/write","status":"Succeeded","resourceId":"/subscriptions/s1"},{}]})");
  REQUIRE(page);
  CHECK(page->next_link == "https://arm.example/next");
  REQUIRE(page->changes.size() == 2);
  CHECK(page->changes[0].kind == "Delete");
  CHECK(page->changes[0].key == core::resource_key(setting));
  CHECK(page->changes[0].type == "microsoft.insights/diagnosticsettings");
  CHECK(page->changes[0].changed_by == "mia");
  CHECK(page->changes[1].kind == "Create");
  CHECK_FALSE(collectors::parse_activity_page("{}"));
  CHECK(
      collectors::activity_path("s1", "Microsoft.Insights", kNow - 1min, kNow)
          .starts_with("/subscriptions/s1/providers/Microsoft.Insights/eventtypes/management/"
                       "values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20%272026-11-22"
                       "T11%3A59%3A00Z%27%20and%20eventTimestamp%20le%20%272026-11-22T12%3A00%3A0"
                       "0Z%27%20and%20resourceProvider%20eq%20%27Microsoft.Insights%27&$select="));
}

TEST_CASE("which list shows a resource, and which lists a resource has") {
  core::CollectionPlan plan;
  plan.details = {
      {"microsoft.insights/diagnosticsettings",
       "1",
       {"microsoft.keyvault/vaults",
        "microsoft.resources/subscriptions",
        "microsoft.storage/storageaccounts"}},
      {"microsoft.operationalinsights/workspaces/tables",
       "1",
       {"microsoft.operationalinsights/workspaces"}},
      {"microsoft.authorization/denyassignments", "1", {"microsoft.resources/subscriptions"}},
      {"microsoft.storage/storageaccounts/blobservices",
       "1",
       {"microsoft.storage/storageaccounts"}},
  };
  const std::string workspace =
      "/subscriptions/s1/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/w";
  const std::string storage =
      "/subscriptions/s1/resourcegroups/rg/providers/microsoft.storage/storageaccounts/st";
  const std::string settings = "/providers/microsoft.insights/diagnosticsettings";

  struct Case {
    std::string id;
    std::string list;  // empty: none
  };

  const std::vector<Case> cases = {
      {kVault + settings + "/a", kVault + settings},
      {"/subscriptions/s1" + settings + "/a", "/subscriptions/s1" + settings},
      {storage + "/blobservices/default" + settings + "/a",
       storage + "/blobservices/default" + settings},
      {workspace + "/tables/t", workspace + "/tables"},
      {workspace + "/tables/t/rows/r", ""},
      {"/subscriptions/s1/providers/microsoft.authorization/denyassignments/d",
       "/subscriptions/s1/providers/microsoft.authorization/denyassignments"},
      {workspace, ""},
      {workspace + settings + "/a", ""},  // not asked for
      {kVault + "/providers/microsoft.authorization/locks/l", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.id);
    const auto list = collectors::list_showing(*core::parse_resource_id(c.id), plan);
    CHECK((list ? list->first : "") == c.list);
  }
  const auto names = [&](const std::string& key, const char* type) {
    std::vector<std::string> keys;
    for (const auto& list : collectors::lists_of(key, type, plan)) {
      keys.push_back(list.first);
    }
    return keys;
  };
  CHECK(names(kVault, "microsoft.keyvault/vaults") == std::vector{kVault + settings});
  CHECK(names(workspace, "microsoft.operationalinsights/workspaces") ==
        std::vector{workspace + "/tables"});
  plan.details[0].parent_types = {};
  CHECK(names(storage, "microsoft.storage/storageaccounts") ==
        std::vector{storage + settings,
                    storage + "/blobservices/default" + settings,
                    storage + "/blobservices"});
}

TEST_CASE("where to go on reading a feed") {
  using collectors::feed_window;
  const auto ordinary = feed_window(kNow - 1min, kNow - 1h, kNow);
  CHECK(ordinary.since == kNow - 8min);
  CHECK(ordinary.gap.empty());
  CHECK_FALSE(ordinary.sweep_needed);
  // A clock that differs a little is none that was wrong.
  CHECK(feed_window(kNow + 4min, kNow - 1h, kNow).gap.empty());

  struct Case {
    const char* name;
    std::optional<core::Time> watermark;
    std::optional<core::Time> swept;
    core::Time since;
    bool sweep_needed;
  };

  for (const auto& c : std::vector<Case>{
           {"never read, swept", std::nullopt, kNow - 1h, kNow - 67min, false},
           {"never read, never swept", std::nullopt, std::nullopt, kNow - 7min, true},
           {"older than the feed, swept since", kNow - 24h * 15, kNow - 1h, kNow - 67min, false},
           {"older than the feed", kNow - 24h * 15, kNow - 24h * 16, kNow - 7min, true},
           {"about to be older", kNow - 24h * 14 + 1min, std::nullopt, kNow - 7min, true},
           {"in the future", kNow + 1h, kNow - 1min, kNow - 8min, false},
           {"in the future, never swept", kNow + 1h, std::nullopt, kNow - 7min, true},
       }) {
    CAPTURE(c.name);
    const auto window = feed_window(c.watermark, c.swept, kNow);
    CHECK_FALSE(window.gap.empty());
    CHECK(window.since == c.since);
    CHECK(window.sweep_needed == c.sweep_needed);
  }
  using collectors::activity_since;
  CHECK(activity_since(kNow - 5min, kNow - 1h, kNow, 6h) == kNow - 35min);
  CHECK(activity_since(std::nullopt, kNow - 1h, kNow, 6h) == kNow - 90min);
  CHECK(activity_since(kNow - 24h, kNow - 1h, kNow, 6h) == kNow - 6h - 30min);
  CHECK(activity_since(kNow + 24h, kNow - 1h, kNow, 6h) == kNow - 90min);
}

TEST_CASE("what is pending is asked ever more rarely, at last after ten minutes") {
  collectors::PendingResources pending;
  const collectors::SteadyTime start{};
  REQUIRE(pending.add({"/a", "t", false}, start));
  std::string asked;
  bool given_up = false;
  for (int minute = 0; minute < 20; ++minute) {
    const auto now = start + minute * 1min;
    if (!pending.due(now).empty()) {
      asked += std::to_string(minute) + " ";
      given_up = pending.tried("/a", now, 60s);
    }
  }
  CHECK(asked == "0 1 3 7 10 ");
  CHECK(given_up);
  CHECK(pending.size() == 0);

  // Another change begins anew; one whose body came is asked no more.
  REQUIRE(pending.add({"/a", "t", false}, start));
  CHECK_FALSE(pending.tried("/a", start, 60s));
  CHECK(pending.due(start + 30s).empty());
  REQUIRE(pending.add({"/a", "t", true}, start + 30s));
  REQUIRE(pending.due(start + 30s).size() == 1);
  CHECK(pending.due(start + 30s)[0].deleted);
  pending.still_there("/a");
  CHECK_FALSE(pending.due(start + 30s)[0].deleted);
  pending.resolve("/a");
  CHECK(pending.due(start + 30s).empty());
  CHECK_FALSE(pending.tried("/a", start, 60s));

  for (std::size_t i = 0; i < collectors::PendingResources::kMost; ++i) {
    REQUIRE(pending.add({std::to_string(i), "t", false}, start));
  }
  CHECK_FALSE(pending.add({"one more", "t", false}, start));
  CHECK(pending.add({"0", "t", true}, start));
}

TEST_CASE("the feed missed what nothing named within the grace") {
  collectors::MissedChanges missed;
  const collectors::SteadyTime start{};
  missed.told("/told before", start);
  missed.found("/told before", start + 1min);
  missed.found("/told after", start + 1min);
  missed.found("/never told", start + 1min);
  missed.found("/never told", start + 6min);  // by the next sweep
  missed.told("/told after", start + 10min);
  CHECK(missed.settle(start + 10min).empty());
  CHECK(missed.settle(start + 11min) == std::vector<std::string>{"/never told"});
  CHECK(missed.settle(start + 30min).empty());
  // What was told long ago explains nothing any more.
  missed.found("/told before", start + 60min);
  CHECK(missed.settle(start + 70min) == std::vector<std::string>{"/told before"});
}
