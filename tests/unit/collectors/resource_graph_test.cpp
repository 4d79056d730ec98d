#include "collectors/resource_graph/partitions.hpp"
#include "collectors/resource_graph/query.hpp"
#include "collectors/resource_graph/rows.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

using namespace plumbline;
using collectors::parse_graph_page;

TEST_CASE("queries name types only, in one order") {
  CHECK(collectors::resource_graph_query({"resources", {"microsoft.a/b", "microsoft.c/d"}}) ==
        "resources | where type in~ ('microsoft.a/b', 'microsoft.c/d') | order by id asc");
  CHECK(collectors::resource_graph_query({"resources", {}}) == "resources | order by id asc");
  CHECK(collectors::resource_graph_query({"resources", {"x') | take 1 //"}}) ==
        "resources | where type in~ ('xtake1//') | order by id asc");
  CHECK(
      collectors::resource_graph_body("q\"", {"s1"}, 10, "tok", true) ==
      R"({"subscriptions":["s1"],"query":"q\"","options":{"$top":10,"resultFormat":"objectArray","$skipToken":"tok","authorizationScopeFilter":"AtScopeAboveAndBelow"}})");
}

TEST_CASE("pages are read with their quirks") {
  const core::Normaliser normaliser("k");
  const auto page = parse_graph_page(
      R"({"totalRecords":5,"count":5,"resultTruncated":"false","$skipToken":"next","data":[
      {"id":"/subscriptions/S1/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/A","type":"microsoft.keyvault/vaults","subscriptionId":"S1","tags":""},
      {"id":"subscriptions/s1/resourcegroups/rg/providers/M.X/t/n","type":null},
      {"id":"/subscriptions/s1/resourceGroups/rg","type":"Microsoft.Resources/resourceGroups"},
      {"name":"no id"},
      {"id":"/","type":null}]})",
      "resources",
      {},
      normaliser);
  REQUIRE(page);
  CHECK(page->skip_token == "next");
  CHECK_FALSE(page->truncated);
  CHECK(page->row_count == 5);
  CHECK(page->unusable == 2);
  REQUIRE(page->rows.size() == 3);
  CHECK(page->rows.at(0).key ==
        "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/a");
  CHECK(page->rows.at(0).source == "arg:resources|s1");
  CHECK(page->rows.at(1).type == "m.x/t");
  CHECK(page->rows.at(2).type == "microsoft.resources/subscriptions/resourcegroups");
}

TEST_CASE("a page that is no answer, or not the whole one, is told apart") {
  const core::Normaliser normaliser("k");
  CHECK(
      parse_graph_page(R"({"resultTruncated":"true","data":[]})", "t", {}, normaliser)->truncated);
  CHECK_FALSE(parse_graph_page(
                  R"({"resultTruncated":"true","$skipToken":"x","data":[]})", "t", {}, normaliser)
                  ->truncated);
  for (const char* body :
       {"", "{", "[]", "{}", R"({"data":{"columns":[]}})", R"({"data":[{"id":"/x)"}) {
    const auto page = parse_graph_page(body, "t", {}, normaliser);
    REQUIRE_FALSE(page);
    CHECK(page.error().code == core::Errc::kParse);
  }
  const auto deep =
      parse_graph_page(std::string(R"({"data":)") + std::string(1000, '['), "t", {}, normaliser);
  CHECK(deep.error().code == core::Errc::kLimit);
}

TEST_CASE("a row that can't be read spoils itself alone") {
  const core::Normaliser normaliser("k");
  const auto page_with = [&](const std::string& bad) {
    return parse_graph_page(
        fmt::format(
            R"({{"note":"\"data\":[","facets":[{{"data":[1]}}],"totalRecords":3,"$skipToken":"t","data":[
            {{"id":"/subscriptions/s1/resourceGroups/rg/providers/M.X/t/a","type":"m.x/t","tags":{{"a":"]}}\\\""}}}},
            {},{{"id":"/subscriptions/s1/resourceGroups/rg/providers/M.X/t/b","type":"m.x/t"}}]}})",
            bad),
        "resources",
        {},
        normaliser);
  };
  const std::string deep =
      R"({"id":"/x","p":)" + std::string(200, '[') + std::string(200, ']') + "}";
  for (const std::string& bad : {std::string(R"({"id":"/x","p":NaN})"),
                                 std::string(R"({"id":"/x","p":1e999})"),
                                 std::string("{\"id\":\"/x\",\"p\":\"\xff\"}"),
                                 std::string(R"({"id":"/x","p":"\ud800"})"),
                                 deep}) {
    const auto page = page_with(bad);
    REQUIRE(page);
    CHECK(page->row_count == 3);
    CHECK(page->unusable == 1);
    CHECK(page->rows.size() == 2);
    CHECK(page->skip_token == "t");
    CHECK(page->total_records == 3);
  }
  for (const char* broken : {R"({"id":"/x)", R"({"id":"/x"]})", R"({"id":"/x"}}})"}) {
    CHECK_FALSE(page_with(broken));
  }
}

TEST_CASE("a table is cut into pieces of about the same size") {
  using collectors::partitions_of;
  const auto all_of = [](const std::vector<collectors::GraphPartition>& partitions) {
    std::multiset<std::string> ids;
    for (const auto& partition : partitions) {
      if (partition.piece == 0) {
        ids.insert(partition.subscriptions.begin(), partition.subscriptions.end());
      }
    }
    return ids;
  };
  const std::vector<std::string> ids = {"a", "b", "c", "d"};
  const std::multiset<std::string> every(ids.begin(), ids.end());
  SUBCASE("few rows are one query") {
    const auto parts = partitions_of(ids, {{"a", 900}, {"b", 3000}}, 6);
    CHECK(parts.size() == 1);
    CHECK(all_of(parts) == every);
  }
  SUBCASE("nothing is known") {
    const auto parts = partitions_of(ids, {}, 6);
    CHECK(parts.size() == 1);
    CHECK(all_of(parts) == every);
  }
  SUBCASE("one subscription holds nearly all") {
    const auto parts = partitions_of(ids, {{"b", 60'000}, {"c", 10}}, 6);
    CHECK(all_of(parts) == every);
    std::set<int> pieces;
    for (const auto& part : parts) {
      if (part.subscriptions == std::vector<std::string>{"b"}) {
        CHECK(part.pieces == 6);
        pieces.insert(part.piece);
      }
    }
    CHECK(pieces == std::set<int>{0, 1, 2, 3, 4, 5});
    CHECK(parts.size() == 7);
  }
  SUBCASE("many subscriptions are shared out") {
    std::vector<std::string> many;
    collectors::RowCounts counts;
    for (int i = 0; i < 300; ++i) {
      many.push_back(fmt::format("s{:03}", i));
      counts[many.back()] = 100 + i;
    }
    const auto parts = partitions_of(many, counts, 6);
    CHECK(parts.size() >= 6);
    CHECK(parts.size() <= 8);
    CHECK(all_of(parts) == std::multiset<std::string>(many.begin(), many.end()));
    for (const auto& part : parts) {
      CHECK(part.pieces == 1);
      CHECK(part.expected <= 75'000 / 6 * 9 / 8 + 400);
    }
  }
  CHECK(collectors::resource_graph_query({"resources", {"m.x/t"}}, 2, 6) ==
        "resources | where type in~ ('m.x/t') | where hash(tolower(id), 6) == 2 | order by id asc");
  CHECK(collectors::resource_graph_count_query({"resources", {}}) ==
        "resources | summarize count() by subscriptionId");
  CHECK(collectors::parse_counts(R"({"data":[{"subscriptionId":"S1","count_":7}]})")->at("s1") ==
        7);
  CHECK_FALSE(collectors::parse_counts(R"({"data":[{"id":"/x"}]})"));
  CHECK_FALSE(collectors::parse_counts(R"({"resultTruncated":"true","data":[]})"));
}

TEST_CASE("counts by type: a query with one order, pages, and first ids") {
  CHECK(collectors::resource_graph_type_count_query({"resources", {"m.x/t"}}) ==
        "resources | where type in~ ('m.x/t') | summarize count() by subscriptionId, type "
        "| order by subscriptionId asc, type asc");
  CHECK(collectors::resource_graph_example_query("resources", "m.x/t") ==
        "resources | where type in~ ('m.x/t') | project id | order by id asc | take 1");
  const auto page = collectors::parse_type_counts(
      R"({"$skipToken":"next","resultTruncated":"true","data":[
          {"subscriptionId":"S1","type":"M.X/T","count_":7},{"type":"m.x/u","count_":2}]})");
  REQUIRE(page);
  CHECK(page->skip_token == "next");
  REQUIRE(page->rows.size() == 2);
  CHECK(page->rows[0].subscription == "s1");
  CHECK(page->rows[0].type == "m.x/t");
  CHECK(page->rows[0].count == 7);
  CHECK(page->rows[1].subscription.empty());
  CHECK_FALSE(collectors::parse_type_counts(R"({"data":[{"subscriptionId":"s","count_":7}]})"));
  CHECK_FALSE(collectors::parse_type_counts(R"({"data":[{"type":"m.x/t"}]})"));
  CHECK_FALSE(collectors::parse_type_counts(R"({"resultTruncated":"true","data":[]})"));
  CHECK_FALSE(collectors::parse_type_counts(R"({"count":0})"));
  const std::string id = "/subscriptions/S/resourceGroups/G/providers/M.X/t/N";
  CHECK(*collectors::first_id(R"({"data":[{"id":")" + id + R"("}]})") ==
        "/subscriptions/s/resourcegroups/g/providers/m.x/t/n");
  CHECK(collectors::first_id(R"({"data":[]})")->empty());
  CHECK_FALSE(collectors::first_id("[]"));
}
