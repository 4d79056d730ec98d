#include "storage/past.hpp"

#include "storage/body_codec.hpp"
#include "storage/schema.hpp"
#include "storage/sqlite_snapshot.hpp"

#include <fmt/format.h>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

/// A reader of one committed state, and the cycle that was the last at an instant.
struct Past {
  std::unique_ptr<Connection> connection;
  std::int64_t cycle = 0;
};

Result<Past> open_past(const std::string& path, core::Time at) {
  auto connection = open_readable(path);
  if (!connection) {
    return connection.error();
  }
  if (auto begun = (*connection)->execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN");
      !begun) {
    return begun.error().with_context(path);
  }
  SnapshotReads<core::Snapshot> reads(**connection);
  const auto cycle = reads.cycle_at(at);
  if (!cycle) {
    return cycle.error();
  }
  if (!*cycle) {
    return Error{
        Errc::kNotFound,
        fmt::format("nothing was known at {}: the first cycle came later", core::to_rfc3339(at))};
  }
  return Past{*std::move(connection), **cycle};
}

}  // namespace

Result<PastState> state_at(const std::string& path, core::Time at) {
  auto past = open_past(path, at);
  if (!past) {
    return past.error();
  }
  auto& connection = *past->connection;
  PastState state;
  state.cycle = past->cycle;
  {
    const Use use(connection.prepare(
        "SELECT (SELECT committed_at FROM cycle WHERE number = ?1), count(*), "
        "count(DISTINCT nullif(r.subscription, '')) FROM version v "
        "JOIN resource r ON r.id = v.resource_id WHERE r.is_detail = 0 AND v.from_cycle <= ?1 "
        "AND (v.to_cycle IS NULL OR v.to_cycle > ?1)"));
    use->bind(1, past->cycle);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    state.committed_at = core::from_micros(use->integer(0));
    state.resources = use->integer(1);
    state.subscriptions = use->integer(2);
  }
  // With max() SQLite takes the other columns from the row that has it: the last transition.
  const Use use(connection.prepare(
      "SELECT c.assignment, c.reference, t.to_state, count(*) FROM "
      "(SELECT check_id, to_state, max(id) FROM transition WHERE cycle <= ?1 "
      "GROUP BY resource_id, check_id) t JOIN policy_check c ON c.id = t.check_id "
      "WHERE t.to_state IS NOT NULL AND NOT (c.retired = 1 AND coalesce(c.retired_cycle, 0) <= ?1) "
      "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"));
  use->bind(1, past->cycle);
  auto counts = all_rows<PastCount>(*use, [](const Statement& row) {
    return PastCount{
        std::string(row.text(0)),
        std::string(row.text(1)),
        core::parse_compliance_state(row.text(2)).value_or(core::ComplianceState::kError),
        row.integer(3)};
  });
  if (!counts) {
    return counts.error();
  }
  state.counts = *std::move(counts);
  return state;
}

Status for_each_at(const std::string& path,
                   core::Time at,
                   const std::function<void(std::string_view key, std::string body)>& visit) {
  auto past = open_past(path, at);
  if (!past) {
    return past.error();
  }
  const Use use(past->connection->prepare(
      "SELECT r.key, v.body, v.checksum FROM version v JOIN resource r ON r.id = v.resource_id "
      "WHERE v.from_cycle <= ?1 AND (v.to_cycle IS NULL OR v.to_cycle > ?1) ORDER BY v.id"));
  use->bind(1, past->cycle);
  for (;;) {
    const auto row = use->step();
    if (!row || !*row) {
      return row ? Status::ok() : Status(row.error());
    }
    auto body = read_body(use->blob(1), use->blob(2));
    if (!body) {
      return body.error().with_context(use->text(0));
    }
    visit(use->text(0), *std::move(body));
  }
}

}  // namespace plumbline::storage
