#include "daemon/daemon_metrics.hpp"

#include "core/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

namespace plumbline::daemon {

namespace metrics = core::metrics;

namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const core::Metric& metric) {
  return core::register_in(registry, prometheus::BuildGauge(), metric).Add({});
}

const prometheus::Histogram::BucketBoundaries kCycleBuckets = {
    0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600};

prometheus::Labels labels_of(const core::DriftStepCount& of) {
  return {{"step", std::string(to_string(of.step))},
          {"kind", std::string(to_string(of.kind))},
          {"severity", std::string(to_string(of.severity))}};
}

}  // namespace

DaemonMetrics::DaemonMetrics(prometheus::Registry& registry)
    : cycles_(&core::register_in(registry, prometheus::BuildCounter(), metrics::kCyclesTotal)),
      cycle_duration_(&core::register_in(
          registry, prometheus::BuildHistogram(), metrics::kCycleDurationSeconds)),
      drift_steps_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kDriftEventsTotal)),
      reload_successful_(&gauge(registry, metrics::kConfigLastReloadSuccessful)),
      reload_time_(&gauge(registry, metrics::kConfigLastReloadSuccessTimestampSeconds)),
      storage_size_(&gauge(registry, metrics::kStorageSizeBytes)),
      storage_free_(
          &core::register_in(registry, prometheus::BuildGauge(), metrics::kStorageFreeBytes)),
      storage_writable_(&gauge(registry, metrics::kStorageWritable)),
      cpu_seconds_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kProcessCpuSecondsTotal)
               .Add({})),
      resident_memory_(&gauge(registry, metrics::kProcessResidentMemoryBytes)),
      open_descriptors_(&gauge(registry, metrics::kProcessOpenFds)) {
  // From 0 on, so that the first step is a rise.
  for (const auto step : core::kDriftSteps) {
    for (const auto kind : core::kDriftKinds) {
      for (const auto severity : core::kSeverities) {
        drift_steps_->Add(labels_of({step, kind, severity}));
      }
    }
  }
  core::register_in(registry, prometheus::BuildGauge(), metrics::kBuildInfo)
      .Add({{"version", PLUMBLINE_VERSION}})
      .Set(1);
  gauge(registry, metrics::kProcessStartTimeSeconds).Set(static_cast<double>(std::time(nullptr)));
}

void DaemonMetrics::set_reload(bool successful, core::Time at) {
  reload_successful_->Set(successful ? 1 : 0);
  if (successful) {
    reload_time_->Set(static_cast<double>(core::to_micros(at)) / 1e6);
  }
}

void DaemonMetrics::count_cycle(const core::CycleReport& report) {
  cycles_
      ->Add(
          {{"kind", report.row.kind}, {"result", report.row.complete ? "complete" : "incomplete"}})
      .Increment();
  const std::chrono::duration<double> took = report.row.committed_at - report.row.started_at;
  cycle_duration_->Add({{"kind", report.row.kind}}, kCycleBuckets).Observe(took.count());
  for (const auto& steps : report.drift_steps) {
    drift_steps_->Add(labels_of(steps)).Increment(static_cast<double>(steps.count));
  }
}

void DaemonMetrics::refresh(const StorageFigures& storage) {
  storage_size_->Set(static_cast<double>(storage.size_bytes));
  auto& free = storage_free_->Add({});
  if (storage.free_bytes) {
    free.Set(static_cast<double>(*storage.free_bytes));
  } else {
    storage_free_->Remove(&free);
  }
  storage_writable_->Set(storage.writable ? 1 : 0);
  const double cpu = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  if (cpu > cpu_seconds_->Value()) {
    cpu_seconds_->Increment(cpu - cpu_seconds_->Value());
  }
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  if (statm >> size >> resident) {
    resident_memory_->Set(resident * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  double descriptors = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error)) {
    ++descriptors;
  }
  open_descriptors_->Set(descriptors);
}

}  // namespace plumbline::daemon
