#include "daemon/daemon_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

namespace plumbline::daemon {

namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

const prometheus::Histogram::BucketBoundaries kCycleBuckets = {
    0.05, 0.25, 1, 5, 15, 60, 300, 900, 3600};

}  // namespace

DaemonMetrics::DaemonMetrics(prometheus::Registry& registry)
    : cycles_(&prometheus::BuildCounter()
                   .Name("plumbline_cycles_total")
                   .Help("Committed cycles by kind; result is complete or incomplete (evidence is "
                         "missing).")
                   .Register(registry)),
      cycle_duration_(&prometheus::BuildHistogram()
                           .Name("plumbline_cycle_duration_seconds")
                           .Help("Time from a cycle's first request to its commit.")
                           .Register(registry)),
      drift_steps_(&prometheus::BuildCounter()
                        .Name("plumbline_drift_events_total")
                        .Help("Steps in the life of drift, by step and severity.")
                        .Register(registry)),
      reload_successful_(&gauge(registry,
                                "plumbline_config_last_reload_successful",
                                "Whether the last attempt to read the configuration succeeded.")),
      reload_time_(&gauge(registry,
                          "plumbline_config_last_reload_success_timestamp_seconds",
                          "When the configuration in force was read, since the Unix epoch.")),
      storage_size_(&gauge(registry,
                           "plumbline_storage_size_bytes",
                           "Size of the database and its write-ahead log.")),
      storage_writable_(&gauge(registry,
                               "plumbline_storage_writable",
                               "Whether the last attempt to write to the database succeeded.")),
      cpu_seconds_(&prometheus::BuildCounter()
                        .Name("process_cpu_seconds_total")
                        .Help("Total user and system CPU time spent in seconds.")
                        .Register(registry)
                        .Add({})),
      resident_memory_(
          &gauge(registry, "process_resident_memory_bytes", "Resident memory size in bytes.")),
      open_descriptors_(&gauge(registry, "process_open_fds", "Number of open file descriptors.")) {
  // From 0 on, so that the first step is a rise.
  for (const auto step : core::kDriftSteps) {
    for (const auto severity : core::kSeverities) {
      drift_steps_->Add(
          {{"step", std::string(to_string(step))}, {"severity", std::string(to_string(severity))}});
    }
  }
  prometheus::BuildGauge()
      .Name("plumbline_build_info")
      .Help("A constant 1 with the version as label.")
      .Register(registry)
      .Add({{"version", PLUMBLINE_VERSION}})
      .Set(1);
  gauge(registry, "process_start_time_seconds", "Start time of the process since the Unix epoch.")
      .Set(static_cast<double>(std::time(nullptr)));
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
    drift_steps_
        ->Add({{"step", std::string(to_string(steps.step))},
               {"severity", std::string(to_string(steps.severity))}})
        .Increment(static_cast<double>(steps.count));
  }
}

void DaemonMetrics::refresh(std::int64_t storage_bytes, bool storage_writable) {
  storage_size_->Set(static_cast<double>(storage_bytes));
  storage_writable_->Set(storage_writable ? 1 : 0);
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
