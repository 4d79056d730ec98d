// Drift as JSON and as chosen by its words: for API and command line.
#pragma once

#include "core/ports/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <string>

namespace plumbline::daemon {

/// The filter that `parameter` describes: `state` (`open` where absent, `all`, or states with
/// commas), `kind`, `severity`, `type`, `scope`, `assignment`, `reference`, `item` (an id), `after`
/// (the next older ones). Fails with kInvalidArgument, naming the parameter.
[[nodiscard]] core::Result<core::DriftFilter> drift_filter(
    const std::function<std::string(std::string_view)>& parameter);

/// All that `snapshot` knows, by id.
[[nodiscard]] core::Result<std::map<std::int64_t, core::Acceptance>> acceptances_by_id(
    core::Snapshot& snapshot);

[[nodiscard]] nlohmann::json acceptance_json(const core::Acceptance& acceptance);

/// `acceptances`: where the one that covers it is found.
[[nodiscard]] nlohmann::json drift_json(
    const core::DriftRow& row, const std::map<std::int64_t, core::Acceptance>& acceptances);

[[nodiscard]] nlohmann::json drift_event_json(const core::DriftEventRow& event);

}  // namespace plumbline::daemon
