// Every read of the store, over any connection. Private to storage/.
#pragma once

#include "core/ports/store.hpp"
#include "storage/sqlite.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace plumbline::storage {

/// Implements Snapshot's reads for whatever derives from it. `Base` is Snapshot or JudgeView.
template <class Base>
class SnapshotReads : public Base {
 public:
  explicit SnapshotReads(Connection& connection) : connection_(&connection) {}

  core::Result<std::optional<core::StoredResource>> find(std::string_view key) override;
  core::Result<std::optional<core::StoredResource>> find_row(std::int64_t row) override;
  core::Result<std::optional<core::StoredResource>> find_version(std::int64_t version) override;
  core::Status for_each_of_type(std::string_view type,
                                std::string_view scope,
                                const core::Snapshot::ResourceVisitor& visit) override;
  core::Result<std::vector<std::int64_t>> resource_rows(
      const std::vector<std::string>& types) override;
  core::Result<std::vector<core::TypedRow>> rows_of_source(std::string_view source) override;
  core::Status for_each_live(const std::function<void(const core::LiveRow&)>& visit) override;
  core::Result<std::vector<std::string>> deleted_since(core::Time since) override;
  core::Result<bool> was_deleted(std::string_view key) override;
  core::Result<std::vector<std::string>> resource_keys(
      std::string_view subscription, const std::vector<std::string>& types) override;
  core::Result<std::vector<std::int64_t>> referring(std::string_view relation,
                                                    std::string_view target) override;
  core::Result<std::optional<core::Evidence>> evidence(std::string_view key) override;
  core::Result<std::vector<core::Evidence>> all_evidence() override;
  core::Result<std::vector<core::Evidence>> incomplete_evidence() override;
  core::Result<std::map<std::string, core::Time>> oldest_evidence() override;
  core::Result<std::int64_t> count_evidence(std::string_view prefix,
                                            std::string_view suffix,
                                            std::int64_t at_most) override;
  core::Result<std::vector<core::CheckRow>> checks() override;
  core::Result<std::vector<core::VerdictCount>> verdict_counts() override;
  core::Result<std::vector<core::ResourceCount>> resource_counts() override;
  core::Result<std::vector<core::ExemptCount>> exempt_counts() override;
  core::Result<std::vector<core::VerdictRow>> verdicts(const core::VerdictFilter& filter) override;
  core::Result<std::vector<core::DriftRow>> drift(const core::DriftFilter& filter) override;
  core::Result<std::vector<core::DriftCount>> open_drift_counts() override;
  core::Result<std::map<core::DriftState, std::int64_t>> drift_counts(
      const core::DriftFilter& filter) override;
  core::Result<std::vector<core::DriftEventRow>> drift_events_of(std::int64_t drift) override;
  core::Result<std::vector<core::DriftEventRow>> drift_events(std::int64_t after,
                                                              std::size_t limit) override;
  core::Result<std::vector<core::DriftEventRow>> drift_events_since(core::Time since) override;
  core::Result<std::vector<core::DriftMinute>> drift_minutes(core::Time since) override;
  core::Result<core::EventPosition> last_events() override;
  core::Result<core::PendingEvents> pending_events(const core::EventPosition& after) override;
  core::Result<std::optional<core::EventPosition>> sink_position(std::string_view sink) override;
  core::Result<std::vector<core::DeadLetter>> dead_letters(std::size_t limit) override;
  core::Result<std::int64_t> count_dead_letters(std::string_view sink) override;
  core::Result<std::vector<core::Acceptance>> acceptances(bool in_force_only) override;
  core::Result<std::vector<core::Acceptance>> general_acceptances() override;
  core::Result<std::vector<core::Acceptance>> expired_acceptances(core::Time now) override;
  core::Result<std::optional<core::Acceptance>> find_acceptance(std::int64_t id) override;
  core::Result<std::vector<core::TransitionRow>> transitions(std::size_t limit,
                                                             std::int64_t before) override;
  core::Result<std::vector<core::VersionRow>> versions(std::string_view key) override;
  core::Result<std::vector<core::CycleRow>> cycles(std::size_t limit, std::int64_t before) override;
  core::Result<std::vector<core::TypeCount>> type_counts() override;
  core::Result<std::optional<core::Time>> watermark(std::string_view source) override;
  core::Result<std::vector<core::ChangeRecord>> change_records_below(std::string_view key,
                                                                     std::size_t limit) override;
  core::Result<std::vector<core::ChangeRecord>> change_records(std::string_view key,
                                                               std::size_t limit) override;
  core::Result<std::optional<std::int64_t>> cycle_at(core::Time at) override;
  core::Result<std::optional<core::StoredResource>> find_at(std::string_view key,
                                                            std::int64_t cycle) override;
  core::Status for_each_at(std::int64_t cycle,
                           const std::function<void(core::Observation)>& visit) override;
  core::Result<std::vector<std::string>> changed_keys(std::int64_t after_cycle,
                                                      std::int64_t to_cycle,
                                                      std::string_view scope) override;
  core::Result<std::vector<core::PastVerdict>> verdicts_at(std::string_view key,
                                                           std::int64_t cycle) override;
  core::Result<std::vector<core::VerdictRow>> past_verdicts(const core::VerdictFilter& filter,
                                                            std::int64_t cycle) override;
  core::Result<std::vector<core::PastCount>> past_counts(std::int64_t cycle) override;
  core::Result<std::vector<core::ResourceCount>> past_resource_counts(std::int64_t cycle) override;
  core::Result<std::vector<core::ResourceRow>> resources(
      const core::ResourceFilter& filter) override;
  core::Result<std::vector<core::TransitionRow>> transitions_after(std::int64_t row,
                                                                   std::size_t limit) override;
  core::Result<std::optional<core::Time>> committed_at(std::int64_t cycle) override;
  core::Result<std::vector<core::TransitionRow>> transitions_of(std::string_view key,
                                                                std::size_t limit) override;
  core::Result<core::Horizon> horizon() override;
  core::Result<std::optional<core::Time>> oldest_change() override;
  core::Result<core::Outdated> outdated(core::Time at, std::size_t limit) override;
  core::Status for_each_export(
      core::ExportOf what,
      core::Time from,
      core::Time to,
      const std::function<void(const std::vector<core::ExportCell>&)>& visit) override;
  core::Result<std::vector<core::ConfirmingRow>> confirming() override;
  core::Result<std::vector<core::CachedDocument>> cached_documents(
      std::string_view prefix) override;

 protected:
  [[nodiscard]] Connection& connection() { return *connection_; }

 private:
  core::Result<std::optional<core::StoredResource>> one(Statement& statement);
  core::Result<std::vector<core::ChangeRecord>> records_where(std::string_view condition,
                                                              std::string_view key,
                                                              std::size_t limit);

  Connection* connection_;
};

/// A read-only view on a connection of its own, inside one read transaction.
class SqliteSnapshot final : public SnapshotReads<core::Snapshot> {
 public:
  [[nodiscard]] static core::Result<std::unique_ptr<core::Snapshot>> open(const std::string& path);

 private:
  explicit SqliteSnapshot(std::unique_ptr<Connection> connection)
      : SnapshotReads(*connection), owned_(std::move(connection)) {}

  std::unique_ptr<Connection> owned_;
};

}  // namespace plumbline::storage
