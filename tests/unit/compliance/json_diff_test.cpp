#include "compliance/json_diff.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

using namespace plumbline;

namespace {

using compliance::JsonChange;

std::vector<JsonChange> diff(const std::string& before,
                             const std::string& after,
                             const compliance::DiffRules* rules = nullptr) {
  simdjson::dom::parser old_parser;
  simdjson::dom::parser new_parser;
  return compliance::diff_json(
      old_parser.parse(before).value(), new_parser.parse(after).value(), rules);
}

/// Rules for whole paths, joined with a slash.
class Rules final : public compliance::DiffRules {
 public:
  std::vector<std::string> ignored;
  std::vector<std::string> letters;
  std::map<std::string, Unordered> arrays;
  std::map<std::string, std::string> defaults;

  [[nodiscard]] bool is_ignored(compliance::DiffPath path) const override {
    return std::ranges::find(ignored, join(path)) != ignored.end();
  }

  [[nodiscard]] bool ignores_case(compliance::DiffPath path) const override {
    return std::ranges::find(letters, join(path)) != letters.end();
  }

  [[nodiscard]] const Unordered* unordered(compliance::DiffPath path) const override {
    const auto found = arrays.find(join(path));
    return found == arrays.end() ? nullptr : &found->second;
  }

  [[nodiscard]] bool is_default(compliance::DiffPath path,
                                simdjson::dom::element value) const override {
    const auto found = defaults.find(join(path));
    return found != defaults.end() && found->second == simdjson::minify(value);
  }

 private:
  static std::string join(compliance::DiffPath path) {
    std::string out;
    for (const auto segment : path) {
      out += (out.empty() ? "" : "/") + std::string(segment);
    }
    return out;
  }
};

Rules rules() {
  Rules out;
  out.ignored = {"p/etag", "set/noise"};
  out.letters = {"p/sku"};
  out.arrays = {{"set", {}}, {"logs", {{"category", "group"}}}};
  out.defaults = {{"p/access", "\"Enabled\""}, {"p/tags", "{}"}, {"p/gone", "null"}};
  return out;
}

}  // namespace

TEST_CASE("differences are named by path with both values") {
  struct Case {
    const char* name;
    std::string before;
    std::string after;
    std::vector<JsonChange> want;
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
      {"order of scalars",
       R"({"a":["x","y"]})",
       R"({"a":["y","x"]})",
       {{"/a/0", "\"x\"", "\"y\""}, {"/a/1", "\"y\"", "\"x\""}}},
      {"object to scalar", R"({"a":{"b":1}})", R"({"a":5})", {{"/a", R"({"b":1})", "5"}}},
      {"escaped names", R"({"a/b":{"c~d":1}})", R"({"a/b":{"c~d":2}})", {{"/a~1b/c~0d", "1", "2"}}},
      {"nothing is noise by itself",
       R"({"etag":"1"})",
       R"({"etag":"2"})",
       {{"/etag", "\"1\"", "\"2\""}}},
      {"order of properties",
       R"({"a":{"x":1,"y":[{"u":1,"v":2}]}})",
       R"({"a":{"y":[{"v":2,"u":1}],"x":1}})",
       {}},
      {"one number", R"({"a":30})", R"({"a":30.0})", {}},
      {"large numbers",
       R"({"a":9007199254740993})",
       R"({"a":9007199254740992})",
       {{"/a", "9007199254740993", "9007199254740992"}}},
      {"a number is no text", R"({"a":1})", R"({"a":"1"})", {{"/a", "1", "\"1\""}}},
      {"letters of an id",
       R"({"a":"/subscriptions/S/resourceGroups/G"})",
       R"({"a":"/subscriptions/s/resourcegroups/g"})",
       {}},
      {"letters of another text",
       R"({"a":"Disabled"})",
       R"({"a":"disabled"})",
       {{"/a", "\"Disabled\"", "\"disabled\""}}},
      {"elements by name, in another order",
       R"({"r":[{"name":"a","v":1},{"name":"b","v":2}]})",
       R"({"r":[{"name":"b","v":3},{"name":"a","v":1}]})",
       {{"/r/b/v", "2", "3"}}},
      {"the first element goes",
       R"({"r":[{"name":"a","v":1},{"name":"b","v":2}]})",
       R"({"r":[{"name":"b","v":2}]})",
       {{"/r/a", R"({"name":"a","v":1})", ""}}},
      {"an id goes before a name, in any letters",
       R"({"r":[{"id":"/subscriptions/S/x","name":"n","v":1}]})",
       R"({"r":[{"id":"/subscriptions/s/X","name":"n","v":2}]})",
       {{"/r/~1subscriptions~1s~1x/v", "1", "2"}}},
      {"a name where one element has no id",
       R"({"r":[{"id":"1","name":"a"},{"name":"b"}]})",
       R"({"r":[{"name":"b"},{"id":"2","name":"a"}]})",
       {{"/r/a/id", "\"1\"", "\"2\""}}},
      {"a key", R"({"r":[{"key":7,"v":1}]})", R"({"r":[{"key":7,"v":2}]})", {{"/r/7/v", "1", "2"}}},
      {"names that are not unique",
       R"({"r":[{"name":"a","v":1},{"name":"a","v":2}]})",
       R"({"r":[{"name":"a","v":2},{"name":"a","v":2}]})",
       {{"/r/0/v", "1", "2"}}},
      {"the first elements of all",
       R"({"r":[]})",
       R"({"r":[{"name":"a"}]})",
       {{"/r/a", "", R"({"name":"a"})"}}},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      CHECK(diff(c.before, c.after) == c.want);
      // And the other way round: the same paths.
      auto back = c.want;
      for (auto& change : back) {
        std::swap(change.old_value, change.new_value);
      }
      CHECK(diff(c.after, c.before) == back);
    }
  }
}

TEST_CASE("rules say what tells nothing") {
  struct Case {
    const char* name;
    std::string before;
    std::string after;
    std::vector<JsonChange> want;
  };

  const Case cases[] = {
      {"ignored", R"({"p":{"etag":"1"}})", R"({"p":{"etag":"2"}})", {}},
      {"ignored alone", R"({"p":{"etag":"1","x":1}})", R"({"p":{"x":2}})", {{"/p/x", "1", "2"}}},
      {"the same name elsewhere",
       R"({"q":{"etag":"1"}})",
       R"({"q":{"etag":"2"}})",
       {{"/q/etag", "\"1\"", "\"2\""}}},
      {"letters", R"({"p":{"sku":"PerGB"}})", R"({"p":{"sku":"pergb"}})", {}},
      {"other text",
       R"({"p":{"sku":"PerGB"}})",
       R"({"p":{"sku":"free"}})",
       {{"/p/sku", "\"PerGB\"", "\"free\""}}},
      {"a default made explicit",
       R"({"p":{}})",
       R"({"p":{"access":"Enabled","tags":{},"gone":null}})",
       {}},
      {"a value that is no default",
       R"({"p":{}})",
       R"({"p":{"access":"Disabled"}})",
       {{"/p/access", "", "\"Disabled\""}}},
      {"from the default to another",
       R"({"p":{"access":"Enabled"}})",
       R"({"p":{"access":"Disabled"}})",
       {{"/p/access", "\"Enabled\"", "\"Disabled\""}}},
      {"an object of nothing else", R"({})", R"({"p":{"access":"Enabled","etag":"1"}})", {}},
      {"an object of more",
       R"({})",
       R"({"p":{"access":"Enabled","x":1}})",
       {{"/p", "", R"({"access":"Enabled","x":1})"}}},
      {"an empty object says something", R"({})", R"({"p":{}})", {{"/p", "", "{}"}}},
      {"a set in another order", R"({"set":["x","y",1]})", R"({"set":[1,"y","x"]})", {}},
      {"a set's elements",
       R"({"set":["x","y/z"]})",
       R"({"set":["w","x"]})",
       {{"/set/w", "", "\"w\""}, {"/set/y~1z", "\"y/z\"", ""}}},
      {"ids of a set", R"({"set":["/subscriptions/A"]})", R"({"set":["/subscriptions/a"]})", {}},
      {"twice",
       R"({"set":["x"]})",
       R"({"set":["x","x"]})",
       {{"/set/x", "[\"x\"]", "[\"x\",\"x\"]"}}},
      {"an ignored element of a set", R"({"set":["noise"]})", R"({"set":["noise","noise"]})", {}},
      {"objects of a set",
       R"({"set":[{"a":1,"b":2},{"a":2}]})",
       R"({"set":[{"a":2},{"b":2,"a":1}]})",
       {}},
      {"elements told apart by several properties",
       R"({"logs":[{"category":"Audit","on":true},{"group":"all","on":true}]})",
       R"({"logs":[{"group":"all","on":false},{"category":"Audit","on":true}]})",
       {{"/logs/all/on", "true", "false"}}},
  };
  const auto given = rules();
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      CHECK(diff(c.before, c.after, &given) == c.want);
    }
  }
}

TEST_CASE("an object of a set has a path of its own, wherever it stands") {
  const auto given = rules();
  const auto one = diff(R"({"set":[{"a":1}]})", R"({"set":[{"a":1},{"a":2}]})", &given);
  const auto two = diff(R"({"set":[{"a":1}]})", R"({"set":[{"a":2},{"a":1}]})", &given);
  REQUIRE(one.size() == 1);
  CHECK(one == two);
  CHECK(one[0].path.size() == std::string("/set/").size() + 12);
}

TEST_CASE("long values are cut, and still differ") {
  const std::string before = "{\"a\":\"" + std::string(5000, 'x') + "1\"}";
  const std::string after = "{\"a\":\"" + std::string(5000, 'x') + "2\"}";
  const auto changes = diff(before, after);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].old_value.size() == compliance::kMaxDiffValue);
  CHECK(changes[0].new_value.size() == compliance::kMaxDiffValue);
  CHECK(changes[0].old_value != changes[0].new_value);
  // Never within a character: an answer that quotes it stays UTF-8.
  for (int shift = 0; shift < 3; ++shift) {
    std::string wide = "{\"a\":\"" + std::string(static_cast<std::size_t>(shift), 'x');
    for (int i = 0; i < 1000; ++i) {
      wide += "€";
    }
    const auto cut = diff(wide + "\"}", "{}").at(0).old_value;
    const auto end = cut.rfind("...");
    REQUIRE(end != std::string::npos);
    CHECK(cut.substr(end - 3, 3) == "€");
  }
}

TEST_CASE("too many differences are told further up, and none is lost") {
  // 40 properties with 30 members each, one of which is noise alone.
  std::string before = "{\"p\":{\"etag\":\"1\"";
  std::string after = "{\"p\":{\"etag\":\"2\"";
  for (int i = 0; i < 40; ++i) {
    for (auto* text : {&before, &after}) {
      *text += fmt::format(",\"m{:02}\":{{", i);
      for (int j = 0; j < 30; ++j) {
        *text += fmt::format("{}\"x{}\":{}", j == 0 ? "" : ",", j, text == &before ? 1 : 2);
      }
      *text += '}';
    }
  }
  before += "}}";
  after += "}}";
  const auto given = rules();
  const auto changes = diff(before, after, &given);
  REQUIRE(changes.size() == 40);
  CHECK(changes.front().path == "/p/m00");
  CHECK(changes.back().path == "/p/m39");
  CHECK(changes.front().old_value.starts_with(R"({"x0":1,)"));
  CHECK(changes.front().new_value.starts_with(R"({"x0":2,)"));

  std::string one = "[0";
  std::string two = "[1";
  for (int i = 0; i < 5000; ++i) {
    one += ",1";
    two += ",2";
  }
  const auto whole = diff(one + "]", two + "]");
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].path.empty());
}

TEST_CASE("depth is bounded") {
  std::string before = "1";
  std::string after = "2";
  for (int i = 0; i < 90; ++i) {
    before = "{\"a\":" + before + "}";
    after = "{\"a\":" + after + "}";
  }
  const auto changes = diff(before, after);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].path.size() == 2 * compliance::kMaxDiffDepth);
  CHECK(diff(before, before).empty());
}

TEST_CASE("time is bounded") {
  // Arrays of thousands of objects without an identity, each moved by one.
  std::string items;
  for (int i = 0; i < 20'000; ++i) {
    items += fmt::format(",{{\"v\":{}}}", i);
  }
  const auto started = std::chrono::steady_clock::now();
  const auto given = rules();
  CHECK(diff("{\"set\":[{}" + items + "]}", "{\"set\":[" + items.substr(1) + "]}", &given).size() ==
        1);
  CHECK(diff("{\"a\":[{}" + items + "]}", "{\"a\":[" + items.substr(1) + "]}", &given).size() == 1);
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(10));
}

TEST_CASE("a path's segments are read back") {
  const std::vector<std::string> want = {"r", "/subscriptions/s", "a~b", ""};
  CHECK(compliance::pointer_segments("/r/~1subscriptions~1s/a~0b/") == want);
  CHECK(compliance::pointer_segments("").empty());
}
