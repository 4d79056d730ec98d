#include "events/webhook.hpp"

#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace plumbline;
using namespace std::chrono_literals;
using events::Outcome;

namespace {

// 0123456789abcdef01234567
const std::string kSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

struct Fixture {
  events::WebhookOptions options() {
    events::WebhookOptions out;
    out.name = "siem";
    out.url = "https://hooks.example.com/services/path-secret?key=query-secret";
    out.source = "urn:test";
    out.secret = [this] { return secret; };
    return out;
  }

  static net::Task<void> run(events::Webhook* webhook, events::Event event, Outcome* out) {
    *out = co_await webhook->deliver(std::move(event));
  }

  Outcome deliver() {
    events::Webhook webhook(options(), transport, clock);
    events::Event event;
    event.id = "drift-7";
    event.type = "io.plumbline.drift.opened";
    event.at = clock.now();
    Outcome out;
    net::run_blocking(io.executor(), run(&webhook, event, &out));
    return out;
  }

  tests::FakeClock clock;
  core::Result<std::string> secret{kSecret};
  core::Result<net::HttpResponse> answer{tests::response(204, "")};
  tests::ScriptedTransport transport{[this](const net::HttpRequest&) { return answer; }};
  net::Worker io{"io", 1};
};

}  // namespace

TEST_CASE("signatures are those that others compute") {
  // By `openssl dgst -sha256 -hmac`.
  CHECK(events::webhook_signature(
            "0123456789abcdef01234567", "drift-7", "1700000000", R"({"a":1})") ==
        "v1,lScIm1g8M0vQtWZR6lUNOhMz+Y+lwLJlyw+G/RaG4k0=");
  // By Python's hmac, with the secret in the form that receivers are given.
  const auto key = events::parse_webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  REQUIRE(key);
  CHECK(events::webhook_signature(
            *key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", R"({"test": 2432232314})") ==
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_CASE("a secret is base64 of 24 bytes or more") {
  CHECK(events::parse_webhook_secret(kSecret).value() == "0123456789abcdef01234567");
  CHECK(events::parse_webhook_secret(" whsec_" + kSecret + "\n").value() ==
        "0123456789abcdef01234567");
  CHECK(events::parse_webhook_secret(kSecret + "/+8=").value().substr(24) == "\xff\xef");
  for (const auto* bad :
       {"", "whsec_", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY", "no base64 at all, but long"}) {
    const auto refused = events::parse_webhook_secret(bad);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "the secret must be base64 of at least 24 bytes, optionally after whsec_");
  }
}

TEST_CASE_FIXTURE(Fixture, "a request is signed and carries nothing else that is secret") {
  CHECK(deliver().kind == Outcome::Kind::kTaken);
  REQUIRE(transport.requests.size() == 1);
  const auto& request = transport.requests.front();
  CHECK(request.method == "POST");
  CHECK(request.url == options().url);
  CHECK(request.headers.get("Content-Type") == "application/cloudevents+json; charset=utf-8");
  CHECK(request.headers.get("webhook-id") == "drift-7");
  CHECK(request.headers.get("webhook-timestamp") == "1700000000");
  CHECK(
      request.headers.get("webhook-signature") ==
      events::webhook_signature("0123456789abcdef01234567", "drift-7", "1700000000", request.body));
  CHECK_FALSE(request.headers.get("Authorization"));
  const events::Webhook webhook(options(), transport, clock);
  CHECK(webhook.name() == "webhook/siem");
  CHECK(webhook.target() == "https://hooks.example.com:443");
}

TEST_CASE_FIXTURE(Fixture, "without its secret nothing is sent, and it is tried again") {
  secret = core::Error{core::Errc::kIo, "secret: no such file"};
  const auto missing = deliver();
  CHECK(missing.kind == Outcome::Kind::kFailed);
  CHECK(missing.error == "secret: no such file");
  secret = std::string("short");
  CHECK(deliver().kind == Outcome::Kind::kFailed);
  CHECK(transport.requests.empty());
  secret = kSecret;
  CHECK(deliver().kind == Outcome::Kind::kTaken);
}

TEST_CASE_FIXTURE(Fixture, "what each answer means") {
  const std::map<int, Outcome::Kind> cases = {{200, Outcome::Kind::kTaken},
                                              {202, Outcome::Kind::kTaken},
                                              {204, Outcome::Kind::kTaken},
                                              {301, Outcome::Kind::kFailed},
                                              {307, Outcome::Kind::kFailed},
                                              {400, Outcome::Kind::kRefused},
                                              {401, Outcome::Kind::kFailed},
                                              {403, Outcome::Kind::kFailed},
                                              {404, Outcome::Kind::kFailed},
                                              {408, Outcome::Kind::kFailed},
                                              {410, Outcome::Kind::kFailed},
                                              {413, Outcome::Kind::kRefused},
                                              {415, Outcome::Kind::kRefused},
                                              {422, Outcome::Kind::kRefused},
                                              {429, Outcome::Kind::kFailed},
                                              {500, Outcome::Kind::kFailed},
                                              {503, Outcome::Kind::kFailed}};
  for (const auto& [status, kind] : cases) {
    CAPTURE(status);
    answer = tests::response(status, "what a receiver says of its own secrets");
    const auto outcome = deliver();
    CHECK(outcome.kind == kind);
    CHECK(outcome.error ==
          (kind == Outcome::Kind::kTaken ? "" : "HTTP status " + std::to_string(status)));
  }
  auto busy = tests::response(429, "");
  busy.headers.add("Retry-After", "90");
  answer = busy;
  CHECK(deliver().wait == 90s);
  answer = core::Error{core::Errc::kNetwork, "https://hooks.example.com:443: refused"};
  CHECK(deliver().kind == Outcome::Kind::kFailed);
}
