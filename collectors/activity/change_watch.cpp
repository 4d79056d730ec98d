#include "collectors/activity/change_watch.hpp"

#include "collectors/parallel.hpp"
#include "collectors/resource_graph/pager.hpp"
#include "collectors/resource_graph/query.hpp"
#include "collectors/resource_graph/rows.hpp"
#include "core/resource_id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using namespace std::chrono_literals;

namespace {

constexpr auto kPauseBetweenSweeps = 10min;
// After this a list that an event made stale is left to the passes.
constexpr auto kStaleFor = 1h;
// A list that was read this long after a change shows it.
constexpr auto kListShowsChange = 2min;
constexpr int kMaxEventPages = 1000;
// In one poll; the rest waits for the next.
constexpr std::size_t kMaxBodies = 2'000;
constexpr std::size_t kMaxDeletions = 400;

constexpr std::string_view kActivity = "activity";

double seconds_of(core::Time time) {
  return static_cast<double>(core::to_micros(time)) / 1e6;
}

void sort_by_time(std::vector<core::ChangeRecord>& changes) {
  std::ranges::sort(changes, [](const core::ChangeRecord& a, const core::ChangeRecord& b) {
    return std::tie(a.at, a.id) < std::tie(b.at, b.id);
  });
}

}  // namespace

struct ChangeWatch::Poll {
  SteadyTime at;
  std::vector<core::ChangeRecord> changes;  // new ones
  Positions positions;
  bool complete = true;
  bool sweep_needed = false;

  std::vector<core::Observation> observations;
  std::vector<std::string> gone;
  std::vector<std::string> answered;  // pending resources about which Azure said something

  // Written by the commit.
  std::vector<std::string> changed;
  std::vector<std::pair<std::string, std::string>> created;  // key and type
};

ChangeWatch::ChangeWatch(Collection parts, core::CollectionPlan plan, WatchOptions options)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      options_(options),
      passed_at_(parts_.clock.steady_now()) {}

void ChangeWatch::set_plan(core::CollectionPlan plan, WatchOptions options) {
  plan_ = std::move(plan);
  options_ = options;
  plan_is_new_ = true;
}

void ChangeWatch::passed(const PassReport& report) {
  if (!report.signed_in) {
    return;
  }
  const auto now = parts_.clock.steady_now();
  for (const auto& key : report.changed) {
    pending_.resolve(key);
    if (!plan_is_new_ && options_.changes > 0s && scope_.contains(core::subscription_of_key(key))) {
      missed_.found(key, now);
    }
  }
  plan_is_new_ = false;
  scope_ = {report.listed.begin(), report.listed.end()};
  passed_at_ = report.started;
  // What the first sweep could not read is missing evidence already: another one would not help.
  if (report.swept || !swept_at_) {
    swept_at_ = report.started;
  }
}

std::optional<core::Time> ChangeWatch::swept(core::Time now) const {
  if (!swept_at_) {
    return std::nullopt;
  }
  return now -
         std::chrono::duration_cast<core::Microseconds>(parts_.clock.steady_now() - *swept_at_);
}

bool ChangeWatch::is_watched(const core::ChangeRecord& change,
                             const std::vector<std::string>& types) const {
  return scope_.contains(core::subscription_of_key(change.key)) &&
         (types.empty() || std::ranges::find(types, change.type) != types.end());
}

void ChangeWatch::fail(Poll& poll, const std::string& source, const Error& error) {
  poll.complete = false;
  parts_.metrics.count_error(source, std::string(core::to_string(error.code)));
  parts_.log.warn("changes_failed",
                  {{core::log_field::kSource, source},
                   {core::log_field::kReason, std::string(core::to_string(error.code))},
                   {core::log_field::kError, error.message},
                   {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
}

bool ChangeWatch::ask_for_sweep(Poll& poll) {
  if (sweep_asked_at_ && poll.at < *sweep_asked_at_ + kPauseBetweenSweeps) {
    return poll.sweep_needed;
  }
  sweep_asked_at_ = poll.at;
  poll.sweep_needed = true;
  return true;
}

void ChangeWatch::report_gap(Poll& poll,
                             const std::string& source,
                             const std::string& reason,
                             bool sweep) {
  parts_.metrics.count_error(source, "gap");
  parts_.log.warn("change_feed_gap",
                  {{core::log_field::kSource, source},
                   {core::log_field::kReason, reason},
                   {core::log_field::kKind, sweep && ask_for_sweep(poll) ? "sweep" : "no sweep"},
                   {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
}

net::Task<Result<std::optional<core::Time>>> ChangeWatch::watermark(std::string source) {
  auto job = [store = &parts_.store, source]() -> Result<std::optional<core::Time>> {
    auto snapshot = store->snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    return (*snapshot)->watermark(source);
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Status> ChangeWatch::read_rows_of(GraphQuery query, FeedRows* out) {
  GraphPager pager(&parts_, std::move(query));
  for (int page_number = 0; page_number < options_.feed_pages && !cancelled_; ++page_number) {
    auto body = co_await pager.fetch();
    if (!body) {
      co_return body.error();
    }
    auto parse = [body = *std::move(body)]() { return parse_change_page(body); };
    auto page = co_await net::offload(parts_.cpu, std::move(parse));
    if (!page) {
      co_return page.error();
    }
    std::ranges::move(page->changes, std::back_inserter(out->changes));
    out->unusable += page->unusable;
    if (page->truncated) {
      break;
    }
    auto advanced = pager.advance(page->skip_token, false, page->row_count, page->total_records);
    if (!advanced || pager.done()) {
      co_return advanced;
    }
  }
  out->lost = true;
  co_return Status::ok();
}

net::Task<Result<ChangeWatch::FeedRows>> ChangeWatch::read_rows(std::string text) {
  // Few subscriptions are named; of many, the rows of others are cheaper to drop than to avoid.
  const std::vector<std::string> all(scope_.begin(), scope_.end());
  GraphQuery query;
  query.text = std::move(text);
  query.top = options_.page_size;
  if (all.size() <= options_.subscriptions_per_query) {
    query.subscriptions = all;
  }
  FeedRows out;
  auto read = co_await read_rows_of(query, &out);
  if (!read && query.subscriptions.empty() && says(read.error(), kTooManySubscriptions)) {
    read = Status::ok();
    for (std::size_t at = 0; at < all.size() && read; at += options_.subscriptions_per_query) {
      const auto end = std::min(all.size(), at + options_.subscriptions_per_query);
      query.subscriptions.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                                 all.begin() + static_cast<std::ptrdiff_t>(end));
      read = co_await read_rows_of(query, &out);
    }
  }
  if (!read) {
    co_return read.error();
  }
  co_return out;
}

net::Task<void> ChangeWatch::read_feed(std::shared_ptr<Poll> poll, core::TablePlan table) {
  const std::string feed(core::change_table_of(table.table));
  const auto source = core::feed_source(feed);
  const auto started = parts_.clock.steady_now();
  auto position = co_await watermark(source);
  if (!position) {
    fail(*poll, source, position.error());
    co_return;
  }
  const auto now = parts_.azure.azure_now();
  const auto window = feed_window(*position, swept(now), now);
  bool may_move = true;
  if (!window.gap.empty() && (position->has_value() || window.sweep_needed)) {
    report_gap(*poll, source, window.gap, window.sweep_needed);
    may_move = !window.sweep_needed || poll->sweep_needed;
  }
  auto query = change_query(feed, window.since, table.types);
  auto read = co_await read_rows(std::move(query));
  if (cancelled_) {
    co_return;
  }
  if (!read) {
    fail(*poll, source, read.error());
    co_return;
  }
  if (read->unusable > 0) {
    parts_.metrics.count_error(source, "unusable_row");
    parts_.log.warn("rows_unusable",
                    {{core::log_field::kSource, source},
                     {core::log_field::kObserved, fmt::format("{}", read->unusable)},
                     {core::log_field::kReason, "without resource, kind or time of the change"},
                     {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
  }
  if (read->lost) {
    report_gap(*poll, source, "it told of more changes than it gave", true);
    may_move = may_move && poll->sweep_needed;
  }
  for (auto& change : read->changes) {
    if (is_watched(change, table.types) && seen_[source].insert(change.id, change.at)) {
      poll->changes.push_back(std::move(change));
    }
  }
  seen_[source].forget_before(window.since - kFeedOverlap);
  if (may_move) {
    const auto known = co_await watermark(core::whole_since(source));
    if (read->lost || !window.gap.empty() || !known || known->value_or(now) >= now) {
      poll->positions.emplace_back(core::whole_since(source), read->lost ? now : window.since);
    }
    poll->positions.emplace_back(source, now);
  }
  parts_.metrics.set_success(
      source, seconds_of(parts_.clock.now()), parts_.clock.steady_now() - started);
}

void ChangeWatch::add_pending(Poll& poll, const core::ChangeRecord& change) {
  parts_.log.info("change",
                  {{core::log_field::kResourceId, change.key},
                   {core::log_field::kKind, change.kind},
                   {core::log_field::kSource, "arg"}});
  missed_.told(change.key, poll.at);
  if (!pending_.add({change.key, change.type, change.kind == "Delete"}, poll.at)) {
    report_gap(poll, "arg:changes", "too many resources wait to be read again", true);
  }
}

net::Task<bool> ChangeWatch::poll_changes() {
  auto poll = std::make_shared<Poll>();
  poll->at = parts_.clock.steady_now();
  parts_.azure.renew_correlation();
  if (scope_.empty()) {
    co_return false;
  }
  const auto tables = plan_.tables;
  for (const auto& table : tables) {
    if (!core::change_table_of(table.table).empty() && !cancelled_) {
      co_await read_feed(poll, table);
    }
  }
  sort_by_time(poll->changes);
  for (const auto& change : poll->changes) {
    add_pending(*poll, change);
  }
  co_await read_again(poll);
  // What the activity log made stale and Azure did not answer for is asked for again soon.
  co_await fetch_lists(poll);
  if (poll->complete && !cancelled_) {
    for (const auto& key : missed_.settle(poll->at)) {
      parts_.metrics.count_missed_change();
      parts_.log.warn("change_missed", {{core::log_field::kResourceId, key}});
    }
  }
  co_return poll->sweep_needed;
}

net::Task<void> ChangeWatch::confirm_deletion(std::shared_ptr<Poll> poll, std::string key) {
  auto gone = co_await is_gone(&parts_, key);
  if (!gone) {
    parts_.log.warn("deletion_unconfirmed",
                    {{core::log_field::kResourceId, key},
                     {core::log_field::kError, gone.error().message},
                     {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    if (!is_outage(gone.error().code)) {
      poll->answered.push_back(key);
    }
    co_return;
  }
  poll->answered.push_back(key);
  if (*gone) {
    poll->gone.push_back(key);
  } else {
    pending_.still_there(key);
  }
}

net::Task<void> ChangeWatch::confirm_deletions(std::shared_ptr<Poll> poll) {
  auto keys = std::make_shared<std::vector<std::string>>();
  for (const auto& entry : pending_.due(poll->at)) {
    if (entry.deleted && keys->size() < kMaxDeletions) {
      keys->push_back(entry.key);
    }
  }
  if (keys->empty()) {
    co_return;
  }
  auto job = [store = &parts_.store, keys]() {
    std::vector<std::string> unknown;
    auto snapshot = store->snapshot();
    for (const auto& key : *keys) {
      auto found = snapshot ? (*snapshot)->find(key) : snapshot.error();
      if (found && !*found) {
        unknown.push_back(key);
      }
    }
    return unknown;
  };
  const auto unknown = co_await net::offload(parts_.cpu, std::move(job));
  for (const auto& key : unknown) {
    pending_.resolve(key);
    std::erase(*keys, key);
  }
  auto confirm = [this, poll, keys](std::size_t index) {
    return confirm_deletion(poll, (*keys)[index]);
  };
  co_await for_each_parallel(parts_.io, keys->size(), options_.parallel, confirm);
}

net::Task<void> ChangeWatch::read_bodies(std::shared_ptr<Poll> poll,
                                         std::string table,
                                         std::vector<std::string> keys) {
  std::set<std::string> subscriptions;
  for (const auto& key : keys) {
    subscriptions.emplace(core::subscription_of_key(key));
  }
  subscriptions.erase("");
  std::vector<std::string> scope;
  if (subscriptions.size() <= options_.subscriptions_per_query) {
    scope.assign(subscriptions.begin(), subscriptions.end());
  }
  const std::string query = resource_graph_query_of(table, keys);
  const auto planned = std::ranges::find(plan_.tables, table, &core::TablePlan::table);
  const auto types = planned == plan_.tables.end() ? std::vector<std::string>() : planned->types;
  GraphQuery asked;
  asked.text = query;
  asked.subscriptions = std::move(scope);
  asked.above_and_below = is_inherited_table(table);
  asked.top = options_.page_size;
  GraphPager pager(&parts_, std::move(asked));
  std::vector<core::Observation> rows;
  for (int page_number = 0; page_number < options_.feed_pages && !pager.done(); ++page_number) {
    auto body = co_await pager.fetch();
    if (!body) {
      fail(*poll, "arg:" + table, body.error());
      co_return;
    }
    auto parse = [body = *std::move(body),
                  table,
                  sent_at = pager.sent_at(),
                  normaliser = &parts_.normaliser]() {
      return parse_graph_page(body, table, sent_at, *normaliser);
    };
    auto page = co_await net::offload(parts_.cpu, std::move(parse));
    if (!page) {
      fail(*poll, "arg:" + table, page.error());
      co_return;
    }
    std::ranges::move(page->rows, std::back_inserter(rows));
    // A row that is lost with its page is one that did not come.
    const auto advanced =
        pager.advance(page->skip_token, page->truncated, page->row_count, page->total_records);
    if (!advanced || cancelled_) {
      break;
    }
  }
  auto deleted = co_await recently_deleted(&parts_);
  if (!deleted) {
    fail(*poll, "arg:" + table, deleted.error());
    co_return;
  }
  auto checked = co_await without_deleted(&parts_, *deleted, std::move(rows));
  for (auto& row : checked.rows) {
    if (types.empty() || std::ranges::find(types, row.type) != types.end()) {
      poll->observations.push_back(std::move(row));
    }
  }
  // A row that did not come is a body that is not there yet, or any more: the feed will say.
  std::ranges::move(keys, std::back_inserter(poll->answered));
}

net::Task<void> ChangeWatch::read_again(std::shared_ptr<Poll> poll) {
  co_await confirm_deletions(poll);
  std::map<std::string, std::vector<std::string>> by_table;
  std::size_t count = 0;
  for (const auto& entry : pending_.due(poll->at)) {
    if (!entry.deleted && count < kMaxBodies) {
      by_table[std::string(core::resource_graph_table(entry.type))].push_back(entry.key);
      ++count;
    }
  }
  for (const auto& [table, keys] : by_table) {
    for (std::size_t at = 0; at < keys.size() && !cancelled_; at += options_.ids_per_query) {
      const auto end = std::min(keys.size(), at + options_.ids_per_query);
      std::vector<std::string> chunk(keys.begin() + static_cast<std::ptrdiff_t>(at),
                                     keys.begin() + static_cast<std::ptrdiff_t>(end));
      co_await read_bodies(poll, table, std::move(chunk));
    }
  }
  if (cancelled_) {
    co_return;
  }
  auto committed = co_await commit(poll);
  if (!committed) {
    // Nothing of it is stored, and the watermark has not moved: the next poll takes it up again.
    seen_.clear();
    co_return;
  }
  for (const auto& key : poll->changed) {
    pending_.resolve(key);
  }
  for (const auto& key : poll->answered) {
    if (pending_.tried(key, poll->at, std::max(options_.changes, 1s))) {
      parts_.log.info("change_not_seen", {{core::log_field::kResourceId, key}});
    }
  }
  co_await fetch_lists_of_new(poll);
}

net::Task<Status> ChangeWatch::commit(std::shared_ptr<Poll> poll) {
  auto stage = [store = &parts_.store, poll]() -> Result<std::shared_ptr<core::Cycle>> {
    auto begun = store->begin_cycle("changes", fmt::format("{} changes", poll->changes.size()));
    if (!begun) {
      return begun.error();
    }
    std::shared_ptr<core::Cycle> cycle = *std::move(begun);
    auto done = cycle->stage(std::move(poll->observations));
    for (const auto& key : poll->gone) {
      done = done ? cycle->stage_deletion(key) : done;
    }
    for (const auto& change : poll->changes) {
      done = done ? cycle->stage_change(change) : done;
    }
    if (done && cycle->empty()) {
      cycle.reset();
      done = store->put_watermarks(poll->positions);
    } else {
      for (const auto& [source, position] : poll->positions) {
        done = done ? cycle->stage_watermark(source, position) : done;
      }
    }
    if (!done) {
      return done.error();
    }
    return cycle;
  };
  auto cycle = co_await net::offload(parts_.storage, std::move(stage));
  if (!cycle) {
    fail(*poll, "arg:changes", cycle.error());
    co_return cycle.error();
  }
  if (*cycle == nullptr) {
    co_return Status::ok();
  }
  auto observe = [poll](const core::CycleChanges& changes) {
    for (const auto& change : changes.resources) {
      poll->changed.push_back(change.key);
      if (change.old_version == 0 && !change.is_detail) {
        poll->created.emplace_back(change.key, change.type);
      }
    }
  };
  auto report = co_await commit_cycle(&parts_, *std::move(cycle), poll->complete, observe);
  if (!report) {
    co_return report.error();
  }
  co_return Status::ok();
}

net::Task<void> ChangeWatch::fetch_lists_of_new(std::shared_ptr<Poll> poll) {
  DetailBatch batch;
  batch.scope = "new resources";
  batch.parallel = options_.parallel;
  for (const auto& [key, type] : poll->created) {
    std::ranges::move(lists_of(key, type, plan_), std::back_inserter(batch.lists));
  }
  if (batch.lists.empty() || cancelled_) {
    co_return;
  }
  auto collected = co_await collect_details(&parts_, std::move(batch), &cancelled_);
  if (!collected) {
    fail(*poll, "arm:details", collected.error());
  }
}

net::Task<Status> ChangeWatch::read_events(std::string subscription,
                                           core::Time since,
                                           core::Time until,
                                           std::vector<core::ChangeRecord>* out) {
  for (const auto provider : kActivityProviders) {
    std::string link = activity_path(subscription, provider, since, until);
    for (int page_number = 0; !link.empty() && !cancelled_; ++page_number) {
      auto response = co_await parts_.azure.get(link);
      if (!response) {
        co_return response.error();
      }
      auto page = parse_activity_page(response->body);
      if (!page) {
        co_return page.error();
      }
      std::ranges::move(page->changes, std::back_inserter(*out));
      if (page->next_link == link || page_number == kMaxEventPages) {
        co_return Error{Errc::kHttp, "the pages of the activity log have no end"};
      }
      link = page->next_link;
    }
  }
  co_return Status::ok();
}

net::Task<void> ChangeWatch::read_activity(std::shared_ptr<Poll> poll, std::string subscription) {
  const auto source = core::activity_source(subscription);
  auto position = co_await watermark(source);
  if (!position) {
    fail(*poll, std::string(kActivity), position.error());
    co_return;
  }
  const auto now = parts_.azure.azure_now();
  const auto passed =
      now - std::chrono::duration_cast<core::Microseconds>(parts_.clock.steady_now() - passed_at_);
  const auto since = activity_since(*position, passed, now, options_.detail_interval);
  std::vector<core::ChangeRecord> events;
  auto read = co_await read_events(subscription, since, now, &events);
  if (cancelled_) {
    co_return;
  }
  if (!read) {
    fail(*poll, std::string(kActivity), read.error().with_context(subscription));
    co_return;
  }
  std::ranges::move(events, std::back_inserter(poll->changes));
  const auto known = co_await watermark(core::whole_since(source));
  if (!known || known->value_or(now) >= now || !*position || since > **position) {
    poll->positions.emplace_back(core::whole_since(source), since);
  }
  poll->positions.emplace_back(source, now);
}

net::Task<void> ChangeWatch::take_events(std::shared_ptr<Poll> poll,
                                         std::vector<core::ChangeRecord> events) {
  struct Concerned {
    core::ChangeRecord change;
    DetailList list;
    bool is_shown = false;  // by the list as it was read last
  };

  auto concerned = std::make_shared<std::vector<Concerned>>();
  for (auto& event : events) {
    const auto id = core::parse_resource_id(event.key);
    if (!id || !seen_[std::string(kActivity)].insert(event.id, event.at)) {
      continue;
    }
    if (auto list = list_showing(*id, plan_)) {
      concerned->push_back({std::move(event), *std::move(list)});
      continue;
    }
    // Types of other tables than the feed's are asked for here.
    const auto table = core::resource_graph_table(event.type);
    const auto planned = std::ranges::find(plan_.tables, table, &core::TablePlan::table);
    if (planned != plan_.tables.end() && core::change_table_of(table).empty() &&
        (planned->types.empty() ||
         std::ranges::find(planned->types, event.type) != planned->types.end())) {
      add_pending(*poll, event);
      poll->changes.push_back(std::move(event));
    }
  }
  const auto ahead = parts_.azure.azure_now() - parts_.clock.now();
  auto job = [store = &parts_.store, concerned, ahead]() {
    auto snapshot = store->snapshot();
    std::erase_if(*concerned, [&](Concerned& item) {
      if (!snapshot) {
        return false;  // asking once more than needed does no harm
      }
      const auto& key = item.list.first;
      const auto evidence = (*snapshot)->evidence(core::detail_evidence_key(key));
      if (evidence && *evidence) {
        item.is_shown = (*evidence)->complete &&
                        (*evidence)->observed_at + ahead >= item.change.at + kListShowsChange;
        return false;
      }
      // Of a resource that is not collected, nothing else is.
      const auto parent = (*snapshot)->find(core::detail_parent_key(key, item.list.second.type));
      return parent && !*parent;
    });
    return true;
  };
  co_await net::offload(parts_.cpu, std::move(job));
  for (auto& item : *concerned) {
    if (!item.is_shown) {
      parts_.log.info("details_stale",
                      {{core::log_field::kResourceId, item.list.first},
                       {core::log_field::kKind, item.change.kind}});
      stale_.insert_or_assign(item.list.first, std::pair(item.list.second, poll->at));
    }
    // It tells who it was, also where the list is known already.
    poll->changes.push_back(std::move(item.change));
  }
}

net::Task<void> ChangeWatch::fetch_lists(std::shared_ptr<Poll> poll) {
  std::erase_if(stale_,
                [&](const auto& entry) { return entry.second.second + kStaleFor <= poll->at; });
  DetailBatch batch;
  batch.scope = kActivity;
  batch.parallel = options_.parallel;
  batch.keep_through_outage = true;
  for (const auto& [key, entry] : stale_) {
    batch.lists.emplace_back(key, entry.first);
  }
  if (batch.lists.empty() || cancelled_) {
    co_return;
  }
  auto collected = co_await collect_details(&parts_, std::move(batch), &cancelled_);
  if (!collected) {
    fail(*poll, "arm:details", collected.error());
    co_return;
  }
  if (collected->report) {
    std::erase_if(stale_, [&](const auto& entry) {
      return std::ranges::find(collected->failed, entry.first) == collected->failed.end();
    });
  }
}

net::Task<void> ChangeWatch::poll_activity() {
  auto poll = std::make_shared<Poll>();
  poll->at = parts_.clock.steady_now();
  parts_.azure.renew_correlation();
  if (scope_.empty()) {
    co_return;
  }
  auto subscriptions = std::make_shared<std::vector<std::string>>(scope_.begin(), scope_.end());
  auto read = [this, poll, subscriptions](std::size_t index) {
    return read_activity(poll, (*subscriptions)[index]);
  };
  co_await for_each_parallel(parts_.io, subscriptions->size(), options_.parallel, read);
  if (cancelled_) {
    co_return;
  }
  if (poll->complete) {
    parts_.metrics.set_success(std::string(kActivity),
                               seconds_of(parts_.clock.now()),
                               parts_.clock.steady_now() - poll->at);
  }
  auto events = std::move(poll->changes);
  poll->changes.clear();
  sort_by_time(events);
  co_await take_events(poll, std::move(events));
  seen_[std::string(kActivity)].forget_before(parts_.azure.azure_now() - 2 * kActivityOverlap);
  co_await fetch_lists(poll);
  // Last, with the positions: a crash before it only asks for the lists again.
  co_await read_again(poll);
}

}  // namespace plumbline::collectors
