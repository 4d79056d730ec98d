#include "collectors/azure_client.hpp"

#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace plumbline;
using namespace std::chrono_literals;

namespace {

class FakeTokens final : public collectors::TokenSource {
 public:
  net::Task<core::Result<std::string>> token(std::string /*audience*/) override {
    co_return "token" + std::to_string(discarded);
  }

  void discard(const std::string& /*audience*/) override { ++discarded; }

  int discarded = 0;
};

struct Fixture {
  tests::ScriptedTransport::Script script;
  tests::FakeClock clock;
  tests::FakeLog log;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  FakeTokens tokens;
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest& request) { return script(request); }};
  net::Worker io{"io", 1};

  static collectors::AzureClientOptions options() {
    collectors::AzureClientOptions out;
    out.resource_manager = "https://management.azure.com";
    out.audience = "https://management.azure.com/";
    out.base_delay = 1ms;
    return out;
  }

  static net::Task<void> ask(collectors::AzureClient* client,
                             std::string url,
                             core::Result<net::HttpResponse>* out) {
    *out = co_await client->get(std::move(url));
  }

  core::Result<net::HttpResponse> get(const std::string& url) {
    collectors::AzureClient client(transport, tokens, clock, log, metrics, options());
    core::Result<net::HttpResponse> out;
    net::run_blocking(io.executor(), ask(&client, url, &out));
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a bearer token goes to its own origin only") {
  script = [](const net::HttpRequest&) { return tests::response(200, "{}"); };

  struct Case {
    const char* url;
    bool sent;
  };

  const Case cases[] = {
      {"/subscriptions?api-version=1", true},
      {"https://management.azure.com/subscriptions?$skiptoken=x", true},
      {"https://MANAGEMENT.azure.com:443/subscriptions", true},
      {"https://management.azure.com.evil.example/subscriptions", false},
      {"https://evil.example/subscriptions", false},
      {"http://management.azure.com/subscriptions", false},
      {"https://management.azure.com:8443/subscriptions", false},
      {"https://management.azure.com@evil.example/", false},
      {"//evil.example/subscriptions", false},
      {"ftp://management.azure.com/", false},
  };
  for (const auto& c : cases) {
    SUBCASE(c.url) {
      const auto response = get(c.url);
      CHECK(response.has_value() == c.sent);
      CHECK(transport.requests.size() == (c.sent ? 1 : 0));
      if (c.sent) {
        CHECK(transport.requests.at(0).headers.get("Authorization") == "Bearer token0");
      }
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "a refused token is replaced once") {
  script = [](const net::HttpRequest& request) {
    return request.headers.get("Authorization") == "Bearer token0"
               ? tests::response(401, R"({"error":{"code":"ExpiredAuthenticationToken"}})")
               : tests::response(200, "{}");
  };
  CHECK(get("/x").has_value());
  CHECK(transport.requests.size() == 2);
  script = [](const net::HttpRequest&) { return tests::response(401, "{}"); };
  const auto refused = get("/x");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == core::Errc::kUnauthorized);
  CHECK(transport.requests.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "transient failures are retried within a budget, others are final") {
  struct Case {
    const char* name;
    int status;
    std::size_t requests;
    core::Errc code;
  };

  const Case cases[] = {
      {"server error", 503, 4, core::Errc::kUnavailable},
      {"forbidden", 403, 1, core::Errc::kForbidden},
      {"not found", 404, 1, core::Errc::kNotFound},
      {"bad request", 400, 1, core::Errc::kHttp},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      script = [&](const net::HttpRequest&) {
        return tests::response(c.status, R"({"error":{"code":"Code","message":"text"}})");
      };
      const auto response = get("/subscriptions/x?secret=1");
      REQUIRE_FALSE(response);
      CHECK(response.error().code == c.code);
      CHECK(response.error().message.contains("Code"));
      CHECK_FALSE(response.error().message.contains("secret"));
      CHECK(transport.requests.size() == c.requests);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "a request and its lines carry its id and that of what it is for") {
  collectors::AzureClient client(transport, tokens, clock, log, metrics, options());
  core::Result<net::HttpResponse> out;
  const auto ask_twice = [&](const std::string& azure_says) {
    log.lines.clear();
    transport.requests.clear();
    script = [&](const net::HttpRequest& request) {
      auto answer = transport.requests.size() > 1 ? tests::response(200, "{}")
                                                  : tests::response(503, R"({"error":{}})");
      answer.headers.set("x-ms-correlation-request-id",
                         azure_says.empty()
                             ? std::string(*request.headers.get("x-ms-correlation-request-id"))
                             : azure_says);
      return answer;
    };
    net::run_blocking(io.executor(), ask(&client, "/subscriptions?x=secret", &out));
    REQUIRE(out);
    REQUIRE(transport.requests.size() == 2);
  };
  const std::string first = client.correlation_id();
  CHECK_FALSE(first.empty());
  ask_twice("");
  for (const auto& request : transport.requests) {
    CHECK(request.headers.get("x-ms-correlation-request-id") == first);
  }
  REQUIRE(log.lines.size() == 3);
  const std::string request_id(*transport.requests[0].headers.get("x-ms-client-request-id"));
  const std::string ids = " request_id=" + request_id + " correlation_id=" + first;
  CHECK(
      log.lines[0].starts_with("azure_request path=https://management.azure.com/subscriptions "
                               "code=503 duration_ms="));
  CHECK(log.lines[1].starts_with("azure_request_retried "));
  CHECK(log.lines[2].contains(" code=200 "));
  for (const auto& line : log.lines) {
    CHECK(line.ends_with(ids));
    CHECK_FALSE(line.contains("secret"));
    CHECK_FALSE(line.contains("Azure's correlation id"));
  }

  client.renew_correlation();
  CHECK(client.correlation_id() != first);
  ask_twice("theirs");
  CHECK(transport.requests[0].headers.get("x-ms-correlation-request-id") ==
        client.correlation_id());
  CHECK(log.lines[1].contains("(Azure's correlation id: theirs)"));
}

TEST_CASE_FIXTURE(Fixture, "Azure's clock is the one of its last answer") {
  collectors::AzureClient client(transport, tokens, clock, log, metrics, options());
  core::Result<net::HttpResponse> out;
  const auto azure_says = [&](const char* date) {
    script = [date](const net::HttpRequest&) {
      auto response = tests::response(200, "{}");
      response.headers.set("Date", date);
      return response;
    };
    net::run_blocking(io.executor(), ask(&client, "/x", &out));
    return client.azure_now() - clock.now();
  };
  CHECK(client.azure_now() == clock.now());
  // Ours is Tue, 14 Nov 2023 22:13:20 GMT.
  CHECK(azure_says("Tue, 14 Nov 2023 22:13:18 GMT") == 0s);
  CHECK(azure_says("Tue, 14 Nov 2023 23:13:20 GMT") == 1h);
  CHECK(azure_says("Tue, 14 Nov 2023 22:03:20 GMT") == -10min);
  CHECK(azure_says("yesterday") == -10min);
  CHECK(azure_says("Tue, 14 Nov 2023 22:13:20 GMT") == 0s);
  CHECK(std::ranges::count_if(
            log.lines, [](const auto& line) { return line.starts_with("clock_skewed"); }) == 1);
}

TEST_CASE("retry delays keep what the service asked for") {
  using collectors::retry_delay;
  CHECK(retry_delay(0, 1s, 60s, std::nullopt, false, 0.0) == 0ms);
  CHECK(retry_delay(2, 1s, 60s, std::nullopt, false, 0.5) == 2s);
  CHECK(retry_delay(20, 1s, 60s, std::nullopt, false, 0.5) == 30s);
  CHECK(retry_delay(0, 1s, 60s, 7s, true, 0.0) == 7s);
  // "try again after 0 seconds"
  CHECK(retry_delay(0, 1s, 60s, 0s, true, 0.0) == 1s);
}

TEST_CASE("error bodies of every shape are read") {
  using collectors::parse_arm_error;
  CHECK(parse_arm_error(
            R"({"error":{"code":"A","message":"m","details":[{"code":"B"},{"code":"C"}]}})")
            .detail_codes == "B,C");
  CHECK(parse_arm_error(R"({"code":"A","message":"m"})").code == "A");
  for (const char* body :
       {"", "<html>", "\"\"", "[]", "{}", R"({"error":"sentence"})", R"({"error":{"code":5}})"}) {
    CHECK(parse_arm_error(body).code.empty());
  }
}

TEST_CASE_FIXTURE(Fixture, "no key or value of a query and no header of others reaches the log") {
  for (const int status : {200, 400, 403, 404, 429, 500}) {
    CAPTURE(status);
    log.lines.clear();
    script = [&](const net::HttpRequest&) {
      auto answer = tests::response(status, R"({"error":{"code":"Code","message":"Text"}})");
      answer.headers.add("X-Unheard-Of", "hidden-value");
      answer.headers.add("Set-Cookie", "hidden-cookie=1");
      answer.headers.add("Location", "https://management.azure.com/hidden-location?sig=hidden");
      return answer;
    };
    static_cast<void>(get("/subscriptions?api-version=1&hidden-key=hidden-text&$skiptoken=hidden"));
    REQUIRE_FALSE(log.lines.empty());
    for (const auto& line : log.lines) {
      CAPTURE(line);
      CHECK_FALSE(line.contains("hidden"));
      CHECK_FALSE(line.contains("token0"));
      CHECK_FALSE(line.contains('?'));
    }
    CHECK(std::ranges::any_of(log.lines, [](const std::string& line) {
      return line.contains("path=https://management.azure.com/subscriptions ");
    }));
  }
}
