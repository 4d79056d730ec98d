// CloudEvents to a webhook, signed as Standard Webhooks says.
#pragma once

#include "core/clock.hpp"
#include "events/sink.hpp"
#include "net/http_client.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace plumbline::events {

struct WebhookOptions {
  std::string name;
  std::string url;
  std::string source;  // of its CloudEvents
  Filter filter;
  std::chrono::seconds give_up_after{std::chrono::hours(72)};
  /// Read for each request, so that a new one counts without a restart.
  std::function<core::Result<std::string>()> secret;
};

/// The key that a secret stands for: base64 of at least 24 bytes, optionally after `whsec_`. Errors
/// never hold it.
[[nodiscard]] core::Result<std::string> parse_webhook_secret(std::string_view secret);

/// `v1,` and the base64 of HMAC-SHA-256 over `<id>.<timestamp>.<body>`.
[[nodiscard]] std::string webhook_signature(std::string_view key,
                                            std::string_view id,
                                            std::string_view timestamp,
                                            std::string_view body);

/// What an answer, or none, means for the event. 400, 413, 415 and 422 are about this event;
/// whatever else is no success is about the receiver or the way there, and may be mended.
[[nodiscard]] Outcome outcome_of(const core::Result<net::HttpResponse>& answer, core::Time now);

class Webhook final : public Sink {
 public:
  /// Both must outlive it.
  Webhook(WebhookOptions options, net::HttpTransport& transport, const core::Clock& clock);

  [[nodiscard]] std::string name() const override;
  [[nodiscard]] std::string target() const override;

  [[nodiscard]] Filter filter() const override { return options_.filter; }

  [[nodiscard]] std::chrono::seconds give_up_after() const override {
    return options_.give_up_after;
  }

  net::Task<Outcome> deliver(Event event) override;

 private:
  [[nodiscard]] net::HttpRequest make_request(const Event& event, std::string_view key) const;

  WebhookOptions options_;
  net::HttpTransport* transport_;
  const core::Clock* clock_;
};

}  // namespace plumbline::events
