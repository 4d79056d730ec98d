// Reading initiatives from disk.
#pragma once

#include "compliance/baseline.hpp"
#include "config/settings.hpp"
#include "core/result.hpp"
#include "daemon/azure_initiatives.hpp"

#include <string>

namespace plumbline::daemon {

/// `initiative.json`, `definitions/*.json` in the order of their names, and `relations.json`,
/// `features.json` and `noise.json` where they are.
[[nodiscard]] core::Result<compliance::InitiativeFiles> read_initiative(
    const std::string& directory);

/// A line about something that is not evaluated.
[[nodiscard]] std::string told_as_left_out(const compliance::LeftOut& item);

/// Reads and compiles what the settings assign. Initiatives of Azure's are those of `fetched`;
/// assignments of others are left out.
[[nodiscard]] core::Result<std::shared_ptr<const compliance::Baseline>> load_baseline(
    const config::Settings& settings,
    const policy::AliasCatalogue& aliases,
    const FetchedInitiatives& fetched = {});

}  // namespace plumbline::daemon
