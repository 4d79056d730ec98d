// Whether the daemon's threads still do their work.
#pragma once

#include "core/clock.hpp"
#include "net/task.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string_view>

namespace plumbline::daemon {

/// Ticks on each of the daemon's threads. A thread that has not ticked for `kLimit` is stuck: the
/// longest work that may hold one up is a cycle's commit. The limit may be longer than the service
/// manager's watchdog, which the main thread feeds: a busy thread then keeps nobody from pinging.
class Heartbeats {
 public:
  enum class Thread : std::uint8_t { kIo, kCpu, kStorage };
  static constexpr std::array kThreads = {Thread::kIo, Thread::kCpu, Thread::kStorage};
  static constexpr std::array<std::string_view, 3> kNames = {"io", "cpu", "storage"};
  static constexpr std::chrono::seconds kLimit{60};

  explicit Heartbeats(const core::Clock& clock);

  /// Starts ticking on the three executors. `this` must outlive them.
  void start(net::Executor io, net::Executor cpu, net::Executor storage);

  /// Time since the thread last ticked. Thread-safe.
  [[nodiscard]] std::chrono::steady_clock::duration age(Thread thread) const;
  [[nodiscard]] bool healthy() const;

 private:
  void tick(Thread thread);
  net::Task<void> beat(Thread thread, net::Executor executor);

  const core::Clock* clock_;
  std::array<std::atomic<std::chrono::steady_clock::rep>, 3> last_{};
};

}  // namespace plumbline::daemon
