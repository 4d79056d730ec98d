#include "daemon/history_json.hpp"

#include "compliance/attribution.hpp"
#include "daemon/json_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using json = nlohmann::json;

namespace {

json state_or_null(const std::optional<core::ComplianceState>& state) {
  return state ? json(std::string(core::to_string(*state))) : json(nullptr);
}

/// Puts the entries of a timeline together, each at its time.
class TimelineMaker {
 public:
  TimelineMaker(core::Snapshot& snapshot,
                DriftRenderer& renderer,
                std::string_view key,
                std::size_t limit)
      : snapshot_(&snapshot), renderer_(&renderer), key_(key), limit_(limit) {}

  Result<Timeline> make() {
    for (const auto step : {&TimelineMaker::add_drift,
                            &TimelineMaker::add_transitions,
                            &TimelineMaker::add_versions,
                            &TimelineMaker::add_changes}) {
      if (auto done = (this->*step)(); !done) {
        return done.error();
      }
    }
    // What came of a change at the same instant stands above it, as it was added before.
    std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
      return a.at != b.at ? a.at > b.at : a.order < b.order;
    });
    Timeline out;
    out.more = entries_.size() > limit_ || cut_;
    entries_.resize(std::min(entries_.size(), limit_));
    for (auto& entry : entries_) {
      entry.body["at"] = core::to_rfc3339(entry.at);
      out.entries.push_back(std::move(entry.body));
    }
    return out;
  }

 private:
  struct Entry {
    core::Time at;
    std::size_t order = 0;
    json body;
  };

  void add(core::Time at, json body) { entries_.push_back({at, entries_.size(), std::move(body)}); }

  core::Status add_drift() {
    core::DriftFilter filter;
    filter.scope = key_;
    filter.limit = kRowsAtOnce;
    for (;;) {
      const auto rows = snapshot_->drift(filter);
      if (!rows) {
        return rows.error();
      }
      for (const auto& row : *rows) {
        // A list that hangs on the resource is its own; a resource below it is another one.
        if (row.resource_key == key_ || row.is_detail) {
          if (auto done = add_steps(row); !done) {
            return done;
          }
        }
      }
      if (rows->size() < filter.limit || entries_.size() > limit_) {
        cut_ = rows->size() == filter.limit;
        return core::Status::ok();
      }
      filter.before = rows->back().item.id;
    }
  }

  core::Status add_steps(const core::DriftRow& row) {
    const auto events = snapshot_->drift_events_of(row.item.id);
    const auto attribution = compliance::attribution_of(*snapshot_, row);
    if (!events || !attribution) {
      return !events ? events.error() : attribution.error();
    }
    for (const auto& event : std::views::reverse(*events)) {
      const bool is_move =
          event.step == core::DriftStep::kOpened || event.step == core::DriftStep::kChanged;
      auto covered_by = renderer_->acceptance(event.acceptance);
      if (!covered_by) {
        return covered_by.error();
      }
      add(event.at,
          json{
              {"entry", "drift"},
              {"cycle", event.cycle},
              {"step", core::to_string(event.step)},
              {"drift", row.item.id},
              {"kind", core::to_string(row.item.kind)},
              {"severity", core::to_string(row.item.severity)},
              {"assignment", row.assignment},
              {"reference", row.reference},
              {"resource_key", row.resource_key},
              {"path", row.item.path},
              {"old", row.item.old_value},
              {"new", row.item.new_value},
              {"change", is_move && *attribution ? attribution_json(**attribution) : json(nullptr)},
              {"acceptance", *std::move(covered_by)}});
    }
    return core::Status::ok();
  }

  core::Status add_transitions() {
    const auto rows = snapshot_->transitions_of(key_, limit_ + 1);
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      auto entry = transition_json(row);
      entry["entry"] = "transition";
      add(row.at, std::move(entry));
    }
    return core::Status::ok();
  }

  core::Status add_versions() {
    const auto rows = snapshot_->versions(key_);
    auto told =
        versions_json(*snapshot_, key_, std::numeric_limits<std::int64_t>::max(), limit_ + 1);
    if (!rows || !told) {
      return !rows ? rows.error() : told.error();
    }
    for (std::size_t i = 0; i < std::min(rows->size(), told->size()); ++i) {
      const auto& row = (*rows)[i];
      const auto* newer = i > 0 ? &(*rows)[i - 1] : nullptr;
      const auto* older = i + 1 < rows->size() ? &(*rows)[i + 1] : nullptr;
      if (row.to_cycle && (newer == nullptr || newer->from_cycle != *row.to_cycle)) {
        if (auto done = add_end(row); !done) {
          return done;
        }
      }
      if (older != nullptr && older->to_cycle != row.from_cycle) {
        older = nullptr;  // it had gone in between
      }
      const auto by = compliance::attribution_of(*snapshot_, key_, older, &row, row.observed_at);
      if (!by) {
        return by.error();
      }
      add(row.observed_at,
          json{{"entry", "version"},
               {"cycle", row.from_cycle},
               {"version", row.row},
               {"changes", std::move((*told)[i]["changes"])},
               {"change", attribution_json(*by)}});
    }
    return core::Status::ok();
  }

  core::Status add_end(const core::VersionRow& last) {
    const auto at = snapshot_->committed_at(*last.to_cycle);
    if (!at) {
      return at.error();
    }
    if (!*at) {
      return core::Status::ok();
    }
    const auto by = compliance::attribution_of(*snapshot_, key_, &last, nullptr, **at);
    if (!by) {
      return by.error();
    }
    add(**at, json{{"entry", "end"}, {"cycle", *last.to_cycle}, {"change", attribution_json(*by)}});
    return core::Status::ok();
  }

  core::Status add_changes() {
    const auto records = snapshot_->change_records(key_, limit_ + 1);
    if (!records) {
      return records.error();
    }
    for (const auto& record : *records) {
      add(record.at,
          json{{"entry", "change"},
               {"kind", record.kind},
               {"changed_by", record.changed_by},
               {"changed_by_type", record.changed_by_type},
               {"client_type", record.client_type},
               {"operation", record.operation},
               {"correlation_id", record.correlation_id},
               {"paths", record.paths}});
    }
    return core::Status::ok();
  }

  static constexpr std::size_t kRowsAtOnce = 1000;

  core::Snapshot* snapshot_;
  DriftRenderer* renderer_;
  std::string_view key_;
  std::size_t limit_;
  std::vector<Entry> entries_;
  bool cut_ = false;
};

}  // namespace

json transition_json(const core::TransitionRow& row) {
  return {{"cycle", row.cycle},
          {"at", core::to_rfc3339(row.at)},
          {"assignment", row.assignment},
          {"reference", row.reference},
          {"from", state_or_null(row.transition.from)},
          {"to", state_or_null(row.transition.to)},
          {"reason", row.transition.reason},
          {"cause", core::to_string(row.transition.cause)}};
}

Result<json> versions_json(core::Snapshot& snapshot,
                           std::string_view key,
                           std::int64_t before,
                           std::size_t limit) {
  auto rows = snapshot.versions(key);
  if (!rows) {
    return rows.error();
  }
  json list = json::array();
  std::optional<json> newer;
  const auto add_changes = [&](const std::optional<json>& older) {
    if (newer) {
      list.back()["changes"] = older ? json::diff(*older, *newer) : json::array();
    }
  };
  for (const auto& row : *rows) {
    if (row.row >= before) {
      continue;
    }
    auto stored = snapshot.find_version(row.row);
    if (!stored) {
      return stored.error();
    }
    if (!*stored) {
      continue;
    }
    auto body = json::parse((*stored)->body, nullptr, false);
    add_changes(body);
    if (list.size() == limit) {
      return list;
    }
    auto from = snapshot.committed_at(row.from_cycle);
    if (!from) {
      return from.error();
    }
    Result<std::optional<core::Time>> to = std::optional<core::Time>();
    if (row.to_cycle) {
      to = snapshot.committed_at(*row.to_cycle);
      if (!to) {
        return to.error();
      }
    }
    list.push_back({{"version", row.row},
                    {"from_cycle", row.from_cycle},
                    {"from", time_or_null(*from)},
                    {"to_cycle", row.to_cycle ? json(*row.to_cycle) : json(nullptr)},
                    {"to", time_or_null(*to)},
                    {"observed_at", core::to_rfc3339(row.observed_at)},
                    {"changes", json::array()}});
    newer = std::move(body);
  }
  return list;
}

json patch_json(const std::string* before, const std::string* after) {
  const auto parse = [](const std::string& body) { return json::parse(body, nullptr, false); };
  if (before != nullptr && after != nullptr) {
    return json::diff(parse(*before), parse(*after));
  }
  if (after != nullptr) {
    return json::array({{{"op", "add"}, {"path", ""}, {"value", parse(*after)}}});
  }
  return before == nullptr ? json::array() : json::array({{{"op", "remove"}, {"path", ""}}});
}

Result<Timeline> timeline_json(core::Snapshot& snapshot,
                               DriftRenderer& renderer,
                               std::string_view key,
                               std::size_t limit) {
  return TimelineMaker(snapshot, renderer, key, limit).make();
}

Result<json> history_json(core::Snapshot& snapshot,
                          DriftRenderer& renderer,
                          std::string_view key,
                          std::size_t limit) {
  auto versions = versions_json(snapshot, key, std::numeric_limits<std::int64_t>::max(), limit);
  if (!versions) {
    return versions.error();
  }
  auto transitions = snapshot.transitions_of(key, limit);
  if (!transitions) {
    return transitions.error();
  }
  core::DriftFilter filter;
  filter.scope = key;
  filter.limit = limit;
  auto drift = snapshot.drift(filter);
  if (!drift) {
    return drift.error();
  }
  if (versions->empty() && transitions->empty() && drift->empty()) {
    return Error{Errc::kNotFound, fmt::format("nothing is kept of a resource {}", key)};
  }
  auto timeline = timeline_json(snapshot, renderer, key, limit);
  if (!timeline) {
    return timeline.error();
  }
  json out = {{"id", key},
              {"timeline", std::move(timeline->entries)},
              {"versions", *std::move(versions)},
              {"transitions", json::array()},
              {"drift", json::array()}};
  for (const auto& row : *transitions) {
    out["transitions"].push_back(transition_json(row));
  }
  for (const auto& row : *drift) {
    out["drift"].push_back({{"kind", core::to_string(row.item.kind)},
                            {"assignment", row.assignment},
                            {"reference", row.reference},
                            {"path", row.item.path},
                            {"old_value", row.item.old_value},
                            {"new_value", row.item.new_value},
                            {"severity", core::to_string(row.item.severity)},
                            {"opened_at", core::to_rfc3339(row.item.opened_at)},
                            {"resolved_at", time_or_null(row.item.resolved_at)}});
  }
  return out;
}

Result<json> past_json(core::Snapshot& snapshot, std::string_view key, core::Time at) {
  const auto cycle = snapshot.cycle_at(at);
  if (!cycle) {
    return cycle.error();
  }
  const Error absent{Errc::kNotFound,
                     fmt::format("there was no resource {} at {}", key, core::to_rfc3339(at))};
  if (!*cycle) {
    return absent;
  }
  auto stored = snapshot.find_at(key, **cycle);
  if (!stored) {
    return stored.error();
  }
  if (!*stored) {
    return absent;
  }
  auto verdicts = snapshot.verdicts_at(key, **cycle);
  if (!verdicts) {
    return verdicts.error();
  }
  json out = {{"id", (*stored)->id},
              {"key", (*stored)->key},
              {"type", (*stored)->type},
              {"at", core::to_rfc3339(at)},
              {"cycle", **cycle},
              {"version", (*stored)->version},
              {"from_cycle", (*stored)->from_cycle},
              {"configuration", json::parse((*stored)->body, nullptr, false)},
              {"verdicts", json::array()}};
  for (const auto& verdict : *verdicts) {
    out["verdicts"].push_back({{"assignment", verdict.assignment},
                               {"reference", verdict.reference},
                               {"state", core::to_string(verdict.state)},
                               {"reason", verdict.reason},
                               {"since_cycle", verdict.since_cycle}});
  }
  return out;
}

}  // namespace plumbline::daemon
