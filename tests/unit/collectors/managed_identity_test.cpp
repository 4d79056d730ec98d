#include "collectors/identity/managed_identity.hpp"

#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <memory>

using namespace plumbline;
using namespace std::chrono_literals;
using collectors::imds_retry_delay;
using collectors::parse_token_response;

TEST_CASE("token answers are read as the endpoints write them") {
  struct Case {
    const char* name;
    const char* body;
    long expires_in;  // 0: refused
    long refresh_in;
  };

  const Case cases[] = {
      {"IMDS: all strings",
       R"({"access_token":"t","expires_in":"3599","expires_on":"1"})",
       3599,
       3299},
      {"Entra: numbers", R"({"access_token":"t","expires_in":3600})", 3600, 3300},
      {"App Service: expires_on only",
       R"({"access_token":"t","expires_on":"1700007000"})",
       7000,
       6700},
      {"long-lived: half", R"({"access_token":"t","expires_in":"86400"})", 86400, 43200},
      {"refresh_in", R"({"access_token":"t","expires_in":86400,"refresh_in":1000})", 86400, 1000},
      {"no token", R"({"expires_in":"3599"})", 0, 0},
      {"no expiry", R"({"access_token":"t"})", 0, 0},
      {"a date", R"({"access_token":"t","expires_on":"06/20/2019 02:57:58"})", 0, 0},
      {"HTML", "<html>", 0, 0},
      {"an array", "[]", 0, 0},
      {"expiry overflow", R"({"access_token":"t","expires_in":"99999999999999999999"})", 0, 0},
  };
  const tests::FakeClock clock;
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto token = parse_token_response(c.body, clock.now());
      REQUIRE(token.has_value() == (c.expires_in != 0));
      if (token) {
        CHECK(token->expires_at - clock.now() == std::chrono::seconds(c.expires_in));
        CHECK(token->refresh_at - clock.now() == std::chrono::seconds(c.refresh_in));
      } else {
        CHECK_FALSE(token.error().message.contains("html"));
      }
    }
  }
}

TEST_CASE("only transient answers are retried, and 410 for longer than its 70 seconds") {
  for (const int status : {404, 408, 429, 500, 503}) {
    CHECK(imds_retry_delay(status, 0) == 1s);
    CHECK(imds_retry_delay(status, 2) == 4s);
    CHECK_FALSE(imds_retry_delay(status, 3).has_value());
  }
  std::chrono::milliseconds total{0};
  for (int attempt = 0; imds_retry_delay(410, attempt); ++attempt) {
    total += *imds_retry_delay(410, attempt);
  }
  CHECK(total >= 70s);
  for (const int status : {400, 401, 403, 200}) {
    CHECK_FALSE(imds_retry_delay(status, 0).has_value());
  }
}

namespace {

struct Fixture {
  std::deque<net::HttpResponse> answers;
  tests::FakeClock clock;
  tests::FakeLog log;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest&) -> core::Result<net::HttpResponse> {
        auto answer = answers.front();
        answers.pop_front();
        return answer;
      }};
  net::Worker io{"io", 1};

  static net::Task<void> ask(collectors::ManagedIdentity* identity,
                             core::Result<std::string>* out) {
    *out = co_await identity->token("https://management.azure.com/");
  }

  core::Result<std::string> token(collectors::ManagedIdentity& identity) {
    core::Result<std::string> out;
    net::run_blocking(io.executor(), ask(&identity, &out));
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(
    Fixture,
    "a token is asked for as documented, kept, refreshed, and kept while refreshing fails") {
  collectors::ManagedIdentityOptions options;
  options.endpoint = "http://127.0.0.1:1/";
  options.client_id = "abc";
  collectors::ManagedIdentity identity(transport, clock, log, metrics, options);

  answers = {tests::response(200, R"({"access_token":"one","expires_in":"3600"})")};
  CHECK(token(identity).value() == "one");
  CHECK(transport.requests.at(0).url ==
        "http://127.0.0.1:1/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
        "https%3A%2F%2Fmanagement.azure.com%2F&client_id=abc");
  CHECK(transport.requests.at(0).headers.get("Metadata") == "true");

  clock.advance(54min);
  CHECK(token(identity).value() == "one");
  CHECK(transport.requests.size() == 1);

  clock.advance(2min);  // past refresh, before expiry
  answers = {tests::response(
      400, R"({"error":"invalid_request","error_description":"Identity not found"})")};
  CHECK(token(identity).value() == "one");
  answers = {tests::response(200, R"({"access_token":"two","expires_in":"3600"})")};
  CHECK(token(identity).value() == "two");

  clock.advance(2h);
  answers = {tests::response(400, R"({"error":"invalid_request"})")};
  const auto refused = token(identity);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == core::Errc::kUnauthorized);
  CHECK(refused.error().message == "managed identity: status 400 invalid_request");

  answers = {tests::response(200, R"({"access_token":"three","expires_in":"3600"})"),
             tests::response(200, R"({"access_token":"four","expires_in":"3600"})")};
  CHECK(token(identity).value() == "three");
  identity.discard("https://management.azure.com/");
  CHECK(token(identity).value() == "four");
  for (const auto& line : log.lines) {
    for (const char* secret : {"one", "two", "three", "four"}) {
      CHECK_FALSE(line.contains(std::string("=") + secret));
    }
  }
}
