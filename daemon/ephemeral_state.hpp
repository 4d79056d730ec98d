// A state of a store, copied to be judged by another baseline. The store it comes from is only
// read.
#pragma once

#include "compliance/baseline.hpp"
#include "core/ports/store.hpp"

#include <cstdint>
#include <memory>

namespace plumbline::daemon {

class EphemeralState {
 public:
  virtual ~EphemeralState() = default;

  /// What was judged. Must go before this does.
  [[nodiscard]] virtual core::Result<std::unique_ptr<core::Snapshot>> snapshot() = 0;
};

/// Copies what was there once `cycle` was committed into a private directory below the system's for
/// temporary files, removed with the state, and has it judged as at the instant `at`. Of evidence a
/// store keeps only the last: a source that is no longer known counts as read where the copy holds
/// something of it.
[[nodiscard]] core::Result<std::unique_ptr<EphemeralState>> judge_copy(
    core::Snapshot& from, std::int64_t cycle, core::Time at, const compliance::Baseline& baseline);

}  // namespace plumbline::daemon
