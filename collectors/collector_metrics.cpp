#include "collectors/collector_metrics.hpp"

namespace plumbline::collectors {

namespace {

const prometheus::Histogram::BucketBoundaries kRequestBuckets = {
    0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60};
const prometheus::Histogram::BucketBoundaries kCollectionBuckets = {
    0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600};

}  // namespace

CollectorMetrics::CollectorMetrics(prometheus::Registry& registry)
    : requests_(&prometheus::BuildCounter()
                     .Name("plumbline_azure_requests_total")
                     .Help("Requests to Azure by service and status code, or error where there was "
                           "no answer.")
                     .Register(registry)),
      request_duration_(&prometheus::BuildHistogram()
                             .Name("plumbline_azure_request_duration_seconds")
                             .Help("Time from sending a request to Azure to the end of its answer.")
                             .Register(registry)),
      throttled_(&prometheus::BuildCounter()
                      .Name("plumbline_azure_throttled_total")
                      .Help("Answers with status 429.")
                      .Register(registry)),
      paced_(&prometheus::BuildCounter()
                  .Name("plumbline_azure_paced_seconds_total")
                  .Help("Time that requests waited so as not to exceed a quota.")
                  .Register(registry)),
      quota_(&prometheus::BuildGauge()
                  .Name("plumbline_azure_quota_remaining")
                  .Help("Requests left in the current quota window, as last told by the service.")
                  .Register(registry)),
      errors_(&prometheus::BuildCounter()
                   .Name("plumbline_collection_errors_total")
                   .Help("Collections that failed, by source and reason.")
                   .Register(registry)),
      last_success_(&prometheus::BuildGauge()
                         .Name("plumbline_collection_last_success_timestamp_seconds")
                         .Help("When a source was last collected without an error.")
                         .Register(registry)),
      duration_(&prometheus::BuildHistogram()
                     .Name("plumbline_collection_duration_seconds")
                     .Help("How long collecting a source took.")
                     .Register(registry)),
      missed_changes_(&prometheus::BuildCounter()
                           .Name("plumbline_change_feed_missed_total")
                           .Help("Changes that a sweep found and the change feed had not told.")
                           .Register(registry)
                           .Add({})),
      token_expiry_(&prometheus::BuildGauge()
                         .Name("plumbline_token_expiry_timestamp_seconds")
                         .Help("When the token in use expires.")
                         .Register(registry)),
      certificate_expiry_(&prometheus::BuildGauge()
                               .Name("plumbline_client_certificate_expiry_timestamp_seconds")
                               .Help("When the certificate that the daemon signs in with ends.")
                               .Register(registry)) {}

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

void CollectorMetrics::set_quota_remaining(const std::string& service, double remaining) {
  quota_->Add({{"service", service}}).Set(remaining);
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

void CollectorMetrics::set_token_expiry(const std::string& audience, double unix_seconds) {
  token_expiry_->Add({{"audience", audience}}).Set(unix_seconds);
}

void CollectorMetrics::set_certificate_expiry(double unix_seconds) {
  certificate_expiry_->Add({}).Set(unix_seconds);
}

}  // namespace plumbline::collectors
