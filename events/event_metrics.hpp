// Metrics of what goes out. docs/metrics.md lists them.
#pragma once

#include "core/clock.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <optional>
#include <string>

namespace plumbline::events {

/// Thread-safe. The registry must outlive it.
class EventMetrics {
 public:
  explicit EventMetrics(prometheus::Registry& registry);

  /// Makes the counters of a sink, so that they are there before the first event.
  void add_sink(const std::string& sink);
  /// `oldest`: nullopt when nothing is pending.
  void set_pending(const std::string& sink, double count, std::optional<core::Time> oldest);
  void set_dead_letters(const std::string& sink, double count);
  void count_taken(const std::string& sink, double events = 1);
  /// An attempt that was in vain.
  void count_failed(const std::string& sink);
  /// Rows that retention removed before the sink was told.
  void count_lost(const std::string& sink, double rows);

 private:
  prometheus::Family<prometheus::Gauge>* pending_;
  prometheus::Family<prometheus::Gauge>* oldest_;
  prometheus::Family<prometheus::Gauge>* dead_letters_;
  prometheus::Family<prometheus::Counter>* taken_;
  prometheus::Family<prometheus::Counter>* failed_;
  prometheus::Family<prometheus::Counter>* lost_;
};

}  // namespace plumbline::events
