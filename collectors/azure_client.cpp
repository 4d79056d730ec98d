#include "collectors/azure_client.hpp"

#include "core/digest.hpp"
#include "core/json_limits.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <random>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxErrorText = 300;

std::string bounded(std::string_view text) {
  return std::string(text.substr(0, kMaxErrorText));
}

bool is_retryable(Errc code) {
  return code == Errc::kThrottled || code == Errc::kUnavailable || code == Errc::kTimeout ||
         code == Errc::kNetwork || code == Errc::kTruncated;
}

constexpr std::string_view kRequestIdHeader = "x-ms-client-request-id";
constexpr std::string_view kCorrelationHeader = "x-ms-correlation-request-id";
constexpr std::string_view kGraphService = "resource_graph";
// Longer than any quota takes to come back, so that only a defect or a hostile answer ends a wait.
constexpr auto kLongestWait = 10min;

std::optional<int> number_field(const net::HttpResponse& response, const char* name) {
  const auto field = response.headers.get(name);
  int number = 0;
  if (!field ||
      std::from_chars(field->data(), field->data() + field->size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return number;
}

/// `hh:mm:ss` of at most an hour.
std::optional<std::chrono::seconds> duration_field(const net::HttpResponse& response,
                                                   const char* name) {
  const auto field = response.headers.get(name);
  if (!field) {
    return std::nullopt;
  }
  std::chrono::seconds total{0};
  const auto parts = core::split(*field, ':');
  if (parts.size() != 3) {
    return std::nullopt;
  }
  for (const auto part : parts) {
    int number = 0;
    if (std::from_chars(part.data(), part.data() + part.size(), number).ec != std::errc() ||
        number < 0 || number > 59) {
      return std::nullopt;
    }
    total = total * 60 + std::chrono::seconds(number);
  }
  return std::min(total, std::chrono::seconds(3600));
}

/// Whose bucket a request draws from; empty: the tenant's.
std::string subscription_of_url(const std::string& url) {
  const auto lower = core::to_lower(url);
  const auto at = lower.find("/subscriptions/");
  return at == std::string::npos
             ? std::string()
             : std::string(core::subscription_of_key(std::string_view(lower).substr(at)));
}

double random_jitter() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace

ArmError parse_arm_error(std::string_view body) {
  ArmError out;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (!core::check_json_limits(body) ||
      parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) {
    return out;
  }
  simdjson::dom::element error = root;
  if (simdjson::dom::element inner; root["error"].get(inner) == simdjson::SUCCESS) {
    error = inner;
  }
  std::string_view text;
  if (error["code"].get(text) == simdjson::SUCCESS) {
    out.code = bounded(text);
  }
  if (error["message"].get(text) == simdjson::SUCCESS) {
    out.message = bounded(text);
  }
  simdjson::dom::array details;
  if (error["details"].get(details) == simdjson::SUCCESS) {
    for (const auto detail : details) {
      if (detail["code"].get(text) == simdjson::SUCCESS &&
          out.detail_codes.size() < kMaxErrorText) {
        out.detail_codes += (out.detail_codes.empty() ? "" : ",") + bounded(text);
      }
    }
  }
  return out;
}

Error error_of_status(int status, std::string_view body) {
  Error error;
  if (status == 401) {
    error.code = Errc::kUnauthorized;
  } else if (status == 403) {
    error.code = Errc::kForbidden;
  } else if (status == 404) {
    error.code = Errc::kNotFound;
  } else if (status == 429) {
    error.code = Errc::kThrottled;
  } else if (status == 408 || status >= 500) {
    error.code = Errc::kUnavailable;
  } else {
    error.code = Errc::kHttp;
  }
  const ArmError arm = parse_arm_error(body);
  error.message = fmt::format("status {}", status);
  for (const auto* part : {&arm.code, &arm.detail_codes, &arm.message}) {
    if (!part->empty()) {
      error.message += " " + *part;
    }
  }
  return error;
}

std::chrono::milliseconds retry_delay(int attempt,
                                      std::chrono::milliseconds base,
                                      std::chrono::milliseconds ceiling,
                                      std::optional<std::chrono::seconds> asked,
                                      bool throttled,
                                      double jitter) {
  const auto grown = std::min(ceiling, base * (std::int64_t{1} << std::clamp(attempt, 0, 20)));
  const auto spread = std::chrono::milliseconds(
      static_cast<std::int64_t>(static_cast<double>(grown.count()) * jitter));
  std::chrono::milliseconds floor = throttled ? 1000ms : 0ms;
  if (asked) {
    floor = std::max(floor, std::chrono::milliseconds(*asked));
  }
  return floor + spread;
}

AzureClient::AzureClient(net::HttpTransport& transport,
                         TokenSource& tokens,
                         const core::Clock& clock,
                         core::Log& log,
                         CollectorMetrics& metrics,
                         AzureClientOptions options)
    : transport_(&transport),
      tokens_(&tokens),
      clock_(&clock),
      log_(&log),
      metrics_(&metrics),
      options_(std::move(options)),
      correlation_id_(core::random_uuid()) {
  set_quota_share(options_.quota_share);
}

void AzureClient::renew_correlation() {
  correlation_id_ = core::random_uuid();
  has_asked_ = false;
}

void AzureClient::set_quota_share(std::optional<double> share) {
  if (share == options_.quota_share && share.has_value() == graph_quota_.has_value()) {
    return;
  }
  options_.quota_share = share;
  graph_quota_.reset();
  read_buckets_.reset();
  if (share) {
    graph_quota_.emplace(*share);
    read_buckets_.emplace(*share);
  }
}

net::Task<core::Status> AzureClient::pace(std::string service, std::string subscription) {
  const auto begun = std::chrono::steady_clock::now();
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    auto wait = 0ms;
    if (service == kGraphService) {
      wait = graph_quota_ ? graph_quota_->take(now) : 0ms;
    } else if (read_buckets_) {
      wait = read_buckets_->take(subscription, now);
    }
    if (wait == 0ms) {
      metrics_->count_paced(service, now - begun);
      co_return core::Status::ok();
    }
    const bool patient = now - begun + wait <= kLongestWait;
    bool slept = false;
    if (patient) {
      slept = co_await net::sleep_for(wait);
    }
    if (!slept) {
      co_return Error{Errc::kThrottled, "the quota did not come back in time"};
    }
  }
}

void AzureClient::note_quota(const std::string& service,
                             const std::string& subscription,
                             const Result<net::HttpResponse>& response) {
  const auto now = std::chrono::steady_clock::now();
  QuotaTold told;
  const bool graph = service == kGraphService;
  if (response) {
    told.refused = response->status == 429;
    told.remaining = number_field(
        *response,
        graph ? "x-ms-user-quota-remaining" : "x-ms-ratelimit-remaining-subscription-reads");
    told.resets_after = duration_field(*response, "x-ms-user-quota-resets-after");
    if (const auto after = response->headers.get("Retry-After")) {
      told.retry_after = net::parse_retry_after(*after, clock_->now());
    }
    if (told.remaining) {
      metrics_->set_quota_remaining(service, *told.remaining, now);
    }
  }
  if (graph && graph_quota_) {
    graph_quota_->told(told, now);
  } else if (!graph && read_buckets_) {
    read_buckets_->told(subscription, told, now);
  }
}

Result<std::string> AzureClient::absolute(const std::string& path_or_url) const {
  if (path_or_url.starts_with('/') && !path_or_url.starts_with("//")) {
    return options_.resource_manager + path_or_url;
  }
  auto url = net::parse_url(path_or_url);
  if (!url) {
    return url.error();
  }
  auto own = net::parse_url(options_.resource_manager);
  if (!own) {
    return own.error();
  }
  if (url->origin() != own->origin()) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format(
            "refused to follow a link to another origin ({}): tokens for {} go nowhere else",
            url->origin(),
            own->origin())};
  }
  return path_or_url;
}

net::Task<Result<net::HttpResponse>> AzureClient::get(std::string path_or_url) {
  auto url = absolute(path_or_url);
  if (!url) {
    co_return url.error();
  }
  net::HttpRequest request;
  request.url = *std::move(url);
  co_return co_await send(std::move(request), "resource_manager");
}

net::Task<Result<net::HttpResponse>> AzureClient::post(std::string path,
                                                       std::string body,
                                                       std::string service) {
  auto url = absolute(path);
  if (!url) {
    co_return url.error();
  }
  net::HttpRequest request;
  request.method = "POST";
  request.url = *std::move(url);
  request.body = std::move(body);
  request.headers.set("Content-Type", "application/json");
  co_return co_await send(std::move(request), std::move(service));
}

void AzureClient::read_clock(const net::HttpResponse& response) {
  const auto now = clock_->now();
  const auto field = response.headers.get("Date");
  const auto date = field ? net::parse_http_date(*field, now) : std::nullopt;
  if (!date) {
    return;
  }
  // The field tells whole seconds, and the answer has travelled: less than this says nothing.
  constexpr core::Microseconds kResolution = 3s;
  constexpr core::Microseconds kSkewed = 60s;
  const auto difference = *date - now;
  const auto ahead =
      std::chrono::abs(difference) < kResolution ? core::Microseconds(0) : difference;
  if (std::chrono::abs(ahead) >= kSkewed && std::chrono::abs(ahead_) < kSkewed) {
    log_->warn("clock_skewed",
               {{core::log_field::kReason,
                 fmt::format("Azure's clock is {} s ahead of ours",
                             std::chrono::duration_cast<std::chrono::seconds>(ahead).count())}});
  }
  ahead_ = ahead;
}

net::Task<Result<net::HttpResponse>> AzureClient::attempt(net::HttpRequest request,
                                                          std::string service) {
  const std::string path = request.url.substr(0, request.url.find('?'));
  const std::string request_id(request.headers.get(kRequestIdHeader).value_or(""));
  const std::string correlation_id(request.headers.get(kCorrelationHeader).value_or(""));
  const auto started = clock_->steady_now();
  auto response = co_await transport_->send(std::move(request));
  const std::chrono::duration<double> took = clock_->steady_now() - started;
  const std::string code = response ? fmt::format("{}", response->status)
                                    : std::string(core::to_string(response.error().code));
  metrics_->count_request(service, code, took);
  log_->debug("azure_request",
              {{core::log_field::kPath, path},
               {core::log_field::kCode, code},
               {core::log_field::kDurationMs, fmt::format("{:.0f}", took.count() * 1e3)},
               {core::log_field::kRequestId, request_id},
               {core::log_field::kCorrelationId, correlation_id}});
  if (response) {
    read_clock(*response);
  }
  co_return response;
}

net::Task<Result<net::HttpResponse>> AzureClient::send(net::HttpRequest request,
                                                       std::string service) {
  request.headers.set("Accept", "application/json");
  const std::string request_id = core::random_uuid();
  request.headers.set(kRequestIdHeader, request_id);
  const std::string correlation_id = correlation_id_;
  has_asked_ = true;
  request.headers.set(kCorrelationHeader, correlation_id);
  const std::string subscription = subscription_of_url(request.url);
  bool renewed = false;
  for (int tries = 0;; ++tries) {
    // The source retries on its own terms; a token it could not get is final here.
    auto token = co_await tokens_->token(options_.audience);
    if (!token) {
      co_return token.error();
    }
    request.headers.set("Authorization", "Bearer " + *token);
    auto paced = co_await pace(service, subscription);
    if (!paced) {
      co_return paced.error();
    }
    auto response = co_await attempt(request, service);
    note_quota(service, subscription, response);
    if (response && response->status >= 200 && response->status < 300) {
      co_return response;
    }
    std::optional<std::chrono::seconds> asked;
    Error error;
    std::string other;  // Azure may know the request by an id of its own
    if (response) {
      error = error_of_status(response->status, response->body);
      if (const auto id = response->headers.get(kCorrelationHeader); id && *id != correlation_id) {
        other = fmt::format(" (Azure's correlation id: {})", id->substr(0, 64));
      }
      if (const auto after = response->headers.get("Retry-After")) {
        asked = net::parse_retry_after(*after, clock_->now());
      }
      if (response->status == 429) {
        metrics_->count_throttled(service);
      }
      if (response->status == 401 && !renewed) {
        // A refused token is replaced once; a second refusal is the identity's.
        renewed = true;
        tokens_->discard(options_.audience);
        continue;
      }
    } else {
      error = response.error();
    }
    const std::string path = request.url.substr(0, request.url.find('?'));
    const bool again = is_retryable(error.code) && tries < options_.max_retries;
    log_->write(again ? core::LogLevel::kInfo : core::LogLevel::kWarn,
                again ? "azure_request_retried" : "azure_request_failed",
                {{core::log_field::kPath, path},
                 {core::log_field::kReason, std::string(core::to_string(error.code))},
                 {core::log_field::kError, error.message + other},
                 {core::log_field::kRequestId, request_id},
                 {core::log_field::kCorrelationId, correlation_id}});
    if (!again) {
      co_return error.with_context(path);
    }
    if (asked && *asked > kLongestWait) {
      co_return error.with_context(path);  // the next pass asks again
    }
    const auto delay = retry_delay(tries,
                                   options_.base_delay,
                                   options_.max_delay,
                                   asked,
                                   error.code == Errc::kThrottled,
                                   random_jitter());
    if (const bool slept = co_await net::sleep_for(delay); !slept) {
      co_return error.with_context(path);
    }
  }
}

}  // namespace plumbline::collectors
