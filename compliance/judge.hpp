// What a cycle's changes mean: which verdicts must be decided again, what they are now, why they
// changed, and what of that is drift.
#pragma once

#include "compliance/baseline.hpp"
#include "core/ports/store.hpp"

#include <memory>

namespace plumbline::compliance {

enum class Confirming : std::uint8_t {
  kNobodyAsks,  // what Resource Graph shows decides: nobody is there to ask Resource Manager
  kAsItStood,   // only what had been waiting, by its evidence
  kHeldBack,    // what is new and grave, or rests on what is absent, waits for it (truth 2)
};

/// Makes the store's checks those of `baseline`: verdicts of new or changed checks are decided on
/// what is stored, those of checks that are gone are removed. Changes made here have the cause
/// definition or parameters and never open drift (truth 6).
[[nodiscard]] core::Status adopt_baseline(const Baseline& baseline,
                                          core::JudgeView& view,
                                          const core::CycleChanges& changes,
                                          Confirming confirming = Confirming::kNobodyAsks);

/// True when the store's checks and the file's acceptances already are those of `baseline`, but for
/// acceptances that have expired by now.
[[nodiscard]] core::Result<bool> is_adopted(const Baseline& baseline,
                                            core::Snapshot& snapshot,
                                            core::Time now);

/// Decides again what a cycle's changes touch, and nothing else. Checks that the store does not
/// have as `baseline` has them wait for adopt_baseline.
[[nodiscard]] core::Status judge_changes(const Baseline& baseline,
                                         core::JudgeView& view,
                                         const core::CycleChanges& changes,
                                         Confirming confirming = Confirming::kNobodyAsks);

}  // namespace plumbline::compliance
