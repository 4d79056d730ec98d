#include "net/proxy.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using net::bypasses_proxy;
using net::parse_no_proxy;
using net::parse_proxy;

TEST_CASE("proxies of the environment are read, logins taken off") {
  struct Case {
    const char* text;
    const char* url;    // empty: refused
    const char* login;  // empty: none
  };

  for (const auto& c : {Case{"http://proxy.example:3128", "http://proxy.example:3128", ""},
                        Case{"proxy.example:3128", "http://proxy.example:3128", ""},
                        Case{"https://proxy.example/", "https://proxy.example:443", ""},
                        Case{"http://u:p%40ss@[::1]:1", "http://[::1]:1", "u:p@ss"},
                        Case{"u:p@ss@proxy", "http://proxy:80", "u:p@ss"},
                        Case{"http://proxy/x@y", "http://proxy:80", ""},
                        Case{"socks5://proxy", "", ""},
                        Case{"http://", "", ""}}) {
    CAPTURE(c.text);
    const auto options = parse_proxy(c.text);
    REQUIRE(options.has_value() == !std::string(c.url).empty());
    if (options) {
      CHECK(options->url == c.url);
      CHECK((options->login ? options->login().value() : "") == c.login);
    } else {
      CHECK(options.error().message == "the proxy is not an http or https URL");
    }
  }
  CHECK(net::basic_authorization("Aladdin:open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST_CASE("NO_PROXY names hosts, suffixes, addresses and blocks") {
  struct Case {
    const char* no_proxy;
    const char* url;
    bool bypasses;
  };

  for (const auto& c : {Case{"", "https://a.example", false},
                        Case{"*", "https://a.example", true},
                        Case{"a.example", "https://a.example", true},
                        Case{"A.EXAMPLE", "https://a.example", true},
                        Case{"x, a.example", "https://b.a.example", true},
                        Case{"a.example", "https://ba.example", false},
                        Case{".a.example", "https://a.example", false},
                        Case{".a.example", "https://b.a.example", true},
                        Case{"*.a.example", "https://b.a.example", true},
                        Case{"a.example:443", "https://a.example", true},
                        Case{"a.example:444", "https://a.example", false},
                        Case{"127.0.0.1", "https://127.0.0.1:8443", true},
                        Case{"127.0.0.1:8443", "https://127.0.0.1:8443", true},
                        Case{"127.0.0.1:1", "https://127.0.0.1:8443", false},
                        Case{"0.0.1", "https://127.0.0.1", false},
                        Case{"127.0.0.1/8", "https://127.9.9.9", true},
                        Case{"10.0.0.0/8 127.0.0.1/32", "https://127.0.0.1", true},
                        Case{"10.0.0.0/8", "https://11.0.0.1", false},
                        Case{"10.0.0.0/8", "https://[fd00::1]", false},
                        Case{"10.0.0.0/99", "https://10.0.0.1", false},
                        Case{"fd00::/8", "https://[fd00::1]", true},
                        Case{"fd00::1", "https://[fd00:0::1]", true},
                        Case{"[fd00::1]:443", "https://[fd00::1]", true},
                        Case{"[fd00::1]:444", "https://[fd00::1]", false}}) {
    CAPTURE(c.no_proxy);
    CAPTURE(c.url);
    CHECK(bypasses_proxy(parse_no_proxy(c.no_proxy), *net::parse_url(c.url)) == c.bypasses);
  }
}
