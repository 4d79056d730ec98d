// Operational metrics of collection. docs/metrics.md lists them.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace plumbline::collectors {

/// Thread-safe. The registry must outlive it.
class CollectorMetrics {
 public:
  explicit CollectorMetrics(prometheus::Registry& registry);

  /// `service`: imds, app_service, azure_arc, entra, azure_cli, resource_graph or resource_manager.
  /// `code`: the HTTP status (of az: its exit code), or the error's word where there was no answer.
  void count_request(const std::string& service,
                     const std::string& code,
                     std::chrono::duration<double> took);
  void count_throttled(const std::string& service);
  /// A request waited so long for its quota before it was sent.
  void count_paced(const std::string& service, std::chrono::duration<double> waited);
  /// What an answer told at `now`; shown is the lowest of the last five minutes.
  void set_quota_remaining(const std::string& service,
                           double remaining,
                           std::chrono::steady_clock::time_point now);
  void count_error(const std::string& source, const std::string& reason);
  void set_success(const std::string& source,
                   double unix_seconds,
                   std::chrono::duration<double> took);
  /// A source that is no longer collected has no last success.
  void forget_source(const std::string& source);
  /// A sweep found a change that the feed had not told of.
  void count_missed_change();
  /// `result`: confirmed, contradicted or failed.
  void count_confirmation(const std::string& result, std::size_t resources);
  void set_confirmations_pending(std::size_t resources);
  void set_token_expiry(const std::string& audience, double unix_seconds);
  /// Of the client certificate that the daemon signs in with.
  void set_certificate_expiry(double unix_seconds);

 private:
  /// What may be the lowest yet, the oldest first, each higher than the one before.
  using Recent = std::deque<std::pair<std::chrono::steady_clock::time_point, double>>;

  prometheus::Family<prometheus::Counter>* requests_;
  prometheus::Family<prometheus::Histogram>* request_duration_;
  prometheus::Family<prometheus::Counter>* throttled_;
  prometheus::Family<prometheus::Counter>* paced_;
  prometheus::Family<prometheus::Gauge>* quota_;
  prometheus::Family<prometheus::Counter>* errors_;
  prometheus::Family<prometheus::Gauge>* last_success_;
  prometheus::Family<prometheus::Histogram>* duration_;
  prometheus::Counter* missed_changes_;
  prometheus::Family<prometheus::Counter>* confirmations_;
  prometheus::Gauge* confirmations_pending_;
  prometheus::Family<prometheus::Gauge>* token_expiry_;
  prometheus::Family<prometheus::Gauge>* certificate_expiry_;
  std::mutex mutex_;
  std::map<std::string, Recent> recent_quota_;  // by service
};

}  // namespace plumbline::collectors
