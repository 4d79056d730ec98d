// Keeps Alertmanagers told of open drift: again and again while it is open, and right after it
// changed.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/ports/store.hpp"
#include "events/alerts.hpp"
#include "events/event_metrics.hpp"
#include "events/outbox.hpp"
#include "net/http_client.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace plumbline::events {

class Alertmanager {
 public:
  static constexpr std::size_t kAlertsAtOnce = 64;

  struct Parts {
    core::Store& store;
    const core::Clock& clock;
    core::Log& log;
    EventMetrics& metrics;
    net::Executor io;
    net::Executor cpu;
    MakeFacts make_facts;
    net::HttpTransport& transport;
  };

  /// `urls`: of Alertmanagers, each of which is told everything, without `/api/v2/alerts`.
  Alertmanager(Parts parts, AlertOptions options, const std::vector<std::string>& urls);
  ~Alertmanager() = default;
  Alertmanager(const Alertmanager&) = delete;
  Alertmanager& operator=(const Alertmanager&) = delete;
  Alertmanager(Alertmanager&&) = delete;
  Alertmanager& operator=(Alertmanager&&) = delete;

  /// Sends until `stop`. Once.
  void start();
  /// A cycle was committed. I/O thread.
  void notify();
  /// Thread-safe. What is under way is given up; the next start tells it again.
  void stop();
  /// Thread-safe.
  [[nodiscard]] std::vector<SinkStatus> statuses() const;

  /// Tells every Alertmanager what is open now; whether all of them took it. I/O thread.
  net::Task<bool> send();

 private:
  struct Target {
    std::string url;    // of the API
    SinkStatus status;  // under mutex_
  };

  net::Task<void> run();
  net::Task<void> wake_up();
  /// Sends when drift has changed since the last time, or it is time.
  net::Task<bool> has_changed();
  net::Task<bool> send_to(Target* target, std::shared_ptr<const std::vector<Alert>> alerts);
  void record(Target& target, std::size_t alerts, const Outcome& outcome);
  [[nodiscard]] core::Result<std::vector<Alert>> read();

  Parts parts_;
  AlertOptions options_;
  std::vector<std::unique_ptr<Target>> targets_;
  AlertMemory memory_;
  core::EventPosition told_;  // what was in the history when it was told
  net::Event wake_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
};

}  // namespace plumbline::events
