#include "config/acceptances.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

namespace {

std::string error_of(const std::string& text) {
  const auto parsed = config::parse_acceptances(text, "a.yaml");
  return parsed ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("a file of acceptances says what it accepts") {
  const auto parsed = config::parse_acceptances(R"(acceptances:
  - name: legacy
    kind: configuration
    scope: /subscriptions/S1/resourceGroups/RG
    type: Microsoft.OperationalInsights/workspaces
    path: /properties/retentionInDays
    snooze: true
    reason: waits for the "new" one
    author: team
    expires_on: 2027-01-31T00:00:00Z
  - {name: all, scope: /, reference: NS-1, reason: r, author: a}
)",
                                                "a.yaml");
  REQUIRE(parsed);
  REQUIRE(parsed->size() == 2);
  const auto& first = parsed->front();
  CHECK(first.kind == core::DriftKind::kConfiguration);
  CHECK(first.scope == "/subscriptions/s1/resourcegroups/rg");
  CHECK(first.type == "microsoft.operationalinsights/workspaces");
  CHECK(first.snooze);
  CHECK(first.expires_at == core::parse_rfc3339("2027-01-31T00:00:00Z"));
  CHECK_FALSE(first.up_to_cycle);
  CHECK(parsed->at(1).scope.empty());

  SUBCASE("and is written as it was read") {
    const auto again = config::parse_acceptances(config::write_acceptances(*parsed), "b.yaml");
    CAPTURE(config::write_acceptances(*parsed));
    REQUIRE(again);
    REQUIRE(again->size() == 2);
    CHECK(again->front().reason == first.reason);
    CHECK(again->front().path == first.path);
    CHECK(again->front().expires_at == first.expires_at);
    CHECK(again->at(1).reference == "NS-1");
  }
  CHECK(config::parse_acceptances(config::write_acceptances({}), "b.yaml")->empty());
}

TEST_CASE("what cannot be used is told with its place") {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "a.yaml:1:1: the document needs `acceptances`"},
      {"acceptances:\n  - {scope: /, reason: r, author: a}\n",
       "a.yaml:2:5: an acceptance needs a `name`"},
      {"acceptances:\n  - {name: n, reason: r, author: a}\n",
       "a.yaml:2:5: an acceptance needs a `scope`"},
      {"acceptances:\n  - {name: n, scope: /, author: a}\n",
       "a.yaml:2:5: an acceptance needs a `reason`"},
      {"acceptances:\n  - {name: n, scope: /, reason: r}\n",
       "a.yaml:2:5: an acceptance needs an `author`"},
      {"acceptances:\n  - {name: n, scope: prod, reason: r, author: a}\n",
       "`prod` is no `/`, and no id"},
      {"acceptances:\n  - {name: n, scope: /, path: properties.x, reason: r, author: a}\n",
       "no JSON pointer"},
      {"acceptances:\n  - {name: n, scope: /, path: /a, reference: b, reason: r, author: a}\n",
       "one of them"},
      {"acceptances:\n  - {name: n, scope: /, snooze: true, reason: r, author: a}\n",
       "to snooze needs an end"},
      {"acceptances:\n  - {name: n, scope: /, expires_on: soon, reason: r, author: a}\n",
       "a.yaml:2:37: `soon` is no instant"},
      {"acceptances:\n  - {name: n, scope: /, reason: r, author: a}\n  - {name: n, scope: /, "
       "reason: r, author: a}\n",
       "a.yaml:3:12: a second acceptance `n`"},
      {"acceptances:\n  - {name: n, scope: /, reasons: r, author: a}\n",
       "a.yaml:2:25: unknown key `reasons`"}};
  for (const auto& [text, wanted] : cases) {
    const auto error = error_of(text);
    CAPTURE(text);
    CAPTURE(error);
    CHECK(error.contains(wanted));
  }
}
