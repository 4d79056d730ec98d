#include "storage/retention.hpp"

#include "storage/sqlite_snapshot.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <utility>

namespace plumbline::storage {

using core::Result;
using core::Status;

namespace {

constexpr std::size_t kRowsBetweenLooks = 32;
constexpr int kPagesAtOnce = 64;

/// Foreign keys are not enforced while this lives. Their enforcement would look for the children of
/// each row by reading whole tables; what is deleted here was chosen because it has none.
class WithoutForeignKeys {
 public:
  explicit WithoutForeignKeys(Connection& connection) : connection_(&connection) {
    static_cast<void>(connection_->execute("PRAGMA foreign_keys=OFF"));
  }

  ~WithoutForeignKeys() { static_cast<void>(connection_->execute("PRAGMA foreign_keys=ON")); }

  WithoutForeignKeys(const WithoutForeignKeys&) = delete;
  WithoutForeignKeys& operator=(const WithoutForeignKeys&) = delete;
  WithoutForeignKeys(WithoutForeignKeys&&) = delete;
  WithoutForeignKeys& operator=(WithoutForeignKeys&&) = delete;

 private:
  Connection* connection_;
};

Status move_horizon(Connection& connection, const core::Horizon& horizon) {
  return connection
      .prepare(
          "INSERT INTO horizon (id, cycle, at, chain) "
          "VALUES (1, ?1, ?2, (SELECT chain FROM cycle WHERE number = ?1)) "
          "ON CONFLICT (id) DO UPDATE SET cycle = excluded.cycle, at = excluded.at, "
          "chain = excluded.chain WHERE excluded.cycle > horizon.cycle")
      .bind(1, horizon.cycle)
      .bind(2, core::to_micros(horizon.at))
      .run();
}

Result<std::vector<std::int64_t>> rows(Connection& connection,
                                       std::string_view sql,
                                       std::int64_t horizon,
                                       std::size_t limit) {
  const Use use(connection.prepare(fmt::format("{} LIMIT ?2", sql)));
  use->bind(1, horizon).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<std::int64_t>(*use, [](const Statement& row) { return row.integer(0); });
}

}  // namespace

Status remove_outdated(Connection& connection, core::Outdated& what, core::Microseconds budget) {
  const auto deadline = std::chrono::steady_clock::now() + budget;
  const WithoutForeignKeys unchecked(connection);
  auto transaction = Transaction::begin(connection);
  if (!transaction) {
    return transaction.error();
  }
  if (auto moved = move_horizon(connection, what.horizon); !moved) {
    return moved;
  }
  // A resource may have come back since it was chosen. Its relations go with it.
  constexpr std::string_view kGone =
      "(SELECT id FROM resource WHERE id = ?1 AND version_id IS NULL "
      "AND NOT EXISTS (SELECT 1 FROM version WHERE resource_id = ?1))";
  const std::pair<std::vector<std::int64_t>*, std::vector<std::string>> steps[] = {
      {&what.transitions, {"DELETE FROM transition_row WHERE id = ?1"}},
      {&what.drift_events, {"DELETE FROM drift_event WHERE id = ?1"}},
      {&what.drift, {"DELETE FROM drift WHERE id = ?1"}},
      {&what.acceptances,
       {"DELETE FROM acceptance WHERE id = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM drift WHERE acceptance_id = ?1) "
        "AND NOT EXISTS (SELECT 1 FROM drift_event WHERE acceptance_id = ?1)"}},
      {&what.change_records, {"DELETE FROM change_record WHERE id = ?1"}},
      {&what.versions, {"DELETE FROM version WHERE id = ?1"}},
      {&what.resources,
       {fmt::format("DELETE FROM dependency WHERE resource_id = {}", kGone),
        fmt::format("DELETE FROM reference WHERE resource_id = {}", kGone),
        fmt::format("DELETE FROM resource_row WHERE id = {}", kGone)}},
      {&what.cycles, {"DELETE FROM cycle WHERE number = ?1"}},
  };
  bool late = false;
  for (const auto& [ids, statements] : steps) {
    std::size_t done = 0;
    for (; done < ids->size() && !late; ++done) {
      for (const auto& sql : statements) {
        if (auto removed = connection.prepare(sql).bind(1, ids->at(done)).run(); !removed) {
          return removed;
        }
      }
      late = (done + 1) % kRowsBetweenLooks == 0 && std::chrono::steady_clock::now() >= deadline;
    }
    // In order: an earlier transition goes before the one that came after it.
    ids->erase(ids->begin(), ids->begin() + static_cast<std::ptrdiff_t>(done));
    if (late) {
      break;
    }
  }
  return (*transaction)->commit();
}

Result<bool> shrink(Connection& connection, core::Microseconds budget) {
  const auto deadline = std::chrono::steady_clock::now() + budget;
  for (;;) {
    const auto free = connection.query_integer("PRAGMA freelist_count");
    if (!free) {
      return free.error();
    }
    if (*free == 0) {
      return false;
    }
    const auto step = fmt::format("PRAGMA incremental_vacuum({})", kPagesAtOnce);
    if (auto done = connection.execute(step.c_str()); !done) {
      return done.error();
    }
    const auto left = connection.query_integer("PRAGMA freelist_count");
    if (!left) {
      return left.error();
    }
    if (*left == 0 || *left == *free) {
      return false;  // done, or a database that was made without vacuum
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return true;
    }
  }
}

Result<std::int64_t> used_bytes(Connection& connection) {
  std::int64_t pages = 0;
  for (const auto& [pragma, factor] :
       {std::pair<std::string_view, std::int64_t>{"PRAGMA page_count", 1},
        {"PRAGMA freelist_count", -1}}) {
    const auto count = connection.query_integer(pragma);
    if (!count) {
      return count.error();
    }
    pages += factor * *count;
  }
  const auto size = connection.query_integer("PRAGMA page_size");
  return size ? Result<std::int64_t>(pages * *size) : size;
}

template <class Base>
Result<core::Horizon> SnapshotReads<Base>::horizon() {
  const Use use(connection_->prepare("SELECT cycle, at FROM horizon"));
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? core::Horizon{use->integer(0), core::from_micros(use->integer(1))}
              : core::Horizon{};
}

template <class Base>
Result<std::optional<core::Time>> SnapshotReads<Base>::oldest_change() {
  const Use use(
      connection_->prepare("SELECT committed_at FROM cycle WHERE number > "
                           "coalesce((SELECT cycle FROM horizon), 0) ORDER BY number LIMIT 1"));
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(core::from_micros(use->integer(0))) : std::nullopt;
}

template <class Base>
Result<core::Outdated> SnapshotReads<Base>::outdated(core::Time at, std::size_t limit) {
  core::Outdated out;
  const auto reached = horizon();
  if (!reached) {
    return reached.error();
  }
  out.horizon = *reached;
  {
    const Use use(connection_->prepare(
        "SELECT number FROM cycle WHERE committed_at <= ? ORDER BY number DESC LIMIT 1"));
    use->bind(1, core::to_micros(at));
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (*row && use->integer(0) > reached->cycle) {
      out.horizon = {use->integer(0), at};
    }
  }
  if (out.horizon.cycle == 0) {
    return out;
  }
  const std::pair<std::vector<std::int64_t>*, std::string_view> tables[] = {
      {&out.versions,
       "SELECT id FROM version WHERE to_cycle <= ?1 "
       "AND id NOT IN (SELECT version_id FROM verdict) "
       "AND id NOT IN (SELECT known_version FROM verdict) "
       // Drift that is not over is measured against them.
       "AND id NOT IN (SELECT old_version FROM drift WHERE resolved_cycle IS NULL "
       "AND old_version IS NOT NULL) "
       "AND id NOT IN (SELECT new_version FROM drift WHERE resolved_cycle IS NULL "
       "AND new_version IS NOT NULL) ORDER BY id"},
      // The last one before the horizon says what was true at it, unless it says that nothing was.
      {&out.transitions,
       "SELECT t.id FROM transition t JOIN policy_check c ON c.id = t.check_id "
       "WHERE t.cycle <= ?1 AND t.id < (SELECT max(id) FROM transition) AND (t.to_state IS NULL "
       "OR (c.retired = 1 AND coalesce(c.retired_cycle, 0) <= ?1) "
       "OR EXISTS (SELECT 1 FROM transition u WHERE u.resource_id = t.resource_id "
       "AND u.check_id = t.check_id AND u.cycle <= ?1 AND u.id > t.id)) ORDER BY t.id"},
      {&out.drift_events,
       // The highest number of each stays, so that none is given twice.
       "SELECT e.id FROM drift_event e JOIN drift d ON d.id = e.drift_id "
       "WHERE d.resolved_cycle <= ?1 AND e.id < (SELECT max(id) FROM drift_event) ORDER BY e.id"},
      {&out.drift,
       "SELECT id FROM drift WHERE resolved_cycle <= ?1 AND id < (SELECT max(id) FROM drift) "
       "AND NOT EXISTS (SELECT 1 FROM drift_event WHERE drift_id = drift.id) ORDER BY id"},
      {&out.acceptances,
       "SELECT id FROM acceptance WHERE ended_cycle <= ?1 AND id < (SELECT max(id) FROM "
       "acceptance) "
       "AND NOT EXISTS (SELECT 1 FROM drift WHERE acceptance_id = acceptance.id) "
       "AND NOT EXISTS (SELECT 1 FROM drift_event WHERE acceptance_id = acceptance.id) "
       "ORDER BY id"},
      {&out.change_records, "SELECT id FROM change_record WHERE cycle <= ?1 ORDER BY id"},
      {&out.resources,
       "SELECT r.id FROM resource r WHERE r.version_id IS NULL AND r.first_cycle <= ?1 "
       "AND NOT EXISTS (SELECT 1 FROM version WHERE resource_id = r.id) "
       "AND NOT EXISTS (SELECT 1 FROM transition WHERE resource_id = r.id) "
       "AND NOT EXISTS (SELECT 1 FROM verdict WHERE resource_id = r.id) "
       "AND r.id NOT IN (SELECT resource_id FROM drift) ORDER BY r.id"},
      {&out.cycles,
       "SELECT number FROM cycle WHERE number <= ?1 "
       "AND number < (SELECT max(number) FROM cycle) "
       "AND number NOT IN (SELECT from_cycle FROM version UNION "
       "SELECT to_cycle FROM version WHERE to_cycle IS NOT NULL UNION "
       "SELECT first_cycle FROM resource UNION SELECT since_cycle FROM verdict UNION "
       "SELECT cycle FROM transition UNION SELECT opened_cycle FROM drift UNION "
       "SELECT resolved_cycle FROM drift WHERE resolved_cycle IS NOT NULL UNION "
       "SELECT cycle FROM drift_event UNION SELECT cycle FROM acceptance UNION "
       "SELECT ended_cycle FROM acceptance WHERE ended_cycle IS NOT NULL UNION "
       "SELECT cycle FROM change_record) ORDER BY number"},
  };
  for (const auto& [into, sql] : tables) {
    auto found = rows(*connection_, sql, out.horizon.cycle, limit);
    if (!found) {
      return found.error();
    }
    *into = *std::move(found);
  }
  return out;
}

template Result<core::Horizon> SnapshotReads<core::Snapshot>::horizon();
template Result<core::Horizon> SnapshotReads<core::JudgeView>::horizon();
template Result<std::optional<core::Time>> SnapshotReads<core::Snapshot>::oldest_change();
template Result<std::optional<core::Time>> SnapshotReads<core::JudgeView>::oldest_change();
template Result<core::Outdated> SnapshotReads<core::Snapshot>::outdated(core::Time, std::size_t);
template Result<core::Outdated> SnapshotReads<core::JudgeView>::outdated(core::Time, std::size_t);

}  // namespace plumbline::storage
