// What `plumbline doctor` looks at: whatever keeps the daemon from starting, from asking Azure, or
// from getting whole answers. Nothing here changes anything.
#pragma once

#include "compliance/baseline.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::daemon {

enum class Health { kOk, kWarn, kFail };

struct Finding {
  std::string check = {};  // a word that stays: `store`, `clock`, ...
  Health health = Health::kOk;
  std::string detail = {};
  std::string remedy = {};                      // empty: all is well
  std::vector<std::string> subscriptions = {};  // those it is about
  std::vector<std::string> references = {};     // checks of the baseline that lose evidence by it
};

/// Of this machine: web, store, key, space, backups, port. As the user who asks, not as the
/// daemon's.
[[nodiscard]] std::vector<Finding> examine_machine(const config::Settings& settings);

/// Of Azure: reachability, TLS, clock, identity, subscriptions, permissions.
[[nodiscard]] std::vector<Finding> examine_azure(const config::Settings& settings,
                                                 const compliance::Baseline& baseline);

// Parts of it, for tests.

/// `ahead`: how far Azure's clock is ahead of ours.
[[nodiscard]] Finding judge_clock(core::Microseconds ahead);
/// `free` and `store` in bytes.
[[nodiscard]] Finding judge_space(const std::string& directory,
                                  std::uint64_t free,
                                  std::uint64_t store);

}  // namespace plumbline::daemon
