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

namespace {

const std::string kTokenPath = "/tenant-1/oauth2/v2.0/token";

Reply ask(Identity& identity, const net::ServerRequest& request) {
  return identity.answer_entra(request, "https://127.0.0.1:1");
}

}  // namespace

TEST_CASE("Entra gives tokens for client credentials") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  const std::string start = "grant_type=client_credentials&client_id=c&";
  const std::string scope = "scope=https%3A%2F%2Fmanagement.azure.com%2F.default&";
  const Reply reply =
      ask(identity, make_request("POST", kTokenPath, "", start + scope + "client_secret=s"));
  REQUIRE(reply.status == 200);
  CHECK(reply.body["expires_in"] == 60);
  CHECK_FALSE(identity.refuse(bearing(reply.body["access_token"])));
  CHECK(ask(identity, make_request("POST", kTokenPath, "", start + scope)).body["error"] ==
        "invalid_client");
  CHECK(ask(identity, make_request("POST", kTokenPath, "", start + "client_secret=s&scope=x"))
            .body["error"] == "invalid_scope");
  CHECK(ask(identity, make_request("POST", kTokenPath, "", scope)).body["error"] ==
        "unsupported_grant_type");
}

TEST_CASE("Entra refuses what is not registered, with its codes") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  const auto code = [&](const std::string& path, const std::string& more) {
    const Reply reply =
        ask(identity,
            make_request("POST",
                         path,
                         "",
                         "grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F"
                         ".default&" +
                             more));
    return reply.status == 200 ? 0 : reply.body["error_codes"][0].get<int>();
  };
  CHECK(code(kTokenPath, "client_id=c&client_secret=any") == 0);
  REQUIRE(identity.set_rules(
      {{"tenant_id", "Tenant-1"}, {"client_id", "c"}, {"client_secret", "right"}}));
  CHECK(code(kTokenPath, "client_id=c&client_secret=right") == 0);
  CHECK(code(kTokenPath, "client_id=c&client_secret=any") == 7000215);
  CHECK(code(kTokenPath, "client_id=d&client_secret=right") == 700016);
  CHECK(code("/tenant-2/oauth2/v2.0/token", "client_id=c&client_secret=right") == 90002);
  const std::string type =
      "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&";
  REQUIRE(identity.set_rules({{"federated_token", "a.b.c"}}));
  CHECK(code(kTokenPath, type + "client_id=c&client_assertion=a.b.c") == 0);
  CHECK(code(kTokenPath, type + "client_id=c&client_assertion=a.b.d") == 70021);
  CHECK(code(kTokenPath, "client_id=c&client_assertion=a.b.c") == 90014);
  CHECK(code(kTokenPath, "client_id=c&client_secret=any") == 7000215);
  CHECK_FALSE(identity.set_rules({{"colour", "red"}}));
  CHECK_FALSE(identity.set_rules({{"certificate", "none"}}));
}

TEST_CASE("App Service wants its header and tells no expires_in") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  auto request = make_request("GET", "/msi/token", "api-version=2019-08-01&" + kArm);
  CHECK(identity.answer_app_service(request).status == 404);
  REQUIRE(identity.set_rules({{"identity_header", "h"}}));
  const Reply refused = identity.answer_app_service(request);
  CHECK(refused.status == 401);
  CHECK(refused.body["statusCode"] == 401);
  request.headers.add("X-IDENTITY-HEADER", "h");
  const Reply reply = identity.answer_app_service(request);
  REQUIRE(reply.status == 200);
  CHECK(reply.body["expires_on"] == "1795323660");
  CHECK_FALSE(reply.body.contains("expires_in"));
  CHECK_FALSE(identity.refuse(bearing(reply.body["access_token"])));
}

TEST_CASE("Arc gives a token to who can read its key, once") {
  FixedClock clock;
  Identity identity(&clock, std::chrono::seconds(60));
  const TemporaryDirectory directory;
  auto request =
      make_request("GET", "/arc/metadata/identity/oauth2/token", "api-version=2020-06-01&" + kArm);
  CHECK(identity.answer_arc(request).status == 404);
  REQUIRE(identity.set_rules({{"arc_directory", directory.path()}}));
  CHECK(identity.answer_arc(request).status == 400);
  request.headers.add("Metadata", "true");
  const Reply challenge = identity.answer_arc(request);
  REQUIRE(challenge.status == 401);
  const std::string realm(challenge.headers.get("WWW-Authenticate").value_or(""));
  REQUIRE(realm.starts_with("Basic realm=" + directory.path() + "/"));
  const auto key = read_file(realm.substr(12));
  REQUIRE(key);
  request.headers.add("Authorization", "Basic " + *key);
  const Reply reply = identity.answer_arc(request);
  CHECK(reply.status == 200);
  CHECK(identity.answer_arc(request).status == 401);
}
