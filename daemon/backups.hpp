// Scheduled copies of the store, on a thread of their own.
#pragma once

#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/result.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace plumbline::daemon {

class Backups {
 public:
  /// How long the program of `storage.backup.after` may take.
  static constexpr std::chrono::minutes kHookPatience{10};

  /// Everything must outlive this. Reads when the last copy was made.
  Backups(config::Backup options,
          std::string store,
          const core::Clock& clock,
          core::Log& log,
          prometheus::Registry& registry,
          std::chrono::milliseconds hook_patience = kHookPatience);
  /// Ends the copy in progress, or the program that runs after it.
  ~Backups() = default;
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;
  Backups(Backups&&) = delete;
  Backups& operator=(Backups&&) = delete;

  void start();
  /// One copy now: made, checked, rotated, handed to the program. An error is that of the copy;
  /// what went wrong afterwards is logged and counted.
  core::Status take(const std::function<bool()>& stopped);

  /// When the next copy is due. One from the future, left by a clock that was set back, counts for
  /// nothing.
  [[nodiscard]] static core::Time due(std::optional<core::Time> last,
                                      core::Time now,
                                      std::chrono::seconds interval);

 private:
  void run(const std::stop_token& stop);

  config::Backup options_;
  std::string store_;
  const core::Clock* clock_;
  core::Log* log_;
  std::chrono::milliseconds hook_patience_;
  prometheus::Gauge* last_success_;
  prometheus::Family<prometheus::Counter>* failures_;
  std::optional<core::Time> last_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last, so that it ends first
};

}  // namespace plumbline::daemon
