#include "storage/chain.hpp"

#include "core/digest.hpp"
#include "storage/body_codec.hpp"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace plumbline::storage {

using core::Result;
using core::Status;

namespace {

/// A kind of change: what it is called in the hash, and where it is found. The first column is the
/// cycle, the second the row; all of them are hashed.
struct Part {
  std::string_view tag;
  std::string_view select;
  std::string_view cycle;
  std::string_view row;
  std::string_view table;  // whose new rows these are; empty: found by an index on the cycle
};

constexpr std::string_view kCycleRow =
    "SELECT number, kind, scope, started_at, committed_at, complete, observed, changed, deleted, "
    "evaluated, transitions, chain FROM cycle";
constexpr int kChainColumn = 11;

// The order is part of the hash; docs/schema.md describes it.
constexpr std::array<Part, 9> kParts = {
    Part{"version",
         "SELECT v.from_cycle, v.id, r.key, v.observed_at, v.normaliser, v.fingerprint, "
         "v.checksum FROM version v JOIN resource r ON r.id = v.resource_id",
         "v.from_cycle",
         "v.id",
         "version"},
    Part{"end",
         "SELECT v.to_cycle, v.id, r.key FROM version v JOIN resource r ON r.id = v.resource_id",
         "v.to_cycle",
         "v.id",
         ""},
    Part{"transition",
         "SELECT t.cycle, t.id, c.assignment, c.reference, r.key, t.from_state, t.to_state, "
         "t.reason, t.cause FROM transition t JOIN policy_check c ON c.id = t.check_id "
         "JOIN resource r ON r.id = t.resource_id",
         "t.cycle",
         "t.id",
         "transition"},
    Part{"drift",
         "SELECT d.opened_cycle, d.id, d.kind, c.assignment, c.reference, r.key, d.path, "
         "d.old_value, d.new_value, d.severity, d.opened_at FROM drift d "
         "LEFT JOIN policy_check c ON c.id = d.check_id JOIN resource r ON r.id = d.resource_id",
         "d.opened_cycle",
         "d.id",
         "drift"},
    Part{"resolution",
         "SELECT d.resolved_cycle, d.id, d.resolved_at FROM drift d",
         "d.resolved_cycle",
         "d.id",
         ""},
    Part{"change",
         "SELECT h.cycle, h.id, h.change_id, h.resource_key, h.changed_at, h.kind, h.changed_by, "
         "h.changed_by_type, h.client_type, h.operation, h.correlation_id, h.paths "
         "FROM change_record h",
         "h.cycle",
         "h.id",
         "change_record"},
    Part{"acceptance",
         "SELECT a.cycle, a.id, a.accepted_at, a.name, a.kind, a.scope, a.type, a.path, "
         "a.assignment, a.reference, a.up_to_cycle, a.snooze, a.reason, a.author, a.expires_at, "
         "a.drift_id "
         "FROM acceptance a",
         "a.cycle",
         "a.id",
         "acceptance"},
    Part{"acceptance_end",
         "SELECT a.ended_cycle, a.id, a.ended_at FROM acceptance a",
         "a.ended_cycle",
         "a.id",
         ""},
    Part{"step",
         "SELECT e.cycle, e.id, e.at, e.step, e.drift_id, e.acceptance_id FROM drift_event e",
         "e.cycle",
         "e.id",
         "drift_event"},
};

/// Every value with its length, so that no two rows read the same.
std::string serialise(std::string_view tag, const Statement& row, int columns) {
  std::string out(tag);
  for (int column = 0; column < columns; ++column) {
    if (row.is_null(column)) {
      out += "|-";
    } else {
      const auto value = row.blob(column);
      out += '|';
      out += std::to_string(value.size());
      out += ':';
      out += value;
    }
  }
  return out;
}

void fold(std::string& link, const std::string& item) {
  link += item;
  link = as_bytes(core::sha256(link));
}

/// The link before any change: over the one before and the cycle's row.
std::string start(std::string_view previous, const Statement& row) {
  return std::string(
      as_bytes(core::sha256(std::string(previous) + serialise("cycle", row, kChainColumn))));
}

}  // namespace

Status Chain::begin() {
  ends_.assign(kParts.size(), 0);
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    if (kParts.at(i).table.empty()) {
      continue;
    }
    const auto end = connection_->query_integer(
        fmt::format("SELECT coalesce(max(id), 0) FROM {}", kParts.at(i).table));
    if (!end) {
      return end.error();
    }
    ends_.at(i) = *end;
  }
  return Status::ok();
}

Status Chain::link(std::int64_t cycle) {
  std::string link;
  {
    const Use before(connection_->prepare(
        "SELECT chain FROM cycle WHERE number < ? ORDER BY number DESC LIMIT 1"));
    before->bind(1, cycle);
    const auto found = before->step();
    if (!found) {
      return found.error();
    }
    const Use row(connection_->prepare(fmt::format("{} WHERE number = ?", kCycleRow)));
    row->bind(1, cycle);
    const auto read = row->step();
    if (!read) {
      return read.error();
    }
    link = start(*found ? before->blob(0) : std::string_view(), *row);
  }
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const auto& part = kParts.at(i);
    const Use use(connection_->prepare(fmt::format(
        "{} WHERE {} = ? AND {} > ? ORDER BY {}", part.select, part.cycle, part.row, part.row)));
    use->bind(1, cycle).bind(2, ends_.at(i));
    if (auto done = each_row(
            *use,
            [&](const Statement& row) { fold(link, serialise(part.tag, row, row.columns())); });
        !done) {
      return done;
    }
  }
  return connection_->prepare("UPDATE cycle SET chain = ? WHERE number = ?")
      .bind_blob(1, link)
      .bind(2, cycle)
      .run();
}

Result<ChainReport> check_chain(Connection& connection) {
  ChainReport report;
  std::int64_t horizon = 0;
  std::string previous;
  {
    const Use use(connection.prepare("SELECT cycle, chain FROM horizon"));
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (*row) {
      horizon = use->integer(0);
      previous = use->blob(1);
    }
  }
  // One stream for each kind of change, all in the order of cycles.
  std::vector<Use> streams;
  streams.reserve(kParts.size());
  std::array<bool, kParts.size()> more{};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const auto& part = kParts.at(i);
    streams.emplace_back(connection.prepare(fmt::format(
        "{} WHERE {} > ? ORDER BY {}, {}", part.select, part.cycle, part.cycle, part.row)));
    streams.back()->bind(1, horizon);
    const auto row = streams.back()->step();
    if (!row) {
      return row.error();
    }
    more.at(i) = *row;
  }
  std::int64_t expected = horizon + 1;
  bool chained = false;
  const Use cycles(connection.prepare(fmt::format("{} ORDER BY number", kCycleRow)));
  for (;;) {
    const auto row = cycles->step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      break;
    }
    const auto number = cycles->integer(0);
    if (number <= horizon) {
      ++report.beyond_horizon;
      continue;
    }
    const bool gap = number != expected;
    expected = number + 1;
    std::string link = start(previous, *cycles);
    bool stray = false;
    for (std::size_t i = 0; i < kParts.size(); ++i) {
      while (more.at(i) && streams.at(i)->integer(0) <= number) {
        stray = stray || streams.at(i)->integer(0) < number;
        fold(link, serialise(kParts.at(i).tag, *streams.at(i), streams.at(i)->columns()));
        const auto next = streams.at(i)->step();
        if (!next) {
          return next.error();
        }
        more.at(i) = *next;
      }
    }
    if (cycles->is_null(kChainColumn) && !chained) {
      ++report.not_chained;
      continue;
    }
    chained = true;
    previous = cycles->blob(kChainColumn);
    if (gap || stray || previous != link) {
      report.first_misfit = number;
      return report;
    }
    ++report.checked;
  }
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    if (more.at(i)) {
      report.first_misfit = streams.at(i)->integer(0);  // changes of a cycle that is not there
    }
  }
  return report;
}

std::string next_link(std::string_view link,
                      std::string_view tag,
                      const std::vector<std::optional<std::string>>& values) {
  std::string item(link);
  item += tag;
  for (const auto& value : values) {
    item += value ? fmt::format("|{}:", value->size()) + *value : "|-";
  }
  return std::string(as_bytes(core::sha256(item)));
}

Status for_each_chain_item(Connection& connection,
                           std::int64_t first,
                           std::int64_t last,
                           const std::function<Status(const ChainItem&)>& visit) {
  const auto item_of = [](std::string_view tag, const Statement& row, int columns) {
    ChainItem item;
    item.tag = tag;
    for (int column = 0; column < columns; ++column) {
      item.values.push_back(row.is_null(column) ? std::nullopt
                                                : std::optional<std::string>(row.blob(column)));
    }
    return item;
  };
  std::vector<Use> streams;
  streams.reserve(kParts.size());
  std::array<bool, kParts.size()> more{};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const auto& part = kParts.at(i);
    streams.emplace_back(
        connection.prepare(fmt::format("{} WHERE {} BETWEEN ? AND ? ORDER BY {}, {}",
                                       part.select,
                                       part.cycle,
                                       part.cycle,
                                       part.row)));
    streams.back()->bind(1, first).bind(2, last);
    const auto row = streams.back()->step();
    if (!row) {
      return row.error();
    }
    more.at(i) = *row;
  }
  const Use cycles(connection.prepare(
      fmt::format("{} WHERE number BETWEEN ? AND ? ORDER BY number", kCycleRow)));
  cycles->bind(1, first).bind(2, last);
  for (;;) {
    const auto row = cycles->step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      return Status::ok();
    }
    auto own = item_of("cycle", *cycles, kChainColumn);
    own.link = cycles->blob(kChainColumn);
    if (auto done = visit(own); !done) {
      return done;
    }
    for (std::size_t i = 0; i < kParts.size(); ++i) {
      while (more.at(i) && streams.at(i)->integer(0) == cycles->integer(0)) {
        auto& stream = *streams.at(i);
        if (auto done = visit(item_of(kParts.at(i).tag, stream, stream.columns())); !done) {
          return done;
        }
        const auto next = stream.step();
        if (!next) {
          return next.error();
        }
        more.at(i) = *next;
      }
    }
  }
}

}  // namespace plumbline::storage
