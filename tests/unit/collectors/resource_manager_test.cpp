#include "collectors/resource_manager/arm_list.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("subscription lists are read page by page") {
  const auto page = collectors::parse_subscriptions(
      R"({"value":[{"subscriptionId":"AbC","displayName":"One","state":"Enabled"},{"id":"/broken"}],"nextLink":"https://x/y"})");
  REQUIRE(page);
  REQUIRE(page->subscriptions.size() == 1);
  CHECK(page->subscriptions.at(0).id == "abc");
  CHECK(page->next_link == "https://x/y");
  CHECK(collectors::parse_subscriptions(R"({"value":[],"nextLink":null})")->next_link.empty());
  CHECK_FALSE(collectors::parse_subscriptions(R"({"error":{}})"));
  CHECK_FALSE(collectors::parse_subscriptions(R"({"value":[)"));
}

TEST_CASE("details come as lists or bare arrays") {
  const core::Normaliser normaliser("k");
  const auto parse = [&](const char* body) {
    return collectors::parse_detail(
        body, "/subscriptions/s/providers/m.i/d", "m.i/d", {}, normaliser);
  };
  CHECK(parse(R"({"value":[{"name":"a"}]})")->body ==
        R"({"id":"/subscriptions/s/providers/m.i/d","type":"m.i/d","value":[{"name":"a"}]})");
  CHECK(parse(R"([{"name":"a"}])")->body ==
        parse(R"({"value":[{"name":"a"}],"nextLink":null})")->body);
  CHECK(parse("[]")->is_detail);
  CHECK_FALSE(parse("{}"));
  CHECK_FALSE(parse(R"({"value":[{"name":)"));
}

TEST_CASE("an api-version can be learned from a refusal") {
  CHECK(collectors::supported_api_version(
            "status 400 NoRegisteredProviderFound The supported api-versions are '2014-04-01, "
            "2022-10-01, "
            "2020-01-01-preview'. The supported locations are 'x'.") == "2022-10-01");
  CHECK(collectors::supported_api_version("status 400 nothing").empty());
  CHECK(collectors::supported_api_version("api-versions are '../../x'").empty());
  CHECK(collectors::detail_path("/subscriptions/s/resourcegroups/a b/x?y", "1") ==
        "/subscriptions/s/resourcegroups/a%20b/x%3Fy?api-version=1");
}
