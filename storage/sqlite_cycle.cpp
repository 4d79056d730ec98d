#include "storage/sqlite_cycle.hpp"

#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "storage/body_codec.hpp"
#include "storage/chain.hpp"
#include "storage/codes.hpp"
#include "storage/drift.hpp"
#include "storage/ranked_states.hpp"
#include "storage/sqlite_snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace plumbline::storage {

using core::Result;
using core::Status;

namespace {

/// What the judge writes, over the open transaction.
class SqliteJudgeView final : public SnapshotReads<core::JudgeView> {
 public:
  SqliteJudgeView(Connection& connection, std::int64_t cycle, core::Time now, core::CycleRow& row)
      : SnapshotReads(connection), cycle_(cycle), drift_(connection, cycle, now), row_(&row) {}

  Result<std::int64_t> put_check(const core::CheckRow& check) override {
    const Use use(connection().prepare(
        "INSERT INTO policy_check (assignment, reference, definition_hash, parameters_hash, "
        "exemptions_hash) VALUES (?, ?, ?, ?, ?) ON CONFLICT (assignment, reference) DO UPDATE SET "
        "definition_hash = excluded.definition_hash, parameters_hash = excluded.parameters_hash, "
        "exemptions_hash = excluded.exemptions_hash, retired = 0, retired_cycle = NULL "
        "RETURNING id"));
    use->bind(1, check.assignment)
        .bind(2, check.reference)
        .bind(3, check.definition_hash)
        .bind(4, check.parameters_hash)
        .bind(5, check.exemptions_hash);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    return use->integer(0);
  }

  Status remove_check(std::int64_t check) override {
    // What the verdicts were must end in history too, or it would seem to last.
    auto& ended = connection().prepare(
        "INSERT INTO transition_row (cycle, check_id, resource_id, from_state, to_state, reason, "
        "cause) SELECT ?1, check_id, resource_id, state, NULL, 'unassigned', ?2 FROM verdict_row "
        "WHERE check_id = ?3 ORDER BY resource_id");
    ended.bind(1, cycle_).bind(2, code_of(core::Cause::kDefinition)).bind(3, check);
    if (auto done = ended.run(); !done) {
      return done;
    }
    row_->transitions += connection().rows_changed();
    for (const char* sql : {"DELETE FROM verdict_row WHERE check_id = ?",
                            "DELETE FROM dependency WHERE check_id = ?",
                            "UPDATE policy_check SET retired = 1 WHERE id = ?"}) {
      if (auto done = connection().prepare(sql).bind(1, check).run(); !done) {
        return done;
      }
    }
    if (auto done = connection()
                        .prepare("UPDATE policy_check SET retired_cycle = ? WHERE id = ?")
                        .bind(1, cycle_)
                        .bind(2, check)
                        .run();
        !done) {
      return done;
    }
    return drift_.resolve_of_check(check);
  }

  Result<std::optional<core::Verdict>> verdict(std::int64_t check, std::int64_t resource) override {
    const Use use(connection().prepare(
        "SELECT state, reason, cause, version_id, since_cycle, evaluated_at, known_state, "
        "known_version FROM verdict_row WHERE check_id = ? AND resource_id = ?"));
    use->bind(1, check).bind(2, resource);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      return std::optional<core::Verdict>();
    }
    core::Verdict out;
    out.check = check;
    out.resource = resource;
    out.state = state_of(use->integer(0));
    out.reason = use->text(1);
    out.cause = cause_of(use->integer(2));
    out.version = use->integer(3);
    out.since_cycle = use->integer(4);
    out.evaluated_at = core::from_micros(use->integer(5));
    if (!use->is_null(6)) {
      out.known_state = state_of(use->integer(6));
    }
    out.known_version = use->integer(7);
    return std::optional(out);
  }

  Status put_verdict(const core::Verdict& verdict) override {
    // Not INSERT OR REPLACE: SQLite would save each page that it touches first, which costs more
    // than all the rest of a first commit.
    for (const char* sql :
         {"INSERT INTO verdict_row (state, reason, cause, version_id, since_cycle, evaluated_at, "
          "known_state, known_version, check_id, resource_id) VALUES (?,?,?,?,?,?,?,?,?,?) "
          "ON CONFLICT DO NOTHING",
          "UPDATE verdict_row SET state = ?, reason = ?, cause = ?, version_id = ?, "
          "since_cycle = ?, evaluated_at = ?, known_state = ?, known_version = ? "
          "WHERE check_id = ? AND resource_id = ?"}) {
      auto& statement = connection().prepare(sql);
      statement.bind(1, code_of(verdict.state))
          .bind(2, verdict.reason)
          .bind(3, code_of(verdict.cause))
          .bind(4, verdict.version)
          .bind(5, verdict.since_cycle)
          .bind(6, core::to_micros(verdict.evaluated_at))
          .bind(8, verdict.known_version)
          .bind(9, verdict.check)
          .bind(10, verdict.resource);
      if (verdict.known_state) {
        statement.bind(7, code_of(*verdict.known_state));
      } else {
        statement.bind_null(7);
      }
      if (auto done = statement.run(); !done) {
        return done;
      }
      if (connection().rows_changed() > 0) {
        break;
      }
    }
    return Status::ok();
  }

  Status remove_verdict(std::int64_t check, std::int64_t resource) override {
    return connection()
        .prepare("DELETE FROM verdict_row WHERE check_id = ? AND resource_id = ?")
        .bind(1, check)
        .bind(2, resource)
        .run();
  }

  Result<std::vector<core::Subject>> verdicts_of(std::int64_t resource) override {
    const Use use(connection().prepare("SELECT check_id FROM verdict WHERE resource_id = ?"));
    use->bind(1, resource);
    return all_rows<core::Subject>(
        *use, [&](const Statement& row) { return core::Subject{row.integer(0), resource}; });
  }

  Status add_transition(const core::Transition& transition) override {
    ++row_->transitions;
    auto& statement = connection().prepare(
        "INSERT INTO transition_row (cycle, check_id, resource_id, from_state, to_state, reason, "
        "cause) "
        "VALUES (?,?,?,?,?,?,?)");
    statement.bind(1, cycle_)
        .bind(2, transition.check)
        .bind(3, transition.resource)
        .bind(6, transition.reason)
        .bind(7, code_of(transition.cause));
    if (transition.from) {
      statement.bind(4, code_of(*transition.from));
    }
    if (transition.to) {
      statement.bind(5, code_of(*transition.to));
    }
    return statement.run();
  }

  Status set_dependencies(const core::Subject& subject,
                          const std::vector<std::string>& targets) override {
    std::set<std::string, std::less<>> gone;
    {
      const Use use(connection().prepare(
          "SELECT target FROM dependency WHERE resource_id = ? AND check_id = ?"));
      use->bind(1, subject.resource).bind(2, subject.check);
      if (auto read = each_row(*use, [&](const Statement& row) { gone.emplace(row.text(0)); });
          !read) {
        return read;
      }
    }
    for (const auto& target : targets) {
      if (gone.erase(target) > 0) {
        continue;  // most evaluations read what the one before did
      }
      if (auto done = connection()
                          .prepare("INSERT OR IGNORE INTO dependency VALUES (?, ?, ?)")
                          .bind(1, target)
                          .bind(2, subject.check)
                          .bind(3, subject.resource)
                          .run();
          !done) {
        return done;
      }
    }
    for (const auto& target : gone) {
      if (auto done = connection()
                          .prepare("DELETE FROM dependency WHERE target = ? AND check_id = ? AND "
                                   "resource_id = ?")
                          .bind(1, target)
                          .bind(2, subject.check)
                          .bind(3, subject.resource)
                          .run();
          !done) {
        return done;
      }
    }
    return Status::ok();
  }

  Result<std::vector<core::Subject>> dependents(std::string_view target) override {
    const Use use(
        connection().prepare("SELECT d.check_id, d.resource_id FROM dependency d JOIN resource r "
                             "ON r.id = d.resource_id "
                             "WHERE d.target = ? AND r.version_id IS NOT NULL"));
    use->bind(1, target);
    return all_rows<core::Subject>(
        *use, [](const Statement& row) { return core::Subject{row.integer(0), row.integer(1)}; });
  }

  Result<std::vector<std::string>> set_references(
      std::int64_t resource,
      std::string_view relation,
      const std::vector<std::string>& targets) override {
    std::set<std::string, std::less<>> gone;
    {
      const Use use(connection().prepare(
          "SELECT target FROM reference WHERE resource_id = ? AND relation = ?"));
      use->bind(1, resource).bind(2, relation);
      if (auto read = each_row(*use, [&](const Statement& row) { gone.emplace(row.text(0)); });
          !read) {
        return read.error();
      }
    }
    std::vector<std::string> before(gone.begin(), gone.end());
    for (const auto& target : targets) {
      if (gone.erase(target) > 0) {
        continue;
      }
      if (auto done = connection()
                          .prepare("INSERT OR IGNORE INTO reference VALUES (?, ?, ?)")
                          .bind(1, resource)
                          .bind(2, relation)
                          .bind(3, target)
                          .run();
          !done) {
        return done.error();
      }
    }
    for (const auto& target : gone) {
      if (auto done = connection()
                          .prepare("DELETE FROM reference WHERE resource_id = ? AND relation = ? "
                                   "AND target = ?")
                          .bind(1, resource)
                          .bind(2, relation)
                          .bind(3, target)
                          .run();
          !done) {
        return done.error();
      }
    }
    return before;
  }

  Result<std::vector<core::DriftItem>> open_drift(std::int64_t resource) override {
    return drift_.open_of(resource);
  }

  Result<std::int64_t> open_drift_item(const core::DriftItem& item) override {
    return drift_.open(item, core::DriftStep::kOpened);
  }

  Result<std::int64_t> replace_drift(std::int64_t id, const core::DriftItem& by) override {
    return drift_.replace(id, by);
  }

  Status resolve_drift(std::int64_t id) override { return drift_.resolve(id); }

  Result<std::int64_t> drift_openings(const core::DriftItem& item, core::Time since) override {
    return drift_.openings(item, since);
  }

  Status quiet_drift(const core::DriftItem& item) override { return drift_.quiet(item); }

  Status rate_drift(const core::DriftItem& item, core::Severity severity) override {
    return drift_.rate(item, severity);
  }

  Status end_waiting(std::int64_t id) override { return drift_.end_waiting(id); }

  Status unquiet_drift(std::int64_t id) override { return drift_.unquiet(id); }

  Result<std::vector<std::int64_t>> drift_quiet_since(core::Time since) override {
    return drift_.quiet_since(since);
  }

  Status cover_drift(std::int64_t id, const core::Acceptance& by) override {
    return drift_.cover(id, by);
  }

  Status uncover_drift(std::int64_t id) override { return drift_.uncover(id); }

  Result<std::int64_t> put_acceptance(const core::Acceptance& acceptance) override {
    return drift_.put(acceptance);
  }

  Status end_acceptance(std::int64_t id) override { return drift_.end(id); }

  void count_evaluations(std::int64_t evaluations) override { row_->evaluated += evaluations; }

 private:
  std::int64_t cycle_;
  DriftWriter drift_;
  core::CycleRow* row_;
};

}  // namespace

Status write_watermark(Connection& connection, std::string_view source, core::Time position) {
  return connection.prepare("INSERT OR REPLACE INTO watermark VALUES (?, ?)")
      .bind(1, source)
      .bind(2, core::to_micros(position))
      .run();
}

SqliteCycle::SqliteCycle(Connection& connection,
                         const core::ActorNames& actors,
                         const core::Clock& clock,
                         std::string kind,
                         std::string scope)
    : connection_(&connection), actors_(&actors), clock_(&clock) {
  row_.kind = std::move(kind);
  row_.scope = std::move(scope);
  row_.started_at = clock.now();
}

Result<std::unique_ptr<core::Cycle>> SqliteCycle::begin(Connection& connection,
                                                        const core::ActorNames& actors,
                                                        const core::Clock& clock,
                                                        std::string kind,
                                                        std::string scope) {
  if (auto emptied = connection.execute("DELETE FROM staging"); !emptied) {
    return emptied.error();
  }
  return std::unique_ptr<core::Cycle>(
      new SqliteCycle(connection, actors, clock, std::move(kind), std::move(scope)));
}

Status SqliteCycle::stage_one(const core::Observation& observation) {
  ++row_.observed;
  {
    const Use use(connection_->prepare(
        "SELECT r.id, r.observed_at, v.fingerprint, r.source, v.normaliser FROM resource r "
        "JOIN version v ON v.id = r.version_id WHERE r.key = ?"));
    use->bind(1, observation.key);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (*row) {
      seen_.insert(use->integer(0));
      // A stored instant that is yet to come was taken with a wrong clock and says nothing.
      const bool older = core::to_micros(observation.observed_at) < use->integer(1) &&
                         use->integer(1) <= core::to_micros(clock_->now());
      const bool same = use->blob(2) == as_bytes(observation.fingerprint) &&
                        use->text(3) == observation.source &&
                        use->integer(4) == core::kNormaliserVersion;
      if (older || same) {
        return Status::ok();
      }
    }
  }
  staged_ = true;
  const auto body = compress_body(observation.body);
  const auto checksum = core::sha256(observation.body);
  // Of two in one sweep the later one counts.
  for (const char* sql : {"INSERT INTO staging (display_id, type, is_detail, source, observed_at, "
                          "fingerprint, body, checksum, key) VALUES (?,?,?,?,?,?,?,?,?) "
                          "ON CONFLICT DO NOTHING",
                          "UPDATE staging SET display_id = ?, type = ?, is_detail = ?, source = ?, "
                          "observed_at = ?, fingerprint = ?, body = ?, checksum = ? "
                          "WHERE key = ?"}) {
    if (auto done = connection_->prepare(sql)
                        .bind(1, observation.id)
                        .bind(2, observation.type)
                        .bind(3, std::int64_t{observation.is_detail ? 1 : 0})
                        .bind(4, observation.source)
                        .bind(5, core::to_micros(observation.observed_at))
                        .bind_blob(6, as_bytes(observation.fingerprint))
                        .bind_blob(7, body)
                        .bind_blob(8, as_bytes(checksum))
                        .bind(9, observation.key)
                        .run();
        !done) {
      return done;
    }
    if (connection_->rows_changed() > 0) {
      break;
    }
  }
  return Status::ok();
}

Status SqliteCycle::stage(std::vector<core::Observation> page) {
  auto transaction = Transaction::begin(*connection_);
  if (!transaction) {
    return transaction.error();
  }
  for (const auto& observation : page) {
    if (auto done = stage_one(observation); !done) {
      return done;
    }
  }
  return (*transaction)->commit();
}

Result<std::vector<std::string>> SqliteCycle::unseen(std::string_view source,
                                                     const std::vector<std::string>& types) {
  const Use use(
      connection_->prepare("SELECT id, key, type FROM resource WHERE source_id = (SELECT id FROM "
                           "word WHERE text = ?) AND version_id IS NOT NULL AND is_detail = 0"));
  use->bind(1, source);
  std::vector<std::string> keys;
  auto read = each_row(*use, [&](const Statement& row) {
    const bool asked = types.empty() || std::ranges::find(types, row.text(2)) != types.end();
    if (asked && !seen_.contains(row.integer(0))) {
      keys.emplace_back(row.text(1));
    }
  });
  if (!read) {
    return read.error();
  }
  return keys;
}

Result<std::int64_t> SqliteCycle::known(std::string_view source,
                                        const std::vector<std::string>& types) {
  const Use use(
      connection_->prepare("SELECT type, count(*) FROM resource WHERE source_id = (SELECT id FROM "
                           "word WHERE text = ?) AND version_id IS NOT NULL AND is_detail = 0 "
                           "GROUP BY type_id"));
  use->bind(1, source);
  std::int64_t count = 0;
  auto read = each_row(*use, [&](const Statement& row) {
    if (types.empty() || std::ranges::find(types, row.text(0)) != types.end()) {
      count += row.integer(1);
    }
  });
  if (!read) {
    return read.error();
  }
  return count;
}

Status SqliteCycle::stage_deletion(std::string_view key) {
  deletions_.emplace_back(std::string(key), false);
  return Status::ok();
}

Status SqliteCycle::stage_retirement(std::string_view key) {
  deletions_.emplace_back(std::string(key), true);
  return Status::ok();
}

Status SqliteCycle::stage_forgotten(std::string_view evidence_key) {
  forgotten_.emplace_back(evidence_key);
  return Status::ok();
}

Status SqliteCycle::stage_evidence(core::Evidence evidence) {
  evidence_.push_back(std::move(evidence));
  return Status::ok();
}

Status SqliteCycle::stage_change(core::ChangeRecord change) {
  actors_->apply(change);
  change_records_.push_back(std::move(change));
  return Status::ok();
}

Status SqliteCycle::stage_watermark(std::string_view source, core::Time position) {
  watermarks_.emplace_back(source, position);
  return Status::ok();
}

bool SqliteCycle::empty() const {
  return !staged_ && deletions_.empty() && evidence_.empty() && forgotten_.empty() &&
         change_records_.empty();
}

Status SqliteCycle::close_version(std::int64_t resource, std::int64_t cycle) {
  return connection_
      ->prepare(
          "UPDATE version SET to_cycle = ?1 WHERE id = "
          "(SELECT version_id FROM resource WHERE id = ?2)")
      .bind(1, cycle)
      .bind(2, resource)
      .run();
}

/// The number of a text, which it gets with its first use.
Result<std::int64_t> SqliteCycle::word(std::string_view text) {
  if (const auto known = words_.find(text); known != words_.end()) {
    return known->second;
  }
  if (auto added =
          connection_->prepare("INSERT OR IGNORE INTO word (text) VALUES (?)").bind(1, text).run();
      !added) {
    return added.error();
  }
  const Use use(connection_->prepare("SELECT id FROM word WHERE text = ?"));
  use->bind(1, text);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return words_.emplace(text, use->integer(0)).first->second;
}

Status SqliteCycle::merge_staged(core::CycleChanges& changes) {
  const auto last_version = connection_->query_integer("SELECT coalesce(max(id), 0) FROM version");
  if (!last_version) {
    return last_version.error();
  }
  auto next_version = *last_version + 1;
  // Driven by a plain statement, not the cached one of a reader, because the loop writes.
  auto& staged = connection_->prepare(
      "SELECT s.key, s.display_id, s.type, s.is_detail, s.source, s.observed_at, s.fingerprint, "
      "s.body, s.checksum, r.id, r.version_id, v.fingerprint FROM staging s "
      // +: with the affinity of a column no index on an expression is used.
      "LEFT JOIN resource_row r ON lower(r.cased_key) = +s.key "
      "LEFT JOIN version v ON v.id = r.version_id ORDER BY s.key");
  const Use use(staged);
  for (;;) {
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      return Status::ok();
    }
    core::ResourceChange change;
    change.key = use->text(0);
    change.type = use->text(2);
    change.is_detail = use->integer(3) != 0;
    change.row = use->integer(9);
    change.old_version = use->integer(10);
    change.normaliser_only = change.old_version != 0 && use->blob(6) == use->blob(11);
    const bool cased = core::iequals(use->text(1), change.key);
    const auto type = word(change.type);
    const auto source = word(use->text(4));
    if (!type || !source) {
      return !type ? type.error() : source.error();
    }
    // Written with its version's number at once: a row that is changed afterwards costs as much
    // again.
    change.new_version = next_version++;
    const bool known = !use->is_null(9);
    if (known) {
      if (auto done = close_version(change.row, changes.cycle); !done) {
        return done;
      }
      if (auto done =
              connection_
                  ->prepare(
                      "UPDATE resource_row SET version_id = ?, observed_at = ?, cased_key = ?, "
                      "spelling = ?, source_id = ?, type_id = ?, deleted = 0 WHERE id = ?")
                  .bind(1, change.new_version)
                  .bind(2, use->integer(5))
                  .bind(3, cased ? use->text(1) : std::string_view(change.key))
                  .bind_optional(4, cased ? std::nullopt : std::optional(use->text(1)))
                  .bind(5, *source)
                  .bind(6, *type)
                  .bind(7, change.row)
                  .run();
          !done) {
        return done;
      }
    } else {
      const auto subscription = word(core::subscription_of_key(change.key));
      if (!subscription) {
        return subscription.error();
      }
      if (auto done = connection_
                          ->prepare("INSERT INTO resource_row (cased_key, spelling, type_id, "
                                    "subscription_id, is_detail, source_id, observed_at, "
                                    "first_cycle, version_id) VALUES (?,?,?,?,?,?,?,?,?)")
                          .bind(1, cased ? use->text(1) : std::string_view(change.key))
                          .bind_optional(2, cased ? std::nullopt : std::optional(use->text(1)))
                          .bind(3, *type)
                          .bind(4, *subscription)
                          .bind(5, use->integer(3))
                          .bind(6, *source)
                          .bind(7, use->integer(5))
                          .bind(8, changes.cycle)
                          .bind(9, change.new_version)
                          .run();
          !done) {
        return done;
      }
      change.row = connection_->last_insert_row();
    }
    if (auto done =
            connection_
                ->prepare("INSERT INTO version (id, resource_id, from_cycle, observed_at, "
                          "normaliser, fingerprint, checksum, body) VALUES (?,?,?,?,?,?,?,?)")
                .bind(1, change.new_version)
                .bind(2, change.row)
                .bind(3, changes.cycle)
                .bind(4, use->integer(5))
                .bind(5, std::int64_t{core::kNormaliserVersion})
                .bind_blob(6, use->blob(6))
                .bind_blob(7, use->blob(8))
                .bind_blob(8, use->blob(7))
                .run();
        !done) {
      return done;
    }
    changes.resources.push_back(std::move(change));
    ++row_.changed;
  }
}

Status SqliteCycle::merge_deletions(core::CycleChanges& changes) {
  for (const auto& [key, retired] : deletions_) {
    auto gone = [&] {
      // The resource and every detail document below it; and what went earlier, where that is
      // drift still and is no longer asked for.
      const Use use(connection_->prepare(
          "SELECT id, key, type, is_detail, version_id FROM resource WHERE (version_id IS NOT NULL "
          "OR (?2 AND EXISTS (SELECT 1 FROM drift WHERE resource_id = resource.id "
          "AND resolved_cycle IS NULL))) "
          "AND (key = ?1 OR (is_detail = 1 AND key >= ?1 || '/' AND key < ?1 || '0'))"));
      use->bind(1, key).bind(2, std::int64_t{retired ? 1 : 0});
      return all_rows<core::ResourceChange>(*use, [](const Statement& row) {
        core::ResourceChange change;
        change.row = row.integer(0);
        change.key = row.text(1);
        change.type = row.text(2);
        change.is_detail = row.integer(3) != 0;
        change.old_version = row.integer(4);
        return change;
      });
    }();
    if (!gone) {
      return gone.error();
    }
    for (auto& change : *gone) {
      change.retired = retired;
      if (auto done = close_version(change.row, changes.cycle); !done) {
        return done;
      }
      if (auto done =
              connection_
                  ->prepare("UPDATE resource_row SET version_id = NULL, deleted = ? WHERE id = ?")
                  .bind(1, std::int64_t{retired ? 0 : 1})
                  .bind(2, change.row)
                  .run();
          !done) {
        return done;
      }
      row_.deleted += change.old_version == 0 ? 0 : 1;
      changes.resources.push_back(std::move(change));
    }
    if (auto done = forget_evidence(key, changes); !done) {
      return done;
    }
  }
  return Status::ok();
}

namespace {

core::EvidenceChange forgotten_change(const Statement& row, core::Time now) {
  core::EvidenceChange change;
  change.now.key = row.text(0);
  change.now.observed_at = now;
  change.was_known = true;
  change.was_complete = row.integer(1) != 0;
  change.was_reason = row.text(2);
  return change;
}

}  // namespace

/// What was known of the lists of a resource that is gone, and of itself, is no evidence for one
/// that is made anew, and no gap for others.
Status SqliteCycle::forget_evidence(const std::string& key, core::CycleChanges& changes) {
  const std::string own = std::string(core::kResourceEvidencePrefix) + key;
  const std::string lists = core::detail_evidence_key(key);
  auto known = [&] {
    const Use use(
        connection_->prepare("SELECT key, complete, reason FROM evidence WHERE key = ?1 OR "
                             "(key >= ?2 || '/' AND key < ?2 || '0')"));
    use->bind(1, own).bind(2, lists);
    return all_rows<core::EvidenceChange>(
        *use, [&](const Statement& row) { return forgotten_change(row, changes.now); });
  }();
  if (!known) {
    return known.error();
  }
  return remove_evidence(*known, changes);
}

Status SqliteCycle::merge_forgotten(core::CycleChanges& changes) {
  std::vector<core::EvidenceChange> known;
  for (const auto& key : forgotten_) {
    const Use use(connection_->prepare("SELECT key, complete, reason FROM evidence WHERE key = ?"));
    use->bind(1, key);
    auto read = each_row(
        *use, [&](const Statement& row) { known.push_back(forgotten_change(row, changes.now)); });
    if (!read) {
      return read;
    }
  }
  return remove_evidence(known, changes);
}

Status SqliteCycle::remove_evidence(std::vector<core::EvidenceChange>& known,
                                    core::CycleChanges& changes) {
  for (auto& change : known) {
    if (auto done = connection_->prepare("DELETE FROM evidence WHERE key = ?")
                        .bind(1, change.now.key)
                        .run();
        !done) {
      return done;
    }
    changes.evidence.push_back(std::move(change));
  }
  return Status::ok();
}

/// Whether the resource that a list is of is known to be gone: a list may come in later than that.
Result<bool> SqliteCycle::is_of_deleted(std::string_view document_key) {
  // The longest beginning that is a resource's id, or what that one lies in.
  std::optional<core::ResourceId> id;
  for (auto end = document_key.rfind('/'); !id && end != 0 && end != std::string_view::npos;
       end = document_key.rfind('/', end - 1)) {
    id = core::parse_resource_id(document_key.substr(0, end));
  }
  while (id) {
    const Use use(connection_->prepare(
        "SELECT version_id IS NULL FROM resource WHERE key = ? AND is_detail = 0"));
    use->bind(1, id->key);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (*row) {
      return use->integer(0) != 0;
    }
    id = core::parse_resource_id(id->parent);
  }
  return false;
}

Status SqliteCycle::count_verdicts(std::int64_t after_transition) {
  return connection_
      ->prepare(fmt::format(
          "WITH ranked (state, rank) AS (VALUES {}) "
          "INSERT INTO verdict_count SELECT n.check_id, ranked.state, w.text, n.n FROM "
          "(SELECT t.check_id, t.state, r.subscription_id, sum(t.change) AS n FROM "
          "(SELECT check_id, resource_id, from_state AS state, -1 AS change "
          "FROM transition_row WHERE id > ?1 AND from_state IS NOT NULL UNION ALL "
          "SELECT check_id, resource_id, to_state, 1 FROM transition_row "
          "WHERE id > ?1 AND to_state IS NOT NULL) t "
          "JOIN resource_row r ON r.id = t.resource_id "
          "GROUP BY t.check_id, t.state, r.subscription_id HAVING sum(t.change) <> 0) n "
          "JOIN ranked ON ranked.rank = n.state JOIN word w ON w.id = n.subscription_id "
          "WHERE true ON CONFLICT (check_id, state, subscription) DO UPDATE SET "
          "count = count + excluded.count",
          ranked_states()))
      .bind(1, after_transition)
      .run();
}

/// Of the resources of which a verdict has changed: the state that won before, and the one that
/// wins now. What there was before is what there is now less the changes.
Status SqliteCycle::count_resources(std::int64_t after_transition) {
  static const std::string kSql = fmt::format(
      "WITH ranked (state, rank) AS (VALUES {}), "
      "change AS (SELECT t.resource_id, c.assignment, t.state, sum(t.change) AS n FROM "
      "(SELECT check_id, resource_id, from_state AS state, -1 AS change FROM transition_row "
      "WHERE id > ?1 AND from_state IS NOT NULL UNION ALL "
      "SELECT check_id, resource_id, to_state, 1 FROM transition_row "
      "WHERE id > ?1 AND to_state IS NOT NULL) t JOIN policy_check c ON c.id = t.check_id "
      "GROUP BY t.resource_id, c.assignment, t.state HAVING sum(t.change) <> 0), "
      "touched AS (SELECT DISTINCT resource_id, assignment FROM change), "
      "held AS (SELECT t.resource_id, t.assignment, v.state FROM touched t "
      "CROSS JOIN verdict_row v ON v.resource_id = t.resource_id "
      "CROSS JOIN policy_check c ON c.id = v.check_id AND c.assignment = t.assignment), "
      "states AS (SELECT resource_id, assignment, state, sum(now) AS now, sum(before) AS before "
      "FROM (SELECT resource_id, assignment, state, 1 AS now, 1 AS before FROM held UNION ALL "
      "SELECT resource_id, assignment, state, 0, -n FROM change) GROUP BY 1, 2, 3), "
      // The number of a state is its rank.
      "won AS (SELECT assignment, min(state) AS state, -1 AS n FROM states "
      "WHERE before > 0 GROUP BY resource_id, assignment UNION ALL "
      "SELECT assignment, min(state), 1 FROM states "
      "WHERE now > 0 GROUP BY resource_id, assignment) "
      "INSERT INTO resource_count SELECT won.assignment, ranked.state, sum(won.n) FROM won "
      "JOIN ranked ON ranked.rank = won.state WHERE true "
      "GROUP BY won.assignment, ranked.state HAVING sum(won.n) <> 0 "
      "ON CONFLICT (assignment, state) DO UPDATE SET count = count + excluded.count",
      ranked_states());
  return connection_->prepare(kSql).bind(1, after_transition).run();
}

Status SqliteCycle::merge_evidence(core::CycleChanges& changes) {
  for (const auto& evidence : evidence_) {
    const auto lists = core::detail_evidence_key("");
    if (!evidence.complete && evidence.key.starts_with(lists)) {
      const auto deleted = is_of_deleted(std::string_view(evidence.key).substr(lists.size()));
      if (!deleted) {
        return deleted.error();
      }
      if (*deleted) {
        continue;
      }
    }
    core::EvidenceChange change;
    change.now = evidence;
    {
      const Use use(connection_->prepare("SELECT complete, reason FROM evidence WHERE key = ?"));
      use->bind(1, evidence.key);
      const auto row = use->step();
      if (!row) {
        return row.error();
      }
      if (*row) {
        change.was_known = true;
        change.was_complete = use->integer(0) != 0;
        change.was_reason = use->text(1);
      }
    }
    if (auto done = connection_->prepare("INSERT OR REPLACE INTO evidence VALUES (?,?,?,?,?)")
                        .bind(1, evidence.key)
                        .bind(2, std::int64_t{evidence.complete ? 1 : 0})
                        .bind(3, evidence.reason)
                        .bind(4, evidence.message)
                        .bind(5, core::to_micros(evidence.observed_at))
                        .run();
        !done) {
      return done;
    }
    if (!change.was_known || change.was_complete != evidence.complete ||
        change.was_reason != evidence.reason) {
      changes.evidence.push_back(std::move(change));
    }
  }
  return Status::ok();
}

Status SqliteCycle::merge_change_records(core::CycleChanges& changes) {
  for (const auto& record : change_records_) {
    std::string paths = "[";
    for (const auto& path : record.paths) {
      paths += (paths.size() == 1 ? "" : ",") + core::json_quote(path);
    }
    if (auto done = connection_
                        ->prepare("INSERT OR IGNORE INTO change_record (cycle, change_id, "
                                  "resource_key, changed_at, kind, changed_by, changed_by_type, "
                                  "client_type, operation, correlation_id, paths) "
                                  "VALUES (?,?,?,?,?,?,?,?,?,?,?)")
                        .bind(1, changes.cycle)
                        .bind(2, record.id)
                        .bind(3, record.key)
                        .bind(4, core::to_micros(record.at))
                        .bind(5, record.kind)
                        .bind(6, record.changed_by)
                        .bind(7, record.changed_by_type)
                        .bind(8, record.client_type)
                        .bind(9, record.operation)
                        .bind(10, record.correlation_id)
                        .bind(11, paths + "]")
                        .run();
        !done) {
      return done;
    }
  }
  return Status::ok();
}

Status SqliteCycle::merge_watermarks(core::CycleChanges& /*changes*/) {
  for (const auto& [source, position] : watermarks_) {
    if (auto done = write_watermark(*connection_, source, position); !done) {
      return done;
    }
  }
  return Status::ok();
}

Result<core::CycleReport> SqliteCycle::commit(bool complete, const core::Judge& judge) {
  auto transaction = Transaction::begin(*connection_);
  if (!transaction) {
    return transaction.error();
  }
  const auto last = connection_->query_integer("SELECT coalesce(max(number), 0) FROM cycle");
  const auto last_step = connection_->query_integer("SELECT coalesce(max(id), 0) FROM drift_event");
  if (!last || !last_step) {
    return !last ? last.error() : last_step.error();
  }
  Chain chain(*connection_);
  if (auto begun = chain.begin(); !begun) {
    return begun.error();
  }
  const auto before = connection_->query_integer("SELECT coalesce(max(id), 0) FROM transition");
  if (!before) {
    return before.error();
  }
  core::CycleChanges changes;
  changes.cycle = *last + 1;
  changes.now = clock_->now();
  row_.number = changes.cycle;
  row_.complete = complete;
  for (const auto merge : {&SqliteCycle::merge_staged,
                           &SqliteCycle::merge_deletions,
                           &SqliteCycle::merge_forgotten,
                           &SqliteCycle::merge_evidence,
                           &SqliteCycle::merge_change_records,
                           &SqliteCycle::merge_watermarks}) {
    if (auto done = (this->*merge)(changes); !done) {
      return done.error();
    }
  }
  SqliteJudgeView view(*connection_, changes.cycle, changes.now, row_);
  if (auto judged = judge(view, changes); !judged) {
    return judged.error();
  }
  if (auto counted = count_verdicts(*before); !counted) {
    return counted.error();
  }
  if (auto counted = count_resources(*before); !counted) {
    return counted.error();
  }
  row_.committed_at = clock_->now();
  if (auto done = connection_->prepare("INSERT INTO cycle VALUES (?,?,?,?,?,?,?,?,?,?,?,NULL)")
                      .bind(1, row_.number)
                      .bind(2, row_.kind)
                      .bind(3, row_.scope)
                      .bind(4, core::to_micros(row_.started_at))
                      .bind(5, core::to_micros(row_.committed_at))
                      .bind(6, std::int64_t{complete ? 1 : 0})
                      .bind(7, row_.observed)
                      .bind(8, row_.changed)
                      .bind(9, row_.deleted)
                      .bind(10, row_.evaluated)
                      .bind(11, row_.transitions)
                      .run();
      !done) {
    return done.error();
  }
  if (auto linked = chain.link(row_.number); !linked) {
    return linked.error();
  }
  auto steps = count_drift_steps(*connection_, *last_step);
  if (!steps) {
    return steps.error();
  }
  if (auto committed = (*transaction)->commit(); !committed) {
    return committed.error();
  }
  // In a transaction of its own: two files are not committed at once. What stays is in nobody's
  // way, and the next cycle empties it first.
  if (staged_) {
    static_cast<void>(connection_->execute("DELETE FROM staging"));
  }
  core::CycleReport report;
  report.row = row_;
  report.drift_steps = *std::move(steps);
  report.wrote_anything = row_.changed + row_.deleted + row_.transitions > 0;
  return report;
}

}  // namespace plumbline::storage
