// Lets go of history that is older, or takes more room, than configured.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/ports/store.hpp"
#include "net/task.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace plumbline::daemon {

struct RetentionLimits {
  std::chrono::seconds age{};
  std::int64_t bytes = 0;  // 0: no limit
};

/// Looks for what to delete on a thread of its own, through a reader's connection; deletes on the
/// storage thread, in steps so short that no cycle waits long for its turn.
class Retention {
 public:
  static constexpr std::chrono::milliseconds kStep{50};

  struct Done {
    std::size_t rows = 0;
    core::Horizon horizon;
  };

  /// Everything must outlive this.
  Retention(RetentionLimits limits,
            core::Store& store,
            net::Executor storage,
            const core::Clock& clock,
            core::Log& log);
  ~Retention() = default;
  Retention(const Retention&) = delete;
  Retention& operator=(const Retention&) = delete;
  Retention(Retention&&) = delete;
  Retention& operator=(Retention&&) = delete;

  void start();
  /// All there is to do now.
  core::Result<Done> run_once(const std::function<bool()>& stopped);

 private:
  void run(const std::stop_token& stop);
  /// Deletes everything a horizon at `at` leaves behind, and gives the room back.
  core::Status trim(core::Time at, Done& done, const std::function<bool()>& stopped);
  core::Result<std::int64_t> used_bytes();

  RetentionLimits limits_;
  core::Store* store_;
  net::Executor storage_;
  const core::Clock* clock_;
  core::Log* log_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last, so that it ends first
};

}  // namespace plumbline::daemon
