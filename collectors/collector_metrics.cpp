#include "collectors/collector_metrics.hpp"

#include "core/metrics.hpp"

namespace plumbline::collectors {

namespace metrics = core::metrics;

namespace {

constexpr std::chrono::minutes kQuotaWindow{5};

const prometheus::Histogram::BucketBoundaries kRequestBuckets = {
    0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60};
const prometheus::Histogram::BucketBoundaries kCollectionBuckets = {
    0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600};

}  // namespace

CollectorMetrics::CollectorMetrics(prometheus::Registry& registry)
    : requests_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kAzureRequestsTotal)),
      request_duration_(&core::register_in(
          registry, prometheus::BuildHistogram(), metrics::kAzureRequestDurationSeconds)),
      throttled_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kAzureThrottledTotal)),
      paced_(&core::register_in(
          registry, prometheus::BuildCounter(), metrics::kAzurePacedSecondsTotal)),
      quota_(&core::register_in(registry, prometheus::BuildGauge(), metrics::kAzureQuotaRemaining)),
      errors_(&core::register_in(
          registry, prometheus::BuildCounter(), metrics::kCollectionErrorsTotal)),
      last_success_(&core::register_in(
          registry, prometheus::BuildGauge(), metrics::kCollectionLastSuccessTimestampSeconds)),
      duration_(&core::register_in(
          registry, prometheus::BuildHistogram(), metrics::kCollectionDurationSeconds)),
      missed_changes_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kChangeFeedMissedTotal)
               .Add({})),
      confirmations_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kConfirmationsTotal)),
      confirmations_pending_(
          &core::register_in(registry, prometheus::BuildGauge(), metrics::kConfirmationsPending)
               .Add({})),
      token_expiry_(&core::register_in(
          registry, prometheus::BuildGauge(), metrics::kTokenExpiryTimestampSeconds)),
      certificate_expiry_(&core::register_in(
          registry, prometheus::BuildGauge(), metrics::kClientCertificateExpiryTimestampSeconds)) {
  for (const char* const result : {"confirmed", "contradicted", "failed"}) {
    confirmations_->Add({{"result", result}});
  }
}

void CollectorMetrics::count_request(const std::string& service,
                                     const std::string& code,
                                     std::chrono::duration<double> took) {
  requests_->Add({{"service", service}, {"code", code}}).Increment();
  request_duration_->Add({{"service", service}}, kRequestBuckets).Observe(took.count());
}

void CollectorMetrics::count_throttled(const std::string& service) {
  throttled_->Add({{"service", service}}).Increment();
}

void CollectorMetrics::count_paced(const std::string& service,
                                   std::chrono::duration<double> waited) {
  paced_->Add({{"service", service}}).Increment(waited.count());
}

void CollectorMetrics::set_quota_remaining(const std::string& service,
                                           double remaining,
                                           std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  auto& recent = recent_quota_[service];
  while (!recent.empty() && recent.front().first < now - kQuotaWindow) {
    recent.pop_front();
  }
  while (!recent.empty() && recent.back().second >= remaining) {
    recent.pop_back();
  }
  recent.emplace_back(now, remaining);
  quota_->Add({{"service", service}}).Set(recent.front().second);
}

void CollectorMetrics::count_error(const std::string& source, const std::string& reason) {
  errors_->Add({{"source", source}, {"reason", reason}}).Increment();
}

void CollectorMetrics::set_success(const std::string& source,
                                   double unix_seconds,
                                   std::chrono::duration<double> took) {
  last_success_->Add({{"source", source}}).Set(unix_seconds);
  duration_->Add({{"source", source}}, kCollectionBuckets).Observe(took.count());
}

void CollectorMetrics::forget_source(const std::string& source) {
  last_success_->Remove(&last_success_->Add({{"source", source}}));
}

void CollectorMetrics::count_missed_change() {
  missed_changes_->Increment();
}

void CollectorMetrics::count_confirmation(const std::string& result, std::size_t resources) {
  confirmations_->Add({{"result", result}}).Increment(static_cast<double>(resources));
}

void CollectorMetrics::set_confirmations_pending(std::size_t resources) {
  confirmations_pending_->Set(static_cast<double>(resources));
}

void CollectorMetrics::set_token_expiry(const std::string& audience, double unix_seconds) {
  token_expiry_->Add({{"audience", audience}}).Set(unix_seconds);
}

void CollectorMetrics::set_certificate_expiry(double unix_seconds) {
  certificate_expiry_->Add({}).Set(unix_seconds);
}

}  // namespace plumbline::collectors
