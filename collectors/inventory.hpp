// A pass over the tenant: subscriptions, sweeps, details. Every failure ends as missing evidence,
// never as a verdict, and never ends the pass.
#pragma once

#include "collectors/collection.hpp"
#include "collectors/details.hpp"
#include "collectors/resource_graph/pager.hpp"
#include "collectors/resource_graph/partitions.hpp"
#include "collectors/resource_graph/rows.hpp"
#include "collectors/resource_manager/arm_list.hpp"
#include "core/model/collection_plan.hpp"
#include "core/normalise.hpp"
#include "core/ports/store.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace plumbline::collectors {

/// The query for management groups, which no subscription's rows hold; nullopt: the plan has none.
[[nodiscard]] std::optional<core::TablePlan> management_group_table(
    const core::CollectionPlan& plan);

struct InventoryOptions {
  std::vector<std::string> subscriptions;      // lower case
  std::vector<std::string> management_groups;  // names; both empty: whatever the identity can read
  std::chrono::seconds detail_interval{21600};
  int page_size = 1000;
  std::size_t subscriptions_per_query = 300;  // contracts 2.4
  /// Answers that take 1.5 s use up a quota of 3 a second with five of them under way.
  std::size_t parallel_queries = 6;
  std::size_t parallel_details = 8;
  std::size_t lists_per_cycle = 500;
};

/// What a pass did.
struct PassReport {
  bool signed_in = false;  // false: nothing at all could be asked
  bool complete = true;    // false: some evidence is missing
  bool swept = true;       // false: Resource Graph's part of it is not complete
  std::chrono::steady_clock::time_point started;
  std::size_t subscriptions = 0;
  std::vector<std::string> listed;  // the subscriptions
  /// Keys of resources that changed or went, of tables that the change feed covers; 10,000 at most.
  std::vector<std::string> changed;
  std::int64_t observed = 0;
  std::int64_t versions = 0;
  std::int64_t deleted = 0;
  std::int64_t evaluated = 0;
  std::int64_t transitions = 0;
  std::int64_t cycles = 0;
  std::string first_error;

  void add(const core::CycleRow& row);
};

/// Runs on the I/O thread; parsing goes to `cpu`, the store's work to `storage`. All references
/// must outlive it. `on_commit` is awaited on the I/O thread after each committed cycle.
class Inventory {
 public:
  using Parts = Collection;

  /// A pass over a large tenant takes long: what others do meanwhile. Each may be empty.
  struct Hooks {
    /// Once the sweeps are done, before the details.
    std::function<void(const PassReport&)> swept;
    /// Between two cycles, where another one may go.
    std::function<net::Task<void>()> between;
  };

  Inventory(Parts parts, core::CollectionPlan plan, InventoryOptions options);

  [[nodiscard]] const core::CollectionPlan& plan() const { return plan_; }

  /// What later passes collect. Not while a pass runs.
  void set_plan(core::CollectionPlan plan, InventoryOptions options);

  /// Before the first pass.
  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }

  /// One full pass. One at a time.
  net::Task<PassReport> run();

  /// Takes out of the store what the plan and the scope no longer ask for, once after each change
  /// of them. Between passes, when the plan is that of the checks in force.
  net::Task<core::Status> retire();

  /// For good: a pass in progress ends soon after, and later ones ask nothing. From any thread.
  void cancel() { cancelled_ = true; }

 private:
  struct Sweep;  // one cycle over a chunk of subscriptions
  struct Unit;   // one query of it

  net::Task<core::Result<std::vector<std::string>>> list_subscriptions();
  net::Task<std::vector<std::string>> known_subscriptions();
  /// A cycle that only says that these subscriptions could not be asked, and why.
  net::Task<core::Status> record_no_access(std::vector<std::string> subscriptions,
                                           core::Evidence listing);
  /// Evidence keys of the lists that were ever asked for in these subscriptions, sorted.
  net::Task<core::Result<std::vector<std::string>>> known_lists(
      std::vector<std::string> subscriptions);
  /// A cycle of nothing but missing evidence.
  net::Task<core::Status> record_missing(std::vector<core::Evidence> evidence,
                                         std::string kind,
                                         std::string scope);
  net::Task<core::Result<std::set<std::string>>> types_never_asked();
  /// Says of every list of a type that nobody has asked for yet that it is missing: who looks for
  /// what points at it must not take the first lists that come in for all of them.
  net::Task<core::Status> announce(std::vector<std::string> scopes);
  /// No subscriptions: rows that lie in none.
  net::Task<core::Status> sweep(std::vector<std::string> subscriptions,
                                std::vector<core::TablePlan> tables);
  /// Management groups, which no subscription's rows hold.
  net::Task<core::Status> sweep_management_groups();
  /// The rows of the table that a query asks for.
  net::Task<core::Status> read_query(std::shared_ptr<Sweep> sweep,
                                     core::TablePlan table,
                                     GraphQuery query);
  /// One query of the sweep, and what it says of its partitions.
  net::Task<void> sweep_unit(std::shared_ptr<Sweep> sweep, std::size_t index);
  /// How the tables are cut into queries.
  net::Task<void> make_units(std::shared_ptr<Sweep> sweep, std::vector<core::TablePlan> tables);
  net::Task<core::Result<RowCounts>> count_rows(core::TablePlan table,
                                                std::vector<std::string> subscriptions);
  net::Task<std::int64_t> stored_resources();
  /// Rows of a counted table that did not come although they were there before and after.
  net::Task<void> compare_counts(std::shared_ptr<Sweep> sweep, core::TablePlan table);
  /// Subscriptions below the management groups of the scope.
  net::Task<core::Result<std::vector<std::string>>> list_descendants();
  /// Leaves those of the scope, and remembers the others.
  net::Task<core::Status> apply_scope(std::vector<std::string>* subscriptions);
  net::Task<core::Status> confirm_missing(std::shared_ptr<Sweep> sweep,
                                          std::string source,
                                          std::vector<std::string> types);
  /// `subscription` empty: those of management groups.
  net::Task<core::Status> details(std::string subscription);
  net::Task<core::Result<std::vector<DetailList>>> due_details(std::string subscription);
  net::Task<void> pause();
  void succeed(const std::string& source,
               core::Time since,
               std::chrono::steady_clock::duration took);
  net::Task<core::Status> commit(std::shared_ptr<core::Cycle> cycle, bool complete);
  net::Task<core::Status> commit_sweep(std::shared_ptr<Sweep> sweep);
  /// Keys of resources that an earlier sweep missed and nothing said were gone.
  net::Task<std::vector<std::string>> doubted_resources();
  void add(const core::CycleReport& report);
  [[nodiscard]] bool in_scope(std::string_view subscription) const;

  Parts parts_;
  core::CollectionPlan plan_;
  InventoryOptions options_;
  Hooks hooks_;
  PassReport report_;

  /// How each table went in the pass: since when, and whether every partition succeeded.
  struct TableOutcome {
    core::Time since;
    std::chrono::steady_clock::duration took{0};
    bool complete = true;
  };

  std::map<std::string, TableOutcome> outcomes_;
  bool details_failed_ = false;
  std::set<std::string> succeeded_;  // sources that have a last success
  bool may_retire_ = true;
  /// Subscriptions that can be read and are in no management group of the scope.
  std::set<std::string, std::less<>> outside_;
  std::vector<std::string> expected_;  // by management groups and configuration
  std::atomic<bool> cancelled_ = false;
};

}  // namespace plumbline::collectors
