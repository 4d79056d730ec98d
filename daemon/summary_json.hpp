// What a summary says, for the API and the report.
#pragma once

#include "compliance/summary.hpp"

#include <nlohmann/json.hpp>

namespace plumbline::daemon {

/// `score` and `coverage` (null where nothing is counted) and `counts`, of the states that occur.
[[nodiscard]] nlohmann::json tally_json(const compliance::Tally& tally);

/// `compliance` (null where nothing is counted) and `counts`, of the states that occur.
[[nodiscard]] nlohmann::json azure_json(const compliance::ResourceTally& resources);

/// Every control of every assignment in the initiative's order, with the features and
/// recommendations of its documents. A row that is not the customer's has no score; the checks
/// under it have.
[[nodiscard]] nlohmann::json controls_json(const compliance::Summary& summary);

}  // namespace plumbline::daemon
