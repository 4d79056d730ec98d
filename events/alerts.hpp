// Open drift as alerts for Alertmanager's API v2. Pure.
#pragma once

#include "events/event.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace plumbline::events {

using Labels = std::map<std::string, std::string>;

struct Alert {
  Labels labels;  // its identity
  Labels annotations;
  std::string generator_url;
  core::Time starts_at;
  std::optional<core::Time> ended_at;  // nullopt: it still holds
};

struct AlertOptions {
  core::Severity min_severity = core::Severity::kHigh;
  std::chrono::seconds resend{60};
  std::string external_url;
};

/// More items than this that opened within one minute are one alert.
inline constexpr std::int64_t kMostAMinute = 50;
/// How many alerts about single items there are at most; the latest.
inline constexpr std::size_t kMostAlerts = 1000;
/// For how long it is told that an alert has ended.
inline constexpr std::chrono::minutes kTellEnd{15};

/// About one item. `item`: the row as Facts gives it.
[[nodiscard]] Alert make_alert(const core::DriftRow& row,
                               const nlohmann::json& item,
                               const std::optional<CheckFacts>& check,
                               std::string_view external_url);

/// About all items of a minute; `of` are its severities from the least on that counts.
[[nodiscard]] Alert make_group_alert(std::span<const core::DriftMinute> of,
                                     std::optional<core::Time> ended_at,
                                     std::string_view external_url);

/// Whatever is open, and what has ended lately; each set of labels once.
[[nodiscard]] core::Result<std::vector<Alert>> read_alerts(core::Snapshot& snapshot,
                                                           Facts& facts,
                                                           const AlertOptions& options,
                                                           core::Time now);

/// What was told and holds no longer under those labels (its owner is another, it is part of a
/// group) ends too.
class AlertMemory {
 public:
  /// Adds to `alerts` those that are gone.
  void complete(std::vector<Alert>& alerts, core::Time now);

 private:
  std::map<Labels, Alert> told_;
};

/// The body of `POST /api/v2/alerts`. What holds ends by itself when it is not told again.
[[nodiscard]] std::string alerts_body(std::span<const Alert> alerts,
                                      core::Time now,
                                      std::chrono::seconds resend);

}  // namespace plumbline::events
