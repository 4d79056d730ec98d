#include "simulator/identity.hpp"

#include "tests/unit/simulator/testing.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline;
using namespace plumbline::simulator;

namespace {

const std::string kArm = "resource=https%3A%2F%2Fmanagement.azure.com%2F";
const std::string kVersion = "api-version=2018-02-01";

net::ServerRequest token_request(const std::string& query) {
  auto request = make_request("GET", "/metadata/identity/oauth2/token", query);
  request.headers.add("Metadata", "true");
  return request;
}

net::ServerRequest bearing(const std::string& token) {
  auto request = make_request("GET", "/subscriptions");
  request.headers.add("Authorization", "Bearer " + token);
  return request;
}

}  // namespace

TEST_CASE("the identity endpoint refuses as documented") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(3599));

  const struct {
    std::string query;
    std::string error;
  } cases[] = {
      {kVersion, "invalid_request"},
      {kVersion + "&resource=user.read", "invalid_resource"},
      {kVersion + "&" + kArm + "&client_id=a&object_id=b", "invalid_request"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.query);
    const Reply reply = identity.answer_imds(token_request(test.query));
    CHECK(reply.status == 400);
    CHECK(reply.body["error"] == test.error);
  }
  for (const std::string& query : {kArm, kArm + "&api-version=2017-01-01"}) {
    const Reply reply = identity.answer_imds(token_request(query));
    CHECK(reply.status == 400);
    CHECK(reply.body["error"].get<std::string>().starts_with("Bad request. api-version"));
    CHECK(reply.body["newest-versions"].is_array());
  }
  auto request = make_request("GET", "/", kVersion + "&" + kArm);
  CHECK(identity.answer_imds(request).body["error"] == "bad_request_102");
  request.headers.add("Metadata", "True");
  CHECK(identity.answer_imds(request).body["error"] == "bad_request_102");
  request = token_request(kVersion + "&" + kArm);
  request.method = "POST";
  CHECK(identity.answer_imds(request).status == 405);
}

TEST_CASE("every value of a token answer is a string, and the token holds until it expires") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  const Reply reply = identity.answer_imds(token_request(kVersion + "&" + kArm));
  REQUIRE(reply.status == 200);
  for (const auto& [name, value] : reply.body.items()) {
    CAPTURE(name);
    CHECK(value.is_string());
  }
  CHECK(reply.body["expires_in"] == "60");
  CHECK(reply.body["expires_on"] == "1795323660");
  CHECK(reply.body["resource"] == "https://management.azure.com/");
  const std::string token = reply.body["access_token"];
  CHECK_FALSE(identity.refuse(bearing(token)));
  const auto code = [&](const net::ServerRequest& request) -> std::string {
    const auto refused = identity.refuse(request);
    REQUIRE(refused);
    CHECK(refused->status == 401);
    CHECK(refused->headers.get("WWW-Authenticate"));
    return refused->body["error"]["code"];
  };
  CHECK(code(make_request("GET", "/")) == "AuthenticationFailed");
  CHECK(code(bearing(token + "x")) == "InvalidAuthenticationToken");
  clock.advance(std::chrono::seconds(60));
  CHECK(code(bearing(token)) == "ExpiredAuthenticationToken");
  const Reply graph =
      identity.answer_imds(token_request(kVersion + "&resource=https://graph.microsoft.com"));
  CHECK(code(bearing(graph.body["access_token"])) == "InvalidAuthenticationTokenAudience");
  const Reply again = identity.answer_imds(token_request(kVersion + "&" + kArm));
  CHECK_FALSE(identity.refuse(bearing(again.body["access_token"])));
  identity.revoke_all();
  CHECK(code(bearing(again.body["access_token"])) == "InvalidAuthenticationToken");
}

TEST_CASE("Entra gives tokens for client credentials") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  const std::string start = "grant_type=client_credentials&client_id=c&";
  const std::string scope = "scope=https%3A%2F%2Fmanagement.azure.com%2F.default&";
  const Reply reply =
      identity.answer_entra(make_request("POST", "/", "", start + scope + "client_secret=s"));
  REQUIRE(reply.status == 200);
  CHECK(reply.body["expires_in"] == 60);
  CHECK_FALSE(identity.refuse(bearing(reply.body["access_token"])));
  CHECK(identity.answer_entra(make_request("POST", "/", "", start + scope)).body["error"] ==
        "invalid_client");
  CHECK(identity.answer_entra(make_request("POST", "/", "", start + "client_secret=s&scope=x"))
            .body["error"] == "invalid_scope");
  CHECK(identity.answer_entra(make_request("POST", "/", "", scope)).body["error"] ==
        "unsupported_grant_type");
}
