#include "storage/drift.hpp"

#include "storage/sqlite_snapshot.hpp"

#include <fmt/format.h>

#include <array>
#include <map>
#include <utility>

namespace plumbline::storage {

using core::DriftItem;
using core::DriftState;
using core::DriftStep;
using core::Result;
using core::Status;

namespace {

constexpr std::string_view kItem =
    "d.id, d.kind, d.check_id, d.resource_id, d.path, d.old_value, d.new_value, "
    "coalesce(d.rated, d.severity), d.opened_cycle, d.opened_at, d.acceptance_id, "
    "d.resolved_cycle, d.resolved_at, d.old_version, d.new_version, d.flapping, d.quiet_since, "
    "d.awaits_records, d.severity";
constexpr int kAfterItem = 19;

DriftItem read_item(const Statement& row) {
  DriftItem item;
  item.id = row.integer(0);
  item.kind = core::parse_drift_kind(row.text(1)).value_or(core::DriftKind::kBaseline);
  item.check = row.integer(2);
  item.resource = row.integer(3);
  item.path = row.text(4);
  item.old_value = row.text(5);
  item.new_value = row.text(6);
  item.severity = core::parse_severity(row.text(7)).value_or(core::Severity::kLow);
  item.opened_cycle = row.integer(8);
  item.opened_at = core::from_micros(row.integer(9));
  item.acceptance = row.integer(10);
  if (!row.is_null(11)) {
    item.resolved_cycle = row.integer(11);
    item.resolved_at = core::from_micros(row.integer(12));
  }
  item.old_version = row.integer(13);
  item.new_version = row.integer(14);
  item.flapping = row.integer(15) != 0;
  if (!row.is_null(16)) {
    item.quiet_since = core::from_micros(row.integer(16));
  }
  item.awaits_records = row.integer(17) != 0;
  item.opened_severity = core::parse_severity(row.text(18)).value_or(core::Severity::kLow);
  return item;
}

core::DriftRow read_row(const Statement& row) {
  core::DriftRow out;
  out.item = read_item(row);
  out.assignment = row.text(kAfterItem);
  out.reference = row.text(kAfterItem + 1);
  out.resource_key = row.text(kAfterItem + 2);
  out.resource_id = row.text(kAfterItem + 3);
  out.resource_type = row.text(kAfterItem + 4);
  out.subscription = row.text(kAfterItem + 5);
  out.is_detail = row.integer(kAfterItem + 7) != 0;
  const bool snoozed = row.integer(kAfterItem + 6) != 0;
  out.state = out.item.resolved_cycle    ? DriftState::kResolved
              : out.item.acceptance == 0 ? DriftState::kOpen
              : snoozed                  ? DriftState::kSnoozed
                                         : DriftState::kAccepted;
  return out;
}

/// The condition under which a row has a state.
std::string_view condition(DriftState state) {
  switch (state) {
    case DriftState::kOpen:
      return "(d.resolved_cycle IS NULL AND d.acceptance_id IS NULL)";
    case DriftState::kAccepted:
      return "(d.resolved_cycle IS NULL AND a.snooze = 0)";
    case DriftState::kSnoozed:
      return "(d.resolved_cycle IS NULL AND a.snooze = 1)";
    case DriftState::kResolved:
      return "(d.resolved_cycle IS NOT NULL)";
  }
  return "0";
}

core::DriftEventRow read_event(const Statement& row) {
  core::DriftEventRow out;
  out.id = row.integer(0);
  out.cycle = row.integer(1);
  out.at = core::from_micros(row.integer(2));
  out.step = core::parse_drift_step(row.text(3)).value_or(DriftStep::kOpened);
  out.drift = row.integer(4);
  out.acceptance = row.integer(5);
  out.snoozes = row.integer(6) != 0;
  return out;
}

constexpr std::string_view kEvents =
    "SELECT id, cycle, at, step, drift_id, acceptance_id, "
    "(SELECT a.snooze FROM acceptance a WHERE a.id = acceptance_id) FROM drift_event";

constexpr std::string_view kAcceptances =
    "SELECT id, cycle, accepted_at, name, kind, scope, type, path, assignment, reference, "
    "up_to_cycle, snooze, reason, author, expires_at, ended_at, drift_id FROM acceptance";

core::Acceptance read_acceptance(const Statement& row) {
  core::Acceptance out;
  out.id = row.integer(0);
  out.cycle = row.integer(1);
  out.accepted_at = core::from_micros(row.integer(2));
  out.name = row.text(3);
  out.kind = core::parse_drift_kind(row.text(4));
  out.scope = row.text(5);
  out.type = row.text(6);
  out.path = row.text(7);
  out.assignment = row.text(8);
  out.reference = row.text(9);
  if (!row.is_null(10)) {
    out.up_to_cycle = row.integer(10);
  }
  out.snooze = row.integer(11) != 0;
  out.reason = row.text(12);
  out.author = row.text(13);
  if (!row.is_null(14)) {
    out.expires_at = core::from_micros(row.integer(14));
  }
  if (!row.is_null(15)) {
    out.ended_at = core::from_micros(row.integer(15));
  }
  out.drift = row.integer(16);
  return out;
}

}  // namespace

Result<std::vector<DriftItem>> DriftWriter::open_of(std::int64_t resource) {
  const Use use(connection_->prepare(fmt::format(
      "SELECT {} FROM drift d WHERE d.resource_id = ? AND d.resolved_cycle IS NULL", kItem)));
  use->bind(1, resource);
  return all_rows<DriftItem>(*use, read_item);
}

Result<std::int64_t> DriftWriter::open(const DriftItem& item, DriftStep step) {
  const Use use(connection_->prepare(
      "INSERT INTO drift (kind, check_id, resource_id, path, old_value, new_value, severity, "
      "opened_cycle, opened_at, old_version, new_version, awaits_records) "
      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?) "
      "RETURNING id"));
  use->bind(1, core::to_string(item.kind))
      .bind(3, item.resource)
      .bind(4, item.path)
      .bind(5, item.old_value)
      .bind(6, item.new_value)
      .bind(7, core::to_string(item.severity))
      .bind(8, cycle_)
      .bind(9, core::to_micros(now_))
      .bind(12, std::int64_t{item.awaits_records ? 1 : 0});
  for (const auto& [column, value] : {std::pair(2, item.check),
                                      std::pair(10, item.old_version),
                                      std::pair(11, item.new_version)}) {
    if (value != 0) {
      use->bind(column, value);
    }
  }
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  const auto id = use->integer(0);
  if (auto done = this->step(id, step); !done) {
    return done.error();
  }
  return id;
}

Result<std::int64_t> DriftWriter::replace(std::int64_t id, const DriftItem& by) {
  if (auto done = end_item(id); !done) {
    return done.error();
  }
  auto opened = open(by, DriftStep::kChanged);
  if (!opened) {
    return opened;
  }
  const auto inherited = connection_
                             ->prepare(
                                 "UPDATE drift SET flapping = "
                                 "(SELECT flapping FROM drift WHERE id = ?1) WHERE id = ?2")
                             .bind(1, id)
                             .bind(2, *opened)
                             .run();
  return inherited ? std::move(opened) : inherited.error();
}

Result<std::int64_t> DriftWriter::openings(const DriftItem& item, core::Time since) {
  const Use use(connection_->prepare(
      "SELECT count(*) FROM drift d JOIN drift_event e ON e.drift_id = d.id AND e.step = 'opened' "
      "WHERE d.resource_id = ? AND d.kind = ? AND coalesce(d.check_id, 0) = ? AND d.path = ? "
      "AND d.opened_at > ?"));
  use->bind(1, item.resource)
      .bind(2, core::to_string(item.kind))
      .bind(3, item.check)
      .bind(4, item.path)
      .bind(5, core::to_micros(since));
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  return use->integer(0);
}

Status DriftWriter::quiet(const DriftItem& item) {
  if (auto done =
          connection_->prepare("UPDATE drift SET flapping = 1, quiet_since = ? WHERE id = ?")
              .bind(1, core::to_micros(now_))
              .bind(2, item.id)
              .run();
      !done) {
    return done;
  }
  return item.flapping ? Status::ok() : step(item.id, DriftStep::kFlapping, item.acceptance);
}

Status DriftWriter::unquiet(std::int64_t id) {
  return connection_->prepare("UPDATE drift SET quiet_since = NULL WHERE id = ?").bind(1, id).run();
}

Status DriftWriter::rate(const DriftItem& item, core::Severity severity) {
  if (auto done = connection_->prepare("UPDATE drift SET rated = ? WHERE id = ?")
                      .bind(1, core::to_string(severity))
                      .bind(2, item.id)
                      .run();
      !done) {
    return done;
  }
  const auto step = severity > item.severity ? DriftStep::kEscalated : DriftStep::kDowngraded;
  return this->step(item.id, step, item.acceptance);
}

Status DriftWriter::end_waiting(std::int64_t id) {
  return connection_->prepare("UPDATE drift SET awaits_records = 0 WHERE id = ?").bind(1, id).run();
}

Result<std::vector<std::int64_t>> DriftWriter::quiet_since(core::Time since) {
  const Use use(connection_->prepare(
      "SELECT id FROM drift WHERE quiet_since <= ? AND resolved_cycle IS NULL ORDER BY id"));
  use->bind(1, core::to_micros(since));
  return all_rows<std::int64_t>(*use, [](const Statement& row) { return row.integer(0); });
}

Status DriftWriter::end_item(std::int64_t id) {
  // What covers nothing else ends with it.
  if (auto done = connection_
                      ->prepare("UPDATE acceptance SET ended_cycle = ?, ended_at = ? "
                                "WHERE drift_id = ? AND ended_cycle IS NULL")
                      .bind(1, cycle_)
                      .bind(2, core::to_micros(now_))
                      .bind(3, id)
                      .run();
      !done) {
    return done;
  }
  return connection_
      ->prepare(
          "UPDATE drift SET resolved_cycle = ?, resolved_at = ?, quiet_since = NULL, "
          "awaits_records = 0 WHERE id = ?")
      .bind(1, cycle_)
      .bind(2, core::to_micros(now_))
      .bind(3, id)
      .run();
}

Status DriftWriter::resolve(std::int64_t id) {
  if (auto done = end_item(id); !done) {
    return done;
  }
  return step(id, DriftStep::kResolved);
}

Status DriftWriter::resolve_of_check(std::int64_t check) {
  std::vector<std::int64_t> open;
  {
    const Use use(connection_->prepare(
        "SELECT id FROM drift WHERE check_id = ? AND resolved_cycle IS NULL ORDER BY id"));
    use->bind(1, check);
    auto found = all_rows<std::int64_t>(*use, [](const Statement& row) { return row.integer(0); });
    if (!found) {
      return found.error();
    }
    open = *std::move(found);
  }
  for (const auto id : open) {
    if (auto done = resolve(id); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status DriftWriter::cover(std::int64_t id, const core::Acceptance& by) {
  if (auto done = connection_->prepare("UPDATE drift SET acceptance_id = ? WHERE id = ?")
                      .bind(1, by.id)
                      .bind(2, id)
                      .run();
      !done) {
    return done;
  }
  return step(id, by.snooze ? DriftStep::kSnoozed : DriftStep::kAccepted, by.id);
}

Status DriftWriter::uncover(std::int64_t id) {
  std::int64_t covered_by = 0;
  {
    const Use use(connection_->prepare("SELECT acceptance_id FROM drift WHERE id = ?"));
    use->bind(1, id);
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    covered_by = use->integer(0);
  }
  if (auto done = connection_->prepare("UPDATE drift SET acceptance_id = NULL WHERE id = ?")
                      .bind(1, id)
                      .run();
      !done) {
    return done;
  }
  return step(id, DriftStep::kReopened, covered_by);
}

Result<std::int64_t> DriftWriter::put(const core::Acceptance& acceptance) {
  const Use use(connection_->prepare(
      "INSERT INTO acceptance (cycle, accepted_at, name, kind, scope, type, path, assignment, "
      "reference, up_to_cycle, snooze, reason, author, expires_at, drift_id) "
      "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) RETURNING id"));
  use->bind(1, cycle_)
      .bind(2, core::to_micros(now_))
      .bind(3, acceptance.name)
      .bind(4, acceptance.kind ? core::to_string(*acceptance.kind) : std::string_view())
      .bind(5, acceptance.scope)
      .bind(6, acceptance.type)
      .bind(7, acceptance.path)
      .bind(8, acceptance.assignment)
      .bind(9, acceptance.reference)
      .bind(11, std::int64_t{acceptance.snooze ? 1 : 0})
      .bind(12, acceptance.reason)
      .bind(13, acceptance.author);
  if (acceptance.drift != 0) {
    use->bind(15, acceptance.drift);
  }
  if (acceptance.up_to_cycle) {
    use->bind(10, *acceptance.up_to_cycle);
  }
  if (acceptance.expires_at) {
    use->bind(14, core::to_micros(*acceptance.expires_at));
  }
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  return use->integer(0);
}

Status DriftWriter::end(std::int64_t acceptance) {
  return connection_->prepare("UPDATE acceptance SET ended_cycle = ?, ended_at = ? WHERE id = ?")
      .bind(1, cycle_)
      .bind(2, core::to_micros(now_))
      .bind(3, acceptance)
      .run();
}

Status DriftWriter::step(std::int64_t drift, DriftStep step, std::int64_t acceptance) {
  auto& statement = connection_->prepare(
      "INSERT INTO drift_event (cycle, at, step, drift_id, acceptance_id) VALUES (?,?,?,?,?)");
  statement.bind(1, cycle_)
      .bind(2, core::to_micros(now_))
      .bind(3, core::to_string(step))
      .bind(4, drift);
  if (acceptance != 0) {
    statement.bind(5, acceptance);
  }
  return statement.run();
}

Result<std::vector<core::DriftStepCount>> count_drift_steps(Connection& connection,
                                                            std::int64_t after) {
  const Use use(connection.prepare(
      "SELECT e.step, d.kind, coalesce(d.rated, d.severity), count(*) FROM drift_event e "
      "JOIN drift d ON d.id = e.drift_id WHERE e.id > ? GROUP BY 1, 2, 3"));
  use->bind(1, after);
  return all_rows<core::DriftStepCount>(*use, [](const Statement& row) {
    return core::DriftStepCount{
        core::parse_drift_step(row.text(0)).value_or(DriftStep::kOpened),
        core::parse_drift_kind(row.text(1)).value_or(core::DriftKind::kBaseline),
        core::parse_severity(row.text(2)).value_or(core::Severity::kLow),
        row.integer(3)};
  });
}

namespace {

constexpr std::string_view kTables =
    "FROM drift d JOIN resource r ON r.id = d.resource_id "
    "LEFT JOIN policy_check c ON c.id = d.check_id "
    "LEFT JOIN acceptance a ON a.id = d.acceptance_id";

/// What a filter chooses by, apart from states and place in the list.
class Choice {
 public:
  explicit Choice(const core::DriftFilter& filter)
      : id_(filter.id),
        texts_{{
            {"d.kind = ?2", filter.kind ? core::to_string(*filter.kind) : ""},
            {"coalesce(d.rated, d.severity) = ?3",
             filter.severity ? core::to_string(*filter.severity) : ""},
            {"c.assignment = ?4", filter.assignment},
            {"c.reference = ?5", filter.reference},
            // A key that continues the scope: '0' follows '/' in the order of bytes.
            {"(r.key = ?6 OR (r.key > ?6 || '/' AND r.key < ?6 || '0'))", filter.scope},
            {"r.type = ?7", filter.type},
            {"r.subscription = ?8", filter.subscription},
        }} {}

  [[nodiscard]] std::string sql() const {
    // So that one item is found by its key.
    std::string out = id_ == 0 ? " WHERE ?1 = 0" : " WHERE d.id = ?1";
    for (const auto& [clause, value] : texts_) {
      out += value.empty() ? std::string() : fmt::format(" AND {}", clause);
    }
    return out;
  }

  void bind(Statement& statement) const {
    statement.bind(1, id_);
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      if (!texts_.at(i).second.empty()) {
        statement.bind(static_cast<int>(i) + 2, texts_.at(i).second);
      }
    }
  }

 private:
  std::int64_t id_;
  std::array<std::pair<std::string_view, std::string_view>, 7> texts_;
};

constexpr int kAfterChoice = 9;  // the first parameter that it leaves free

}  // namespace

template <class Base>
Result<std::vector<core::DriftRow>> SnapshotReads<Base>::drift(const core::DriftFilter& filter) {
  const Choice choice(filter);
  std::string sql = fmt::format(
      "SELECT {}, coalesce(c.assignment, ''), coalesce(c.reference, ''), r.key, r.display_id, "
      "r.type, r.subscription, coalesce(a.snooze, 0), r.is_detail {}{} AND (?{} = 0 OR d.id < ?{})",
      kItem,
      kTables,
      choice.sql(),
      kAfterChoice,
      kAfterChoice);
  if (filter.awaits_records) {
    sql += " AND d.awaits_records = 1 AND d.resolved_cycle IS NULL";
  }
  if (filter.acceptance != 0) {
    sql += fmt::format(" AND d.acceptance_id = {} AND d.resolved_cycle IS NULL", filter.acceptance);
  }
  if (!filter.states.empty()) {
    std::string any;
    for (const auto state : filter.states) {
      any += any.empty() ? "" : " OR ";
      any += condition(state);
    }
    sql += fmt::format(" AND ({})", any);
  }
  sql += fmt::format(" ORDER BY d.id DESC LIMIT ?{}", kAfterChoice + 1);
  const Use use(connection_->prepare(sql));
  choice.bind(*use);
  use->bind(kAfterChoice, filter.before)
      .bind(kAfterChoice + 1, static_cast<std::int64_t>(filter.limit));
  return all_rows<core::DriftRow>(*use, read_row);
}

template <class Base>
Result<std::vector<core::DriftCount>> SnapshotReads<Base>::open_drift_counts() {
  const Use use(connection_->prepare(
      fmt::format("SELECT d.kind, coalesce(d.rated, d.severity), r.subscription, count(*) "
                  "FROM drift d JOIN resource r ON r.id = d.resource_id WHERE {} GROUP BY 1, 2, 3",
                  condition(DriftState::kOpen))));
  return all_rows<core::DriftCount>(*use, [](const Statement& row) {
    core::DriftCount out;
    out.kind = core::parse_drift_kind(row.text(0)).value_or(core::DriftKind::kBaseline);
    out.severity = core::parse_severity(row.text(1)).value_or(core::Severity::kLow);
    out.subscription = row.text(2);
    out.count = row.integer(3);
    return out;
  });
}

template <class Base>
Result<std::map<DriftState, std::int64_t>> SnapshotReads<Base>::drift_counts(
    const core::DriftFilter& filter) {
  const Choice choice(filter);
  std::string sql = "SELECT CASE";
  for (const auto state : core::kDriftStates) {
    sql += fmt::format(" WHEN {} THEN {}", condition(state), static_cast<int>(state));
  }
  sql += fmt::format(" END AS state, count(*) {}{} GROUP BY state", kTables, choice.sql());
  const Use use(connection_->prepare(sql));
  choice.bind(*use);
  const auto rows = all_rows<std::pair<DriftState, std::int64_t>>(*use, [](const Statement& row) {
    return std::pair(static_cast<DriftState>(row.integer(0)), row.integer(1));
  });
  if (!rows) {
    return rows.error();
  }
  return std::map<DriftState, std::int64_t>(rows->begin(), rows->end());
}

template <class Base>
Result<std::vector<core::DriftEventRow>> SnapshotReads<Base>::drift_events_of(std::int64_t drift) {
  const Use use(connection_->prepare(fmt::format("{} WHERE drift_id = ? ORDER BY id", kEvents)));
  use->bind(1, drift);
  return all_rows<core::DriftEventRow>(*use, read_event);
}

template <class Base>
Result<std::vector<core::DriftEventRow>> SnapshotReads<Base>::drift_events(std::int64_t after,
                                                                           std::size_t limit) {
  const Use use(connection_->prepare(fmt::format("{} WHERE id > ? ORDER BY id LIMIT ?", kEvents)));
  use->bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<core::DriftEventRow>(*use, read_event);
}

template <class Base>
Result<std::vector<core::DriftEventRow>> SnapshotReads<Base>::drift_events_since(core::Time since) {
  const Use use(connection_->prepare(fmt::format("{} WHERE at >= ? ORDER BY id DESC", kEvents)));
  use->bind(1, core::to_micros(since));
  return all_rows<core::DriftEventRow>(*use, read_event);
}

template <class Base>
Result<std::vector<core::Acceptance>> SnapshotReads<Base>::acceptances(bool in_force_only) {
  const Use use(connection_->prepare(fmt::format(
      "{}{} ORDER BY id", kAcceptances, in_force_only ? " WHERE ended_cycle IS NULL" : "")));
  return all_rows<core::Acceptance>(*use, read_acceptance);
}

template <class Base>
Result<std::vector<core::Acceptance>> SnapshotReads<Base>::general_acceptances() {
  const Use use(connection_->prepare(
      fmt::format("{} WHERE ended_cycle IS NULL AND drift_id IS NULL ORDER BY id", kAcceptances)));
  return all_rows<core::Acceptance>(*use, read_acceptance);
}

template <class Base>
Result<std::vector<core::Acceptance>> SnapshotReads<Base>::expired_acceptances(core::Time now) {
  const Use use(connection_->prepare(fmt::format(
      "{} WHERE ended_cycle IS NULL AND expires_at IS NOT NULL AND expires_at <= ? ORDER BY id",
      kAcceptances)));
  use->bind(1, core::to_micros(now));
  return all_rows<core::Acceptance>(*use, read_acceptance);
}

template <class Base>
Result<std::optional<core::Acceptance>> SnapshotReads<Base>::find_acceptance(std::int64_t id) {
  const Use use(connection_->prepare(fmt::format("{} WHERE id = ?", kAcceptances)));
  use->bind(1, id);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(read_acceptance(*use)) : std::nullopt;
}

template Result<std::vector<core::DriftRow>> SnapshotReads<core::Snapshot>::drift(
    const core::DriftFilter&);
template Result<std::vector<core::DriftRow>> SnapshotReads<core::JudgeView>::drift(
    const core::DriftFilter&);
template Result<std::vector<core::DriftCount>> SnapshotReads<core::Snapshot>::open_drift_counts();
template Result<std::vector<core::DriftCount>> SnapshotReads<core::JudgeView>::open_drift_counts();
template Result<std::map<DriftState, std::int64_t>> SnapshotReads<core::Snapshot>::drift_counts(
    const core::DriftFilter&);
template Result<std::map<DriftState, std::int64_t>> SnapshotReads<core::JudgeView>::drift_counts(
    const core::DriftFilter&);
template Result<std::vector<core::DriftEventRow>> SnapshotReads<core::Snapshot>::drift_events_of(
    std::int64_t);
template Result<std::vector<core::DriftEventRow>> SnapshotReads<core::JudgeView>::drift_events_of(
    std::int64_t);
template Result<std::vector<core::DriftEventRow>> SnapshotReads<core::Snapshot>::drift_events(
    std::int64_t, std::size_t);
template Result<std::vector<core::DriftEventRow>> SnapshotReads<core::JudgeView>::drift_events(
    std::int64_t, std::size_t);
template Result<std::vector<core::DriftEventRow>> SnapshotReads<core::Snapshot>::drift_events_since(
    core::Time);
template Result<std::vector<core::DriftEventRow>>
    SnapshotReads<core::JudgeView>::drift_events_since(core::Time);
template Result<std::vector<core::Acceptance>> SnapshotReads<core::Snapshot>::acceptances(bool);
template Result<std::vector<core::Acceptance>> SnapshotReads<core::Snapshot>::general_acceptances();
template Result<std::vector<core::Acceptance>> SnapshotReads<core::Snapshot>::expired_acceptances(
    core::Time);
template Result<std::optional<core::Acceptance>> SnapshotReads<core::Snapshot>::find_acceptance(
    std::int64_t);
template Result<std::vector<core::Acceptance>> SnapshotReads<core::JudgeView>::acceptances(bool);
template Result<std::vector<core::Acceptance>>
SnapshotReads<core::JudgeView>::general_acceptances();
template Result<std::vector<core::Acceptance>> SnapshotReads<core::JudgeView>::expired_acceptances(
    core::Time);
template Result<std::optional<core::Acceptance>> SnapshotReads<core::JudgeView>::find_acceptance(
    std::int64_t);

}  // namespace plumbline::storage
