// Reloads that somebody waits for.
#pragma once

#include "core/result.hpp"
#include "net/task.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

namespace plumbline::daemon {

/// How a reload ends. Thread-safe.
class ReloadOutcome {
 public:
  /// The first call counts.
  void finish(core::Status status);
  /// Nullopt when it has not ended within `patience`.
  [[nodiscard]] static net::Task<std::optional<core::Status>> wait(
      std::shared_ptr<ReloadOutcome> outcome, std::chrono::seconds patience);

 private:
  std::mutex mutex_;
  std::optional<core::Status> status_;
  net::Event done_;
};

/// Asks main() for a reload by the signal that everyone else uses for it. Thread-safe.
class ReloadRequests {
 public:
  /// Sends the process a SIGHUP; the outcome is that of the reload that follows. Those who ask
  /// before it begins share one.
  [[nodiscard]] std::shared_ptr<ReloadOutcome> ask();
  /// The outcome to finish; taken before the configuration is read, so that whoever asks meanwhile
  /// gets a reload of their own.
  [[nodiscard]] std::shared_ptr<ReloadOutcome> take();

 private:
  std::mutex mutex_;
  std::shared_ptr<ReloadOutcome> next_ = std::make_shared<ReloadOutcome>();
};

}  // namespace plumbline::daemon
