#include "storage/sinks.hpp"

#include "storage/sqlite_snapshot.hpp"

#include <algorithm>

namespace plumbline::storage {

using core::EventPosition;
using core::Result;
using core::Status;

namespace {

constexpr std::int64_t kMicrosAMinute = 60'000'000;
constexpr std::int64_t kDeadLettersKept = 1000;  // of each sink

Status add_dead_letter(Connection& connection, const core::DeadLetter& letter) {
  return connection.prepare("INSERT INTO dead_letter (sink, event, at, error) VALUES (?, ?, ?, ?)")
      .bind(1, letter.sink)
      .bind(2, letter.event)
      .bind(3, core::to_micros(letter.at))
      .bind(4, letter.error)
      .run();
}

}  // namespace

Status put_sink(Connection& connection,
                std::string_view sink,
                const EventPosition& position,
                const std::vector<core::DeadLetter>& refused) {
  auto transaction = Transaction::begin(connection);
  if (!transaction) {
    return transaction.error();
  }
  for (const auto& letter : refused) {
    if (auto done = add_dead_letter(connection, letter); !done) {
      return done;
    }
  }
  if (!refused.empty()) {
    if (auto done = connection
                        .prepare("DELETE FROM dead_letter WHERE sink = ?1 AND id <= "
                                 "(SELECT id FROM dead_letter WHERE sink = ?1 "
                                 "ORDER BY id DESC LIMIT 1 OFFSET ?2)")
                        .bind(1, sink)
                        .bind(2, kDeadLettersKept)
                        .run();
        !done) {
      return done;
    }
  }
  if (auto done = connection.prepare("INSERT OR REPLACE INTO sink VALUES (?, ?, ?)")
                      .bind(1, sink)
                      .bind(2, position.drift_event)
                      .bind(3, position.transition)
                      .run();
      !done) {
    return done;
  }
  return (*transaction)->commit();
}

template <class Base>
Result<std::vector<core::DriftMinute>> SnapshotReads<Base>::drift_minutes(core::Time since) {
  const Use use(connection_->prepare(
      // The divisor stands in the text, as it does in the index.
      "WITH minute(number) AS ("
      "SELECT opened_at / 60000000 FROM drift "
      "WHERE resolved_cycle IS NULL AND acceptance_id IS NULL "
      "UNION SELECT d.opened_at / 60000000 FROM drift_event e JOIN drift d ON d.id = e.drift_id "
      "WHERE e.at >= ?1) "
      "SELECT opened_at / 60000000, coalesce(rated, severity), count(*), "
      "sum(resolved_cycle IS NULL AND acceptance_id IS NULL) FROM drift "
      "WHERE opened_at / 60000000 IN (SELECT number FROM minute) GROUP BY 1, 2 ORDER BY 1, 2"));
  use->bind(1, core::to_micros(since));
  return all_rows<core::DriftMinute>(*use, [](const Statement& row) {
    core::DriftMinute out;
    out.minute = core::from_micros(row.integer(0) * kMicrosAMinute);
    out.severity = core::parse_severity(row.text(1)).value_or(core::Severity::kLow);
    out.opened = row.integer(2);
    out.open = row.integer(3);
    return out;
  });
}

template <class Base>
Result<EventPosition> SnapshotReads<Base>::last_events() {
  const Use use(
      connection_->prepare("SELECT (SELECT coalesce(max(id), 0) FROM drift_event), "
                           "(SELECT coalesce(max(id), 0) FROM transition)"));
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  return EventPosition{use->integer(0), use->integer(1)};
}

template <class Base>
Result<core::PendingEvents> SnapshotReads<Base>::pending_events(const EventPosition& after) {
  const Use use(connection_->prepare(
      "SELECT (SELECT count(*) FROM drift_event WHERE id > ?1), "
      "(SELECT at FROM drift_event WHERE id > ?1 ORDER BY id LIMIT 1), "
      "(SELECT count(*) FROM transition WHERE id > ?2), "
      "(SELECT y.committed_at FROM transition t JOIN cycle y ON y.number = t.cycle "
      "WHERE t.id > ?2 ORDER BY t.id LIMIT 1)"));
  use->bind(1, after.drift_event).bind(2, after.transition);
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  core::PendingEvents out;
  out.count = use->integer(0) + use->integer(2);
  for (const int column : {1, 3}) {
    if (!use->is_null(column)) {
      const auto at = core::from_micros(use->integer(column));
      out.oldest = out.oldest ? std::min(*out.oldest, at) : at;
    }
  }
  return out;
}

template <class Base>
Result<std::optional<EventPosition>> SnapshotReads<Base>::sink_position(std::string_view sink) {
  const Use use(connection_->prepare("SELECT drift_event, transition FROM sink WHERE name = ?"));
  use->bind(1, sink);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(EventPosition{use->integer(0), use->integer(1)}) : std::nullopt;
}

template <class Base>
Result<std::vector<core::DeadLetter>> SnapshotReads<Base>::dead_letters(std::size_t limit) {
  const Use use(connection_->prepare(
      "SELECT id, sink, event, at, error FROM dead_letter ORDER BY id DESC LIMIT ?"));
  use->bind(1, static_cast<std::int64_t>(limit));
  return all_rows<core::DeadLetter>(*use, [](const Statement& row) {
    core::DeadLetter out;
    out.id = row.integer(0);
    out.sink = row.text(1);
    out.event = row.text(2);
    out.at = core::from_micros(row.integer(3));
    out.error = row.text(4);
    return out;
  });
}

template <class Base>
Result<std::int64_t> SnapshotReads<Base>::count_dead_letters(std::string_view sink) {
  const Use use(connection_->prepare("SELECT count(*) FROM dead_letter WHERE sink = ?"));
  use->bind(1, sink);
  if (const auto row = use->step(); !row) {
    return row.error();
  }
  return use->integer(0);
}

template Result<std::vector<core::DriftMinute>> SnapshotReads<core::Snapshot>::drift_minutes(
    core::Time);
template Result<std::vector<core::DriftMinute>> SnapshotReads<core::JudgeView>::drift_minutes(
    core::Time);
template Result<EventPosition> SnapshotReads<core::Snapshot>::last_events();
template Result<EventPosition> SnapshotReads<core::JudgeView>::last_events();
template Result<core::PendingEvents> SnapshotReads<core::Snapshot>::pending_events(
    const EventPosition&);
template Result<core::PendingEvents> SnapshotReads<core::JudgeView>::pending_events(
    const EventPosition&);
template Result<std::optional<EventPosition>> SnapshotReads<core::Snapshot>::sink_position(
    std::string_view);
template Result<std::optional<EventPosition>> SnapshotReads<core::JudgeView>::sink_position(
    std::string_view);
template Result<std::vector<core::DeadLetter>> SnapshotReads<core::Snapshot>::dead_letters(
    std::size_t);
template Result<std::vector<core::DeadLetter>> SnapshotReads<core::JudgeView>::dead_letters(
    std::size_t);
template Result<std::int64_t> SnapshotReads<core::Snapshot>::count_dead_letters(std::string_view);
template Result<std::int64_t> SnapshotReads<core::JudgeView>::count_dead_letters(std::string_view);

}  // namespace plumbline::storage
