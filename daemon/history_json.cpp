#include "daemon/history_json.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using json = nlohmann::json;

namespace {

json time_or_null(const std::optional<core::Time>& time) {
  return time ? json(core::to_rfc3339(*time)) : json(nullptr);
}

json state_or_null(const std::optional<core::ComplianceState>& state) {
  return state ? json(std::string(core::to_string(*state))) : json(nullptr);
}

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

Result<json> history_json(core::Snapshot& snapshot, std::string_view key, std::size_t limit) {
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
  json out = {{"id", key},
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
