#include "collectors/resource_graph/query.hpp"
#include "collectors/resource_graph/rows.hpp"

#include <doctest/doctest.h>

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
