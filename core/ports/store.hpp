// Writing the store: cycles, all or nothing.
#pragma once

#include "core/ports/snapshot.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumbline::core {

/// What a cycle's commit found changed, for the judge.
struct ResourceChange {
  std::int64_t row = 0;
  std::string key;
  std::string type;
  bool is_detail = false;
  std::int64_t old_version = 0;  // 0: new or revived; or gone already, and no longer asked for
  std::int64_t new_version = 0;  // 0: deleted
  bool normaliser_only = false;  // the source did not change, the normaliser did
  bool retired = false;          // no longer asked for; nothing says that it is gone
};

struct EvidenceChange {
  Evidence now;
  bool was_known = false;
  bool was_complete = false;
  std::string was_reason;
};

struct CycleChanges {
  std::int64_t cycle = 0;
  Time now;
  std::vector<ResourceChange> resources;
  std::vector<EvidenceChange> evidence;  // only where completeness or reason changed
};

struct Subject {
  std::int64_t check = 0;
  std::int64_t resource = 0;
  auto operator<=>(const Subject&) const = default;
};

/// The state being committed. Reads see what the cycle has merged and written so far. Valid only
/// inside the judge's call, on its thread.
class JudgeView : public Snapshot {
 public:
  /// The row of a check, made if new.
  virtual Result<std::int64_t> put_check(const CheckRow& check) = 0;
  /// Forgets a check with all its verdicts, dependencies and open drift; its transitions stay.
  virtual Status remove_check(std::int64_t check) = 0;

  virtual Result<std::optional<Verdict>> verdict(std::int64_t check, std::int64_t resource) = 0;
  virtual Status put_verdict(const Verdict& verdict) = 0;
  virtual Status remove_verdict(std::int64_t check, std::int64_t resource) = 0;
  virtual Result<std::vector<Subject>> verdicts_of(std::int64_t resource) = 0;
  virtual Status add_transition(const Transition& transition) = 0;

  /// Replaces what (check, resource) depends on.
  virtual Status set_dependencies(const Subject& subject,
                                  const std::vector<std::string>& targets) = 0;
  virtual Result<std::vector<Subject>> dependents(std::string_view target) = 0;

  /// Replaces the targets of a resource's relation and returns those it had.
  virtual Result<std::vector<std::string>> set_references(
      std::int64_t resource,
      std::string_view relation,
      const std::vector<std::string>& targets) = 0;

  virtual Result<std::vector<DriftItem>> open_drift(std::int64_t resource) = 0;
  /// Each of these records its step. Returns the item's id.
  virtual Result<std::int64_t> open_drift_item(const DriftItem& item) = 0;
  /// Ends an item and opens another about the same property in its place.
  virtual Result<std::int64_t> replace_drift(std::int64_t id, const DriftItem& by) = 0;
  virtual Status resolve_drift(std::int64_t id) = 0;
  /// How often what the item is about has opened since then.
  virtual Result<std::int64_t> drift_openings(const DriftItem& item, Time since) = 0;
  /// It keeps coming and going and is away now; or is there again.
  virtual Status quiet_drift(const DriftItem& item) = 0;
  virtual Status unquiet_drift(std::int64_t id) = 0;
  /// What has been away since then or longer.
  virtual Result<std::vector<std::int64_t>> drift_quiet_since(Time since) = 0;
  /// A rule has decided about an item: it has another severity, and this is a step; or no rule will
  /// any more.
  virtual Status rate_drift(const DriftItem& item, Severity severity) = 0;
  virtual Status end_waiting(std::int64_t id) = 0;
  virtual Status cover_drift(std::int64_t id, const Acceptance& by) = 0;
  virtual Status uncover_drift(std::int64_t id) = 0;
  /// Returns its id.
  virtual Result<std::int64_t> put_acceptance(const Acceptance& acceptance) = 0;
  /// Items that it covers are to be uncovered by the caller.
  virtual Status end_acceptance(std::int64_t id) = 0;

  /// Counted into the cycle's row.
  virtual void count_evaluations(std::int64_t evaluations) = 0;
};

using Judge = std::function<Status(JudgeView&, const CycleChanges&)>;

/// How often drift took a step in a cycle.
struct DriftStepCount {
  DriftStep step = DriftStep::kOpened;
  DriftKind kind = DriftKind::kBaseline;
  Severity severity = Severity::kLow;
  std::int64_t count = 0;
};

struct CycleReport {
  CycleRow row;
  std::vector<DriftStepCount> drift_steps;
  std::string correlation_id;   // of what was asked for it; empty: nothing was. Not stored
  bool wrote_anything = false;  // beyond the cycle's own row and evidence times
};

/// One cycle in the making. Staged pages reach the disk but nobody sees them before the commit; a
/// cycle that is destroyed or whose process dies leaves nothing behind. Used by one thread at a
/// time, the storage thread.
class Cycle {
 public:
  virtual ~Cycle() = default;

  /// Takes a page. An observation sent earlier than the stored one is dropped; one whose
  /// fingerprint equals the stored one's costs no write. A key staged twice keeps the later
  /// observation.
  virtual Status stage(std::vector<Observation> page) = 0;
  /// Keys of live resources of any of `types` (empty: all) that an earlier cycle took from `source`
  /// and this one has not seen. A type that is no longer asked for is not missing.
  virtual Result<std::vector<std::string>> unseen(std::string_view source,
                                                  const std::vector<std::string>& types) = 0;
  /// How many live resources of these types come from `source`.
  virtual Result<std::int64_t> known(std::string_view source,
                                     const std::vector<std::string>& types) = 0;
  /// Marks a resource as deleted, with its details. The caller has confirmed it (truth 3).
  virtual Status stage_deletion(std::string_view key) = 0;
  /// Takes a resource with its details, or one detail document, out of the inventory because nobody
  /// asks for it any longer. One that was deleted before is told to the judge again while it is
  /// drift.
  virtual Status stage_retirement(std::string_view key) = 0;
  virtual Status stage_evidence(Evidence evidence) = 0;
  /// Forgets a source that is no longer asked.
  virtual Status stage_forgotten(std::string_view evidence_key) = 0;
  /// What Azure said of a change. One that is already stored is left as it is.
  virtual Status stage_change(ChangeRecord change) = 0;
  /// How far a feed has been read once this cycle is committed.
  virtual Status stage_watermark(std::string_view source, Time position) = 0;
  /// Whether a commit would write nothing but the cycle's own row and watermarks.
  [[nodiscard]] virtual bool empty() const = 0;

  /// Merges, calls the judge, commits. On any error nothing has changed. Once only.
  virtual Result<CycleReport> commit(bool complete, const Judge& judge) = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  /// Starts a cycle; staged leftovers of an earlier one are dropped. Storage thread.
  virtual Result<std::unique_ptr<Cycle>> begin_cycle(std::string kind, std::string scope) = 0;
  /// How far feeds have been read, where that is all there is to write. Storage thread, between
  /// cycles.
  virtual Status put_watermarks(const std::vector<std::pair<std::string, Time>>& positions) = 0;
  /// How far a receiver of events has been told, with what it did not take on the way; of that the
  /// latest thousand are kept. Storage thread, between cycles or between the steps of one.
  virtual Status put_sink(std::string_view sink,
                          const EventPosition& position,
                          const std::vector<DeadLetter>& refused) = 0;
  /// Keeps a document that can be fetched again, in place of an older one of that name. Storage
  /// thread, between cycles.
  virtual Status put_cached_document(const CachedDocument& document) = 0;
  /// Deletes as much of `what` as the time allows and takes it out of `what`; the horizon first, so
  /// that nobody believes what is left to be whole. Storage thread; between the steps of a cycle
  /// too, since nothing that a cycle reads is outdated.
  virtual Status remove_outdated(Outdated& what, Microseconds budget) = 0;
  /// Gives free pages back to the file system, for as long as the time allows; true: some are left.
  /// Storage thread.
  virtual Result<bool> shrink(Microseconds budget) = 0;
  /// A view of the last committed state, on a connection of its own. Thread-safe.
  virtual Result<std::unique_ptr<Snapshot>> snapshot() = 0;
  /// Bytes of the database's pages that hold something. Storage thread.
  virtual Result<std::int64_t> used_bytes() = 0;
  /// Whether the last attempt to write succeeded; true before the first. Thread-safe.
  [[nodiscard]] virtual bool writable() const = 0;
  /// Bytes of the database file and its WAL. Thread-safe.
  [[nodiscard]] virtual std::int64_t size_bytes() const = 0;
  /// What its file system has left for it; nullopt where that cannot be told. Thread-safe.
  [[nodiscard]] virtual std::optional<std::int64_t> free_bytes() const = 0;
};

}  // namespace plumbline::core
