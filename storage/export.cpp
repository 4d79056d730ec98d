#include "storage/body_codec.hpp"
#include "storage/sqlite_snapshot.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace plumbline::storage {

using core::ExportCell;
using core::Status;

namespace {

using Kind = ExportCell::Kind;

enum class Read : std::uint8_t { kInteger, kText, kTime, kHex, kBody };

struct Column {
  std::string_view name;
  Read read;
};

struct Table {
  std::string_view sql;  // ?1 and ?2: from, to
  std::vector<Column> columns;
};

Table table_of(core::ExportOf what) {
  using enum Read;
  switch (what) {
    case core::ExportOf::kResources:
      return {
          "SELECT r.key, r.display_id, r.type, r.subscription, r.source, y.committed_at, "
          "r.observed_at, r.version_id IS NOT NULL FROM resource r "
          "JOIN cycle y ON y.number = r.first_cycle "
          "WHERE y.committed_at >= ?1 AND y.committed_at < ?2 ORDER BY r.id",
          {{"key", kText},
           {"id", kText},
           {"type", kText},
           {"subscription", kText},
           {"source", kText},
           {"first_seen", kTime},
           {"observed_at", kTime},
           {"live", kInteger}}};
    case core::ExportOf::kVersions:
      return {
          "SELECT r.key, v.id, v.from_cycle, y.committed_at, v.to_cycle, z.committed_at, "
          "v.observed_at, v.normaliser, v.fingerprint, v.checksum, v.body FROM version v "
          "JOIN resource r ON r.id = v.resource_id JOIN cycle y ON y.number = v.from_cycle "
          "LEFT JOIN cycle z ON z.number = v.to_cycle "
          "WHERE y.committed_at >= ?1 AND y.committed_at < ?2 ORDER BY v.id",
          {{"key", kText},
           {"version", kInteger},
           {"from_cycle", kInteger},
           {"from", kTime},
           {"to_cycle", kInteger},
           {"to", kTime},
           {"observed_at", kTime},
           {"normaliser", kInteger},
           {"fingerprint", kHex},
           {"checksum", kHex},
           {"body", kBody}}};
    case core::ExportOf::kVerdicts:
      return {
          "SELECT c.assignment, c.reference, r.key, v.state, v.reason, v.cause, v.version_id, "
          "v.since_cycle, y.committed_at, v.evaluated_at FROM verdict v "
          "JOIN policy_check c ON c.id = v.check_id JOIN resource r ON r.id = v.resource_id "
          "JOIN cycle y ON y.number = v.since_cycle "
          "WHERE y.committed_at >= ?1 AND y.committed_at < ?2 "
          "ORDER BY v.check_id, v.resource_id",
          {{"assignment", kText},
           {"reference", kText},
           {"key", kText},
           {"state", kText},
           {"reason", kText},
           {"cause", kText},
           {"version", kInteger},
           {"since_cycle", kInteger},
           {"since", kTime},
           {"evaluated_at", kTime}}};
    case core::ExportOf::kTransitions:
      return {
          "SELECT t.cycle, y.committed_at, c.assignment, c.reference, r.key, t.from_state, "
          "t.to_state, t.reason, t.cause FROM transition t "
          "JOIN cycle y ON y.number = t.cycle JOIN policy_check c ON c.id = t.check_id "
          "JOIN resource r ON r.id = t.resource_id "
          "WHERE y.committed_at >= ?1 AND y.committed_at < ?2 ORDER BY t.id",
          {{"cycle", kInteger},
           {"at", kTime},
           {"assignment", kText},
           {"reference", kText},
           {"key", kText},
           {"from_state", kText},
           {"to_state", kText},
           {"reason", kText},
           {"cause", kText}}};
    case core::ExportOf::kDrift:
      return {
          "SELECT d.id, d.kind, c.assignment, c.reference, r.key, d.path, "
          "nullif(d.old_value, ''), nullif(d.new_value, ''), coalesce(d.rated, d.severity), "
          "d.opened_cycle, "
          "d.opened_at, d.resolved_cycle, d.resolved_at FROM drift d "
          "JOIN resource r ON r.id = d.resource_id "
          "LEFT JOIN policy_check c ON c.id = d.check_id "
          "WHERE d.opened_at >= ?1 AND d.opened_at < ?2 ORDER BY d.id",
          {{"drift", kInteger},
           {"kind", kText},
           {"assignment", kText},
           {"reference", kText},
           {"key", kText},
           {"path", kText},
           {"old_value", kText},  // may be cut, and is no JSON then
           {"new_value", kText},
           {"severity", kText},
           {"opened_cycle", kInteger},
           {"opened_at", kTime},
           {"resolved_cycle", kInteger},
           {"resolved_at", kTime}}};
  }
  return {};
}

/// Fills `cell` with a column that is not NULL.
Status read_cell(const Statement& row, int index, Read read, ExportCell& cell) {
  cell.kind = Kind::kText;
  switch (read) {
    case Read::kInteger:
      cell.kind = Kind::kInteger;
      cell.integer = row.integer(index);
      break;
    case Read::kText:
      cell.text = row.text(index);
      break;
    case Read::kTime:
      cell.text = core::to_rfc3339(core::from_micros(row.integer(index)));
      break;
    case Read::kHex:
      cell.text = core::to_hex(row.blob(index));
      break;
    case Read::kBody: {
      auto body = read_body(row.blob(index), row.blob(index - 1));
      if (!body) {
        return body.error();
      }
      cell.kind = Kind::kJson;
      cell.text = *std::move(body);
      break;
    }
  }
  return Status::ok();
}

}  // namespace

template <class Base>
Status SnapshotReads<Base>::for_each_export(
    core::ExportOf what,
    core::Time from,
    core::Time to,
    const std::function<void(const std::vector<ExportCell>&)>& visit) {
  const auto table = table_of(what);
  const Use use(connection_->prepare(table.sql));
  use->bind(1, core::to_micros(from)).bind(2, core::to_micros(to));
  std::vector<ExportCell> cells(table.columns.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells.at(i).name = table.columns.at(i).name;
  }
  for (;;) {
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      return Status::ok();
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto index = static_cast<int>(i);
      if (use->is_null(index)) {
        cells.at(i).kind = Kind::kNull;
      } else if (auto read = read_cell(*use, index, table.columns.at(i).read, cells.at(i)); !read) {
        return read.error().with_context(cells.front().text);
      }
    }
    visit(cells);
  }
}

template Status SnapshotReads<core::Snapshot>::for_each_export(
    core::ExportOf,
    core::Time,
    core::Time,
    const std::function<void(const std::vector<ExportCell>&)>&);
template Status SnapshotReads<core::JudgeView>::for_each_export(
    core::ExportOf,
    core::Time,
    core::Time,
    const std::function<void(const std::vector<ExportCell>&)>&);

}  // namespace plumbline::storage
