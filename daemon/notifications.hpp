// What the configuration says of events, as sinks that are told.
#pragma once

#include "collectors/identity/local_input.hpp"
#include "compliance/summary.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/ports/store.hpp"
#include "events/alertmanager.hpp"
#include "events/event_metrics.hpp"
#include "events/outbox.hpp"
#include "net/http_client.hpp"
#include "net/task.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace plumbline::daemon {

class Notifications {
 public:
  /// What is known of the last committed state; thread-safe.
  using LatestSummary = std::function<std::shared_ptr<const compliance::Summary>()>;

  struct Parts {
    core::Store& store;
    const core::Clock& clock;
    core::Log& log;
    prometheus::Registry& registry;
    net::Executor io;
    net::Executor cpu;
    net::Executor storage;
    LatestSummary summary;
    std::string store_id;  // the same as long as the store lives
  };

  /// Notes where each sink begins, while nothing else writes to the store. Fails where the
  /// configuration names what is not there.
  [[nodiscard]] static core::Result<std::unique_ptr<Notifications>> make(
      const config::Settings& settings, const collectors::Environment& environment, Parts parts);

  /// From main(), once.
  void start();
  /// A cycle was committed. I/O thread.
  void notify();
  /// From main().
  void stop();
  /// For what is under way, after `stop`.
  void wait(std::chrono::milliseconds patience);

  /// Thread-safe.
  [[nodiscard]] std::vector<events::SinkStatus> statuses() const;

 private:
  Notifications(Parts parts, const config::Settings& settings);
  core::Status connect(const config::Settings& settings,
                       const collectors::Environment& environment);
  core::Result<net::HttpTransport*> transport(const config::Settings& settings,
                                              const collectors::Environment& environment,
                                              const std::string& ca_file);

  Parts parts_;
  std::string source_;  // of CloudEvents
  events::EventMetrics metrics_;
  std::map<std::string, std::unique_ptr<net::HttpTransport>> transports_;  // by CA file
  std::unique_ptr<events::Outbox> outbox_;
  std::unique_ptr<events::Alertmanager> alertmanager_;  // null: none
  bool started_ = false;
};

}  // namespace plumbline::daemon
