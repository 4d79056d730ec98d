#include "compliance/structure.hpp"

#include "compliance/summary.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using compliance::FeatureState;
using tests::JudgeFixture;

namespace {

const compliance::KnownNames kKnown{{"NS-2"}, {"query", "diagnostics", "target"}};

std::string feature(const std::string& state, const std::string& checks) {
  return fmt::format(
      R"({{"id":"F-{0}","control":"NS-2","name":"N","supported":"true","enabledByDefault":"n.a.",)"
      R"("responsibility":"Microsoft","state":"{0}","summary":"S","checks":[{1}],"seeAlso":[]}})",
      state,
      checks);
}

std::string document(const std::string& features,
                     const std::string& recommendations = "",
                     const std::string& informational = "") {
  return fmt::format(R"({{"features":[{}],"recommendations":[{}],"informational":[{}]}})",
                     features,
                     recommendations,
                     informational);
}

const std::string kRecommendation =
    R"({"id":"W.1","control":"NS-2","area":"Logs","name":"R","checks":["target"],)"
    R"("seeAlso":["query"],"note":"why"})";

}  // namespace

TEST_CASE("rows of features, recommendations and information") {
  const auto structure = compliance::parse_structure(
      document(feature("inherited", "\"query\""),
               kRecommendation,
               R"({"id":"I","feature":"F-inherited","state":"manual","name":"M","text":"T"})"),
      "f.json",
      kKnown);
  REQUIRE(structure);
  REQUIRE(structure->features.size() == 1);
  CHECK(structure->features[0].state == FeatureState::kInherited);
  CHECK(structure->features[0].enabled_by_default == "n.a.");
  CHECK(structure->features[0].checks == std::vector<std::string>{"query"});
  REQUIRE(structure->recommendations.size() == 1);
  CHECK(structure->recommendations[0].note == "why");
  CHECK(structure->recommendations[0].see_also == std::vector<std::string>{"query"});
  REQUIRE(structure->information.size() == 1);
  CHECK(structure->information[0].feature == "F-inherited");
}

TEST_CASE("mistakes in features.json are told with their place") {
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  const std::string good = document(feature("customer", "\"query\""), kRecommendation);
  REQUIRE(compliance::parse_structure(good, "f.json", kKnown));

  const struct {
    const char* name;
    std::string text;
    const char* message;
  } cases[] = {
      {"no JSON", "{", "f.json:1:2: "},
      {"a list is missing", R"({"features":[]})", "f.json:1:1: `recommendations` must be an array"},
      {"an unknown list",
       replaced(good, "\"informational\"", "\"information\""),
       "the document has no `information`; it may have features, recommendations, informational"},
      {"an unknown key",
       replaced(good, "\"summary\"", "\"sumary\""),
       "a feature has no `sumary`; it may have id, control"},
      {"a key twice", replaced(good, "\"summary\"", "\"name\""), "a feature has `name` twice"},
      {"an empty text",
       replaced(good, "\"name\":\"N\"", "\"name\":\"\""),
       "f.json:1:57: `name` must be a text"},
      {"another state",
       replaced(good, "\"state\":\"customer\"", "\"state\":\"ours\""),
       "`state` must be one of customer, inherited, notAvailable"},
      {"another answer",
       replaced(good, "\"supported\":\"true\"", "\"supported\":\"yes\""),
       "`supported` must be one of true, false"},
      {"an unknown group",
       replaced(good, "\"control\":\"NS-2\"", "\"control\":\"NS-3\""),
       "the initiative has no group `NS-3`"},
      {"an unknown check",
       replaced(good, "[\"query\"]", "[\"quary\"]"),
       "the initiative has no policyDefinitionReferenceId `quary`"},
      {"a check under two rows",
       replaced(good, "[\"target\"]", "[\"query\"]"),
       "`query` stands under two rows"},
      {"an id twice", replaced(good, "\"W.1\"", "\"F-customer\""), "`F-customer` is used twice"},
      {"information under nothing",
       document("", "", R"({"id":"I","feature":"F","state":"manual","name":"M","text":"T"})"),
       "there is no feature `F`"},
  };

  for (const auto& test : cases) {
    CAPTURE(test.name);
    const auto structure = compliance::parse_structure(test.text, "f.json", kKnown);
    REQUIRE_FALSE(structure);
    CAPTURE(structure.error().message);
    CHECK(structure.error().message.starts_with("f.json:1:"));
    CHECK(structure.error().message.contains(test.message));
  }
}

TEST_CASE("the checks under a row are counted there, whoever is responsible for the row") {
  JudgeFixture fixture;
  auto spec = tests::make_assignment();
  spec.initiative.features = {"dir/features.json",
                              document(feature("inherited", "\"query\""), kRecommendation)};
  fixture.adopt(spec);
  fixture.workspace("a", "Enabled")
      .workspace("b", "Disabled")
      .evidence("arg:resources|s1", "")
      .commit();
  const auto snapshot = fixture.snapshot();
  const auto summary = compliance::summarise(fixture.baseline, *snapshot, fixture.clock.now());
  REQUIRE(summary);
  const auto& rows = (*summary)->assignments.at(0).by_row;
  REQUIRE(rows.contains("F-inherited"));
  CHECK(rows.at("F-inherited").of(core::ComplianceState::kCompliant) == 1);
  CHECK(rows.at("F-inherited").of(core::ComplianceState::kNonCompliant) == 1);
  CHECK_FALSE(rows.contains("W.1"));  // applies to nothing that was seen
}

TEST_CASE("an initiative whose features.json is wrong is refused") {
  auto spec = tests::make_assignment();
  spec.initiative.features = {"dir/features.json", document(feature("customer", "\"absent\""))};
  const auto aliases = policy::AliasCatalogue::shipped();
  REQUIRE(aliases);
  const auto compiled = compliance::compile_baseline({spec}, {}, **aliases);
  REQUIRE_FALSE(compiled);
  CHECK(compiled.error().message.starts_with("dir/features.json:1:"));
}
