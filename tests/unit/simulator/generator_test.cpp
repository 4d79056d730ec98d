#include "simulator/generator.hpp"

#include "core/text.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace plumbline;
using namespace plumbline::simulator;

TEST_CASE("the same seed makes the same tenant, another one another") {
  const Generator one({.resources = 1000, .subscriptions = 3, .seed = 7});
  const Generator same({.resources = 1000, .subscriptions = 3, .seed = 7});
  const Generator other({.resources = 1000, .subscriptions = 3, .seed = 8});
  std::string a;
  std::string b;
  std::string c;
  for (const std::size_t index : {0U, 1U, 333U, 999U}) {
    one.append_row(index, a);
    same.append_row(index, b);
    other.append_row(index, c);
  }
  CHECK(a == b);
  CHECK(a != c);
  CHECK(one.tenant() == same.tenant());
  CHECK(one.tenant()["subscriptions"].size() == 3);
}

TEST_CASE("rows are JSON of about 2 KB, and their ids grow") {
  const Generator generator({.resources = 1000, .subscriptions = 3, .seed = 1});
  std::set<std::string> subscriptions;
  for (const auto& entry : generator.tenant()["subscriptions"]) {
    subscriptions.insert(entry["subscriptionId"].get<std::string>());
  }
  std::string before;
  for (std::size_t i = 0; i < generator.size(); ++i) {
    std::string row;
    generator.append_row(i, row);
    CHECK(row.size() > 1800);
    CHECK(row.size() < 2300);
    const Json parsed = Json::parse(row);
    CHECK(parsed["id"] == generator.id(i));
    CHECK(parsed["type"] == generator.type(i));
    CHECK(parsed["subscriptionId"] == generator.subscription(i));
    CHECK(subscriptions.contains(generator.subscription(i)));
    CHECK(generator.id(i) > before);
    before = generator.id(i);
  }
  CHECK(generator.subscription(0) != generator.subscription(999));
}

TEST_CASE("the pieces of a query are all of it, each row once") {
  const Generator generator({.resources = 5000, .subscriptions = 2, .seed = 1});
  std::size_t sum = 0;
  for (int piece = 0; piece < 6; ++piece) {
    const auto query = parse_generated_query(
        "resources | where type in~ ('microsoft.keyvault/vaults', 'm.x/y') | where "
        "hash(tolower(id), 6) == " +
        std::to_string(piece) + " | order by id asc");
    REQUIRE(query);
    CHECK(query->types == std::vector<std::string>{"microsoft.keyvault/vaults", "m.x/y"});
    std::size_t own = 0;
    for (std::size_t i = 0; i < generator.size(); ++i) {
      own += is_in_piece(generator.id(i), *query) ? 1U : 0U;
    }
    CHECK(own > 700);
    sum += own;
  }
  CHECK(sum == generator.size());
  CHECK(parse_generated_query("resources | order by id asc")->types.empty());
  CHECK(parse_generated_query("resources | summarize count() by subscriptionId")
            ->count_by_subscription);
  CHECK_FALSE(parse_generated_query("resources | take 5"));
  CHECK(parse_generated_query("resources | where id in~ ('/A', '/b') | order by id asc")->ids ==
        std::vector<std::string>{"/a", "/b"});
}

TEST_CASE("a row that was changed stays so, and no other is") {
  Generator generator({.resources = 300, .subscriptions = 3, .seed = 1});
  const auto id = core::to_lower(generator.id(123));
  REQUIRE(generator.index_of(id) == 123);
  CHECK_FALSE(generator.index_of(id + "0"));
  CHECK_FALSE(generator.index_of("/subscriptions/x/resourceGroups/rg/providers/a.b/c/d-0000123"));
  CHECK_FALSE(generator.index_of(""));
  const auto row = [&](std::size_t index) {
    std::string text;
    generator.append_row(index, text);
    return nlohmann::json::parse(text);
  };
  const auto before = row(123);
  const auto other = row(124);
  generator.patch(123, {{"tags", {{"owner", "moved"}}}});
  auto expected = before;
  expected["tags"]["owner"] = "moved";
  CHECK(row(123) == expected);
  CHECK(row(124) == other);
}
