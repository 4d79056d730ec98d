// The daemon's wiring: everything that lives as long as the process, in the order in which it must
// go.
#pragma once

#include "collectors/activity/change_watch.hpp"
#include "collectors/azure_client.hpp"
#include "collectors/collector_metrics.hpp"
#include "collectors/confirmations.hpp"
#include "collectors/identity/token_cache.hpp"
#include "collectors/inventory.hpp"
#include "compliance/baseline.hpp"
#include "compliance/drift.hpp"
#include "compliance/summary.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/normalise.hpp"
#include "core/ports/store.hpp"
#include "daemon/alias_refresh.hpp"
#include "daemon/azure_initiatives.hpp"
#include "daemon/backups.hpp"
#include "daemon/daemon_metrics.hpp"
#include "daemon/heartbeats.hpp"
#include "daemon/notifications.hpp"
#include "daemon/reload_requests.hpp"
#include "daemon/retention.hpp"
#include "daemon/scheduler.hpp"
#include "daemon/web/exposition.hpp"
#include "net/http_client.hpp"
#include "net/task.hpp"

#include <prometheus/registry.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace plumbline::daemon {

/// What readers see: the summary of the last committed state, and its metrics as text.
struct Published {
  std::shared_ptr<const compliance::Summary> summary;
  VerdictText verdict_metrics;
  /// Which of all publications of all processes this is; for the ETags of what is made from it.
  std::string tag;
};

/// How collection goes.
struct Collection {
  std::optional<core::Time> running_since;  // of the pass in progress
  std::optional<core::Time> ended_at;       // of the last pass
  std::string sign_in_error;                // of the last pass that could ask nothing at all
};

class App {
 public:
  /// Opens the store, compiles the baseline, makes a new store's checks those of the baseline and
  /// publishes the last committed state. A store with other checks keeps them, as last decided,
  /// until the first pass. Talks to nobody. Errors are for the user: what failed, where.
  [[nodiscard]] static core::Result<std::unique_ptr<App>> build(const config::Settings& settings,
                                                                std::unique_ptr<core::Log> log);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  App(App&&) = delete;
  App& operator=(App&&) = delete;

  /// One pass over the tenant; then takes over a configuration, or a baseline that differs from the
  /// store's, if there is one. On the I/O thread; one at a time.
  net::Task<collectors::PassReport> pass();
  /// Takes the configuration over without a pause: compiles the baseline first, then lets the
  /// schedule make a pass that also asks for what is new, and adopt it. On an error, or where a key
  /// differs that only a restart can change, everything stays as it is. From main(). The verdicts
  /// that change have the cause definition or parameters (truth 6). `outcome` is told when it is in
  /// force, or why it will not be.
  [[nodiscard]] core::Status reload(const core::Result<config::Settings>& settings,
                                    std::shared_ptr<ReloadOutcome> outcome);
  /// Has `change` write into the book of drift, in a cycle of its own between the cycles of others,
  /// and publishes what came of it. Nothing changes on an error. kBusy when no cycle ends in time.
  /// I/O thread; only while the schedule runs.
  using DriftChange = std::function<core::Status(compliance::DriftBook&)>;
  net::Task<core::Status> change_drift(DriftChange change);
  /// Passes, and polls of change feed and activity log, for ever, at the configured intervals; ends
  /// after `stop`.
  net::Task<void> run_schedule();
  /// Scheduled copies and retention, on threads of their own, and notifications, until `stop`.
  /// From main().
  void start_maintenance();
  /// Ends the schedule and waits for the pass in progress, for at most `patience`. From main().
  void stop(std::chrono::seconds patience);

  /// Thread-safe.
  [[nodiscard]] std::shared_ptr<const Published> published() const;
  [[nodiscard]] Exposition metrics(bool compressed);

  [[nodiscard]] core::Store& store() { return *store_; }

  [[nodiscard]] const core::Clock& clock() const { return clock_; }

  [[nodiscard]] core::Log& log() { return *log_; }

  [[nodiscard]] const Heartbeats& heartbeats() const { return heartbeats_; }

  [[nodiscard]] net::Executor io() const { return io_.executor(); }

  [[nodiscard]] net::Executor readers() const { return cpu_.executor(); }

  /// Where passwords are hashed, which takes a tenth of a second each: a thread of its own, so that
  /// nobody who guesses holds up readers or heartbeats.
  [[nodiscard]] net::Executor hashing() const { return hashing_.executor(); }

  [[nodiscard]] prometheus::Registry& registry() { return *registry_; }

  /// Thread-safe.
  [[nodiscard]] Collection collection() const;

  [[nodiscard]] const Notifications& notifications() const { return *notifications_; }

 private:
  App(config::Settings settings, std::unique_ptr<core::Log> log);

  /// A configuration that waits for the pass in progress to end.
  struct Reload {
    config::Settings settings;
    std::shared_ptr<const compliance::Baseline> baseline;
    std::vector<std::shared_ptr<ReloadOutcome>> outcomes;
  };

  core::Status prepare_reload(const core::Result<config::Settings>& settings,
                              std::shared_ptr<ReloadOutcome> outcome);
  /// The baseline of these settings, with all that is known of aliases.
  core::Result<std::shared_ptr<const compliance::Baseline>> compile(
      const config::Settings& settings);
  /// Asks for initiatives of Azure's that are due, and has the pass about to begin take over what
  /// changed.
  net::Task<void> refresh_initiatives();
  /// Whether what Azure gave for `key` compiles for all assignments that name it.
  core::Status check_initiative(const config::Settings& settings,
                                const std::string& key,
                                const FetchedInitiative& fetched);
  /// Tells how old what is used of Azure's initiatives is.
  void tell_initiatives();
  void tell_left_out(const compliance::Baseline& baseline);
  /// Asks for aliases that are due, and has the schedule take over rules that they change.
  net::Task<void> refresh_aliases();
  [[nodiscard]] std::unique_ptr<Reload> pending_reload();
  net::Task<void> take_over(std::unique_ptr<Reload> reload);
  /// Takes out of the store what is no longer collected.
  net::Task<void> retire();
  static void finish(const Reload& reload, const core::Status& status);
  [[nodiscard]] net::Event wake() const;
  net::Task<void> run(Job job);

  /// A change of drift that waits for its turn.
  struct Order {
    DriftChange change;
    net::Event done;
    core::Status status = core::Status::ok();
    bool begun = false;
    bool abandoned = false;
  };

  net::Task<void> run_orders();
  core::Result<core::CycleReport> commit_drift(const DriftChange& change);
  /// Whether the pass about to begin is the first that can find anything, and what it finds is to
  /// count as accepted.
  net::Task<bool> is_first_pass();
  net::Task<void> accept_first_pass();
  /// Asks Resource Manager about what must not count without it. `all`: beyond the budget. `pass`:
  /// what it belongs to, or null.
  net::Task<void> confirm(bool all, collectors::PassReport* pass);
  /// Rules about expected changes decide where that has become due.
  net::Task<void> decide_expected();
  /// A cycle of its own, from where no other can be under way.
  net::Task<void> change_drift_now(DriftChange change);
  [[nodiscard]] std::shared_ptr<const compliance::Baseline> baseline_in_force() const;
  /// Those that become due during a pass, between its cycles.
  net::Task<void> due_polls();
  net::Task<collectors::PassReport> collect();
  void set_plan(const core::CollectionPlan& plan, const config::Settings& settings);

  core::Status open_store();
  core::Status load();
  [[nodiscard]] core::Result<bool> is_adopted();
  core::Status adopt_at_start();
  core::Status adopt();
  core::Status connect();
  core::Status connect_notifications();
  core::Status publish();
  core::Status count_confirmations();
  /// Publishes what a cycle committed, so that readers see it at once.
  net::Task<void> committed(core::CycleReport report);
  void record(const core::CycleReport& report);

  config::Settings settings_;  // changed on the I/O thread only, between passes, under mutex_
  std::unique_ptr<core::Log> log_;
  core::SystemClock clock_;
  core::Time started_;
  std::shared_ptr<prometheus::Registry> registry_;
  collectors::CollectorMetrics collector_metrics_;
  DaemonMetrics daemon_metrics_;
  Heartbeats heartbeats_;
  Scheduler schedule_;  // I/O thread only
  /// Changed on the storage thread only, with the store's checks, under mutex_.
  std::shared_ptr<const compliance::Baseline> baseline_;
  std::unique_ptr<core::Normaliser> normaliser_;
  std::string store_id_;
  std::unique_ptr<core::Store> store_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Backups> backups_;  // copies may be made where the configuration says so
  mutable std::mutex mutex_;
  std::shared_ptr<const Published> published_;
  Collection collection_;
  std::unique_ptr<Reload> pending_;
  std::deque<std::shared_ptr<Order>> orders_;  // I/O thread only
  std::uint64_t publications_ = 0;             // under mutex_
  net::Event wake_;  // ends the wait for the next pass; a new one after each reload
  std::atomic<bool> stopping_ = false;
  net::Event stopped_;
  std::atomic<bool> scheduled_ = false;
  std::unique_ptr<net::HttpTransport> transport_;
  std::unique_ptr<collectors::Credential> credential_;
  std::unique_ptr<collectors::TokenCache> tokens_;
  std::unique_ptr<collectors::AzureClient> azure_;
  std::unique_ptr<collectors::Inventory> inventory_;
  std::unique_ptr<collectors::ChangeWatch> watch_;
  std::unique_ptr<collectors::Confirmations> confirmations_;
  std::unique_ptr<AliasRefresh> alias_refresh_;
  std::unique_ptr<InitiativeRefresh> initiative_refresh_;
  std::unique_ptr<Notifications> notifications_;
  // Last, so that no thread runs when anything above goes.
  net::Worker storage_;
  net::Worker cpu_;
  net::Worker hashing_;
  net::Worker io_;
};

}  // namespace plumbline::daemon
