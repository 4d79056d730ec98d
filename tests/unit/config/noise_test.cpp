#include "config/noise.hpp"

#include "config/settings.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using Kind = core::NoiseRule::Kind;

TEST_CASE("noise rules are read") {
  const auto rules = config::parse_noise(R"(rules:
  - kind: ignore
    types: ["*"]
    paths: [/**/etag, /properties/a~1b]
    reason: Changes with every write.
  - {kind: unordered, types: [Microsoft.Insights/webtests], paths: [/properties/Locations], by: [Id], reason: r}
  - {kind: default, types: [a/b], paths: [/p], value: {days: 0, enabled: false}, reason: r}
  - {kind: default, types: [a/b], paths: [/p], reason: r}
  - {kind: case, types: [a/b, c/*], paths: [/p], reason: r}
)",
                                         "noise.yaml");
  CAPTURE((rules ? std::string() : rules.error().message));
  REQUIRE(rules);
  REQUIRE(rules->size() == 5);
  CHECK(rules->at(0).kind == Kind::kIgnore);
  CHECK(rules->at(0).paths.at(1).text() == "/properties/a~1b");
  CHECK(rules->at(1).kind == Kind::kUnordered);
  CHECK(rules->at(1).types == std::vector<std::string>{"microsoft.insights/webtests"});
  CHECK(rules->at(1).by == std::vector<std::string>{"Id"});
  CHECK(rules->at(2).kind == Kind::kDefault);
  CHECK(rules->at(2).value_json == R"({"days":0,"enabled":false})");
  CHECK(rules->at(3).value_json == "null");
  CHECK(rules->at(4).kind == Kind::kCase);
  CHECK(config::parse_noise(R"({"rules": []})", "noise.json")->empty());
}

TEST_CASE("what is wrong with a noise rule is told with its place") {
  struct Case {
    const char* text;
    const char* message;
  };

  const Case cases[] = {
      {"{}", "n:1:1: the document needs `rules`, a list; `[]` for none"},
      {"rules: [{kind: hide, types: [a/b], paths: [/p], reason: r}]",
       "n:1:16: `kind` must be one of ignore, unordered, default, case, not `hide`"},
      {"rules: [{types: [a/b], paths: [/p], reason: r}]",
       "n:1:9: `kind` must be one of ignore, unordered, default, case, not ``"},
      {"rules:\n- {kind: ignore, paths: [/p], reason: r}",
       "n:2:3: a rule needs `types`, a list of at least one"},
      {"rules:\n- {kind: ignore, types: [a/b], reason: r}",
       "n:2:3: a rule needs `paths`, a list of at least one"},
      {"rules:\n- {kind: ignore, types: [a/b], paths: [/p]}", "n:2:3: a rule needs a `reason`"},
      {"rules:\n- {kind: ignore, types: [vaults], paths: [/p], reason: r}",
       "n:2:26: `vaults` is no type such as Microsoft.Insights/components, nor `*`"},
      {"rules:\n- {kind: ignore, types: [a/b], paths: [properties.x], reason: r}",
       "n:2:40: `properties.x` is no path such as /properties/*/etag (at most 32 segments and two "
       "of **)"},
      {"rules:\n- {kind: ignore, types: [a/b], paths: [/p], by: [x], reason: r}",
       "n:2:49: `by` tells the elements of an array apart: a rule of the kind unordered"},
      {"rules:\n- {kind: ignore, types: [a/b], paths: [/p], value: x, reason: r}",
       "n:2:52: `value` is what absence says: a rule of the kind default"},
      {"rules:\n- {kind: ignore, types: [a/b], paths: [/p], reason: r, until: x}",
       "n:2:56: unknown key `until`"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto rules = config::parse_noise(c.text, "n");
    REQUIRE_FALSE(rules);
    CHECK(rules.error().message.starts_with(c.message));
    CAPTURE(rules.error().message);
  }
}

namespace {

core::Result<config::Settings> with_drift(const std::string& drift) {
  return config::parse_settings(
      "baseline: {assignments: [{name: a, initiative: base}]}\ndrift:\n" + drift, "/etc/p.yaml");
}

}  // namespace

TEST_CASE("the section drift is read") {
  const auto settings = with_drift(R"(  noise: noise.yaml
  include: [{types: [Microsoft.Web/sites], paths: [/properties/httpsOnly]}, {types: [microsoft.sql/*]}]
  owner_tags: [owner, team]
  expected:
    - name: pipeline
      effect: accept
      actors: [11111111-*]
      clients: [Azure DevOps]
      operations: ["*/write"]
      scopes: [/subscriptions/S/resourceGroups/RG]
      types: [Microsoft.Insights/*]
      windows: [{days: [Monday, sunday], from: "22:30", to: "06:00", time_zone: UTC}, {}]
    - {name: portal, effect: escalate, clients: [Azure Portal]}
    - {name: late, effect: downgrade, windows: [{to: "24:00"}]}
)");
  CAPTURE((settings ? std::string() : settings.error().message));
  REQUIRE(settings);
  CHECK(settings->drift.noise_file == "/etc/noise.yaml");
  const auto& drift = settings->drift.rules;
  REQUIRE(drift.include.size() == 2);
  CHECK(drift.include[0].types == std::vector<std::string>{"microsoft.web/sites"});
  CHECK(drift.include[0].paths.at(0).text() == "/properties/httpsOnly");
  CHECK(drift.include[1].paths.empty());
  CHECK(drift.owner_tags == std::vector<std::string>{"owner", "team"});
  REQUIRE(drift.expected.size() == 3);
  const auto& rule = drift.expected[0];
  CHECK(rule.effect == core::ExpectedRule::Effect::kAccept);
  CHECK(rule.scopes == std::vector<std::string>{"/subscriptions/s/resourcegroups/rg"});
  REQUIRE(rule.windows.size() == 2);
  CHECK(rule.windows[0].days == std::vector<unsigned>{1, 0});
  CHECK(rule.windows[0].from == 22 * 60 + 30);
  CHECK(rule.windows[0].to == 6 * 60);
  CHECK(rule.windows[1].days.empty());
  CHECK(rule.windows[1].to == 24 * 60);
  CHECK(drift.expected[1].effect == core::ExpectedRule::Effect::kEscalate);
  CHECK(drift.expected[2].effect == core::ExpectedRule::Effect::kDowngrade);
}

TEST_CASE("what is wrong with the section drift is told with its place") {
  struct Case {
    const char* text;
    const char* message;
  };

  const Case cases[] = {
      {"  noises: x", "/etc/p.yaml:3:3: unknown key `noises`; known here"},
      {"  include: [{paths: [/p]}]",
       "/etc/p.yaml:3:13: an entry of `include` needs `types`, a list of at least one"},
      {"  expected: [{effect: accept, types: [a/b]}]", "/etc/p.yaml:3:14: a rule needs a `name`"},
      {"  expected: [{name: x, types: [a/b]}]",
       "/etc/p.yaml:3:14: `effect` must be one of accept, downgrade, escalate, not ``"},
      {"  expected: [{name: x, effect: accept}]",
       "/etc/p.yaml:3:14: a rule that asks nothing would hold for every change"},
      {"  expected: [{name: x, effect: accept, scopes: [here]}]",
       "/etc/p.yaml:3:49: `here` is not the id of a subscription, resource group or resource"},
      {"  expected: [{name: x, effect: accept, windows: [{days: [someday]}]}]",
       "/etc/p.yaml:3:58: `someday` must be one of sunday, monday, tuesday, wednesday, thursday, "
       "friday, saturday"},
      {"  expected: [{name: x, effect: accept, windows: [{from: \"24:01\"}]}]",
       "/etc/p.yaml:3:57: `24:01` is no time of day such as \"22:30\""},
      {"  expected: [{name: x, effect: accept, windows: [{from: \"7:00\"}]}]",
       "/etc/p.yaml:3:57: `7:00` is no time of day such as \"22:30\""},
      {"  expected: [{name: x, effect: accept, windows: [{time_zone: Europe/Berlin}]}]",
       "/etc/p.yaml:3:62: `time_zone` must be one of UTC, not `Europe/Berlin`"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto settings = with_drift(c.text);
    REQUIRE_FALSE(settings);
    CAPTURE(settings.error().message);
    CHECK(settings.error().message.starts_with(c.message));
  }
}
