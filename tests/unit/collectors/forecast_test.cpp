#include "collectors/forecast.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace plumbline;
using namespace std::chrono_literals;
using collectors::CountedScope;
using collectors::forecast_pass;
using collectors::ForecastOptions;

namespace {

constexpr const char* kWorkspaces = "microsoft.operationalinsights/workspaces";
constexpr const char* kStorage = "microsoft.storage/storageaccounts";
constexpr const char* kGroups = "microsoft.management/managementgroups";

CountedScope one(std::int64_t rows) {
  return {{"a"}, {{"resources", kWorkspaces, "a", rows}}};
}

std::int64_t requests_of(const collectors::Forecast& forecast, std::string_view type) {
  const auto found = std::ranges::find(forecast.lists, type, &collectors::ListForecast::type);
  REQUIRE(found != forecast.lists.end());
  return found->requests;
}

}  // namespace

TEST_CASE("forecast: pages of a sweep") {
  struct Row {
    std::int64_t rows;
    std::int64_t requests;  // and the count before them
  };

  const core::CollectionPlan plan{{{"resources", {}}}, {}};
  // From 10,000 rows on pieces are asked for at the same time, each with pages of its own.
  for (const auto& row : {Row{0, 2},
                          Row{1, 2},
                          Row{1000, 2},
                          Row{1001, 3},
                          Row{9999, 11},
                          Row{10'000, 11},
                          Row{12'000, 13}}) {
    CAPTURE(row.rows);
    const auto forecast = forecast_pass(plan, {one(row.rows)}, {});
    CHECK(forecast.graph_requests == row.requests);
    CHECK(forecast.tables.front().rows == row.rows);
    CHECK(forecast.resources == row.rows);
    CHECK(forecast.disk_bytes == row.rows * 14 * 1024);
  }
}

TEST_CASE("forecast: only the largest table is counted, and later chunks only of a large tenant") {
  const core::CollectionPlan plan{{{"resourcecontainers", {}}, {"resources", {}}}, {}};
  const CountedScope other{{"b"}, {{"resources", kWorkspaces, "b", 10}}};
  CHECK(forecast_pass(plan, {one(10)}, {}).graph_requests == 3);
  CHECK(forecast_pass(plan, {one(10), other}, {}).graph_requests == 5);
  CHECK(forecast_pass(plan, {one(5000), other}, {}).graph_requests == 1 + 6 + 1 + 2);
}

TEST_CASE("forecast: what reaches down from above is one thing, however often it shows") {
  const core::CollectionPlan plan{{{"policyresources", {}}}, {}};
  const CountedScope a{{"a"}, {{"policyresources", "microsoft.authorization/x", "", 7}}};
  const CountedScope b{{"b"}, {{"policyresources", "microsoft.authorization/x", "", 7}}};
  const auto forecast = forecast_pass(plan, {a, b}, {});
  CHECK(forecast.resources == 7);
  CHECK(forecast.tables.front().rows == 14);
  CHECK(forecast.graph_requests == 2);
}

TEST_CASE("forecast: management groups are a query of their own, of one table") {
  const core::CollectionPlan plan{{{"resourcecontainers", {}}, {"resources", {}}}, {}};
  const CountedScope groups{{}, {{"resourcecontainers", kGroups, "", 4}}};
  const auto forecast = forecast_pass(plan, {one(1), groups}, {});
  CHECK(forecast.graph_requests == 4);
  CHECK(forecast.resources == 5);
  CHECK(forecast_pass(plan, {one(1), {}}, {}).graph_requests == 4);
}

TEST_CASE("forecast: lists of Resource Manager") {
  const core::CollectionPlan plan{
      {{"resources", {}}, {"authorizationresources", {}}},
      {{"microsoft.eventhub/namespaces/eventhubs/consumergroups",
        "1",
        {"microsoft.eventhub/namespaces/eventhubs"}},
       {"microsoft.insights/diagnosticsettings", "1", {}},
       {"microsoft.operationalinsights/workspaces/tables", "1", {kWorkspaces}},
       {"microsoft.storage/storageaccounts/blobservices", "1", {kStorage}}}};
  const CountedScope scope{{"a", "b"},
                           {{"resources", kWorkspaces, "a", 3},
                            {"resources", kStorage, "b", 5},
                            {"authorizationresources", "microsoft.authorization/x", "", 9}}};
  const CountedScope groups{{}, {{"resourcecontainers", kGroups, "", 2}}};
  ForecastOptions options;
  options.other_requests = 4;
  const auto forecast = forecast_pass(plan, {scope, groups}, options);
  CHECK(requests_of(forecast, "microsoft.operationalinsights/workspaces/tables") == 3);
  CHECK(requests_of(forecast, "microsoft.storage/storageaccounts/blobservices") == 5);
  // Each account twice, as its blob service has settings of its own; what is above is not asked,
  // but for groups.
  CHECK(requests_of(forecast, "microsoft.insights/diagnosticsettings") == 3 + 5 + 5 + 2);
  CHECK(forecast.manager_requests == 3 + 5 + 15 + 4);
  CHECK(forecast.lists.front().each_of == "microsoft.eventhub/namespaces/eventhubs");
  CHECK(forecast.lists.front().requests == 0);
}

TEST_CASE("forecast: what the quotas make it last") {
  struct Row {
    std::int64_t requests;
    double share;
    std::chrono::milliseconds graph;
    std::chrono::milliseconds manager;
  };

  for (const auto& row : {Row{0, 1, 0ms, 0ms},
                          Row{15, 1, 0ms, 0ms},
                          Row{16, 1, 5100ms, 0ms},
                          Row{31, 1, 10'200ms, 0ms},
                          Row{12, 0.8, 0ms, 0ms},
                          Row{13, 0.8, 5100ms, 0ms},
                          Row{250, 1, 16 * 5100ms, 0ms},
                          Row{275, 1, 18 * 5100ms, 1s},
                          Row{300, 0.8, 24 * 5100ms, 5s},
                          Row{2, 0.01, 5100ms, 0ms}}) {
    CAPTURE(row.requests);
    CAPTURE(row.share);
    CHECK(collectors::graph_quota_time(row.requests, row.share) == row.graph);
    if (row.share > 0.1) {
      CHECK(collectors::read_bucket_time(row.requests, row.share) == row.manager);
    }
  }
}

TEST_CASE("forecast: each subscription has a bucket, and one comes after the other") {
  const core::CollectionPlan plan{{{"resources", {}}},
                                  {{"microsoft.insights/diagnosticsettings", "1", {}}}};
  const CountedScope apart{
      {"a", "b"}, {{"resources", kWorkspaces, "a", 250}, {"resources", kWorkspaces, "b", 250}}};
  CHECK(forecast_pass(plan, {apart}, {}).manager_time == 0ms);
  CHECK(forecast_pass(plan, {one(500)}, {}).manager_time == 10s);
}

TEST_CASE("forecast: polls between two passes") {
  const core::CollectionPlan plan{
      {{"resourcecontainers", {}}, {"resources", {}}, {"policyresources", {}}}, {}};
  ForecastOptions options;
  options.changes = 30s;
  options.activity = 300s;
  const CountedScope two{{"a", "b"}, {}};
  CHECK(forecast_pass(plan, {two}, options).graph_per_minute == doctest::Approx(4));
  CHECK(forecast_pass(plan, {two}, options).manager_per_minute == doctest::Approx(1.2));
  options.changes = 0s;
  options.activity = 0s;
  CHECK(forecast_pass(plan, {two}, options).graph_per_minute == 0);
  CHECK(forecast_pass(plan, {two}, options).manager_per_minute == 0);
  CHECK(forecast_pass(plan, {}, {}).graph_per_minute == 0);
  CHECK(forecast_pass(plan, {}, {}).graph_requests == 0);
}
