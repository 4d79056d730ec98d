#include "net/http.hpp"

#include "net/http_server.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace plumbline;
using namespace plumbline::net;

TEST_CASE("URLs are split and given their default port") {
  const struct {
    std::string text, origin, target;
  } cases[] = {
      {"https://management.azure.com", "https://management.azure.com:443", "/"},
      {"HTTPS://Management.Azure.COM:443/a/B?x=1&y",
       "https://management.azure.com:443",
       "/a/B?x=1&y"},
      {"http://127.0.0.1:50342/oauth2?a=b#frag", "http://127.0.0.1:50342", "/oauth2?a=b"},
      {"https://host?x=1", "https://host:443", "/?x=1"},
      {"https://host:/p", "https://host:443", "/p"},
      {"https://[::1]:8443/p", "https://[::1]:8443", "/p"},
      {"https://[FE80::1]", "https://[fe80::1]:443", "/"},
      {"http://host/p%20q?%24top=5", "http://host:80", "/p%20q?%24top=5"},
      {"http://host/at@sign", "http://host:80", "/at@sign"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.text);
    const auto url = parse_url(test.text);
    REQUIRE(url);
    CHECK(url->origin() == test.origin);
    CHECK(url->target == test.target);
  }
}

TEST_CASE("what is no absolute http URL is refused, without its query in the message") {
  const std::string cases[] = {
      "",
      "/subscriptions",
      "ftp://host/",
      "https:/host",
      "https://",
      "https:///path",
      "https://user:pw@host/",
      "https://host@evil/",
      "https://ho st/",
      "https://host/a b",
      "https://host/\r\nX: y",
      "https://host:0/",
      "https://host:65536/",
      "https://host:80a/",
      "https://[::1",
      "https://[nonsense]/",
      "https://[::1]x/",
      "https://ho\\st/",
      "https://h\xc3\xb6st/",
      "https://host:99999/?sig=secret",
  };
  for (const auto& text : cases) {
    CAPTURE(text);
    const auto url = parse_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == core::Errc::kInvalidArgument);
    CHECK(url.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("query strings are decoded in order") {
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  const struct {
    std::string text;
    Pairs expected;
  } cases[] = {
      {"", {}},
      {"a=1&b=2", {{"a", "1"}, {"b", "2"}}},
      {"a", {{"a", ""}}},
      {"&&a=1&", {{"a", "1"}}},
      {"%24top=10&x=a%26b+c", {{"$top", "10"}, {"x", "a&b c"}}},
      {"a=b=c", {{"a", "b=c"}}},
      {"a=%zz", {{"a", "%zz"}}},
  };

  for (const auto& test : cases) {
    CAPTURE(test.text);
    CHECK(parse_query(test.text) == test.expected);
  }
  ServerRequest request;
  request.query = "a=1&a=2&b=%2F";
  CHECK(request.query_value("a") == "1");
  CHECK(request.query_value("b") == "/");
  CHECK_FALSE(request.query_value("c"));
}

TEST_CASE("Retry-After is a number of seconds or a date") {
  const core::Time now = *core::parse_rfc3339("1994-11-06T08:49:30.5Z");

  const struct {
    std::string text;
    std::optional<int> seconds;
  } cases[] = {
      {"0", 0},
      {"17", 17},
      {" 17 ", 17},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 7},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 7},
      {"Sun Nov  6 08:49:37 1994", 7},
      {"Sun, 06 Nov 1994 08:00:00 GMT", 0},  // past
      {"Sun, 06 Nov 1994 08:49:37", std::nullopt},
      {"Sun, 31 Feb 1994 08:49:37 GMT", std::nullopt},
      {"Sun, 06 Foo 1994 08:49:37 GMT", std::nullopt},
      {"Sun, 06 Nov 1994 25:49:37 GMT", std::nullopt},
      {"", std::nullopt},
      {"-1", std::nullopt},
      {"1.5", std::nullopt},
      {"soon", std::nullopt},
      {"99999999999999999999999", 2147483647},
  };

  for (const auto& test : cases) {
    CAPTURE(test.text);
    const auto wait = parse_retry_after(test.text, now);
    REQUIRE(wait.has_value() == test.seconds.has_value());
    if (wait) {
      CHECK(wait->count() == *test.seconds);
    }
  }
}

TEST_CASE("header names compare ignoring case") {
  Headers headers{{"X-A", "1"}, {"x-a", "2"}, {"B", "3"}};
  CHECK(headers.get("X-a") == "1");
  headers.set("x-A", "4");
  CHECK(headers.fields().size() == 2);
  CHECK(headers.get("X-A") == "4");
  headers.remove("b");
  CHECK_FALSE(headers.get("B"));
}
