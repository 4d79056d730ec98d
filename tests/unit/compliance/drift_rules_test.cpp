#include "compliance/drift_rules.hpp"

#include "compliance/baseline.hpp"
#include "config/noise.hpp"
#include "config/text_file.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace plumbline;
using json = nlohmann::json;

namespace {

std::string read(const std::string& path) {
  auto text = config::read_text_file(path, std::size_t{8} << 20U);
  REQUIRE(text);
  return *std::move(text);
}

/// The baseline that ships, with its noise rules.
std::shared_ptr<const compliance::Baseline> shipped(const core::DriftSettings& drift = {}) {
  const std::string directory = std::string(PLUMBLINE_SOURCE_DIR) + "/baselines/azure-monitor";
  compliance::AssignmentSpec spec;
  spec.name = "shipped";
  spec.initiative.directory = directory;
  spec.initiative.initiative = {directory + "/initiative.json",
                                read(directory + "/initiative.json")};
  spec.initiative.relations = {directory + "/relations.json", read(directory + "/relations.json")};
  for (const auto& file : std::filesystem::directory_iterator(directory + "/definitions")) {
    spec.initiative.definitions.push_back({file.path().string(), read(file.path().string())});
  }
  auto noise = config::parse_noise(read(directory + "/noise.json"), "noise.json");
  CAPTURE((noise ? std::string() : noise.error().message));
  REQUIRE(noise);
  spec.initiative.noise = *std::move(noise);
  const auto aliases = policy::AliasCatalogue::shipped();
  REQUIRE(aliases);
  auto baseline = compliance::compile_baseline({spec}, {}, **aliases, drift);
  CAPTURE((baseline ? std::string() : baseline.error().message));
  REQUIRE(baseline);
  return *std::move(baseline);
}

json told(const compliance::DriftRules& rules,
          const std::string& type,
          bool detail,
          const std::string& before,
          const std::string& after) {
  simdjson::dom::parser old_parser;
  simdjson::dom::parser new_parser;
  json out = json::array();
  for (const auto& [change, severity] : rules.differences(
           type, detail, old_parser.parse(before).value(), new_parser.parse(after).value())) {
    out.push_back({{"path", change.path},
                   {"old", change.old_value},
                   {"new", change.new_value},
                   {"severity", std::string(core::to_string(severity))}});
  }
  return out;
}

json swapped(json changes) {
  for (auto& change : changes) {
    std::swap(change["old"], change["new"]);
  }
  return changes;
}

}  // namespace

TEST_CASE("of two payloads the shipped rules tell what is real, and only that") {
  const auto baseline = shipped();
  std::ifstream file(std::string(PLUMBLINE_SOURCE_DIR) + "/tests/data/drift/noise.jsonl");
  REQUIRE(file);
  std::string line;
  std::size_t count = 0;
  while (std::getline(file, line)) {
    const json pair = json::parse(line);
    const std::string name = pair.at("name");
    CAPTURE(name);
    const std::string before = pair.at("before").dump();
    const std::string after = pair.at("after").dump();
    const bool detail = pair.value("detail", false);
    const std::string type = pair.at("type");
    CHECK(told(*baseline->drift, type, detail, before, after).dump() == pair.at("changes").dump());
    CHECK(told(*baseline->drift, type, detail, after, before).dump() ==
          swapped(pair.at("changes")).dump());
    // Without rules there is more: the pair does hold what it says it holds.
    simdjson::dom::parser old_parser;
    simdjson::dom::parser new_parser;
    CHECK(compliance::diff_json(old_parser.parse(before).value(), new_parser.parse(after).value())
              .size() == pair.at("plain").get<std::size_t>());
    ++count;
  }
  CHECK(count >= 19);
}

TEST_CASE("what a rule reads is not ignored, whatever a noise rule says") {
  core::DriftSettings settings;
  auto& everything = settings.noise.emplace_back();
  everything.types = {"*"};
  everything.paths = {*core::PathPattern::parse("/**")};
  const auto baseline = shipped(settings);
  std::size_t read = 0;
  for (const auto& check : baseline->checks) {
    if (check.is_disabled()) {
      continue;
    }
    for (const auto& path : check.definition->info().reads) {
      const auto steps = policy::parse_path(path.path);
      if (!path.relation.empty() || path.type.empty() || !steps) {
        continue;
      }
      // Bodies that differ in nothing else.
      std::string before = "1";
      std::string after = "2";
      for (auto step = steps->rbegin(); step != steps->rend(); ++step) {
        for (auto* text : {&before, &after}) {
          *text = step->kind == policy::PathStep::Kind::kKey
                      ? fmt::format("{{\"{}\":{}}}", step->key, *text)
                      : "[" + *text + "]";
        }
      }
      CAPTURE(path.type);
      CAPTURE(path.path);
      CHECK_FALSE(told(*baseline->drift, path.type, false, before, after).empty());
      ++read;
    }
  }
  CHECK(read > 300);
  CHECK(told(*baseline->drift,
             "microsoft.operationalinsights/workspaces",
             false,
             R"({"properties":{"unheardOf":1}})",
             R"({"properties":{"unheardOf":2}})")
            .empty());
}

TEST_CASE("what counts beyond Azure Monitor is configured") {
  constexpr const char* kBefore = R"({"properties":{"httpsOnly":true,"x":1}})";
  constexpr const char* kAfter = R"({"properties":{"httpsOnly":false,"x":2}})";
  const compliance::DriftRules none;
  CHECK(told(none, "microsoft.web/sites", false, kBefore, kAfter).empty());
  CHECK_FALSE(none.counts_whole("microsoft.web/sites"));
  CHECK(none.counts_whole("microsoft.insights/components"));
  CHECK(none.counts_whole("microsoft.alertsmanagement/actionrules"));
  CHECK_FALSE(none.counts_whole("microsoft.alertsmanagement/alerts"));

  const compliance::DriftRules some(
      {}, {}, {{{"microsoft.web/*"}, {*core::PathPattern::parse("/properties/httpsOnly")}}});
  CHECK(told(some, "microsoft.web/sites", false, kBefore, kAfter).size() == 1);
  CHECK(told(some, "microsoft.web/sites", false, "{}", kAfter).size() == 1);
  CHECK(told(some, "microsoft.sql/servers", false, kBefore, kAfter).empty());
  CHECK_FALSE(some.counts_whole("microsoft.web/sites"));

  const compliance::DriftRules whole({}, {}, {{{"microsoft.web/*"}, {}}});
  CHECK(told(whole, "microsoft.web/sites", false, kBefore, kAfter).size() == 2);
  CHECK(whole.counts_whole("microsoft.web/sites"));
}
