#include "core/text.hpp"

#include <doctest/doctest.h>

using namespace plumbline::core;

TEST_CASE("JSON strings are quoted as RFC 8259 wants") {
  CHECK(json_quote("a\"b\\c\n\x01") == R"("a\"b\\c\n\u0001")");
}

TEST_CASE("percent-encoding goes both ways and keeps malformed escapes") {
  CHECK(percent_encode("https://a/b c") == "https%3A%2F%2Fa%2Fb%20c");
  CHECK(percent_decode("a%2Fb%zz%4") == "a/b%zz%4");
  CHECK(percent_decode("%41") == "A");
}

TEST_CASE("HTML is escaped for text and attributes") {
  CHECK(html_escape("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
}

TEST_CASE("splitting keeps empty parts") {
  CHECK(split("a//b", '/').size() == 3);
  CHECK(split("", '/').size() == 1);
  CHECK(trim(" \t x ") == "x");
  CHECK(iequals("AbC", "aBc"));
  CHECK_FALSE(iequals("ab", "abc"));
}
