#include "collectors/identity/managed_identity.hpp"

#include "core/json_limits.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

struct ManagedIdentity::Pending {
  net::Event done;
  Result<AccessToken> result;
};

/// One exchange. 0: there was no answer.
struct ManagedIdentity::Attempt {
  int status = 0;
  Result<AccessToken> token;
};

namespace {

constexpr auto kExpiryMargin = 5min;  // contracts 1.8: expired five minutes before expiry
constexpr auto kPendingTimeout = 5min;

std::optional<std::int64_t> number_member(simdjson::dom::element object, const char* name) {
  simdjson::dom::element value;
  if (object[name].get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS) {
    return number;
  }
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) {
      return number;
    }
  }
  return std::nullopt;
}

/// The `error` word of an identity error body; empty when there is none. Descriptions may hold ids
/// and are left out.
std::string error_word(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view word;
  if (core::check_json_limits(body) &&
      parser.parse(body.data(), body.size()).get(root) == simdjson::SUCCESS &&
      root["error"].get(word) == simdjson::SUCCESS) {
    return std::string(word.substr(0, 200));
  }
  return {};
}

}  // namespace

Result<AccessToken> parse_token_response(std::string_view body, core::Time now) {
  if (auto limits = core::check_json_limits(body); !limits) {
    return limits.error();
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view value;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return Error{Errc::kParse,
                 "the identity endpoint answered 200 with something that is not JSON"};
  }
  if (root["access_token"].get(value) != simdjson::SUCCESS || value.empty()) {
    return Error{Errc::kParse, "the identity endpoint answered 200 without an access_token"};
  }
  AccessToken token;
  token.value = value;
  if (const auto in = number_member(root, "expires_in"); in && *in > 0 && *in < 10'000'000) {
    token.expires_at = now + std::chrono::seconds(*in);
  } else if (const auto on = number_member(root, "expires_on");
             on && *on > 0 && *on < 100'000'000'000) {
    token.expires_at = core::Time(std::chrono::seconds(*on));
  } else {
    return Error{Errc::kParse, "the identity endpoint's answer says nothing of the token's expiry"};
  }
  const auto lifetime = token.expires_at - now;
  if (const auto refresh = number_member(root, "refresh_in"); refresh && *refresh > 0) {
    token.refresh_at =
        now + std::min<core::Time::duration>(std::chrono::seconds(*refresh), lifetime);
  } else if (lifetime > 2h) {
    token.refresh_at = now + lifetime / 2;
  } else {
    token.refresh_at =
        token.expires_at - std::min<core::Time::duration>(kExpiryMargin, lifetime / 2);
  }
  return token;
}

std::optional<std::chrono::milliseconds> imds_retry_delay(int status, int attempt) {
  if (status == 410) {
    return attempt < 7 ? std::optional<std::chrono::milliseconds>(10s) : std::nullopt;
  }
  if (status == 404 || status == 408 || status == 429 || status >= 500) {
    return attempt < 3 ? std::optional<std::chrono::milliseconds>(1000ms * (1 << attempt))
                       : std::nullopt;
  }
  return std::nullopt;
}

ManagedIdentity::ManagedIdentity(net::HttpTransport& transport,
                                 const core::Clock& clock,
                                 core::Log& log,
                                 CollectorMetrics& metrics,
                                 ManagedIdentityOptions options)
    : transport_(&transport),
      clock_(&clock),
      log_(&log),
      metrics_(&metrics),
      options_(std::move(options)) {
  while (options_.endpoint.ends_with('/')) {
    options_.endpoint.pop_back();
  }
}

void ManagedIdentity::discard(const std::string& audience) {
  cache_.erase(audience);
}

net::Task<ManagedIdentity::Attempt> ManagedIdentity::fetch_once(std::string audience) {
  Attempt out;
  net::HttpRequest request;
  request.url = fmt::format("{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}",
                            options_.endpoint,
                            core::percent_encode(audience));
  if (!options_.client_id.empty()) {
    request.url += "&client_id=" + core::percent_encode(options_.client_id);
  } else if (!options_.object_id.empty()) {
    request.url += "&object_id=" + core::percent_encode(options_.object_id);
  } else if (!options_.resource_id.empty()) {
    request.url += "&msi_res_id=" + core::percent_encode(options_.resource_id);
  }
  request.headers.set("Metadata", "true");
  request.deadlines.connect = 5s;
  request.deadlines.headers = 60s;
  request.max_body_bytes = std::size_t{1} << 20U;
  const auto started = clock_->steady_now();
  auto response = co_await transport_->send(std::move(request));
  const std::chrono::duration<double> took = clock_->steady_now() - started;
  if (!response) {
    metrics_->count_request("imds", std::string(core::to_string(response.error().code)), took);
    out.token = response.error().with_context("managed identity");
    co_return out;
  }
  const int status = response->status;
  out.status = status;
  metrics_->count_request("imds", fmt::format("{}", status), took);
  if (status != 200) {
    if (status == 429) {
      metrics_->count_throttled("imds");
    }
    const Errc code = status == 429   ? Errc::kThrottled
                      : status >= 500 ? Errc::kUnavailable
                                      : Errc::kUnauthorized;
    Error error;
    error.code = code;
    error.message =
        fmt::format("managed identity: status {} {}", status, error_word(response->body));
    out.token = std::move(error);
    co_return out;
  }
  out.token = parse_token_response(response->body, clock_->now());
  co_return out;
}

net::Task<Result<AccessToken>> ManagedIdentity::fetch(std::string audience) {
  for (int attempt = 0;; ++attempt) {
    Attempt tried = co_await fetch_once(audience);
    auto& token = tried.token;
    if (token) {
      metrics_->set_token_expiry(audience,
                                 static_cast<double>(core::to_micros(token->expires_at)) / 1e6);
      co_return std::move(token);
    }
    // An exchange that failed on its way is retried like a service that is down; one that could
    // not even be tried is not.
    const bool on_its_way = tried.status == 0 && token.error().code != Errc::kInvalidArgument;
    const auto delay = imds_retry_delay(on_its_way ? 503 : tried.status, attempt);
    log_->warn("token_failed",
               {{core::log_field::kAudience, audience},
                {core::log_field::kReason, std::string(core::to_string(token.error().code))},
                {core::log_field::kError, token.error().message}});
    if (!delay) {
      co_return std::move(token);
    }
    if (const bool slept = co_await net::sleep_for(*delay); !slept) {
      co_return std::move(token);
    }
  }
}

net::Task<Result<std::string>> ManagedIdentity::token(std::string audience) {
  const auto now = clock_->now();
  const auto cached = cache_.find(audience);
  const bool usable = cached != cache_.end() && now < cached->second.expires_at;
  if (usable && now < cached->second.refresh_at) {
    co_return cached->second.value;
  }
  if (const auto pending = pending_.find(audience); pending != pending_.end()) {
    const std::shared_ptr<Pending> other = pending->second;
    co_await other->done.wait_for(kPendingTimeout);
    if (other->result) {
      co_return other->result->value;
    }
    co_return other->result.error();
  }
  auto mine = std::make_shared<Pending>();
  pending_[audience] = mine;
  mine->result = co_await fetch(audience);
  pending_.erase(audience);
  mine->done.set();
  if (mine->result) {
    cache_[audience] = *mine->result;
    co_return mine->result->value;
  }
  // The last good token serves while it lasts.
  if (const auto last = cache_.find(audience);
      last != cache_.end() && clock_->now() < last->second.expires_at) {
    co_return last->second.value;
  }
  co_return mine->result.error();
}

}  // namespace plumbline::collectors
