// The collection plan a baseline implies.
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/collection_plan.hpp"

namespace plumbline::compliance {

/// `everything`: sweep all of Resource Graph's `resources` and `resourcecontainers`, whatever the
/// rules ask for (`inventory: all`).
[[nodiscard]] core::CollectionPlan make_plan(const Baseline& baseline, bool everything);

}  // namespace plumbline::compliance
