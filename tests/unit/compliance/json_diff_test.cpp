#include "compliance/json_diff.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("differences are named by pointer with both values") {
  struct Case {
    const char* name;
    std::string before;
    std::string after;
    std::vector<compliance::JsonChange> want;
  };

  const Case cases[] = {
      {"equal", R"({"a":1})", R"({"a":1})", {}},
      {"changed",
       R"({"p":{"x":"Disabled"}})",
       R"({"p":{"x":"Enabled"}})",
       {{"/p/x", "\"Disabled\"", "\"Enabled\""}}},
      {"added and removed", R"({"a":1})", R"({"b":null})", {{"/a", "1", ""}, {"/b", "", "null"}}},
      {"array element",
       R"({"a":[1,2]})",
       R"({"a":[1,3,4]})",
       {{"/a/1", "2", "3"}, {"/a/2", "", "4"}}},
      {"object to scalar", R"({"a":{"b":1}})", R"({"a":5})", {{"/a", R"({"b":1})", "5"}}},
      {"escaped names", R"({"a/b":{"c~d":1}})", R"({"a/b":{"c~d":2}})", {{"/a~1b/c~0d", "1", "2"}}},
      {"noise of the root", R"({"etag":"1","systemData":{}})", R"({"etag":"2"})", {}},
      {"no noise deeper",
       R"({"properties":{"etag":"1","modifiedDate":"a"}})",
       R"({"properties":{"etag":"2","modifiedDate":"b"}})",
       {{"/properties/etag", "\"1\"", "\"2\""}}},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      simdjson::dom::parser old_parser;
      simdjson::dom::parser new_parser;
      const auto changes = compliance::diff_json(old_parser.parse(c.before).value(),
                                                 new_parser.parse(c.after).value());
      CHECK(changes == c.want);
    }
  }
}

TEST_CASE("long values are cut") {
  simdjson::dom::parser one;
  simdjson::dom::parser two;
  const std::string big = "{\"a\":\"" + std::string(5000, 'x') + "\"}";
  const auto changes =
      compliance::diff_json(one.parse(big).value(), two.parse(std::string("{}")).value());
  CHECK(changes.at(0).old_value.size() == compliance::kMaxDiffValue);
}
