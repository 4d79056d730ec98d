#include "core/path_pattern.hpp"

#include "core/text.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("patterns of paths") {
  struct Case {
    const char* pattern;
    const char* path;  // without the first slash; empty: the root
    bool matches;
    bool covers;
    bool overlaps;
  };

  const Case cases[] = {
      {"/a/b", "a/b", true, true, true},
      {"/a/b", "A/B", true, true, true},
      {"/a/b", "a/b/c", false, true, true},
      {"/a/b", "a", false, false, true},
      {"/a/b", "b", false, false, false},
      {"/a/b", "", false, false, true},
      {"/a/*/c", "a/b/c", true, true, true},
      {"/a/*/c", "a/c", false, false, true},
      {"/a/*/c", "a/b", false, false, true},
      {"/**/c", "c", true, true, true},
      {"/**/c", "a/b/c", true, true, true},
      {"/**/c", "a/c/b", false, true, true},
      {"/**/c", "a/b", false, false, false},
      {"/a/**", "a", true, true, true},
      {"/a/**", "a/b/c", true, true, true},
      {"/a/**/x/**/y", "a/b/x/y", true, true, true},
      {"/a/**/x/**/y", "a/b/y", false, false, false},
      {"/**", "", true, true, true},
  };
  for (const auto& c : cases) {
    CAPTURE(c.pattern);
    CAPTURE(c.path);
    const auto pattern = core::PathPattern::parse(c.pattern);
    REQUIRE(pattern);
    std::vector<std::string_view> path;
    if (*c.path != '\0') {
      path = core::split(c.path, '/');
    }
    CHECK(pattern->matches(path) == c.matches);
    CHECK(pattern->covers(path) == c.covers);
    CHECK(pattern->overlaps(path) == c.overlaps);
  }
  const std::vector<std::string_view> escaped = {"r", "/subscriptions/s", "a~b"};
  CHECK(core::PathPattern::parse("/r/~1subscriptions~1s/a~0b")->matches(escaped));
  for (const auto* const text : {"", "/", "a", "/a/", "/**/a/**/b/**"}) {
    CAPTURE(text);
    CHECK_FALSE(core::PathPattern::parse(text));
  }
}

TEST_CASE("wildcards") {
  CHECK(core::matches_wildcard("microsoft.insights/components", "Microsoft.Insights/*"));
  CHECK(core::matches_wildcard("abc", "*b*"));
  CHECK(core::matches_wildcard("aXbXc", "a*x*c"));
  CHECK(core::matches_wildcard("", "*"));
  CHECK(core::matches_wildcard("ab", "ab"));
  CHECK_FALSE(core::matches_wildcard("abc", "ab"));
  CHECK_FALSE(core::matches_wildcard("ab", "abc"));
  CHECK_FALSE(core::matches_wildcard("ab", ""));
  CHECK_FALSE(core::matches_wildcard("microsoft.insights", "microsoft.insights/*"));
}
