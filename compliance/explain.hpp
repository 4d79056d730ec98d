// Evaluating one check on one stored resource, with or without the reason why.
#pragma once

#include "compliance/baseline.hpp"
#include "compliance/related.hpp"
#include "core/ports/snapshot.hpp"

namespace plumbline::compliance {

/// Evaluates a check on a resource among its surroundings. Scope is the caller's business.
[[nodiscard]] policy::Evaluation evaluate_check(const Check& check,
                                                Surroundings& surroundings,
                                                core::Time now,
                                                bool explain);

}  // namespace plumbline::compliance
