#include "simulator/kql.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace plumbline;
using namespace plumbline::simulator;

namespace {

kql::Table sample() {
  const Json rows = Json::parse(R"([
    {"id":"/a","name":"Alpha","type":"m.x/y","tags":{"env":"Prod","n":3},"properties":{"on":true,"list":[1,2],"at":"2026-11-21T00:00:00.1234567Z","deep":{"er":"v"}}},
    {"id":"/b","name":"beta","type":"m.x/z","tags":null,"properties":{"on":false,"n":5}},
    {"id":"/c","name":"","type":"m.x/y","tags":{"env":"dev"},"properties":{"on":"true","at":"2026-11-22T04:30:00Z"}},
    {"id":"/d","name":"alpha-2","type":"m.x/y","tags":{},"properties":null}])");
  kql::Table table;
  table.columns = {{"id", "string"},
                   {"name", "string"},
                   {"type", "string"},
                   {"tags", "object"},
                   {"properties", "object"}};
  for (const Json& row : rows) {
    table.rows.push_back(std::make_shared<Json>(row));
  }
  return table;
}

std::expected<kql::Outcome, kql::Refusal> run(const std::string& text) {
  auto query = kql::Query::parse(text);
  if (!query) {
    return std::unexpected(query.error());
  }
  return query->run(sample(), *core::parse_rfc3339("2026-11-22T05:00:00Z"));
}

/// The ids of the rows, or the first column's values where there is no id: "a b c".
std::string ids(const std::string& text) {
  const auto outcome = run(text);
  if (!outcome) {
    return "refused: " + outcome.error().code;
  }
  std::string list;
  for (const auto& row : outcome->table.rows) {
    const Json value = row->contains("id") ? (*row)["id"] : *row;
    list += value.is_string() ? value.get<std::string>().substr(1) : dump(value);
  }
  return list;
}

}  // namespace

TEST_CASE("where keeps the rows it says") {
  const struct {
    std::string condition;
    std::string expected;
  } cases[] = {
      {"name == 'Alpha'", "a"},
      {"name == 'alpha'", ""},
      {"name =~ 'ALPHA'", "a"},
      {"name != 'Alpha'", "bcd"},
      {"name !~ 'ALPHA'", "bcd"},
      {"name in ('Alpha', 'beta')", "ab"},
      {"name in~ ('ALPHA', \"BETA\")", "ab"},
      {"name !in ('Alpha')", "bcd"},
      {"name !in~ ('ALPHA')", "bcd"},
      {"name contains 'LPH'", "ad"},
      {"name !contains 'lph'", "bc"},
      {"name contains_cs 'lph'", "ad"},
      {"name startswith 'AL'", "ad"},
      {"name !startswith 'AL'", "bc"},
      {"name endswith '2'", "d"},
      {"name has 'alpha'", "ad"},
      {"name has 'alp'", ""},
      {"tolower(name) == 'alpha'", "a"},
      {"toupper(name) == 'BETA'", "b"},
      {"isnotempty(name)", "abd"},
      {"isempty(name)", "c"},
      {"isnull(tags)", "b"},
      {"isnotnull(properties.deep.er)", "a"},
      {"not(name == 'Alpha')", "bcd"},
      {"not (name == 'Alpha') and type == 'm.x/y'", "cd"},
      {"name == 'Alpha' or name == 'beta' and type == 'none'", "a"},
      {"(name == 'Alpha' or name == 'beta') and type == 'm.x/z'", "b"},
      {"tags.env == 'Prod'", "a"},
      {"tags['env'] =~ 'DEV'", "c"},
      {"tags.env == ''", "bd"},
      {"properties.on == true", "ac"},
      {"properties.on == false", "b"},
      {"tostring(properties.on) == 'true'", "ac"},
      {"tags.n > 2 and tags.n <= 3", "a"},
      {"properties.n >= 5", "b"},
      {"properties.missing > 0", ""},
      {"properties.list[0] == 1", "a"},
      {"properties.list[-1] == 2", "a"},
      {"array_length(properties.list) == 2", "a"},
      {"properties.n * 2 - 1 == 9", "b"},
      {"todatetime(properties.at) > ago(1h)", "c"},
      {"todatetime(properties.at) < datetime(2026-11-22)", "a"},
      {"todatetime(properties.at) >= datetime(2026-11-22T04:30:00Z)", "c"},
      {"todatetime(properties.at) >= datetime('2026-11-22 04:30:00')", "c"},
      {"todatetime(properties.at) < now()", "ac"},
      {"strcat(name, '!') == 'beta!'", "b"},
      {"name == @'Alpha'", "a"},
      {"name == 'Al\\pha'", "a"},
      {"true", "abcd"},
      {"hash(id) % 1 == 0", "abcd"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.condition);
    CHECK(ids("resources | where " + test.condition) == test.expected);
  }
}

TEST_CASE("partitions by hash are disjoint and complete") {
  std::size_t total = 0;
  for (const char* const part : {"0", "1", "2"}) {
    total +=
        run(std::string("resources | where hash(tolower(id)) % 3 == ") + part)->table.rows.size();
  }
  CHECK(total == 4);
}

TEST_CASE("the other operators") {
  const struct {
    std::string text;
    std::string expected;
  } cases[] = {
      {"Resources", "abcd"},
      {"resources // all of them\n| where id == '/a'", "a"},
      {"resources | order by name asc", "cadb"},
      {"resources | order by name", "bdac"},
      {"resources | sort by type asc, id desc", "dcab"},
      {"resources | take 2", "ab"},
      {"resources | limit 0", ""},
      {"resources | count", R"({"Count":4})"},
      {"resources | where false | count", R"({"Count":0})"},
      {"resources | take 1 | project name, n = tags.n", R"({"n":3,"name":"Alpha"})"},
      {"resources | take 1 | project tags.env, properties['deep'].er",
       R"({"properties_deep_er":"v","tags_env":"Prod"})"},
      {"resources | take 1 | project-away id, tags, properties",
       R"({"name":"Alpha","type":"m.x/y"})"},
      {"resources | extend e = tostring(tags.env) | where e == 'dev' | project id", "c"},
      {"resources | distinct type | order by type asc", R"({"type":"m.x/y"}{"type":"m.x/z"})"},
      {"resources | summarize count() by type | order by count_ desc",
       R"({"count_":3,"type":"m.x/y"}{"count_":1,"type":"m.x/z"})"},
      {"resources | summarize n = count()", R"({"n":4})"},
      {"resources | project id, t = tolower(type) | where t == 'm.x/z'", "b"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.text);
    CHECK(ids(test.text) == test.expected);
  }
  CHECK(run("resources | take 2")->has_limit);
  CHECK_FALSE(run("resources | where id == '/a'")->has_limit);
}

TEST_CASE("what is outside the subset is refused with its place") {
  const struct {
    std::string text;
    std::string code;
    int line;
    int position;
    std::string token;
  } cases[] = {
      {"", "ParserFailure", 1, 0, "<EOF>"},
      {"| where id == 'x'", "ParserFailure", 1, 0, "|"},
      {"resources where id", "ParserFailure", 1, 10, "where"},
      {"resources | join (resources) on id", "InvalidQueryLanguage", 1, 12, "join"},
      {"resources | mv-expand properties", "InvalidQueryLanguage", 1, 12, "mv-expand"},
      {"resources\n| parse name with x", "InvalidQueryLanguage", 2, 2, "parse"},
      {"resources | where", "ParserFailure", 1, 17, "<EOF>"},
      {"resources | where id ==", "ParserFailure", 1, 23, "<EOF>"},
      {"resources | where (id == 'x'", "ParserFailure", 1, 28, "<EOF>"},
      {"resources | where id == 'x", "ParserFailure", 1, 24, "x"},
      {"resources | where matches(id)", "UnknownFunction", 1, 18, "matches"},
      {"resources | where tolower() == ''", "ParserFailure", 1, 18, "tolower"},
      {"resources | where nosuch == 1", "UnresolvedColumn", 1, 18, "nosuch"},
      {"resources | project id | where name == 'x'", "UnresolvedColumn", 1, 31, "name"},
      {"resources | project-away nosuch", "UnresolvedColumn", 1, 25, "nosuch"},
      {"resources | take x", "ParserFailure", 1, 17, "x"},
      {"resources | take 1.5", "ParserFailure", 1, 17, "1.5"},
      {"resources | order name", "ParserFailure", 1, 18, "name"},
      {"resources | summarize max(id)", "InvalidQueryLanguage", 1, 22, "max"},
      {"resources | where a = 'x'", "ParserFailure", 1, 20, "="},
      {"resources | where todatetime(id) > ago(1y)", "ParserFailure", 1, 39, "1y"},
      {"resources | where id == datetime(never)", "ParserFailure", 1, 24, "datetime"},
      {"resources; resources", "ParserFailure", 1, 9, ";"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.text);
    const auto outcome = run(test.text);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == test.code);
    CHECK(outcome.error().line == test.line);
    CHECK(outcome.error().position == test.position);
    CHECK(outcome.error().token == test.token);
  }
}

TEST_CASE("queries that nest or chain without end are refused, not followed") {
  const std::string deep = "resources | where " + std::string(100'000, '(');
  CHECK_FALSE(run(deep));
  CHECK_FALSE(run("resources | where " + std::string(10'000, '-') + "1 == 1"));
  std::string chain = "resources | where id == ''";
  for (int i = 0; i < 5000; ++i) {
    chain += " or id == ''";
  }
  CHECK_FALSE(run(chain));
  std::string path = "resources | where tags";
  for (int i = 0; i < 5000; ++i) {
    path += ".a";
  }
  CHECK_FALSE(run(path + " == 1"));
}
