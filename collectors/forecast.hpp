// What a first pass will ask of Azure, from a plan and counted rows. Pure.
#pragma once

#include "core/model/collection_plan.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::collectors {

/// Rows of one type in one subscription, as Resource Graph counts them.
struct CountedRows {
  std::string table;
  std::string type;          // lower case
  std::string subscription;  // lower case; empty: above the subscriptions
  std::int64_t count = 0;
};

/// What lies in the subscriptions that a sweep asks for at once, or, where there are none, among
/// management groups.
struct CountedScope {
  std::vector<std::string> subscriptions;
  std::vector<CountedRows> rows;
};

struct ForecastOptions {
  int page_size = 1000;
  std::size_t parallel_queries = 6;
  double quota_share = 1;           // in (0, 1]
  std::int64_t other_requests = 0;  // to Resource Manager, of no subscription: lists of scopes, ...
  std::chrono::seconds changes{60};    // 0: the change feed is not read
  std::chrono::seconds activity{300};  // 0: the activity log is not read
};

struct TableForecast {
  std::string table;
  std::int64_t rows = 0;
  std::int64_t requests = 0;  // pages, and the count that goes before them
};

struct ListForecast {
  std::string type;
  std::int64_t requests = 0;
  /// Not empty: one more request for each of these, which only the pass itself finds.
  std::string each_of = {};
};

struct TypeForecast {
  std::string type;
  std::int64_t count = 0;
};

struct Forecast {
  std::vector<TypeForecast> types;    // the most frequent first
  std::vector<TableForecast> tables;  // as planned
  std::vector<ListForecast> lists;    // as planned
  std::int64_t resources = 0;
  std::int64_t graph_requests = 0;
  std::int64_t manager_requests = 0;  // without those of `each_of`
  /// What the quotas make it last at least: Azure's answers take their time besides.
  std::chrono::milliseconds graph_time{0};
  std::chrono::milliseconds manager_time{0};
  double graph_per_minute = 0;  // polls between two passes
  double manager_per_minute = 0;
  std::int64_t disk_bytes = 0;  // of the database after it, by what was measured elsewhere
};

/// `scopes`: in the order in which they are swept.
[[nodiscard]] Forecast forecast_pass(const core::CollectionPlan& plan,
                                     const std::vector<CountedScope>& scopes,
                                     const ForecastOptions& options);

/// How long a share of Resource Graph's quota makes so many requests last.
[[nodiscard]] std::chrono::milliseconds graph_quota_time(std::int64_t requests, double share);

/// The same of the bucket that Resource Manager has for one subscription.
[[nodiscard]] std::chrono::milliseconds read_bucket_time(std::int64_t requests, double share);

}  // namespace plumbline::collectors
