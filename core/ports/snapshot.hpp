// Reading the store. A Snapshot sees one committed state (or, inside a cycle's commit, the state
// being committed) and never changes while it is held.
#pragma once

#include "core/model/change.hpp"
#include "core/model/drift.hpp"
#include "core/model/resource.hpp"
#include "core/model/verdict.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::core {

/// One check as the store numbers it.
struct CheckRow {
  std::int64_t row = 0;
  std::string assignment;
  std::string reference;
  std::string definition_hash;
  std::string parameters_hash;
  std::string exemptions_hash;
};

/// A resource or detail document without its body.
struct TypedRow {
  std::int64_t row = 0;
  std::string type;
  bool is_detail = false;
};

/// How many verdicts of a check have a state in a subscription.
struct VerdictCount {
  std::int64_t check = 0;
  ComplianceState state = ComplianceState::kUnknown;
  std::string subscription;
  std::int64_t count = 0;
};

/// How many resources have a state in an assignment: the one that wins among their verdicts.
struct ResourceCount {
  std::string assignment;
  ComplianceState state = ComplianceState::kUnknown;
  std::int64_t count = 0;
};

/// A verdict that waits for Resource Manager to confirm it.
struct ConfirmingRow {
  std::string resource_key;
  std::string assignment;
  std::string reference;
};

/// Who depends on this waits for the resource of that key to be confirmed.
[[nodiscard]] inline std::string confirming_target(std::string_view resource_key) {
  return std::string("confirming:").append(resource_key);
}

/// How many verdicts an exemption covers.
struct ExemptCount {
  std::string exemption;  // name
  std::int64_t verdicts = 0;
  std::int64_t compliant = 0;  // those that would be compliant without it
};

/// A verdict with the names a person knows it by.
struct VerdictRow {
  Verdict verdict;
  std::string assignment;
  std::string reference;
  std::string resource_key;
  std::string resource_id;
  std::string resource_type;
  Time observed_at;
};

/// What to list; empty fields do not filter. At most `limit` rows after the row `after`.
struct VerdictFilter {
  std::optional<ComplianceState> state;
  std::string assignment;
  std::string reference;
  std::string resource_key;
  std::string subscription;
  std::int64_t after_check = 0;
  std::int64_t after_resource = 0;
  std::size_t limit = 100;
};

/// What to list, the latest first; empty members do not filter. At most `limit` rows with an id
/// below `before` (0: from the latest on).
struct DriftFilter {
  std::vector<DriftState> states;
  std::optional<DriftKind> kind;
  std::optional<Severity> severity;
  std::string assignment;
  std::string reference;
  std::string scope;  // resource_key, and what lies below
  std::string type;
  std::string subscription;
  bool awaits_records = false;  // only what is not resolved and does
  std::int64_t acceptance = 0;  // only what it covers, and is not resolved
  std::int64_t id = 0;
  std::int64_t before = 0;
  std::size_t limit = 100;
};

struct DriftRow {
  DriftItem item;
  DriftState state = DriftState::kOpen;
  std::string assignment;
  std::string reference;
  std::string resource_key;
  std::string resource_id;
  std::string resource_type;
  std::string subscription;
  bool is_detail = false;
  bool has_waited = false;  // being opened, later than the change of the resource that it is about
};

struct DriftCount {
  DriftKind kind = DriftKind::kBaseline;
  Severity severity = Severity::kLow;
  std::string subscription;
  std::int64_t count = 0;
};

struct DriftEventRow {
  std::int64_t id = 0;
  std::int64_t cycle = 0;
  Time at;
  DriftStep step = DriftStep::kOpened;
  std::int64_t drift = 0;
  std::int64_t acceptance = 0;  // that covers it from now on, or did until now; 0: none
  bool snoozes = false;         // that acceptance only puts it off
};

struct TransitionRow {
  std::int64_t row = 0;  // later ones have higher ones
  Transition transition;
  std::int64_t cycle = 0;
  Time at;
  std::string assignment;
  std::string reference;
  std::string resource_key;
  std::string resource_id;
  std::string resource_type;
};

/// What an event is called by whoever is told of it: its row, and when that was committed. A store
/// that was restored gives rows again that others have heard of.
[[nodiscard]] std::string event_id(const DriftEventRow& row);
[[nodiscard]] std::string event_id(const TransitionRow& row);

/// Up to which rows a receiver has been told what happened.
struct EventPosition {
  std::int64_t drift_event = 0;
  std::int64_t transition = 0;
  auto operator<=>(const EventPosition&) const = default;
};

/// What lies behind a position.
struct PendingEvents {
  std::int64_t count = 0;
  std::optional<Time> oldest;
};

/// An event that a receiver did not take and is not offered again.
struct DeadLetter {
  std::int64_t id = 0;
  std::string sink;
  std::string event;  // its CloudEvents id
  Time at;            // when it was given up
  std::string error;  // without secrets
};

/// Drift of one severity that opened within one minute.
struct DriftMinute {
  Time minute;
  Severity severity = Severity::kLow;
  std::int64_t opened = 0;
  std::int64_t open = 0;  // of these, neither covered nor resolved by now
};

struct VersionRow {
  std::int64_t row = 0;
  std::int64_t from_cycle = 0;
  std::optional<std::int64_t> to_cycle;
  Time observed_at;
};

struct CycleRow {
  std::int64_t number = 0;
  std::string kind;  // `sweep`, `details`, `changes`, `baseline`, `acceptance`
  std::string scope;
  Time started_at;
  Time committed_at;
  bool complete = true;
  std::int64_t observed = 0;
  std::int64_t changed = 0;
  std::int64_t deleted = 0;
  std::int64_t evaluated = 0;
  std::int64_t transitions = 0;
};

/// A verdict as it was, told from transitions.
struct PastVerdict {
  std::string assignment;
  std::string reference;
  ComplianceState state = ComplianceState::kUnknown;
  std::string reason;
  std::int64_t since_cycle = 0;  // 0: since before what is kept
};

/// How many verdicts of a check had a state in a subscription.
struct PastCount {
  std::string assignment;
  std::string reference;
  ComplianceState state = ComplianceState::kUnknown;
  std::string subscription;
  std::int64_t count = 0;
};

/// A resource without its body, as it is or was.
struct ResourceRow {
  std::int64_t row = 0;
  std::string key;
  std::string id;
  std::string type;
  std::string subscription;
  std::int64_t version = 0;
  std::int64_t from_cycle = 0;
  Time observed_at;
};

/// What to list; empty fields do not filter. At most `limit` rows after the row `after`.
struct ResourceFilter {
  std::string type;
  std::string subscription;
  std::string text;                   // lower case, in the key
  std::optional<std::int64_t> cycle;  // as it was once that was committed; nullopt: now
  std::int64_t after = 0;
  std::size_t limit = 100;
};

/// From when on history is whole. Before it only what still was valid then is kept.
struct Horizon {
  std::int64_t cycle = 0;  // the last one that retention has reached; 0: none
  Time at;
};

/// What has ended before a horizon and need not be kept: rows by table. Names of the store's own
/// tables, because nothing else could be deleted.
struct Outdated {
  Horizon horizon;
  std::vector<std::int64_t> versions;
  std::vector<std::int64_t> transitions;
  std::vector<std::int64_t> drift_events;
  std::vector<std::int64_t> drift;
  std::vector<std::int64_t> acceptances;
  std::vector<std::int64_t> change_records;
  std::vector<std::int64_t> resources;
  std::vector<std::int64_t> cycles;

  [[nodiscard]] std::size_t size() const {
    return versions.size() + transitions.size() + drift_events.size() + drift.size() +
           acceptances.size() + change_records.size() + resources.size() + cycles.size();
  }
};

/// A live resource or detail document without its body.
struct LiveRow {
  std::string_view key;
  std::string_view type;
  std::string_view source;
  bool is_detail = false;
};

enum class ExportOf : std::uint8_t { kResources, kVersions, kVerdicts, kTransitions, kDrift };

/// A cell of an export. Text that is JSON is told from other text.
struct ExportCell {
  std::string_view name;
  enum class Kind : std::uint8_t { kNull, kInteger, kText, kJson } kind = Kind::kNull;
  std::int64_t integer = 0;
  std::string text;
};

struct TypeCount {
  std::string type;
  std::int64_t count = 0;
};

/// A document of Azure that is not configuration, kept because it is costly to ask for.
struct CachedDocument {
  std::string name;
  Time fetched_at;
  std::string body;
};

/// What the evaluation of one resource may read of others. Used by one thread at a time. Every call
/// may fail with kIo or kCorrupt.
class ResourceReads {
 public:
  using ResourceVisitor = std::function<void(const StoredResource&)>;

  virtual ~ResourceReads() = default;

  /// A live resource or detail document by its key.
  virtual Result<std::optional<StoredResource>> find(std::string_view key) = 0;
  virtual Result<std::optional<StoredResource>> find_row(std::int64_t row) = 0;
  /// Every live resource of a type whose key lies under `scope` (a subscription's, group's or
  /// resource's key; empty: everywhere), in the order of keys. Details are visited by their type.
  virtual Status for_each_of_type(std::string_view type,
                                  std::string_view scope,
                                  const ResourceVisitor& visit) = 0;
  /// Whether a cycle found that the resource of this key was deleted, and it has not come back.
  /// What is no longer asked for was not; what is not kept any more is not known.
  virtual Result<bool> was_deleted(std::string_view key) = 0;

  /// Rows of the resources and details whose relation points at `target`.
  virtual Result<std::vector<std::int64_t>> referring(std::string_view relation,
                                                      std::string_view target) = 0;

  virtual Result<std::optional<Evidence>> evidence(std::string_view key) = 0;
  /// Only the sources that could not be asked, in the order of keys.
  virtual Result<std::vector<Evidence>> incomplete_evidence() = 0;
  /// How many sources are known whose key begins with `prefix` and ends with `suffix`; counts up to
  /// `at_most`.
  virtual Result<std::int64_t> count_evidence(std::string_view prefix,
                                              std::string_view suffix,
                                              std::int64_t at_most) = 0;
};

class Snapshot : public ResourceReads {
 public:
  static constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

  /// Any version of a resource, live or not.
  virtual Result<std::optional<StoredResource>> find_version(std::int64_t version) = 0;

  /// The rows of every live resource (not details) of any of `types`; empty: all.
  virtual Result<std::vector<std::int64_t>> resource_rows(
      const std::vector<std::string>& types) = 0;
  /// Every live resource and detail document that came from an evidence source.
  virtual Result<std::vector<TypedRow>> rows_of_source(std::string_view source) = 0;
  /// Keys of live resources (not details) of any of `types`, in a subscription; for details.
  virtual Result<std::vector<std::string>> resource_keys(std::string_view subscription,
                                                         const std::vector<std::string>& types) = 0;

  /// Every live resource and detail document, in no order; the views last for the call.
  virtual Status for_each_live(const std::function<void(const LiveRow&)>& visit) = 0;
  /// Keys of resources (not details) that went in a cycle committed since then, and have not come
  /// back; sorted.
  virtual Result<std::vector<std::string>> deleted_since(Time since) = 0;

  virtual Result<std::vector<Evidence>> all_evidence() = 0;
  /// When the oldest of what was collected is from, by kind of source (what stands before the `:`
  /// of their keys).
  virtual Result<std::map<std::string, Time>> oldest_evidence() = 0;

  virtual Result<std::vector<CheckRow>> checks() = 0;
  virtual Result<std::vector<VerdictCount>> verdict_counts() = 0;
  virtual Result<std::vector<ResourceCount>> resource_counts() = 0;
  virtual Result<std::vector<ExemptCount>> exempt_counts() = 0;
  virtual Result<std::vector<VerdictRow>> verdicts(const VerdictFilter& filter) = 0;
  virtual Result<std::vector<DriftRow>> drift(const DriftFilter& filter) = 0;
  /// How much is open, neither accepted nor put off.
  virtual Result<std::vector<DriftCount>> open_drift_counts() = 0;
  /// How many have each state (of those that any has), whatever `states`, `before` and `limit` say.
  virtual Result<std::map<DriftState, std::int64_t>> drift_counts(const DriftFilter& filter) = 0;
  /// The steps of one drift item, in order; or of all, those after the row `after`.
  virtual Result<std::vector<DriftEventRow>> drift_events_of(std::int64_t drift) = 0;
  virtual Result<std::vector<DriftEventRow>> drift_events(std::int64_t after,
                                                          std::size_t limit) = 0;
  /// The steps taken since then, the latest first.
  virtual Result<std::vector<DriftEventRow>> drift_events_since(Time since) = 0;
  /// Minutes with drift that is open, or of which a step was taken since then; with all severities
  /// of the minute.
  virtual Result<std::vector<DriftMinute>> drift_minutes(Time since) = 0;
  /// The highest rows that there are.
  virtual Result<EventPosition> last_events() = 0;
  virtual Result<PendingEvents> pending_events(const EventPosition& after) = 0;
  /// nullopt: nobody has put one.
  virtual Result<std::optional<EventPosition>> sink_position(std::string_view sink) = 0;
  /// The latest first.
  virtual Result<std::vector<DeadLetter>> dead_letters(std::size_t limit) = 0;
  virtual Result<std::int64_t> count_dead_letters(std::string_view sink) = 0;
  /// In the order in which they were made.
  virtual Result<std::vector<Acceptance>> acceptances(bool in_force_only) = 0;
  /// Those in force that are not of one item.
  virtual Result<std::vector<Acceptance>> general_acceptances() = 0;
  /// Those in force whose time has come.
  virtual Result<std::vector<Acceptance>> expired_acceptances(Time now) = 0;
  virtual Result<std::optional<Acceptance>> find_acceptance(std::int64_t id) = 0;
  /// The latest first; of those with a row below `before`.
  virtual Result<std::vector<TransitionRow>> transitions(std::size_t limit,
                                                         std::int64_t before = kNoBound) = 0;
  virtual Result<std::vector<VersionRow>> versions(std::string_view key) = 0;
  /// The latest first; of those with a number below `before`.
  virtual Result<std::vector<CycleRow>> cycles(std::size_t limit,
                                               std::int64_t before = kNoBound) = 0;
  virtual Result<std::vector<TypeCount>> type_counts() = 0;

  /// How far a feed has been read, by Azure's clock; nullopt when it never was.
  virtual Result<std::optional<Time>> watermark(std::string_view source) = 0;
  /// What Azure said of the changes of a resource, the latest first.
  virtual Result<std::vector<ChangeRecord>> change_records_below(std::string_view key,
                                                                 std::size_t limit) = 0;
  virtual Result<std::vector<ChangeRecord>> change_records(std::string_view key,
                                                           std::size_t limit) = 0;

  /// The last cycle that was committed at or before an instant; nullopt before the first. Fails
  /// with kNotFound for an instant before the horizon.
  virtual Result<std::optional<std::int64_t>> cycle_at(Time at) = 0;
  /// A resource or detail document as it was once `cycle` was committed; nullopt when it was not
  /// there.
  virtual Result<std::optional<StoredResource>> find_at(std::string_view key,
                                                        std::int64_t cycle) = 0;
  /// Every resource and detail document as it was once `cycle` was committed, in no order. What it
  /// is called, its type and its source are those of today.
  virtual Status for_each_at(std::int64_t cycle, const std::function<void(Observation)>& visit) = 0;
  /// Resources and detail documents in a scope (empty: everywhere) that are another after one cycle
  /// than they were after an earlier one, or were in between; in the order of keys.
  virtual Result<std::vector<std::string>> changed_keys(std::int64_t after_cycle,
                                                        std::int64_t to_cycle,
                                                        std::string_view scope) = 0;
  /// The verdicts about a resource once `cycle` was committed.
  virtual Result<std::vector<PastVerdict>> verdicts_at(std::string_view key,
                                                       std::int64_t cycle) = 0;
  /// As `verdicts`, once `cycle` was committed, in the order of resources: the cursor is after
  /// (after_resource, after_check). Only what history keeps is filled in; `evaluated_at` is when
  /// the state began.
  virtual Result<std::vector<VerdictRow>> past_verdicts(const VerdictFilter& filter,
                                                        std::int64_t cycle) = 0;
  virtual Result<std::vector<PastCount>> past_counts(std::int64_t cycle) = 0;
  virtual Result<std::vector<ResourceCount>> past_resource_counts(std::int64_t cycle) = 0;
  /// Live resources (not details), in the order of rows.
  virtual Result<std::vector<ResourceRow>> resources(const ResourceFilter& filter) = 0;
  /// Oldest first, after a row.
  virtual Result<std::vector<TransitionRow>> transitions_after(std::int64_t row,
                                                               std::size_t limit) = 0;
  /// When a cycle was committed; nullopt when it is not kept.
  virtual Result<std::optional<Time>> committed_at(std::int64_t cycle) = 0;
  /// Of one resource, the latest first.
  virtual Result<std::vector<TransitionRow>> transitions_of(std::string_view key,
                                                            std::size_t limit) = 0;
  virtual Result<Horizon> horizon() = 0;
  /// When the first cycle after the horizon was committed; nullopt when there is none.
  virtual Result<std::optional<Time>> oldest_change() = 0;
  /// At most `limit` rows of each table that a horizon at `at` leaves behind.
  virtual Result<Outdated> outdated(Time at, std::size_t limit) = 0;
  /// Calls `visit` with each row whose time lies in [from, to): of versions and verdicts since when
  /// they hold, of drift when it was opened, of resources when they were first seen.
  virtual Status for_each_export(
      ExportOf what,
      Time from,
      Time to,
      const std::function<void(const std::vector<ExportCell>&)>& visit) = 0;

  /// In the order of keys.
  virtual Result<std::vector<ConfirmingRow>> confirming() = 0;

  /// Those whose name begins with `prefix`, in the order of names.
  virtual Result<std::vector<CachedDocument>> cached_documents(std::string_view prefix) = 0;
};

}  // namespace plumbline::core
