// What Azure tells of changes: rows of Resource Graph's change tables (contracts 2.9) and events of
// the activity log. Pure.
#pragma once

#include "core/model/change.hpp"
#include "core/model/collection_plan.hpp"
#include "core/result.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

struct ChangePage {
  std::vector<core::ChangeRecord> changes;
  std::string skip_token;           // empty: the last page
  bool truncated = false;           // rows are missing although no token says so
  std::int64_t total_records = -1;  // -1: not told
  std::int64_t row_count = 0;
  std::int64_t unusable = 0;  // rows that name no resource or no kind of change
};

[[nodiscard]] core::Result<ChangePage> parse_change_page(std::string_view body);

/// The providers whose part of the activity log is read.
inline constexpr std::array<std::string_view, 3> kActivityProviders = {
    "Microsoft.Insights", "Microsoft.OperationalInsights", "Microsoft.Authorization"};

/// The first page of a subscription's activity log.
[[nodiscard]] std::string activity_path(std::string_view subscription,
                                        std::string_view provider,
                                        core::Time since,
                                        core::Time until);

struct ActivityPage {
  std::vector<core::ChangeRecord> changes;  // the successful writes and deletes
  std::string next_link;
};

[[nodiscard]] core::Result<ActivityPage> parse_activity_page(std::string_view body);

/// Where to go on reading a feed.
struct FeedWindow {
  core::Time since;
  std::string gap;            // why what the feed knew in between is lost; empty: it is not
  bool sweep_needed = false;  // and no sweep has seen it since
};

/// `watermark`: how far it was read. `swept`: the start of the last sweep that saw everything.
/// `now`: by the same clock, Azure's. Rows appear late and out of order, so windows overlap.
[[nodiscard]] FeedWindow feed_window(std::optional<core::Time> watermark,
                                     std::optional<core::Time> swept,
                                     core::Time now);

/// The same for the activity log, which tells of lists that are older than `oldest_list` at most.
[[nodiscard]] core::Time activity_since(std::optional<core::Time> watermark,
                                        core::Time passed,
                                        core::Time now,
                                        std::chrono::seconds oldest_list);

/// What is asked again at each poll before the watermark: longer than records take to appear.
inline constexpr std::chrono::minutes kFeedOverlap = core::kFeedLateness + std::chrono::minutes(2);
inline constexpr std::chrono::minutes kActivityOverlap =
    core::kActivityLateness + std::chrono::minutes(10);

}  // namespace plumbline::collectors
