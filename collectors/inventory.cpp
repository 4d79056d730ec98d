#include "collectors/inventory.hpp"

#include "collectors/activity/feed.hpp"
#include "collectors/parallel.hpp"
#include "collectors/resource_graph/query.hpp"
#include "collectors/retirement.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <unordered_set>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::string_view kSubscriptionsPath = "/subscriptions?api-version=2022-12-01";
const std::string kTableSource = "arg:";
const std::string kDetailsSource = "arm:details";
constexpr int kMaxPages = 100'000;
constexpr std::size_t kMaxChanged = 10'000;
// Truth 3: a scope that loses more than this share at once has lost its reader, not its resources.
constexpr double kMassDisappearance = 0.05;
constexpr std::int64_t kMassDisappearanceFloor = 10;

net::Task<void> no_work() {
  co_return;
}

std::vector<std::string> chunk_of(const std::vector<std::string>& all,
                                  std::size_t at,
                                  std::size_t size) {
  const auto end = std::min(all.size(), at + size);
  return {all.begin() + static_cast<std::ptrdiff_t>(at),
          all.begin() + static_cast<std::ptrdiff_t>(end)};
}

/// Whether a type comes in lists of Resource Manager rather than as rows.
bool is_listed(std::string_view type) {
  return !core::detail_api_version(type).empty();
}

/// Keys of what stored lists of a type name.
Result<std::vector<std::string>> listed_keys(core::Snapshot& snapshot,
                                             std::string_view type,
                                             const std::string& subscription) {
  std::vector<std::string> keys;
  simdjson::dom::parser parser;
  auto visited = snapshot.for_each_of_type(
      type, "/subscriptions/" + subscription, [&](const core::StoredResource& list) {
        simdjson::dom::array items;
        if (parser.parse(list.body)["value"].get(items) != simdjson::SUCCESS) {
          return;
        }
        for (const auto item : items) {
          std::string_view id;
          if (item["id"].get(id) == simdjson::SUCCESS && core::parse_resource_id(id)) {
            keys.push_back(core::resource_key(id));
          }
        }
      });
  if (!visited) {
    return visited.error();
  }
  return keys;
}

/// Whom to ask for a list, in a subscription or, where it is empty, among management groups.
Result<std::vector<std::string>> detail_parents(core::Snapshot& snapshot,
                                                const std::string& subscription,
                                                const core::DetailPlan& plan) {
  if (plan.parent_types.size() == 1 && is_listed(plan.parent_types.front())) {
    return subscription.empty() ? Result<std::vector<std::string>>(std::vector<std::string>())
                                : listed_keys(snapshot, plan.parent_types.front(), subscription);
  }
  if (!subscription.empty()) {
    return snapshot.resource_keys(subscription, plan.parent_types);
  }
  const bool concerns_groups =
      plan.parent_types.empty() ||
      std::ranges::find(plan.parent_types, core::kManagementGroupType) != plan.parent_types.end();
  return concerns_groups
             ? snapshot.resource_keys(subscription, {std::string(core::kManagementGroupType)})
             : Result<std::vector<std::string>>(std::vector<std::string>());
}

}  // namespace

struct Inventory::Unit {
  core::TablePlan table;
  GraphPartition partition;
};

struct Inventory::Sweep {
  /// The first reason stands.
  void fail(const std::string& key, Error error) { statuses.try_emplace(key, std::move(error)); }

  std::vector<std::string> subscriptions;
  std::shared_ptr<core::Cycle> cycle;
  std::vector<core::Evidence> evidence;  // to be committed with the cycle
  std::vector<std::string> doubted;      // resources that an earlier sweep could not find again
  Deleted deleted;
  core::Time since;
  std::chrono::steady_clock::time_point begun;
  std::vector<Unit> units;
  std::map<std::string, Error> statuses;  // of partitions that failed, by evidence key
  RowCounts counts;                       // of the largest table, before the sweep
  RowCounts rows;                         // that came, by evidence key
  std::int64_t unusable = 0;              // of unknown subscriptions
  bool complete = true;
};

Inventory::Inventory(Parts parts, core::CollectionPlan plan, InventoryOptions options)
    : parts_(std::move(parts)), plan_(std::move(plan)), options_(std::move(options)) {}

void Inventory::set_plan(core::CollectionPlan plan, InventoryOptions options) {
  plan_ = std::move(plan);
  options_ = std::move(options);
  may_retire_ = true;
  std::erase_if(succeeded_, [&](const std::string& source) {
    const bool planned =
        source == kDetailsSource || std::ranges::any_of(plan_.tables, [&](const auto& table) {
          return source == kTableSource + table.table;
        });
    if (!planned) {
      parts_.metrics.forget_source(source);
    }
    return !planned;
  });
}

bool Inventory::in_scope(std::string_view subscription) const {
  if (!options_.management_groups.empty()) {
    // Every subscription ever seen belongs to the groups until it is seen elsewhere.
    return !outside_.contains(subscription);
  }
  return options_.subscriptions.empty() ||
         std::ranges::find(options_.subscriptions, subscription) != options_.subscriptions.end();
}

net::Task<Result<std::vector<std::string>>> Inventory::list_descendants() {
  std::vector<std::string> ids;
  for (const auto& group : options_.management_groups) {
    std::string link = descendants_path(group);
    for (int page_number = 0; !link.empty() && page_number < kMaxPages; ++page_number) {
      auto response = co_await parts_.azure.get(link);
      if (!response) {
        co_return response.error();
      }
      auto page = parse_descendants(response->body);
      if (!page) {
        co_return page.error().with_context("descendants of " + group);
      }
      for (auto& subscription : page->subscriptions) {
        ids.push_back(std::move(subscription.id));
      }
      if (page->next_link == link) {
        co_return Error{Errc::kHttp, "descendants: nextLink points at its own page"};
      }
      link = page->next_link;
    }
  }
  co_return ids;
}

net::Task<Status> Inventory::apply_scope(std::vector<std::string>* subscriptions) {
  expected_ = options_.subscriptions;
  if (options_.management_groups.empty()) {
    std::erase_if(*subscriptions, [this](const auto& id) { return !in_scope(id); });
    co_return Status::ok();
  }
  auto below = co_await list_descendants();
  if (!below) {
    parts_.metrics.count_error("arm:descendants", std::string(core::to_string(below.error().code)));
    parts_.log.warn("descendants_failed",
                    {{core::log_field::kError, below.error().message},
                     {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    // What the groups hold is not known now: those that were seen in them before are expected.
    auto known = co_await known_subscriptions();
    expected_.insert(expected_.end(), known.begin(), known.end());
  } else {
    expected_.insert(expected_.end(), below->begin(), below->end());
  }
  std::ranges::sort(expected_);
  const auto outside = [this](const std::string& id) {
    return !std::ranges::binary_search(expected_, id);
  };
  if (below) {
    std::set<std::string, std::less<>> elsewhere;
    std::ranges::copy_if(*subscriptions, std::inserter(elsewhere, elsewhere.end()), outside);
    may_retire_ = may_retire_ || elsewhere != outside_;
    outside_ = std::move(elsewhere);
  }
  std::erase_if(*subscriptions, outside);
  if (!below) {
    co_return below.error();
  }
  co_return Status::ok();
}

net::Task<Status> Inventory::retire() {
  if (!may_retire_ || cancelled_) {
    co_return Status::ok();
  }
  auto find = [this]() -> Result<Unplanned> {
    auto snapshot = parts_.store.snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    return find_unplanned(**snapshot, plan_, [this](std::string_view subscription) {
      return in_scope(subscription);
    });
  };
  auto found = co_await net::offload(parts_.cpu, std::move(find));
  if (!found) {
    co_return found.error();
  }
  may_retire_ = false;
  if (found->keys.empty() && found->evidence.empty()) {
    co_return Status::ok();
  }
  parts_.log.info("no_longer_collected",
                  {{core::log_field::kDeleted, fmt::format("{}", found->keys.size())},
                   {core::log_field::kReason, "plan or scope leave it out"}});
  auto stage = [store = &parts_.store,
                unplanned = *std::move(found)]() -> Result<std::shared_ptr<core::Cycle>> {
    auto begun = store->begin_cycle("baseline", "no longer collected");
    if (!begun) {
      return begun.error();
    }
    std::shared_ptr<core::Cycle> cycle = *std::move(begun);
    auto done = Status::ok();
    for (const auto& key : unplanned.keys) {
      done = done ? cycle->stage_retirement(key) : done;
    }
    for (const auto& key : unplanned.evidence) {
      done = done ? cycle->stage_forgotten(key) : done;
    }
    if (!done) {
      return done.error();
    }
    return cycle;
  };
  auto cycle = co_await net::offload(parts_.storage, std::move(stage));
  if (!cycle) {
    may_retire_ = true;
    co_return cycle.error();
  }
  auto committed = co_await commit_cycle(&parts_, *std::move(cycle), true, nullptr);
  if (!committed) {
    may_retire_ = true;
    co_return committed.error();
  }
  co_return Status::ok();
}

void PassReport::add(const core::CycleRow& row) {
  ++cycles;
  observed += row.observed;
  versions += row.changed;
  deleted += row.deleted;
  evaluated += row.evaluated;
  transitions += row.transitions;
  complete = complete && row.complete;
}

void Inventory::add(const core::CycleReport& report) {
  report_.add(report.row);
}

net::Task<Result<std::vector<std::string>>> Inventory::list_subscriptions() {
  std::vector<std::string> ids;
  std::string link(kSubscriptionsPath);
  for (int page_number = 0; !link.empty() && page_number < kMaxPages; ++page_number) {
    auto response = co_await parts_.azure.get(link);
    if (!response) {
      co_return response.error();
    }
    auto page = parse_subscriptions(response->body);
    if (!page) {
      co_return page.error().with_context("/subscriptions");
    }
    for (const auto& subscription : page->subscriptions) {
      ids.push_back(subscription.id);
    }
    if (page->next_link == link) {
      Error error;
      error.code = Errc::kHttp;
      error.message = "/subscriptions: nextLink points at its own page";
      co_return error;
    }
    link = page->next_link;
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
  co_return ids;
}

net::Task<std::vector<std::string>> Inventory::known_subscriptions() {
  core::Store* store = &parts_.store;
  auto job = [store]() -> std::vector<std::string> {
    std::vector<std::string> ids;
    auto snapshot = store->snapshot();
    if (snapshot) {
      // A failure leaves the list shorter; the next pass asks again.
      static_cast<void>((*snapshot)->for_each_of_type(
          "microsoft.resources/subscriptions", "", [&](const core::StoredResource& resource) {
            ids.push_back(resource.key.substr(resource.key.rfind('/') + 1));
          }));
    }
    return ids;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<std::vector<std::string>> Inventory::doubted_resources() {
  auto job = [store = &parts_.store]() {
    std::vector<std::string> keys;
    auto snapshot = store->snapshot();
    auto all = snapshot ? (*snapshot)->all_evidence() : snapshot.error();
    if (all) {
      for (const auto& evidence : *all) {
        if (!evidence.complete && evidence.key.starts_with(core::kResourceEvidencePrefix)) {
          keys.push_back(evidence.key.substr(core::kResourceEvidencePrefix.size()));
        }
      }
    }
    return keys;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Status> Inventory::commit(std::shared_ptr<core::Cycle> cycle, bool complete) {
  auto report = co_await commit_cycle(&parts_, std::move(cycle), complete, nullptr);
  if (!report) {
    co_return report.error();
  }
  add(*report);
  co_return Status::ok();
}

net::Task<Status> Inventory::commit_sweep(std::shared_ptr<Sweep> sweep) {
  auto changed = std::make_shared<std::vector<std::string>>();
  auto observe = [changed](const core::CycleChanges& changes) {
    for (const auto& change : changes.resources) {
      if (!change.is_detail && !change.normaliser_only && changed->size() < kMaxChanged &&
          !core::change_table_of(core::resource_graph_table(change.type)).empty()) {
        changed->push_back(change.key);
      }
    }
  };
  auto report = co_await commit_cycle(&parts_, sweep->cycle, sweep->complete, observe);
  if (!report) {
    report_.swept = false;
    co_return report.error();
  }
  add(*report);
  report_.swept = report_.swept && sweep->complete;
  report_.changed.insert(report_.changed.end(), changed->begin(), changed->end());
  co_return Status::ok();
}

net::Task<Status> Inventory::record_no_access(std::vector<std::string> subscriptions,
                                              core::Evidence listing) {
  // What is known of the tenant stays; its verdicts do not.
  std::vector<core::Evidence> evidence;
  for (const auto& subscription : subscriptions) {
    for (const auto& table : plan_.tables) {
      core::Evidence item = listing;
      item.key = core::partition_evidence_key(table.table, subscription);
      evidence.push_back(std::move(item));
    }
  }
  if (subscriptions.empty() || listing.key == core::kSubscriptionsEvidence) {
    evidence.push_back(std::move(listing));
  } else {
    // Their lists say what was, also to those that look for what points at them.
    auto lists = co_await known_lists(std::move(subscriptions));
    if (!lists) {
      co_return lists.error();
    }
    for (auto& key : *lists) {
      core::Evidence item = listing;
      item.key = std::move(key);
      evidence.push_back(std::move(item));
    }
  }
  co_return co_await record_missing(std::move(evidence), "sweep", "no access");
}

net::Task<Result<std::vector<std::string>>> Inventory::known_lists(
    std::vector<std::string> subscriptions) {
  using Keys = std::vector<std::string>;
  auto job = [store = &parts_.store, subscriptions = std::move(subscriptions)]() -> Result<Keys> {
    auto snapshot = store->snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    auto all = (*snapshot)->all_evidence();
    if (!all) {
      return all.error();
    }
    const auto prefix = core::detail_evidence_key("");
    Keys keys;
    for (auto& item : *all) {
      if (item.key.starts_with(prefix) &&
          std::ranges::binary_search(
              subscriptions,
              core::subscription_of_key(std::string_view(item.key).substr(prefix.size())))) {
        keys.push_back(std::move(item.key));
      }
    }
    return keys;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Status> Inventory::record_missing(std::vector<core::Evidence> evidence,
                                            std::string kind,
                                            std::string scope) {
  auto stage = [store = &parts_.store,
                evidence = std::move(evidence),
                kind = std::move(kind),
                scope = std::move(scope)]() -> Result<std::shared_ptr<core::Cycle>> {
    auto begun = store->begin_cycle(kind, scope);
    if (!begun) {
      return begun.error();
    }
    std::shared_ptr<core::Cycle> cycle = *std::move(begun);
    for (const auto& item : evidence) {
      if (auto done = cycle->stage_evidence(item); !done) {
        return done.error();
      }
    }
    return cycle;
  };
  auto cycle = co_await net::offload(parts_.storage, std::move(stage));
  if (!cycle) {
    co_return cycle.error();
  }
  co_return co_await commit(*cycle, false);
}

net::Task<Result<std::set<std::string>>> Inventory::types_never_asked() {
  using Types = std::set<std::string>;
  auto job = [store = &parts_.store, plans = plan_.details]() -> Result<Types> {
    auto snapshot = store->snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    Types types;
    for (const auto& plan : plans) {
      auto asked = (*snapshot)->count_evidence(
          core::detail_evidence_key(""), core::detail_document_key("", plan.type), 1);
      if (!asked) {
        return asked.error();
      }
      if (*asked == 0) {
        types.insert(plan.type);
      }
    }
    return types;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Status> Inventory::announce(std::vector<std::string> scopes) {
  const auto types = co_await types_never_asked();
  if (!types || types->empty()) {
    co_return types ? Status::ok() : Status(types.error());
  }
  std::vector<core::Evidence> evidence;
  for (const auto& scope : scopes) {
    const auto due = co_await due_details(scope);
    if (!due) {
      co_return due.error();
    }
    for (const auto& [key, plan] : *due) {
      if (types->contains(plan.type)) {
        core::Evidence item;
        item.key = core::detail_evidence_key(key);
        item.complete = false;
        item.reason = "not_collected";
        item.observed_at = parts_.clock.now();
        evidence.push_back(std::move(item));
      }
    }
  }
  if (evidence.empty()) {
    co_return Status::ok();
  }
  // What is about to be asked for leaves the pass no less complete.
  const bool complete = report_.complete;
  auto recorded = co_await record_missing(std::move(evidence), "details", "not asked yet");
  report_.complete = complete;
  co_return recorded;
}

net::Task<Status> Inventory::confirm_missing(std::shared_ptr<Sweep> sweep,
                                             std::string source,
                                             std::vector<std::string> types) {
  auto cycle = sweep->cycle;
  auto ask = [cycle, source, types]() { return cycle->unseen(source, types); };
  auto missing = co_await net::offload(parts_.storage, std::move(ask));
  if (!missing) {
    co_return missing.error();
  }
  auto count = [cycle, source, types]() { return cycle->known(source, types); };
  auto known = co_await net::offload(parts_.storage, std::move(count));
  if (!known) {
    co_return known.error();
  }
  const auto gone_at_once = static_cast<std::int64_t>(missing->size());
  if (gone_at_once >= kMassDisappearanceFloor &&
      static_cast<double>(gone_at_once) > kMassDisappearance * static_cast<double>(*known)) {
    parts_.log.error("mass_disappearance",
                     {{core::log_field::kSource, source},
                      {core::log_field::kDeleted, fmt::format("{}", gone_at_once)},
                      {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    Error error;
    error.code = Errc::kTruncated;
    error.message = fmt::format("{} of {} resources are missing at once", gone_at_once, *known);
    co_return error;
  }
  const std::set<std::string> unseen(missing->begin(), missing->end());
  std::erase_if(sweep->doubted, [&](const std::string& key) {
    const auto id = core::parse_resource_id(key);
    const bool of_source =
        id && source == core::partition_evidence_key(core::resource_graph_table(id->type),
                                                     core::subscription_of_key(key));
    const bool seen_again = of_source && !unseen.contains(key);
    if (seen_again) {
      sweep->evidence.push_back(evidence_of(
          std::string(core::kResourceEvidencePrefix) + key, parts_.clock.now(), Status::ok()));
    }
    return seen_again;
  });
  for (const auto& key : *missing) {
    auto gone = co_await is_gone(&parts_, key);
    if (gone && *gone) {
      auto stage = [cycle, key]() { return cycle->stage_deletion(key); };
      auto staged = co_await net::offload(parts_.storage, std::move(stage));
      if (!staged) {
        co_return staged;
      }
      continue;
    }
    Error doubt;
    doubt.code = gone ? Errc::kTruncated : gone.error().code;
    doubt.message = gone ? "Resource Graph no longer shows it, but nothing says that it is gone"
                         : gone.error().message;
    parts_.log.warn("deletion_unconfirmed",
                    {{core::log_field::kResourceId, key},
                     {core::log_field::kError, doubt.message},
                     {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    sweep->evidence.push_back(
        evidence_of(std::string(core::kResourceEvidencePrefix) + key, parts_.clock.now(), doubt));
    sweep->complete = false;
  }
  co_return Status::ok();
}

net::Task<Status> Inventory::read_query(std::shared_ptr<Sweep> sweep,
                                        core::TablePlan table,
                                        GraphQuery query) {
  const std::string source = kTableSource + table.table;
  GraphPager pager(&parts_, std::move(query));
  std::unordered_set<std::size_t> keys;  // hashes: the ids of a large tenant are tens of megabytes
  while (!pager.done()) {
    if (cancelled_) {
      co_return Error{Errc::kCancelled, "the pass was cancelled"};
    }
    auto body = co_await pager.fetch();
    if (!body) {
      co_return body.error();
    }
    auto parse = [body = *std::move(body),
                  name = table.table,
                  sent_at = pager.sent_at(),
                  normaliser = &parts_.normaliser]() {
      return parse_graph_page(body, name, sent_at, *normaliser);
    };
    auto page = co_await net::offload(parts_.cpu, std::move(parse));
    if (!page) {
      co_return page.error();
    }
    if (page->unusable > 0) {
      sweep->unusable += page->unusable;
      sweep->complete = false;
      parts_.metrics.count_error(source, "unusable_row");
      parts_.log.warn("rows_unusable",
                      {{core::log_field::kSource, source},
                       {core::log_field::kObserved, fmt::format("{}", page->unusable)},
                       {core::log_field::kReason, "without id or type, or no JSON"},
                       {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    }
    for (const auto& row : page->rows) {
      ++sweep->rows[row.source];
      if (!keys.insert(std::hash<std::string>{}(row.key)).second) {
        parts_.log.warn("row_repeated",
                        {{core::log_field::kResourceId, row.key},
                         {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
        sweep->fail(row.source,
                    Error{Errc::kTruncated, "Resource Graph gave " + row.key + " twice"});
      }
    }
    auto checked = co_await without_deleted(&parts_, sweep->deleted, std::move(page->rows));
    sweep->complete = sweep->complete && checked.complete;
    auto stage = [cycle = sweep->cycle, observations = std::move(checked.rows)]() mutable {
      return cycle->stage(std::move(observations));
    };
    auto staged = co_await net::offload(parts_.storage, std::move(stage));
    if (!staged) {
      co_return staged;
    }
    auto advanced =
        pager.advance(page->skip_token, page->truncated, page->row_count, page->total_records);
    if (!advanced) {
      co_return advanced;
    }
  }
  co_return Status::ok();
}

net::Task<void> Inventory::sweep_unit(std::shared_ptr<Sweep> sweep, std::size_t index) {
  const core::TablePlan table = sweep->units[index].table;
  const GraphPartition partition = sweep->units[index].partition;
  GraphQuery query;
  query.text = resource_graph_query(table, partition.piece, partition.pieces);
  query.subscriptions = partition.subscriptions;
  query.above_and_below = is_inherited_table(table.table);
  query.top = options_.page_size;
  auto status = co_await read_query(sweep, table, query);
  if (!status && partition.subscriptions.empty() && says(status.error(), kTooManySubscriptions)) {
    // What lies above subscriptions shows to those who ask for these, chunk by chunk.
    status = Status::ok();
    query.above_and_below = true;
    for (std::size_t at = 0; at < report_.listed.size() && status;
         at += options_.subscriptions_per_query) {
      query.subscriptions = chunk_of(report_.listed, at, options_.subscriptions_per_query);
      status = co_await read_query(sweep, table, query);
    }
  }
  const std::string source = kTableSource + table.table;
  auto& outcome = outcomes_.try_emplace(source, TableOutcome{sweep->since}).first->second;
  outcome.took = std::max(outcome.took, parts_.clock.steady_now() - sweep->begun);
  if (status || cancelled_) {
    co_return;
  }
  parts_.metrics.count_error(source, std::string(core::to_string(status.error().code)));
  parts_.log.warn("sweep_failed",
                  {{core::log_field::kSource, source},
                   {core::log_field::kReason, std::string(core::to_string(status.error().code))},
                   {core::log_field::kError, status.error().message},
                   {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
  for (const auto& subscription : partition.subscriptions) {
    sweep->fail(core::partition_evidence_key(table.table, subscription), status.error());
  }
  if (partition.subscriptions.empty()) {
    sweep->fail(core::partition_evidence_key(table.table, ""), status.error());
  }
}

net::Task<Result<RowCounts>> Inventory::count_rows(core::TablePlan table,
                                                   std::vector<std::string> subscriptions) {
  GraphQuery query;
  query.text = resource_graph_count_query(table);
  query.subscriptions = std::move(subscriptions);
  query.top = options_.page_size;
  GraphPager pager(&parts_, std::move(query));
  auto body = co_await pager.fetch();
  if (!body) {
    co_return body.error();
  }
  co_return parse_counts(*body);
}

net::Task<std::int64_t> Inventory::stored_resources() {
  auto job = [store = &parts_.store]() {
    std::int64_t sum = 0;
    auto snapshot = store->snapshot();
    auto counts = snapshot ? (*snapshot)->type_counts() : snapshot.error();
    if (counts) {
      for (const auto& type : *counts) {
        sum += type.count;
      }
    }
    return sum;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<void> Inventory::make_units(std::shared_ptr<Sweep> sweep,
                                      std::vector<core::TablePlan> tables) {
  const auto stored = co_await stored_resources();
  for (auto& table : tables) {
    const bool counted = !sweep->subscriptions.empty() && is_counted_first(table.table, stored);
    std::vector<GraphPartition> partitions{{sweep->subscriptions, 0, 1, 0}};
    if (counted) {
      auto counts = co_await count_rows(table, sweep->subscriptions);
      if (counts) {
        sweep->counts = *std::move(counts);
        partitions = partitions_of(sweep->subscriptions, sweep->counts, options_.parallel_queries);
      }
    }
    for (auto& partition : partitions) {
      sweep->units.push_back({table, std::move(partition)});
    }
  }
  // The longest first: whatever comes last runs alone.
  std::ranges::sort(sweep->units, [](const Unit& a, const Unit& b) {
    return std::tie(b.partition.expected, a.table.table, a.partition.piece) <
           std::tie(a.partition.expected, b.table.table, b.partition.piece);
  });
}

net::Task<void> Inventory::compare_counts(std::shared_ptr<Sweep> sweep, core::TablePlan table) {
  const auto missing = [&](const RowCounts& counts) {
    std::vector<std::pair<std::string, std::int64_t>> out;
    for (const auto& [subscription, count] : counts) {
      const auto key = core::partition_evidence_key(table.table, subscription);
      if (sweep->rows[key] < count && !sweep->statuses.contains(key)) {
        out.emplace_back(key, count);
      }
    }
    return out;
  };
  if (sweep->unusable > 0 || missing(sweep->counts).empty()) {
    co_return;
  }
  // Less than before the sweep may be what was deleted since; less than after it, too, is not.
  auto after = co_await count_rows(table, sweep->subscriptions);
  if (!after) {
    co_return;
  }
  for (auto& [subscription, count] : *after) {
    const auto before = sweep->counts.find(subscription);
    count = before == sweep->counts.end() ? 0 : std::min(count, before->second);
  }
  for (const auto& [key, count] : missing(*after)) {
    Error error{Errc::kTruncated,
                fmt::format("Resource Graph counts {} rows and gave {}", count, sweep->rows[key])};
    parts_.metrics.count_error(kTableSource + table.table, "truncated");
    parts_.log.warn("sweep_failed",
                    {{core::log_field::kSource, key},
                     {core::log_field::kError, error.message},
                     {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
    sweep->fail(key, error);
  }
}

std::optional<core::TablePlan> management_group_table(const core::CollectionPlan& plan) {
  const auto containers =
      std::ranges::find(plan.tables,
                        core::resource_graph_table(core::kManagementGroupType),
                        [](const core::TablePlan& table) { return std::string_view(table.table); });
  const bool wanted =
      containers != plan.tables.end() &&
      (containers->types.empty() ||
       std::ranges::find(containers->types, core::kManagementGroupType) != containers->types.end());
  if (!wanted) {
    return std::nullopt;
  }
  return core::TablePlan{containers->table, {std::string(core::kManagementGroupType)}};
}

net::Task<Status> Inventory::sweep_management_groups() {
  auto table = management_group_table(plan_);
  if (!table) {
    co_return Status::ok();
  }
  std::vector<core::TablePlan> tables;
  tables.push_back(*std::move(table));
  co_return co_await sweep({}, std::move(tables));
}

net::Task<Status> Inventory::sweep(std::vector<std::string> subscriptions,
                                   std::vector<core::TablePlan> tables) {
  auto state = std::make_shared<Sweep>();
  state->subscriptions = std::move(subscriptions);
  const std::vector<std::string> partitions =
      state->subscriptions.empty() ? std::vector<std::string>{""} : state->subscriptions;
  core::Store* store = &parts_.store;
  auto begin = [store,
                scope = state->subscriptions.empty()
                            ? std::string("management groups")
                            : fmt::format("{} subscriptions", state->subscriptions.size())]() {
    return store->begin_cycle("sweep", scope);
  };
  auto begun = co_await net::offload(parts_.storage, std::move(begin));
  if (!begun) {
    co_return cycle_failed(parts_, begun.error());
  }
  state->cycle = *std::move(begun);
  state->doubted = co_await doubted_resources();
  auto deleted = co_await recently_deleted(&parts_);
  if (!deleted) {
    co_return cycle_failed(parts_, deleted.error());
  }
  state->deleted = *std::move(deleted);
  state->evidence.push_back(
      evidence_of(std::string(core::kSubscriptionsEvidence), parts_.clock.now(), Status::ok()));
  state->since = parts_.clock.now();
  state->begun = parts_.clock.steady_now();
  co_await make_units(state, tables);
  auto read = [this, state](std::size_t index) {
    return cancelled_ ? no_work() : sweep_unit(state, index);
  };
  co_await for_each_parallel(parts_.io, state->units.size(), options_.parallel_queries, read);
  for (const auto& table : tables) {
    if (table.table == kLargestTable && !cancelled_) {
      co_await compare_counts(state, table);
    }
  }
  for (const auto& table : tables) {
    auto& outcome = outcomes_[kTableSource + table.table];
    for (const auto& subscription : partitions) {
      if (cancelled_) {
        co_return Status::ok();  // the cycle is dropped: nothing was learned that may be kept in
                                 // part
      }
      const std::string key = core::partition_evidence_key(table.table, subscription);
      const auto failed = state->statuses.find(key);
      Status status = failed == state->statuses.end() ? Status::ok() : Status(failed->second);
      if (status) {
        status = co_await confirm_missing(state, key, table.types);
      }
      state->complete = state->complete && status.has_value();
      outcome.complete = outcome.complete && status.has_value();
      state->evidence.push_back(evidence_of(key, state->since, status));
    }
  }
  auto stage = [cycle = state->cycle, evidence = state->evidence]() {
    for (const auto& item : evidence) {
      if (auto done = cycle->stage_evidence(item); !done) {
        return done;
      }
    }
    return Status::ok();
  };
  auto staged = co_await net::offload(parts_.storage, std::move(stage));
  if (!staged) {
    co_return staged;
  }
  co_return co_await commit_sweep(state);
}

net::Task<Result<std::vector<DetailList>>> Inventory::due_details(std::string subscription) {
  using Due = std::vector<DetailList>;
  auto job = [store = &parts_.store,
              subscription,
              plans = plan_.details,
              now = parts_.clock.now(),
              interval = options_.detail_interval]() -> Result<Due> {
    auto snapshot = store->snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    Due due;
    const auto add_if_due = [&](const std::string& key, const core::DetailPlan& plan) -> Status {
      auto evidence = (*snapshot)->evidence(core::detail_evidence_key(key));
      if (!evidence) {
        return evidence.error();
      }
      // An instant that is yet to come was taken with a wrong clock.
      if (!*evidence || !(*evidence)->complete || (*evidence)->observed_at <= now - interval ||
          (*evidence)->observed_at > now) {
        due.emplace_back(key, plan);
      }
      return Status::ok();
    };
    for (const auto& plan : plans) {
      auto parents = detail_parents(**snapshot, subscription, plan);
      if (!parents) {
        return parents.error();
      }
      for (const auto& parent : *parents) {
        const auto id = core::parse_resource_id(parent);
        const auto type = id ? std::string_view(id->type) : std::string_view();
        for (const auto& list : lists_of_type(plan, parent, type, plans)) {
          if (auto added = add_if_due(list, plan); !added) {
            return added.error();
          }
        }
      }
    }
    return due;
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Status> Inventory::details(std::string subscription) {
  auto due = co_await due_details(subscription);
  if (!due) {
    co_return due.error();
  }
  for (std::size_t at = 0; at < due->size() && !cancelled_; at += options_.lists_per_cycle) {
    const auto end = std::min(due->size(), at + options_.lists_per_cycle);
    DetailBatch batch;
    batch.lists.assign(due->begin() + static_cast<std::ptrdiff_t>(at),
                       due->begin() + static_cast<std::ptrdiff_t>(end));
    batch.scope = subscription;
    batch.parallel = options_.parallel_details;
    auto collected = co_await collect_details(&parts_, std::move(batch), &cancelled_);
    if (!collected) {
      co_return collected.error();
    }
    details_failed_ = details_failed_ || !collected->failed.empty();
    if (collected->report) {
      add(*collected->report);
    }
    co_await pause();
  }
  co_return Status::ok();
}

void Inventory::succeed(const std::string& source,
                        core::Time since,
                        std::chrono::steady_clock::duration took) {
  succeeded_.insert(source);
  parts_.metrics.set_success(source, static_cast<double>(core::to_micros(since)) / 1e6, took);
}

net::Task<void> Inventory::pause() {
  if (hooks_.between && !cancelled_) {
    co_await hooks_.between();
    parts_.azure.renew_correlation();  // a poll without a cycle has asked, too
  }
}

net::Task<PassReport> Inventory::run() {
  report_ = {};
  outcomes_.clear();
  report_.started = parts_.clock.steady_now();
  parts_.azure.renew_correlation();
  auto listed = co_await list_subscriptions();
  Status failure = Status::ok();
  if (!listed) {
    report_.complete = false;
    report_.first_error = listed.error().message;
    parts_.metrics.count_error("arm:subscriptions",
                               std::string(core::to_string(listed.error().code)));
    auto known = co_await known_subscriptions();
    auto listing =
        evidence_of(std::string(core::kSubscriptionsEvidence), parts_.clock.now(), listed.error());
    auto recorded = co_await record_no_access(std::move(known), std::move(listing));
    if (!recorded) {
      report_.first_error = recorded.error().message;
    }
    co_return report_;
  }
  report_.signed_in = true;
  std::vector<std::string> subscriptions = *std::move(listed);
  const auto scoped = co_await apply_scope(&subscriptions);
  if (!scoped) {
    report_.complete = false;
    report_.first_error = scoped.error().message;
  }
  report_.subscriptions = subscriptions.size();
  report_.listed = subscriptions;
  if (subscriptions.empty()) {
    report_.complete = false;
    report_.first_error =
        "the identity can read no subscription: give it Reader on what it must watch";
  }
  // `/subscriptions` hides what cannot be read: every subscription ever seen is expected.
  std::vector<std::string> lost = co_await known_subscriptions();
  lost.insert(lost.end(), expected_.begin(), expected_.end());
  std::ranges::sort(lost);
  lost.erase(std::ranges::unique(lost).begin(), lost.end());
  std::erase_if(lost, [&](const std::string& known) {
    return !in_scope(known) || std::ranges::binary_search(subscriptions, known);
  });
  if (!lost.empty()) {
    Error error;
    error.code = Errc::kForbidden;
    error.message =
        "the subscription is not listed: it was deleted, or the identity cannot read it";
    auto evidence = evidence_of("", parts_.clock.now(), error);
    failure = co_await record_no_access(std::move(lost), std::move(evidence));
  }
  for (std::size_t at = 0; at < subscriptions.size() && failure && !cancelled_;
       at += options_.subscriptions_per_query) {
    const auto end = std::min(subscriptions.size(), at + options_.subscriptions_per_query);
    std::vector<std::string> chunk(subscriptions.begin() + static_cast<std::ptrdiff_t>(at),
                                   subscriptions.begin() + static_cast<std::ptrdiff_t>(end));
    failure = co_await sweep(std::move(chunk), plan_.tables);
    co_await pause();
  }
  if (failure && !cancelled_ && !subscriptions.empty()) {
    failure = co_await sweep_management_groups();
  }
  if (!failure || cancelled_) {
    report_.swept = false;
  } else if (!subscriptions.empty()) {
    for (const auto& [source, outcome] : outcomes_) {
      if (outcome.complete) {
        succeed(source, outcome.since, outcome.took);
      }
    }
  }
  if (hooks_.swept) {
    hooks_.swept(report_);
  }
  // Lists of what other lists name take a second round.
  const bool nested = std::ranges::any_of(plan_.details, [](const core::DetailPlan& plan) {
    return is_listed(core::detail_parent_type(plan.type));
  });
  std::vector<std::string> scopes = subscriptions;
  scopes.emplace_back();
  if (failure && !cancelled_) {
    failure = co_await announce(scopes);
  }
  const auto details_since = parts_.clock.now();
  const auto details_begun = parts_.clock.steady_now();
  details_failed_ = false;
  for (int round = 0; round < (nested ? 2 : 1); ++round) {
    for (const auto& scope : scopes) {
      if (failure && !cancelled_) {
        failure = co_await details(scope);
      }
    }
  }
  if (failure && !cancelled_ && !details_failed_ && !plan_.details.empty()) {
    succeed(kDetailsSource, details_since, parts_.clock.steady_now() - details_begun);
  }
  if (!failure) {
    report_.complete = false;
    report_.first_error = failure.error().message;
  }
  co_return report_;
}

}  // namespace plumbline::collectors
