#include "daemon/app.hpp"

#include "compliance/confirmation.hpp"
#include "compliance/judge.hpp"
#include "compliance/plan.hpp"
#include "daemon/azure_options.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/sign_in.hpp"
#include "daemon/web/verdict_metrics.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace plumbline::daemon {

using core::Result;
using core::Status;

namespace {

/// How long one who changes drift waits for the cycle in the making to end.
constexpr std::chrono::seconds kOrderPatience{60};
constexpr std::size_t kStoreId = 16;  // hexadecimal digits
constexpr std::string_view kFirstPassAuthor = "plumbline";

collectors::InventoryOptions inventory_options(const config::Settings& settings) {
  collectors::InventoryOptions options;
  options.subscriptions = settings.subscriptions;
  options.management_groups = settings.management_groups;
  options.detail_interval = settings.schedule.details;
  return options;
}

collectors::ConfirmationOptions confirmation_options(const config::Settings& settings) {
  collectors::ConfirmationOptions options;
  options.budget = static_cast<std::size_t>(settings.confirmations);
  options.renew_after = settings.schedule.details;
  return options;
}

collectors::WatchOptions watch_options(const config::Settings& settings) {
  collectors::WatchOptions options;
  options.changes = settings.schedule.changes;
  options.detail_interval = settings.schedule.details;
  return options;
}

Intervals intervals_of(const config::Settings& settings) {
  return {settings.schedule.sweep, settings.schedule.changes, settings.schedule.activity};
}

}  // namespace

App::App(config::Settings settings, std::unique_ptr<core::Log> log)
    : settings_(std::move(settings)),
      log_(std::move(log)),
      started_(clock_.now()),
      registry_(std::make_shared<prometheus::Registry>()),
      collector_metrics_(*registry_),
      daemon_metrics_(*registry_),
      heartbeats_(clock_),
      schedule_(intervals_of(settings_), clock_.steady_now()),
      published_(std::make_shared<Published>()),
      storage_("storage", 1),
      cpu_("cpu", 1),
      hashing_("hashing", 1),
      io_("io", 1) {}

App::~App() {
  // They wait for the storage thread.
  retention_.reset();
  backups_.reset();
  // Work in flight on one thread refers to the thread it came from. So the I/O thread, where all of
  // it comes from, stops first; the others finish what they were given.
  io_.stop();
  hashing_.stop();  // but for the logins: there may be many, and nobody waits for them any more
  for (net::Worker* worker : {&io_, &cpu_, &storage_, &hashing_}) {
    worker->join();
  }
  // Kept connections belong to that context: they must not outlive it.
  transport_.reset();
  notifications_.reset();
}

Status App::open_store() {
  storage::StoreOptions options;
  options.path = settings_.storage_path;
  options.key_file = settings_.key_file;
  options.restore = settings_.backup.restore;
  options.backups = settings_.backup.directory;
  options.actors = settings_.actors;
  auto opened = storage::open_store(options, clock_);
  if (!opened) {
    return opened.error();
  }
  if (opened->restored) {
    log_->error("store_restored",
                {{core::log_field::kPath, opened->restored->files.set_aside},
                 {core::log_field::kSource, opened->restored->files.copy},
                 {core::log_field::kError, opened->restored->damage.message}});
  }
  store_ = std::move(opened->store);
  if (!settings_.backup.directory.empty()) {
    backups_ = std::make_unique<Backups>(
        settings_.backup, settings_.storage_path, clock_, *log_, *registry_);
  }
  store_id_ =
      core::to_hex(core::hmac_sha256(opened->redaction_key, "urn:plumbline")).substr(0, kStoreId);
  normaliser_ = std::make_unique<core::Normaliser>(std::move(opened->redaction_key));
  return Status::ok();
}

Result<std::shared_ptr<const compliance::Baseline>> App::compile(const config::Settings& settings) {
  auto aliases = known_aliases(*store_, *log_);
  if (!aliases) {
    return aliases.error();
  }
  auto snapshot = store_->snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  auto initiatives = known_initiatives(**snapshot, settings);
  if (!initiatives) {
    return initiatives.error();
  }
  if (initiative_refresh_ != nullptr) {
    initiatives->failures.merge(initiative_refresh_->failures());
  }
  return load_baseline(settings, **aliases, *initiatives);
}

Status App::load() {
  auto baseline = compile(settings_);
  if (!baseline) {
    return baseline.error();
  }
  baseline_ = *std::move(baseline);
  tell_initiatives();
  tell_left_out(*baseline_);
  return Status::ok();
}

void App::tell_initiatives() {
  auto snapshot = store_->snapshot();
  auto initiatives = snapshot ? known_initiatives(**snapshot, settings_) : snapshot.error();
  if (!initiatives) {
    log_->warn("kept_initiatives_unreadable",
               {{core::log_field::kError, initiatives.error().message}});
    return;
  }
  for (const auto& [key, initiative] : initiatives->kept) {
    log_->info("initiative_kept",
               {{core::log_field::kId, key},
                {core::log_field::kFetchedAt, core::to_rfc3339(initiative.fetched_at)}});
  }
}

void App::tell_left_out(const compliance::Baseline& baseline) {
  for (const auto& item : baseline.left_out) {
    if (item.reference.empty()) {
      log_->error("assignment_left_out",
                  {{core::log_field::kAssignment, item.assignment},
                   {core::log_field::kReason, item.reason}});
    } else {
      log_->warn("definition_left_out",
                 {{core::log_field::kAssignment, item.assignment},
                  {core::log_field::kCheck, item.reference},
                  {core::log_field::kReason, item.reason}});
    }
  }
}

Result<bool> App::is_adopted() {
  auto snapshot = store_->snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  return compliance::is_adopted(*baseline_, **snapshot, clock_.now());
}

Status App::adopt_at_start() {
  auto snapshot = store_->snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  auto adopted = compliance::is_adopted(*baseline_, **snapshot, clock_.now());
  auto cycles = (*snapshot)->cycles(1);
  if (!adopted || !cycles) {
    return !adopted ? adopted.error() : cycles.error();
  }
  snapshot->reset();
  if (*adopted || cycles->empty()) {
    return adopt();
  }
  // As with a reload: a pass first asks for what the changed checks read.
  pending_ = std::make_unique<Reload>(Reload{settings_, baseline_, {}});
  return Status::ok();
}

Status App::adopt() {
  auto adopted = is_adopted();
  if (!adopted) {
    return adopted.error();
  }
  if (*adopted) {
    return Status::ok();
  }
  auto cycle = store_->begin_cycle("baseline", "assignments");
  if (!cycle) {
    return cycle.error();
  }
  auto report =
      (*cycle)->commit(true, [this](core::JudgeView& view, const core::CycleChanges& changes) {
        return compliance::adopt_baseline(
            *baseline_, view, changes, compliance::Confirming::kHeldBack);
      });
  if (!report) {
    return report.error();
  }
  record(*report);
  return Status::ok();
}

Status App::connect() {
  const auto environment = collectors::process_environment();
  auto client = client_options(settings_, environment);
  if (!client) {
    return client.error();
  }
  auto transport = net::make_http_client(io_.executor(), *std::move(client));
  if (!transport) {
    return transport.error();
  }
  transport_ = *std::move(transport);
  auto credential = make_credential(
      settings_,
      {.transport = transport_.get(), .clock = &clock_, .metrics = &collector_metrics_},
      environment,
      *log_);
  if (!credential) {
    return credential.error();
  }
  credential_ = *std::move(credential);
  tokens_ = std::make_unique<collectors::TokenCache>(
      io_.executor(), *credential_, clock_, *log_, collector_metrics_);
  azure_ = std::make_unique<collectors::AzureClient>(
      *transport_, *tokens_, clock_, *log_, collector_metrics_, azure_options(settings_));
  const collectors::Collection parts{
      .azure = *azure_,
      .store = *store_,
      .normaliser = *normaliser_,
      .clock = clock_,
      .log = *log_,
      .metrics = collector_metrics_,
      .io = io_.executor(),
      .cpu = cpu_.executor(),
      .storage = storage_.executor(),
      .judge =
          [this](core::JudgeView& view, const core::CycleChanges& changes) {
            return compliance::judge_changes(
                *baseline_, view, changes, compliance::Confirming::kHeldBack);
          },
      .on_commit = [this](const core::CycleReport& report) { return committed(report); }};
  collectors::Confirmations::Questions questions;
  questions.pending = [this](core::Snapshot& snapshot,
                             std::size_t limit,
                             const std::function<bool(const std::string&)>& skip,
                             std::optional<core::Time> renew_before) {
    return compliance::pending_confirmations(
        *baseline_in_force(), snapshot, limit, skip, renew_before);
  };
  questions.outcome = [this](core::Snapshot& snapshot,
                             const std::vector<core::ConfirmationRequest>& requests) {
    return compliance::outcome_of(*baseline_in_force(), snapshot, requests, clock_.now());
  };
  confirmations_ = std::make_unique<collectors::Confirmations>(
      parts, std::move(questions), confirmation_options(settings_));
  auto plan = compliance::make_plan(*baseline_, settings_.inventory_all);
  watch_ = std::make_unique<collectors::ChangeWatch>(parts, plan, watch_options(settings_));
  inventory_ =
      std::make_unique<collectors::Inventory>(parts, std::move(plan), inventory_options(settings_));
  collectors::Inventory::Hooks hooks;
  hooks.swept = [this](const collectors::PassReport& report) { watch_->passed(report); };
  hooks.between = [this]() { return due_polls(); };
  inventory_->set_hooks(std::move(hooks));
  alias_refresh_ =
      std::make_unique<AliasRefresh>(AliasRefresh::Parts{.azure = *azure_,
                                                         .store = *store_,
                                                         .clock = clock_,
                                                         .log = *log_,
                                                         .cpu = cpu_.executor(),
                                                         .storage = storage_.executor()});
  initiative_refresh_ =
      std::make_unique<InitiativeRefresh>(InitiativeRefresh::Parts{.azure = *azure_,
                                                                   .store = *store_,
                                                                   .clock = clock_,
                                                                   .log = *log_,
                                                                   .cpu = cpu_.executor(),
                                                                   .storage = storage_.executor()});
  return Status::ok();
}

Status App::connect_notifications() {
  auto made = Notifications::make(settings_,
                                  collectors::process_environment(),
                                  {.store = *store_,
                                   .clock = clock_,
                                   .log = *log_,
                                   .registry = *registry_,
                                   .io = io_.executor(),
                                   .cpu = cpu_.executor(),
                                   .storage = storage_.executor(),
                                   .summary = [this]() { return published()->summary; },
                                   .store_id = store_id_});
  if (!made) {
    return made.error();
  }
  notifications_ = *std::move(made);
  return Status::ok();
}

Result<std::unique_ptr<App>> App::build(const config::Settings& settings,
                                        std::unique_ptr<core::Log> log) {
  std::unique_ptr<App> app(new App(settings, std::move(log)));
  std::error_code ignored;
  if (!std::filesystem::exists(settings.storage_path, ignored)) {
    // A store knows aliases that the shipped catalogue does not, so rules are compiled with it. But
    // none is made for a baseline that cannot be.
    auto shipped = policy::AliasCatalogue::shipped();
    auto baseline = shipped ? load_baseline(settings, **shipped) : shipped.error();
    if (!baseline) {
      return baseline.error();
    }
  }
  for (const auto step : {&App::open_store,
                          &App::load,
                          &App::adopt_at_start,
                          &App::connect,
                          &App::publish,
                          &App::connect_notifications}) {
    if (auto done = (app.get()->*step)(); !done) {
      return done.error();
    }
  }
  app->daemon_metrics_.set_reload(true, app->clock_.now());
  if (auto counted = app->count_confirmations(); !counted) {
    return counted.error();
  }
  app->heartbeats_.start(app->io_.executor(), app->cpu_.executor(), app->storage_.executor());
  return app;
}

Status App::publish() {
  auto baseline = baseline_in_force();
  auto snapshot = store_->snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  auto summary = compliance::summarise(std::move(baseline), **snapshot, clock_.now());
  if (!summary) {
    return summary.error();
  }
  auto published = std::make_shared<Published>();
  published->summary = *std::move(summary);
  published->verdict_metrics = compress_verdicts(render_verdict_metrics(*published->summary));
  const std::lock_guard lock(mutex_);
  published->tag = fmt::format("{:x}-{:x}", core::to_micros(started_), ++publications_);
  published_ = std::move(published);
  return Status::ok();
}

Status App::count_confirmations() {
  auto snapshot = store_->snapshot();
  auto waiting = snapshot ? compliance::pending_confirmations(*baseline_, **snapshot, 0)
                          : Result<core::PendingConfirmations>(snapshot.error());
  if (!waiting) {
    return waiting.error();
  }
  collector_metrics_.set_confirmations_pending(waiting->resources);
  return Status::ok();
}

net::Task<void> App::committed(core::CycleReport report) {
  record(report);
  auto job = [this]() { return publish(); };
  auto published = co_await net::offload(cpu_.executor(), std::move(job));
  if (!published) {
    log_->error("publish_failed", {{core::log_field::kError, published.error().message}});
  }
  notifications_->notify();
}

void App::record(const core::CycleReport& report) {
  daemon_metrics_.count_cycle(report);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(report.row.committed_at -
                                                                          report.row.started_at);
  log_->info("cycle_committed",
             {{core::log_field::kCycle, fmt::format("{}", report.row.number)},
              {core::log_field::kKind, report.row.kind},
              {core::log_field::kScope, report.row.scope},
              {core::log_field::kObserved, fmt::format("{}", report.row.observed)},
              {core::log_field::kChanged, fmt::format("{}", report.row.changed)},
              {core::log_field::kDeleted, fmt::format("{}", report.row.deleted)},
              {core::log_field::kEvaluated, fmt::format("{}", report.row.evaluated)},
              {core::log_field::kTransitions, fmt::format("{}", report.row.transitions)},
              {core::log_field::kDurationMs, fmt::format("{}", took.count())},
              {core::log_field::kCorrelationId, report.correlation_id}});
}

net::Task<collectors::PassReport> App::collect() {
  {
    const std::lock_guard lock(mutex_);
    collection_.running_since = clock_.now();
  }
  auto report = co_await inventory_->run();
  {
    const std::lock_guard lock(mutex_);
    collection_.running_since.reset();
    collection_.ended_at = clock_.now();
    collection_.sign_in_error = report.signed_in ? std::string() : report.first_error;
  }
  co_return report;
}

Status App::check_initiative(const config::Settings& settings,
                             const std::string& key,
                             const FetchedInitiative& fetched) {
  // Alone, so that what is wrong is wrong with it.
  auto alone = settings;
  std::erase_if(alone.assignments, [&](const config::AssignmentConfig& assignment) {
    const auto reference = azure_initiative(assignment);
    return !reference || core::key_of(*reference) != key;
  });
  alone.exemptions_file.clear();
  alone.drift.acceptances_file.clear();
  alone.drift.noise_file.clear();
  auto aliases = known_aliases(*store_, *log_);
  if (!aliases) {
    return aliases.error();
  }
  FetchedInitiatives initiatives;
  initiatives.kept.emplace(key, fetched);
  const auto baseline = load_baseline(alone, **aliases, initiatives);
  if (!baseline) {
    return baseline.error();
  }
  const auto whole = std::ranges::find_if((*baseline)->left_out,
                                          [](const auto& item) { return item.reference.empty(); });
  return whole == (*baseline)->left_out.end()
             ? Status::ok()
             : Status(core::Error{core::Errc::kInvalidArgument, whole->reason});
}

net::Task<void> App::refresh_initiatives() {
  bool changed = false;
  while (!stopping_) {
    config::Settings settings;
    const Reload* waiting = nullptr;
    {
      const std::lock_guard lock(mutex_);
      waiting = pending_.get();
      settings = waiting != nullptr ? waiting->settings : settings_;
    }
    auto check = [this, settings](const std::string& key, const FetchedInitiative& fetched) {
      return check_initiative(settings, key, fetched);
    };
    const bool fetched = co_await initiative_refresh_->run(settings, std::move(check));
    changed = changed || fetched;
    if (!changed) {
      co_return;
    }
    auto job = [this, settings]() { return compile(settings); };
    auto baseline = co_await net::offload(cpu_.executor(), std::move(job));
    const std::lock_guard lock(mutex_);
    if (pending_.get() != waiting) {
      continue;  // a configuration came meanwhile: it may name others
    }
    if (!baseline) {
      log_->error("initiative_rejected", {{core::log_field::kError, baseline.error().message}});
    } else if (pending_ != nullptr) {
      pending_->baseline = *std::move(baseline);
    } else {
      pending_ = std::make_unique<Reload>(Reload{std::move(settings), *std::move(baseline), {}});
    }
    co_return;
  }
}

net::Task<void> App::refresh_aliases() {
  std::set<std::string> providers;
  const auto before = baseline_in_force();
  for (const auto& check : before->checks) {
    const auto& named = check.definition->info().alias_providers;
    providers.insert(named.begin(), named.end());
  }
  const bool changed = co_await alias_refresh_->run(std::move(providers));
  if (!changed || stopping_) {
    co_return;
  }
  config::Settings settings;
  const Reload* waiting = nullptr;
  {
    // A configuration that waits was compiled before the answer came.
    const std::lock_guard lock(mutex_);
    waiting = pending_.get();
    settings = waiting != nullptr ? waiting->settings : settings_;
  }
  auto job = [this, settings]() { return compile(settings); };
  auto after = co_await net::offload(cpu_.executor(), std::move(job));
  if (!after) {
    log_->error("aliases_rejected", {{core::log_field::kError, after.error().message}});
    co_return;
  }
  if (waiting == nullptr && std::ranges::equal((*after)->checks,
                                               before->checks,
                                               {},
                                               &compliance::Check::definition_hash,
                                               &compliance::Check::definition_hash)) {
    co_return;
  }
  const std::lock_guard lock(mutex_);
  if (pending_ != nullptr && pending_.get() == waiting) {
    pending_->baseline = *std::move(after);
  } else if (pending_ == nullptr) {
    pending_ = std::make_unique<Reload>(Reload{std::move(settings), *std::move(after), {}});
    wake_.set();
  }
}

Status App::prepare_reload(const Result<config::Settings>& settings,
                           std::shared_ptr<ReloadOutcome> outcome) {
  if (!settings) {
    return settings.error();
  }
  std::vector<std::string> keys;
  {
    const std::lock_guard lock(mutex_);
    keys = config::keys_needing_restart(settings_, *settings);
  }
  if (!keys.empty()) {
    return core::Error{core::Errc::kInvalidArgument,
                       fmt::format("restart to change {}", fmt::join(keys, ", "))};
  }
  auto baseline = compile(*settings);
  if (!baseline) {
    return baseline.error();
  }
  const std::lock_guard lock(mutex_);
  // What waited for an earlier one gets something newer.
  std::vector<std::shared_ptr<ReloadOutcome>> outcomes;
  if (pending_ != nullptr) {
    outcomes = std::move(pending_->outcomes);
  }
  outcomes.push_back(std::move(outcome));
  pending_ = std::make_unique<Reload>(Reload{*settings, *std::move(baseline), std::move(outcomes)});
  wake_.set();
  return Status::ok();
}

Status App::reload(const Result<config::Settings>& settings,
                   std::shared_ptr<ReloadOutcome> outcome) {
  auto prepared = prepare_reload(settings, outcome);
  if (!prepared) {
    outcome->finish(prepared);
    daemon_metrics_.set_reload(false, clock_.now());
    log_->error("reload_failed", {{core::log_field::kError, prepared.error().message}});
  }
  return prepared;
}

std::unique_ptr<App::Reload> App::pending_reload() {
  const std::lock_guard lock(mutex_);
  if (pending_ != nullptr) {
    wake_ = {};
  }
  return std::move(pending_);
}

void App::finish(const Reload& reload, const Status& status) {
  for (const auto& outcome : reload.outcomes) {
    outcome->finish(status);
  }
}

net::Task<void> App::take_over(std::unique_ptr<Reload> reload) {
  auto job = [this, baseline = reload->baseline]() {
    auto before = baseline_;
    {
      const std::lock_guard lock(mutex_);
      baseline_ = baseline;
    }
    auto adopted = adopt();
    if (!adopted) {
      const std::lock_guard lock(mutex_);
      baseline_ = std::move(before);
    }
    return adopted;
  };
  auto adopted = co_await net::offload(storage_.executor(), std::move(job));
  daemon_metrics_.set_reload(adopted.has_value(), clock_.now());
  std::shared_ptr<const compliance::Baseline> in_force;
  {
    const std::lock_guard lock(mutex_);
    in_force = baseline_;
    if (adopted) {
      settings_ = std::move(reload->settings);
    }
  }
  set_plan(compliance::make_plan(*in_force, settings_.inventory_all), settings_);
  if (!adopted) {
    log_->error("reload_failed", {{core::log_field::kError, adopted.error().message}});
    finish(*reload, adopted);
    const std::lock_guard lock(mutex_);
    if (in_force == reload->baseline && pending_ == nullptr) {
      // Since the start the store has other checks than these: the next pass tries again.
      reload->outcomes.clear();
      pending_ = std::move(reload);
    }
    co_return;
  }
  auto publishing = [this]() { return publish(); };
  auto published = co_await net::offload(cpu_.executor(), std::move(publishing));
  if (!published) {
    log_->error("publish_failed", {{core::log_field::kError, published.error().message}});
  }
  notifications_->notify();
  log_->info("reloaded");
  tell_left_out(*in_force);
  finish(*reload, adopted);
}

std::shared_ptr<const compliance::Baseline> App::baseline_in_force() const {
  const std::lock_guard lock(mutex_);
  return baseline_;
}

net::Task<void> App::retire() {
  {
    // Until another configuration is in force, its checks have verdicts on what this one collects.
    const std::lock_guard lock(mutex_);
    if (pending_ != nullptr) {
      co_return;
    }
  }
  const auto retired = co_await inventory_->retire();
  if (!retired) {
    log_->error("cycle_failed",
                {{core::log_field::kReason, std::string(core::to_string(retired.error().code))},
                 {core::log_field::kError, retired.error().message}});
  }
}

net::Event App::wake() const {
  const std::lock_guard lock(mutex_);
  return wake_;
}

void App::set_plan(const core::CollectionPlan& plan, const config::Settings& settings) {
  inventory_->set_plan(plan, inventory_options(settings));
  watch_->set_plan(plan, watch_options(settings));
  confirmations_->set_options(confirmation_options(settings));
  azure_->set_quota_share(quota_share(settings));
}

net::Task<collectors::PassReport> App::pass() {
  co_await refresh_initiatives();
  auto reload = pending_reload();
  if (reload != nullptr) {
    // What the new checks read must be there when they are decided for the first time: what was
    // never asked for would pass for what is not there.
    set_plan(core::united(inventory_->plan(),
                          compliance::make_plan(*reload->baseline, reload->settings.inventory_all)),
             reload->settings);
  }
  const bool first = co_await is_first_pass();
  auto report = co_await collect();
  if (reload != nullptr && !stopping_) {
    co_await take_over(std::move(reload));
  }
  if (report.signed_in && !stopping_) {
    co_await confirm(first, &report);
  }
  if (first && report.signed_in && !stopping_) {
    co_await accept_first_pass();
  }
  if (report.signed_in && !stopping_) {
    co_await retire();
    co_await refresh_aliases();
  }
  log_->info("pass_done",
             {{core::log_field::kSubscriptions, fmt::format("{}", report.subscriptions)},
              {core::log_field::kObserved, fmt::format("{}", report.observed)},
              {core::log_field::kChanged, fmt::format("{}", report.versions)},
              {core::log_field::kTransitions, fmt::format("{}", report.transitions)},
              {core::log_field::kReason, report.complete ? "complete" : "incomplete"},
              {core::log_field::kError, report.first_error}});
  co_return report;
}

net::Task<void> App::run(Job job) {
  schedule_.started(job, clock_.steady_now());
  if (job == Job::kPass) {
    co_await pass();
    schedule_.set_intervals(intervals_of(settings_), clock_.steady_now());
  } else if (job == Job::kActivity) {
    co_await watch_->poll_activity();
  } else {
    const bool sweep_needed = co_await watch_->poll_changes();
    if (sweep_needed) {
      schedule_.request_pass(clock_.steady_now());
    }
  }
  if (job != Job::kPass && !stopping_) {
    co_await confirm(false, nullptr);
  }
  co_await decide_expected();
}

net::Task<void> App::confirm(bool all, collectors::PassReport* pass) {
  for (;;) {
    const auto report = co_await confirmations_->run(pass != nullptr);
    for (const auto& cycle : report.cycles) {
      if (pass != nullptr) {
        pass->add(cycle);
      }
    }
    // What the first pass finds is found when it counts.
    if (!all || report.asked == 0 || stopping_) {
      co_return;
    }
  }
}

net::Task<void> App::decide_expected() {
  // A poll that found nothing commits no cycle, and yet is what a decision may have waited for.
  auto job = [this]() -> Result<bool> {
    auto snapshot = store_->snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    const auto steps =
        compliance::rule_steps(**snapshot, baseline_in_force()->expected, clock_.now());
    return steps ? Result<bool>(!steps->empty()) : steps.error();
  };
  const auto due = co_await net::offload(cpu_.executor(), std::move(job));
  if (!due) {
    log_->error("acceptance_failed", {{core::log_field::kError, due.error().message}});
  }
  if (!due || !*due || stopping_) {
    co_return;
  }
  co_await change_drift_now([](compliance::DriftBook& book) { return book.decide_expected(); });
}

Result<core::CycleReport> App::commit_drift(const DriftChange& change) {
  const auto baseline = baseline_in_force();
  auto cycle = store_->begin_cycle("acceptance", "drift");
  if (!cycle) {
    return cycle.error();
  }
  return (*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
    compliance::DriftBook book(view, changes, baseline->expected, baseline->flapping);
    return change(book);
  });
}

net::Task<Status> App::change_drift(DriftChange change) {
  const auto order = std::make_shared<Order>();
  order->change = std::move(change);
  orders_.push_back(order);
  wake().set();
  const bool done = co_await order->done.wait_for(kOrderPatience);
  if (!done && !order->begun) {
    order->abandoned = true;
    co_return core::Error{core::Errc::kBusy, "no cycle has ended in time: ask again later"};
  }
  while (!order->done.is_set() && !stopping_) {
    co_await order->done.wait_for(kOrderPatience);  // it is being committed
  }
  if (!order->done.is_set()) {
    co_return core::Error{core::Errc::kCancelled, "the daemon stops: look whether it was recorded"};
  }
  co_return order->status;
}

net::Task<void> App::run_orders() {
  {
    // Whoever waits for a reload has set it again.
    const std::lock_guard lock(mutex_);
    if (pending_ == nullptr) {
      wake_ = {};
    }
  }
  while (!orders_.empty()) {
    const auto order = orders_.front();
    orders_.pop_front();
    if (order->abandoned) {
      continue;
    }
    order->begun = true;
    auto job = [this, order]() { return commit_drift(order->change); };
    auto report = co_await net::offload(storage_.executor(), std::move(job));
    if (report) {
      co_await committed(*std::move(report));
    } else {
      order->status = report.error();
    }
    order->done.set();
  }
}

net::Task<bool> App::is_first_pass() {
  if (!settings_.drift.accept_first_pass) {
    co_return false;
  }
  auto job = [this]() -> Result<bool> {
    auto snapshot = store_->snapshot();
    auto types = snapshot ? (*snapshot)->type_counts() : snapshot.error();
    if (!types) {
      return types.error();
    }
    return types->empty();
  };
  const auto nothing_is_known = co_await net::offload(cpu_.executor(), std::move(job));
  co_return nothing_is_known && *nothing_is_known;
}

net::Task<void> App::accept_first_pass() {
  co_await change_drift_now([](compliance::DriftBook& book) {
    core::Acceptance acceptance;
    acceptance.author = std::string(kFirstPassAuthor);
    acceptance.reason = "found by the first pass";
    const auto accepted = book.accept_open(std::move(acceptance));
    return accepted ? Status::ok() : Status(accepted.error());
  });
}

net::Task<void> App::change_drift_now(DriftChange change) {
  const auto order = std::make_shared<Order>();
  order->change = std::move(change);
  orders_.push_back(order);
  co_await run_orders();
  if (!order->status) {
    log_->error("acceptance_failed", {{core::log_field::kError, order->status.error().message}});
  }
}

net::Task<void> App::due_polls() {
  co_await run_orders();
  while (scheduled_ && !stopping_) {
    const auto job = schedule_.due_poll(clock_.steady_now());
    if (!job) {
      co_return;
    }
    co_await run(*job);
  }
}

net::Task<void> App::run_schedule() {
  scheduled_ = true;
  while (!stopping_) {
    co_await run_orders();
    if (stopping_) {
      break;  // an end that was asked for meanwhile may have woken nobody
    }
    const auto next = schedule_.next();
    const auto now = clock_.steady_now();
    if (next.due <= now) {
      co_await run(next.job);
      continue;
    }
    // A reload ends the wait: it needs a pass.
    const bool woken = co_await wake().wait_for(next.due - now);
    if (woken && orders_.empty()) {
      schedule_.request_pass(clock_.steady_now());
    }
  }
  stopped_.set();
}

void App::start_maintenance() {
  if (backups_ != nullptr) {
    backups_->start();
  }
  retention_ = std::make_unique<Retention>(RetentionLimits{settings_.retention, settings_.max_size},
                                           *store_,
                                           storage_.executor(),
                                           clock_,
                                           *log_);
  retention_->start();
  notifications_->start();
}

void App::stop(std::chrono::seconds patience) {
  stopping_ = true;
  retention_.reset();
  backups_.reset();
  notifications_->stop();
  wake().set();
  inventory_->cancel();
  watch_->cancel();
  confirmations_->cancel();
  if (scheduled_) {
    auto wait = [](net::Event stopped, std::chrono::seconds limit) -> net::Task<void> {
      co_await stopped.wait_for(limit);
    };
    net::run_blocking(cpu_.executor(), wait(stopped_, patience));
  }
  notifications_->wait(patience);
}

std::shared_ptr<const Published> App::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

Collection App::collection() const {
  const std::lock_guard lock(mutex_);
  return collection_;
}

Exposition App::metrics(bool compressed) {
  daemon_metrics_.refresh({store_->size_bytes(), store_->free_bytes(), store_->writable()});
  return expose(published()->verdict_metrics, *registry_, compressed);
}

}  // namespace plumbline::daemon
