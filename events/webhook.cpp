#include "events/webhook.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "net/client_assertion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plumbline::events {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kLeastKeyBytes = 24;
constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 10U;

constexpr net::Deadlines kDeadlines{.connect = std::chrono::seconds(10),
                                    .headers = std::chrono::seconds(20),
                                    .body = std::chrono::seconds(10),
                                    .total = std::chrono::seconds(30)};

std::string base64(std::string_view bytes) {
  auto text = net::base64url_encode(bytes);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<std::string> from_base64(std::string_view padded) {
  while (padded.ends_with('=')) {
    padded.remove_suffix(1);
  }
  std::string text(padded);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return net::base64url_decode(text);
}

/// Those that say that this event, as it is, will never be taken.
bool is_about_the_event(int status) {
  return status == 400 || status == 413 || status == 415 || status == 422;
}

}  // namespace

Result<std::string> parse_webhook_secret(std::string_view secret) {
  secret = core::trim(secret);
  if (secret.starts_with(kSecretPrefix)) {
    secret.remove_prefix(kSecretPrefix.size());
  }
  auto key = from_base64(secret);
  if (!key || key->size() < kLeastKeyBytes) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("the secret must be base64 of at least {} bytes, optionally after {}",
                             kLeastKeyBytes,
                             kSecretPrefix)};
  }
  return *std::move(key);
}

std::string webhook_signature(std::string_view key,
                              std::string_view id,
                              std::string_view timestamp,
                              std::string_view body) {
  const auto digest = core::hmac_sha256(key, fmt::format("{}.{}.{}", id, timestamp, body));
  std::string bytes(digest.begin(), digest.end());
  return "v1," + base64(bytes);
}

Outcome outcome_of(const Result<net::HttpResponse>& answer, core::Time now) {
  if (!answer) {
    return {Outcome::Kind::kFailed, answer.error().message, std::nullopt};
  }
  if (answer->status >= 200 && answer->status < 300) {
    return {};
  }
  // Without the body: nobody knows what a receiver writes there.
  Outcome out{is_about_the_event(answer->status) ? Outcome::Kind::kRefused : Outcome::Kind::kFailed,
              fmt::format("HTTP status {}", answer->status),
              std::nullopt};
  if (const auto after = answer->headers.get("Retry-After")) {
    out.wait = net::parse_retry_after(*after, now);
  }
  return out;
}

Webhook::Webhook(WebhookOptions options, net::HttpTransport& transport, const core::Clock& clock)
    : options_(std::move(options)), transport_(&transport), clock_(&clock) {}

std::string Webhook::name() const {
  return "webhook/" + options_.name;
}

std::string Webhook::target() const {
  // Paths and queries of webhooks are often secrets themselves.
  const auto url = net::parse_url(options_.url);
  return url ? url->origin() : std::string();
}

net::HttpRequest Webhook::make_request(const Event& event, std::string_view key) const {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(clock_->now().time_since_epoch()).count();
  const auto timestamp = fmt::format("{}", seconds);
  net::HttpRequest request;
  request.method = "POST";
  request.url = options_.url;
  request.body = structured(event, options_.source);
  request.headers = {
      {"Content-Type", "application/cloudevents+json; charset=utf-8"},
      {"webhook-id", event.id},
      {"webhook-timestamp", timestamp},
      {"webhook-signature", webhook_signature(key, event.id, timestamp, request.body)}};
  request.deadlines = kDeadlines;
  request.max_body_bytes = kMaxAnswerBytes;
  return request;
}

net::Task<Outcome> Webhook::deliver(Event event) {
  auto key = options_.secret().and_then(
      [](const std::string& secret) { return parse_webhook_secret(secret); });
  if (!key) {
    co_return Outcome{Outcome::Kind::kFailed, key.error().message, std::nullopt};
  }
  auto request = make_request(event, *key);
  const auto answer = co_await transport_->send(std::move(request));
  co_return outcome_of(answer, clock_->now());
}

}  // namespace plumbline::events
