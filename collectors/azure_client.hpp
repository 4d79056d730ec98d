// Requests to Azure Resource Manager's origin: bearer token, request id, retries, error bodies.
#pragma once

#include "collectors/collector_metrics.hpp"
#include "collectors/identity/token_source.hpp"
#include "collectors/pacing.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/result.hpp"
#include "net/http_client.hpp"

#include <optional>
#include <string>

namespace plumbline::collectors {

struct AzureClientOptions {
  std::string resource_manager;  // https origin, no trailing slash
  std::string audience;
  int max_retries = 3;
  std::chrono::milliseconds base_delay{1000};
  std::chrono::milliseconds max_delay{60'000};
  /// What of Azure's quotas may be used, in (0, 1]; nullopt: nothing is paced.
  std::optional<double> quota_share;
};

/// What an ARM error body says (contracts 3.1), bounded; empty parts where it says nothing.
struct ArmError {
  std::string code;
  std::string message;
  /// Codes of `details`, joined: Resource Graph says what matters there.
  std::string detail_codes;
};

[[nodiscard]] ArmError parse_arm_error(std::string_view body);

/// The error that a status other than 2xx stands for.
[[nodiscard]] core::Error error_of_status(int status, std::string_view body);

/// Full jitter over an exponential ceiling, never below what the service asked for and never below
/// one second after a 429 ("try again after 0 seconds" has been seen). `jitter` is in [0, 1).
[[nodiscard]] std::chrono::milliseconds retry_delay(int attempt,
                                                    std::chrono::milliseconds base,
                                                    std::chrono::milliseconds ceiling,
                                                    std::optional<std::chrono::seconds> asked,
                                                    bool throttled,
                                                    double jitter);

/// Used on the I/O thread; all references must outlive it.
class AzureClient {
 public:
  AzureClient(net::HttpTransport& transport,
              TokenSource& tokens,
              const core::Clock& clock,
              core::Log& log,
              CollectorMetrics& metrics,
              AzureClientOptions options);

  /// GET of a path below ARM's origin, or of an absolute URL on that same origin (a nextLink).
  /// Anything else is refused with kInvalidArgument: a bearer token goes to its own origin only.
  net::Task<core::Result<net::HttpResponse>> get(std::string path_or_url);
  /// POST of JSON.
  net::Task<core::Result<net::HttpResponse>> post(std::string path,
                                                  std::string body,
                                                  std::string service);

  /// Sent with each request (x-ms-correlation-request-id) and in each line about one: what is asked
  /// for one cycle has one id. Cycles are made one after the other.
  [[nodiscard]] const std::string& correlation_id() const { return correlation_id_; }

  /// What is asked from now on is for another cycle.
  void renew_correlation();

  /// Whether anything was asked under that id.
  [[nodiscard]] bool has_asked() const { return has_asked_; }

  /// From the next request on.
  void set_quota_share(std::optional<double> share);

  /// The time by Azure's clock, as its last answer showed it; our own before the first. What Azure
  /// dates is compared with this, never with our clock.
  [[nodiscard]] core::Time azure_now() const { return clock_->now() + ahead_; }

 private:
  void read_clock(const net::HttpResponse& response);
  [[nodiscard]] core::Result<std::string> absolute(const std::string& path_or_url) const;
  /// Waits until a request may go without being refused; an error: not within its deadline.
  net::Task<core::Status> pace(std::string service, std::string subscription);
  void note_quota(const std::string& service,
                  const std::string& subscription,
                  const core::Result<net::HttpResponse>& response);
  net::Task<core::Result<net::HttpResponse>> send(net::HttpRequest request, std::string service);
  net::Task<core::Result<net::HttpResponse>> attempt(net::HttpRequest request, std::string service);

  net::HttpTransport* transport_;
  TokenSource* tokens_;
  const core::Clock* clock_;
  core::Log* log_;
  CollectorMetrics* metrics_;
  AzureClientOptions options_;
  core::Microseconds ahead_{0};  // of our clock
  std::string correlation_id_;
  bool has_asked_ = false;
  // Quotas pass with real time, whatever clock the rest goes by.
  std::optional<GraphQuota> graph_quota_;
  std::optional<ReadBuckets> read_buckets_;
};

}  // namespace plumbline::collectors
