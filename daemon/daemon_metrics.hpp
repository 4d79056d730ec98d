// Operational metrics of the daemon itself, and the exposition of all metrics.
#pragma once

#include "core/ports/store.hpp"

#include <prometheus/registry.h>

#include <optional>
#include <string>

namespace plumbline::daemon {

struct StorageFigures {
  std::int64_t size_bytes = 0;
  std::optional<std::int64_t> free_bytes;
  bool writable = true;
};

class DaemonMetrics {
 public:
  explicit DaemonMetrics(prometheus::Registry& registry);

  void count_cycle(const core::CycleReport& report);
  void set_reload(bool successful, core::Time at);
  /// Reads the process's own figures from /proc.
  void refresh(const StorageFigures& storage);

 private:
  prometheus::Family<prometheus::Counter>* cycles_;
  prometheus::Family<prometheus::Histogram>* cycle_duration_;
  prometheus::Family<prometheus::Counter>* drift_steps_;
  prometheus::Gauge* reload_successful_;
  prometheus::Gauge* reload_time_;
  prometheus::Gauge* storage_size_;
  prometheus::Family<prometheus::Gauge>* storage_free_;
  prometheus::Gauge* storage_writable_;
  prometheus::Counter* cpu_seconds_;
  prometheus::Gauge* resident_memory_;
  prometheus::Gauge* open_descriptors_;
};

}  // namespace plumbline::daemon
