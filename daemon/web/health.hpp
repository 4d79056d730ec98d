// Whether the daemon is alive and serves, and what else somebody who asks should know.
#pragma once

#include "core/clock.hpp"
#include "core/ports/snapshot.hpp"
#include "daemon/app.hpp"
#include "net/http_server.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace plumbline::daemon {

struct HealthReport {
  struct ThreadState {
    std::string_view name;
    std::chrono::seconds silent{0};
    bool is_stuck = false;
  };

  std::array<ThreadState, Heartbeats::kThreads.size()> threads;
  bool is_ready = false;  // the last committed state is served
  /// Neither of the two below makes the daemon unhealthy: a restart would not help.
  Collection collection;
  std::map<std::string, core::Time> oldest_evidence;  // by source
  std::optional<core::CycleRow> last_cycle;
  std::int64_t store_bytes = 0;
  bool store_writable = true;
  core::Time now;

  [[nodiscard]] bool is_healthy() const;
};

/// Waits for no other thread and asks the store nothing, so that it works when those are stuck.
[[nodiscard]] HealthReport examine(App& app);

[[nodiscard]] net::ServerResponse health_answer(const HealthReport& report,
                                                const net::ServerRequest& request);
[[nodiscard]] net::ServerResponse readiness_answer(const HealthReport& report,
                                                   const net::ServerRequest& request);

}  // namespace plumbline::daemon
