// The collection plan a baseline implies.
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/collection_plan.hpp"

#include <map>
#include <string>
#include <vector>

namespace plumbline::compliance {

/// `everything`: sweep all of Resource Graph's `resources` and `resourcecontainers`, whatever the
/// rules ask for (`inventory: all`).
[[nodiscard]] core::CollectionPlan make_plan(const Baseline& baseline, bool everything);

/// The types (lower case) that checks read, each with the references of those checks, sorted. Types
/// that only `inventory: all` asks for are not among them.
[[nodiscard]] std::map<std::string, std::vector<std::string>> readers_of_types(
    const Baseline& baseline);

}  // namespace plumbline::compliance
