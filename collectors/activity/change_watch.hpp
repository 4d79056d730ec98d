// Between two sweeps: asks what changed, and reads that again.
#pragma once

#include "collectors/activity/feed.hpp"
#include "collectors/activity/pending.hpp"
#include "collectors/collection.hpp"
#include "collectors/details.hpp"
#include "collectors/inventory.hpp"
#include "collectors/resource_graph/pager.hpp"
#include "core/model/collection_plan.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::collectors {

struct WatchOptions {
  std::chrono::seconds changes{60};  // between two polls of the change tables
  /// Age at which a pass asks for a list of Resource Manager anyway.
  std::chrono::seconds detail_interval{21600};
  int page_size = 1000;
  std::size_t subscriptions_per_query = 300;  // contracts 2.4
  std::size_t ids_per_query = 200;
  std::size_t parallel = 8;
  int feed_pages = 20;  // more changes at once are a sweep's to find
};

/// Reads Resource Graph's change tables and the activity log, and the resources and lists that they
/// name. A failure leaves the watermark where it is: the next poll asks again. Runs on the I/O
/// thread; a poll, a pass and another poll come one after the other.
class ChangeWatch {
 public:
  ChangeWatch(Collection parts, core::CollectionPlan plan, WatchOptions options);

  /// What later polls ask for. Not while one runs.
  void set_plan(core::CollectionPlan plan, WatchOptions options);

  /// After each pass: its subscriptions are those whose changes are asked for, and what it found
  /// changed is compared with what the feed told. Nothing is asked before the first.
  void passed(const PassReport& report);

  /// True: the feed has lost something that only a sweep can find.
  net::Task<bool> poll_changes();
  net::Task<void> poll_activity();

  /// A poll in progress ends soon after, and later ones at once. From any thread.
  void cancel() { cancelled_ = true; }

 private:
  struct Poll;

  struct FeedRows {
    std::vector<core::ChangeRecord> changes;
    std::int64_t unusable = 0;
    bool lost = false;  // there are more, and no way to them
  };

  using Positions = std::vector<std::pair<std::string, core::Time>>;

  net::Task<core::Result<std::optional<core::Time>>> watermark(std::string source);
  net::Task<void> read_feed(std::shared_ptr<Poll> poll, core::TablePlan table);
  net::Task<core::Result<FeedRows>> read_rows(std::string text);
  net::Task<core::Status> read_rows_of(GraphQuery query, FeedRows* out);
  net::Task<void> read_activity(std::shared_ptr<Poll> poll, std::string subscription);
  net::Task<core::Status> read_events(std::string subscription,
                                      core::Time since,
                                      core::Time until,
                                      std::vector<core::ChangeRecord>* out);
  /// Sorts out what events of the activity log concern.
  net::Task<void> take_events(std::shared_ptr<Poll> poll, std::vector<core::ChangeRecord> events);
  /// Lists that an event made stale, as far as nothing newer is stored.
  net::Task<void> fetch_lists(std::shared_ptr<Poll> poll);
  /// Reads what is pending again and commits it with the poll's changes and positions.
  net::Task<void> read_again(std::shared_ptr<Poll> poll);
  net::Task<void> confirm_deletions(std::shared_ptr<Poll> poll);
  net::Task<void> read_bodies(std::shared_ptr<Poll> poll,
                              std::string table,
                              std::vector<std::string> keys);
  net::Task<void> confirm_deletion(std::shared_ptr<Poll> poll, std::string key);
  net::Task<core::Status> commit(std::shared_ptr<Poll> poll);
  net::Task<void> fetch_lists_of_new(std::shared_ptr<Poll> poll);

  void add_pending(Poll& poll, const core::ChangeRecord& change);
  void fail(Poll& poll, const std::string& source, const core::Error& error);
  void report_gap(Poll& poll, const std::string& source, const std::string& reason, bool sweep);
  /// Whether a sweep may be asked for: not at every poll.
  bool ask_for_sweep(Poll& poll);
  [[nodiscard]] std::optional<core::Time> swept(core::Time now) const;
  [[nodiscard]] bool is_watched(const core::ChangeRecord& change,
                                const std::vector<std::string>& types) const;

  Collection parts_;
  core::CollectionPlan plan_;
  WatchOptions options_;
  std::set<std::string, std::less<>> scope_;  // subscriptions of the last pass
  std::optional<SteadyTime> swept_at_;  // start of the first sweep, or a later one that saw all
  SteadyTime passed_at_;                // start of the last pass
  std::optional<SteadyTime> sweep_asked_at_;
  bool plan_is_new_ = false;  // the next sweep finds what the feed was never asked for
  PendingResources pending_;
  std::map<std::string, SeenChanges> seen_;  // by source
  MissedChanges missed_;
  /// Lists that an event made stale and that could not be read yet, with the time of the event's
  /// poll.
  std::map<std::string, std::pair<core::DetailPlan, SteadyTime>> stale_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace plumbline::collectors
