#include "events/alerts.hpp"

#include "core/json_member.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>
#include <utility>

namespace plumbline::events {

using core::DriftState;
using core::DriftStep;
using core::Result;
using core::Severity;
using core::text_member;
using nlohmann::json;

namespace {

constexpr std::size_t kPage = 200;
constexpr std::size_t kLongestValue = 300;
constexpr std::chrono::seconds kLeastLife{300};

/// As in the project's own rules: what routes, and what says how bad.
void add_severity(Labels& labels, Severity severity) {
  labels["severity"] = severity >= Severity::kHigh ? "page" : "ticket";
  labels["check_severity"] = core::to_string(severity);
  labels["component"] = "compliance";
}

void add(Labels& labels, const char* name, std::string_view value) {
  if (!value.empty()) {
    labels[name] = value;
  }
}

std::string_view last_segment(std::string_view id) {
  return id.substr(id.rfind('/') + 1);
}

std::string value_text(const std::string& value) {
  if (value.empty()) {
    return "nothing";
  }
  return value.size() <= kLongestValue ? value : "a value too long to show";
}

std::string description_of(const core::DriftRow& row,
                           const json& item,
                           const std::optional<CheckFacts>& check) {
  std::string out;
  if (row.item.kind == core::DriftKind::kBaseline) {
    out = fmt::format("{} fails {}.", row.resource_id, row.reference);
  } else if (row.item.path.empty()) {
    out = fmt::format(
        "{} was {}.", row.resource_id, row.item.old_value.empty() ? "added" : "removed");
  } else {
    out = fmt::format("{} of {} became {}, was {}.",
                      row.item.path,
                      row.resource_id,
                      value_text(row.item.new_value),
                      value_text(row.item.old_value));
  }
  const auto change = item.find("change");
  if (change != item.end() && change->is_object() && !text_member(*change, "changed_by").empty()) {
    const auto client = text_member(*change, "client_type");
    out += fmt::format(" Changed by {}{}{}.",
                       text_member(*change, "changed_by"),
                       client.empty() ? "" : " with ",
                       client);
  }
  if (check && check->score && row.item.kind == core::DriftKind::kBaseline) {
    out += fmt::format(" The score of {} is {:.1f} %, {:.2f} points less by it.",
                       row.assignment,
                       *check->score * 100,
                       check->share * 100);
  }
  return out + fmt::format(" Open since {}.", core::to_rfc3339(row.item.opened_at));
}

core::Time minute_of(core::Time at) {
  return std::chrono::floor<std::chrono::minutes>(at);
}

/// When items that are open no longer ended, by item; of each the last time.
using Ends = std::map<std::int64_t, core::Time>;

Result<Ends> recent_ends(core::Snapshot& snapshot, core::Time since) {
  auto steps = snapshot.drift_events_since(since);
  if (!steps) {
    return steps.error();
  }
  Ends ends;
  for (const auto& step : *steps) {  // the latest first
    if (step.step == DriftStep::kResolved || step.step == DriftStep::kAccepted ||
        step.step == DriftStep::kSnoozed) {
      ends.emplace(step.drift, step.at);
    }
  }
  return ends;
}

/// By labels; what is open goes before what has ended, and of those the later one.
class AlertSet {
 public:
  void put(Alert alert) {
    auto [found, is_new] = alerts_.try_emplace(alert.labels, alert);
    const auto& known = found->second.ended_at;
    if (!is_new && known && (!alert.ended_at || *alert.ended_at > *known)) {
      found->second = std::move(alert);
    }
  }

  [[nodiscard]] std::vector<Alert> take() {
    std::vector<Alert> out;
    out.reserve(alerts_.size());
    for (auto& [labels, alert] : alerts_) {
      out.push_back(std::move(alert));
    }
    return out;
  }

  [[nodiscard]] std::size_t size() const { return alerts_.size(); }

 private:
  std::map<Labels, Alert> alerts_;
};

/// Minutes in which too much opened for one alert an item; each with its severities.
std::map<core::Time, std::vector<core::DriftMinute>> crowded_minutes(
    const std::vector<core::DriftMinute>& minutes, Severity least) {
  std::map<core::Time, std::vector<core::DriftMinute>> out;
  for (const auto& minute : minutes) {
    if (minute.severity >= least) {
      out[minute.minute].push_back(minute);
    }
  }
  std::erase_if(out, [](const auto& entry) {
    std::int64_t opened = 0;
    for (const auto& part : entry.second) {
      opened += part.opened;
    }
    return opened <= kMostAMinute;
  });
  return out;
}

class Reader {
 public:
  Reader(core::Snapshot& snapshot, Facts& facts, const AlertOptions& options)
      : snapshot_(&snapshot), facts_(&facts), options_(&options) {}

  Result<std::vector<Alert>> read(core::Time now) {
    auto minutes = snapshot_->drift_minutes(now - kTellEnd);
    auto ends = recent_ends(*snapshot_, now - kTellEnd);
    if (!minutes || !ends) {
      return !minutes ? minutes.error() : ends.error();
    }
    crowded_ = crowded_minutes(*minutes, options_->min_severity);
    if (auto done = read_open(); !done) {
      return done.error();
    }
    if (auto done = read_ended(*ends); !done) {
      return done.error();
    }
    for (const auto& [minute, parts] : crowded_) {
      const bool is_open = std::ranges::any_of(parts, [](const auto& of) { return of.open > 0; });
      const auto ended = group_ends_.find(minute);
      if (is_open) {
        alerts_.put(make_group_alert(parts, std::nullopt, options_->external_url));
      } else if (ended != group_ends_.end()) {
        alerts_.put(make_group_alert(parts, ended->second, options_->external_url));
      }
    }
    return alerts_.take();
  }

 private:
  core::Status put(const core::DriftRow& row, std::optional<core::Time> ended_at) {
    auto item = facts_->drift(row);
    if (!item) {
      return item.error();
    }
    const auto check = row.reference.empty() ? std::optional<CheckFacts>()
                                             : facts_->check(row.assignment, row.reference);
    auto alert = make_alert(row, *item, check, options_->external_url);
    alert.ended_at = ended_at;
    alerts_.put(std::move(alert));
    return core::Status::ok();
  }

  core::Status read_open() {
    for (const auto severity : std::views::reverse(core::kSeverities)) {
      core::DriftFilter filter;
      filter.states = {DriftState::kOpen};
      filter.severity = severity;
      filter.limit = kPage;
      for (bool more = severity >= options_->min_severity; more;) {
        auto rows = snapshot_->drift(filter);
        if (!rows) {
          return rows.error();
        }
        for (const auto& row : *rows) {
          filter.before = row.item.id;
          if (crowded_.contains(minute_of(row.item.opened_at))) {
            continue;
          }
          if (alerts_.size() == kMostAlerts) {
            return core::Status::ok();
          }
          if (auto done = put(row, std::nullopt); !done) {
            return done;
          }
        }
        more = rows->size() == kPage;
      }
    }
    return core::Status::ok();
  }

  core::Status read_ended(const Ends& ends) {
    for (const auto& [id, at] : ends) {
      core::DriftFilter filter;
      filter.id = id;
      auto rows = snapshot_->drift(filter);
      if (!rows) {
        return rows.error();
      }
      if (rows->empty() || rows->front().state == DriftState::kOpen ||
          rows->front().item.severity < options_->min_severity) {
        continue;
      }
      const auto& row = rows->front();
      const auto minute = minute_of(row.item.opened_at);
      if (crowded_.contains(minute)) {
        group_ends_[minute] = std::max(group_ends_[minute], at);
      } else if (alerts_.size() < kMostAlerts) {
        if (auto done = put(row, at); !done) {
          return done;
        }
      }
    }
    return core::Status::ok();
  }

  core::Snapshot* snapshot_;
  Facts* facts_;
  const AlertOptions* options_;
  std::map<core::Time, std::vector<core::DriftMinute>> crowded_;
  std::map<core::Time, core::Time> group_ends_;
  AlertSet alerts_;
};

}  // namespace

Alert make_alert(const core::DriftRow& row,
                 const json& item,
                 const std::optional<CheckFacts>& check,
                 std::string_view external_url) {
  Alert out;
  out.labels["alertname"] = "PlumblineDrift";
  add_severity(out.labels, row.item.severity);
  add(out.labels, "drift", text_member(item, "identity"));
  add(out.labels, "kind", core::to_string(row.item.kind));
  add(out.labels, "subscription_id", row.subscription);
  add(out.labels, "resource", row.resource_key);
  add(out.labels, "type", row.resource_type);
  add(out.labels, "assignment", row.assignment);
  add(out.labels, "definition", row.reference);
  add(out.labels, "path", row.item.path);
  add(out.labels, "team", text_member(item, "owner"));
  if (check && !check->controls.empty()) {
    add(out.labels, "control", check->controls.front());
  }
  const auto name = last_segment(row.resource_id);
  out.annotations["summary"] =
      check && !check->title.empty()
          ? fmt::format("{}: {}", name, check->title)
          : fmt::format(
                "{} of {} changed", row.item.path.empty() ? "The existence" : row.item.path, name);
  out.annotations["description"] = description_of(row, item, check);
  out.generator_url = page_link(external_url, row.resource_id, row.assignment, row.reference);
  add(out.annotations, "link", out.generator_url);
  out.starts_at = row.item.opened_at;
  return out;
}

Alert make_group_alert(std::span<const core::DriftMinute> of,
                       std::optional<core::Time> ended_at,
                       std::string_view external_url) {
  Alert out;
  out.starts_at = of.front().minute;
  out.ended_at = ended_at;
  auto worst = Severity::kLow;
  std::int64_t opened = 0;
  std::int64_t open = 0;
  std::string counts;
  for (const auto& part : of) {
    worst = std::max(worst, part.severity);
    opened += part.opened;
    open += part.open;
    counts += fmt::format("{}{} of {} {}",
                          counts.empty() ? "" : ", ",
                          part.open,
                          part.opened,
                          core::to_string(part.severity));
  }
  out.labels["alertname"] = "PlumblineDriftMany";
  add_severity(out.labels, worst);
  out.labels["opened"] = core::to_rfc3339(out.starts_at);
  out.annotations["summary"] = fmt::format("{} pieces of drift opened within a minute", opened);
  out.annotations["description"] =
      fmt::format("{} of {} pieces of drift that opened in the minute from {} on are open: {}.",
                  open,
                  opened,
                  core::to_rfc3339(out.starts_at),
                  counts);
  if (!external_url.empty()) {
    while (external_url.ends_with('/')) {
      external_url.remove_suffix(1);
    }
    out.generator_url = fmt::format("{}/#/drift", external_url);
    out.annotations["link"] = out.generator_url;
  }
  return out;
}

Result<std::vector<Alert>> read_alerts(core::Snapshot& snapshot,
                                       Facts& facts,
                                       const AlertOptions& options,
                                       core::Time now) {
  return Reader(snapshot, facts, options).read(now);
}

void AlertMemory::complete(std::vector<Alert>& alerts, core::Time now) {
  std::set<Labels> current;
  for (const auto& alert : alerts) {
    current.insert(alert.labels);
  }
  for (auto entry = told_.begin(); entry != told_.end();) {
    auto& [labels, alert] = *entry;
    if (!current.contains(labels)) {
      if (!alert.ended_at) {
        alert.ended_at = now;
      }
      if (now - *alert.ended_at < kTellEnd) {
        alerts.push_back(alert);
        ++entry;
        continue;
      }
    }
    entry = told_.erase(entry);
  }
  for (const auto& alert : alerts) {
    told_.insert_or_assign(alert.labels, alert);
  }
}

std::string alerts_body(std::span<const Alert> alerts,
                        core::Time now,
                        std::chrono::seconds resend) {
  const auto holds_until = now + std::max(resend * 4, kLeastLife);
  json out = json::array();
  for (const auto& alert : alerts) {
    const auto ends_at = alert.ended_at.value_or(holds_until);
    // A clock that was set back must not make it end before it starts: that is refused.
    json entry = {{"labels", alert.labels},
                  {"annotations", alert.annotations},
                  {"startsAt", core::to_rfc3339(std::min(alert.starts_at, ends_at))},
                  {"endsAt", core::to_rfc3339(ends_at)}};
    if (!alert.generator_url.empty()) {
      entry["generatorURL"] = alert.generator_url;
    }
    out.push_back(std::move(entry));
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace plumbline::events
