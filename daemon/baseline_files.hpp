// Reading initiatives from disk.
#pragma once

#include "compliance/baseline.hpp"
#include "config/settings.hpp"
#include "core/result.hpp"

#include <string>

namespace plumbline::daemon {

/// `initiative.json`, `definitions/*.json` in the order of their names, and `relations.json`,
/// `features.json` and `noise.json` where they are.
[[nodiscard]] core::Result<compliance::InitiativeFiles> read_initiative(
    const std::string& directory);

/// Reads and compiles what the settings assign.
[[nodiscard]] core::Result<std::shared_ptr<const compliance::Baseline>> load_baseline(
    const config::Settings& settings, const policy::AliasCatalogue& aliases);

}  // namespace plumbline::daemon
