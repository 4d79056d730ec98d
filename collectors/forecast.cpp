#include "collectors/forecast.hpp"

#include "collectors/activity/feed.hpp"
#include "collectors/details.hpp"
#include "collectors/pacing.hpp"
#include "collectors/resource_graph/partitions.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

namespace plumbline::collectors {

namespace {

// docs/sizing.md: with everything that belongs to a resource, its lists and verdicts included.
constexpr std::int64_t kBytesPerResource = std::int64_t{14} * 1024;

using Counts = std::map<std::string, std::int64_t, std::less<>>;  // by type

std::int64_t pages_of(std::int64_t rows, int page_size) {
  return std::max<std::int64_t>(1, (rows + page_size - 1) / page_size);
}

std::int64_t sum_of(const Counts& counts) {
  return std::accumulate(
      counts.begin(), counts.end(), std::int64_t{0}, [](std::int64_t sum, const auto& entry) {
        return sum + entry.second;
      });
}

/// Some resource of a type: which lists there are depends on the type alone.
std::string key_of_type(std::string_view type) {
  std::string key = "/subscriptions/s/resourcegroups/g/providers";
  const auto words = core::split(type, '/');
  for (std::size_t i = 0; i < words.size(); ++i) {
    key.append("/").append(words[i]);
    if (i > 0) {
      key += "/x";
    }
  }
  return key;
}

/// Requests of one table of a sweep. `stored`: what earlier sweeps of the pass have kept.
std::int64_t sweep_requests(std::string_view table,
                            const CountedScope& scope,
                            std::int64_t stored,
                            const ForecastOptions& options) {
  RowCounts counts;
  std::int64_t rows = 0;
  for (const auto& row : scope.rows) {
    if (row.table == table) {
      counts[row.subscription] += row.count;
      rows += row.count;
    }
  }
  if (scope.subscriptions.empty() || !is_counted_first(table, stored)) {
    return pages_of(rows, options.page_size);
  }
  std::int64_t requests = 1;
  for (const auto& part : partitions_of(scope.subscriptions, counts, options.parallel_queries)) {
    requests += pages_of(part.expected, options.page_size);
  }
  return requests;
}

/// The listed type whose members are asked for a list; empty where rows are.
std::string listed_parent(const core::DetailPlan& detail) {
  return detail.parent_types.size() == 1 &&
                 !core::detail_api_version(detail.parent_types.front()).empty()
             ? detail.parent_types.front()
             : std::string();
}

/// Requests for the lists of one type, of resources of these types.
std::int64_t list_requests(const core::DetailPlan& detail,
                           const Counts& counts,
                           const std::vector<core::DetailPlan>& planned) {
  std::int64_t requests = 0;
  for (const auto& [type, count] : counts) {
    if (detail.parent_types.empty() ||
        std::ranges::find(detail.parent_types, type) != detail.parent_types.end()) {
      const auto lists = lists_of_type(detail, key_of_type(type), type, planned);
      requests += count * static_cast<std::int64_t>(lists.size());
    }
  }
  return requests;
}

/// How much of everything there is, by subscription; empty: above them.
std::map<std::string, Counts> counts_by_subscription(const std::vector<CountedScope>& scopes) {
  std::map<std::string, Counts> counts;
  for (const auto& scope : scopes) {
    Counts above;
    for (const auto& row : scope.rows) {
      (row.subscription.empty() ? above : counts[row.subscription])[row.type] += row.count;
    }
    for (const auto& [type, count] : above) {
      // What reaches down from above shows in every chunk of subscriptions.
      auto& known = counts[""][type];
      known = std::max(known, count);
    }
  }
  return counts;
}

double per_minute(std::int64_t requests, std::chrono::seconds interval) {
  return interval.count() <= 0
             ? 0
             : static_cast<double>(requests) * 60 / static_cast<double>(interval.count());
}

}  // namespace

std::chrono::milliseconds graph_quota_time(std::int64_t requests, double share) {
  return GraphQuota::kWindow * (std::max<std::int64_t>(0, requests - 1) / graph_allowance(share));
}

std::chrono::milliseconds read_bucket_time(std::int64_t requests, double share) {
  const double missing = static_cast<double>(requests) - (ReadBuckets::kCapacity * share);
  return std::chrono::milliseconds(
      std::llround(std::max(0.0, missing) / (ReadBuckets::kRefill * share) * 1000));
}

Forecast forecast_pass(const core::CollectionPlan& plan,
                       const std::vector<CountedScope>& scopes,
                       const ForecastOptions& options) {
  Forecast out;
  for (const auto& table : plan.tables) {
    out.tables.push_back({table.table});
  }
  std::int64_t stored = 0;
  for (const auto& scope : scopes) {
    std::int64_t kept = 0;
    for (auto& table : out.tables) {
      const auto is_of_table = [&](const CountedRows& row) { return row.table == table.table; };
      if (scope.subscriptions.empty() &&
          table.table != core::resource_graph_table(core::kManagementGroupType)) {
        continue;
      }
      table.requests += sweep_requests(table.table, scope, stored, options);
      for (const auto& row : scope.rows) {
        table.rows += is_of_table(row) ? row.count : 0;
        kept += is_of_table(row) ? row.count : 0;
      }
    }
    stored += kept;
  }

  const auto counts = counts_by_subscription(scopes);
  Counts by_type;
  for (const auto& [subscription, types] : counts) {
    for (const auto& [type, count] : types) {
      by_type[type] += count;
    }
  }
  for (const auto& [type, count] : by_type) {
    if (count > 0) {
      out.types.push_back({type, count});
    }
  }
  std::ranges::sort(out.types, [](const TypeForecast& a, const TypeForecast& b) {
    return std::tie(b.count, a.type) < std::tie(a.count, b.type);
  });
  out.resources = sum_of(by_type);

  std::map<std::string, std::int64_t> lists_in;  // by subscription: each has a bucket of its own
  for (const auto& detail : plan.details) {
    ListForecast list{detail.type, 0, listed_parent(detail)};
    for (const auto& [subscription, types] : counts) {
      if (!list.each_of.empty()) {
        break;
      }
      Counts parents = types;
      if (subscription.empty()) {
        // Of what lies above the subscriptions only management groups are asked.
        std::erase_if(parents,
                      [](const auto& entry) { return entry.first != core::kManagementGroupType; });
      }
      const auto requests = list_requests(detail, parents, plan.details);
      list.requests += requests;
      lists_in[subscription] += requests;
    }
    out.lists.push_back(std::move(list));
  }
  lists_in[""] += options.other_requests;

  std::int64_t feeds = 0;
  for (const auto& table : out.tables) {
    out.graph_requests += table.requests;
    feeds += core::change_table_of(table.table).empty() ? 0 : 1;
  }
  std::int64_t subscriptions = 0;
  for (const auto& scope : scopes) {
    subscriptions += static_cast<std::int64_t>(scope.subscriptions.size());
  }
  out.graph_time = graph_quota_time(out.graph_requests, options.quota_share);
  // One subscription comes after the other.
  for (const auto& [subscription, requests] : lists_in) {
    out.manager_requests += requests;
    out.manager_time += read_bucket_time(requests, options.quota_share);
  }
  if (subscriptions > 0) {
    out.graph_per_minute = per_minute(feeds, options.changes);
  }
  out.manager_per_minute = per_minute(
      subscriptions * static_cast<std::int64_t>(kActivityProviders.size()), options.activity);
  out.disk_bytes = out.resources * kBytesPerResource;
  return out;
}

}  // namespace plumbline::collectors
