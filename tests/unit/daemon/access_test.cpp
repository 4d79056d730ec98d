#include "daemon/web/access.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using daemon::OwnNames;

namespace {

OwnNames own_names() {
  OwnNames names;
  names.machine = "monitor1";
  names.external_url = *net::parse_url("https://plumbline.example/");
  return names;
}

}  // namespace

TEST_CASE("which Host is the daemon's, and which means this machine") {
  const struct {
    const char* host;
    bool own;
    bool loopback;
  } cases[] = {
      {"localhost", true, true},
      {"LocalHost:9837", true, true},
      {"a.localhost:80", true, true},
      {"127.0.0.1", true, true},
      {"127.9.9.9:9837", true, true},
      {"[::1]", true, true},
      {"[::1]:9837", true, true},
      {"10.1.2.3:9837", true, false},
      {"[fd00::1]:9837", true, false},
      {"monitor1:9837", true, false},
      {"plumbline.example", true, false},
      {"PLUMBLINE.example:443", true, false},
      {"evil.example", false, false},
      {"evil.example:9837", false, false},
      {"127.0.0.1.evil.example", false, false},
      {"localhost.evil.example", false, false},
      {"evillocalhost", false, false},
      {"monitor1.evil.example", false, false},
      {"127.0.0.1/@evil.example", false, false},
      {"127.0.0.1?", false, false},
      {"a@127.0.0.1", false, false},
      {"127.1", false, false},
      {"0x7f000001", false, false},
      {"127.0.0.1:x", false, false},
      {"[::1", false, false},
      {"::1", false, false},
      {"", false, false},
      {" localhost", false, false},
  };

  for (const auto& test : cases) {
    CAPTURE(test.host);
    CHECK(daemon::is_own_host(test.host, own_names()) == test.own);
    CHECK(daemon::is_loopback_host(test.host) == test.loopback);
  }
  CHECK_FALSE(daemon::is_own_host("plumbline.example", OwnNames()));
}

TEST_CASE("where a request that changes something may come from") {
  const struct {
    net::Headers headers;
    bool tls;
    bool allowed;
  } cases[] = {
      {{{"Host", "127.0.0.1:9837"}}, false, true},
      {{}, false, true},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "http://127.0.0.1:9837"}}, false, true},
      {{{"Host", "LOCALHOST"}, {"Origin", "http://localhost:80"}}, false, true},
      {{{"Host", "a.example"}, {"Origin", "https://a.example"}}, true, true},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "https://plumbline.example"}}, false, true},
      {{{"Host", "127.0.0.1:9837"}, {"Sec-Fetch-Site", "same-origin"}}, false, true},
      {{{"Host", "127.0.0.1:9837"}, {"Sec-Fetch-Site", "none"}}, false, true},
      {{{"Host", "127.0.0.1:9837"}, {"Sec-Fetch-Site", "cross-site"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Sec-Fetch-Site", "same-site"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "http://127.0.0.1:3000"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "https://127.0.0.1:9837"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "http://localhost:9837"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "null"}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", ""}}, false, false},
      {{{"Host", "127.0.0.1:9837"}, {"Origin", "http://evil.example"}}, false, false},
      {{{"Host", "a.example"}, {"Origin", "http://a.example"}}, true, false},
      {{{"Origin", "http://a.example"}}, false, false},
  };

  int row = 0;
  for (const auto& test : cases) {
    CAPTURE(row);
    CHECK(daemon::is_same_origin(test.headers, test.tls, own_names()) == test.allowed);
    ++row;
  }
}

TEST_CASE("what a proxy says") {
  CHECK_FALSE(daemon::is_forwarded({{"Host", "a"}, {"Accept", "*/*"}}));
  CHECK(daemon::is_forwarded({{"x-forwarded-for", "10.0.0.1"}}));
  CHECK(daemon::is_forwarded({{"Forwarded", "for=10.0.0.1"}}));
  CHECK(daemon::is_forwarded({{"Via", "1.1 proxy"}}));
}
