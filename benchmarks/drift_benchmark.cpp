// What it costs to find and classify what changed: 10,000 resources of 2.5 KB, each of which
// changed in a property that a rule reads, one that none reads, and noise. Parsing is part of it,
// as in a commit.
#include "compliance/drift_rules.hpp"
#include "config/noise.hpp"
#include "config/text_file.hpp"
#include "policy/engine.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace plumbline;

constexpr int kResources = 10'000;
constexpr const char* kType = "microsoft.operationalinsights/workspaces";

template <class T>
T require(core::Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

std::string read(const std::string& path) {
  return require(config::read_text_file(path, std::size_t{8} << 20U));
}

std::shared_ptr<const compliance::Baseline> shipped() {
  const std::string directory = PLUMBLINE_BASELINE;
  compliance::AssignmentSpec spec;
  spec.name = "shipped";
  spec.initiative.directory = directory;
  spec.initiative.initiative = {directory + "/initiative.json",
                                read(directory + "/initiative.json")};
  spec.initiative.relations = {directory + "/relations.json", read(directory + "/relations.json")};
  for (const auto& file : std::filesystem::directory_iterator(directory + "/definitions")) {
    spec.initiative.definitions.push_back({file.path().string(), read(file.path().string())});
  }
  spec.initiative.noise =
      require(config::parse_noise(read(directory + "/noise.json"), "noise.json"));
  return require(
      compliance::compile_baseline({spec}, {}, *require(policy::AliasCatalogue::shipped())));
}

std::string body(int i, bool after) {
  std::string scopes;
  for (int j = 0; j < 8; ++j) {
    // In the other order afterwards.
    const int link = after ? 7 - j : j;
    scopes += fmt::format(
        R"({}{{"resourceId":"/subscriptions/s{}/resourceGroups/rg/providers/Microsoft.Insights/privateLinkScopes/scope{}","scopeId":"00000000-0000-0000-0000-{:012}"}})",
        j == 0 ? "" : ",",
        i % 20,
        link,
        link);
  }
  std::string tags;
  for (int j = 0; j < 16; ++j) {
    tags += fmt::format(R"({}"tag-{}":"value number {}")", j == 0 ? "" : ",", j, i * j);
  }
  return fmt::format(
      R"({{"etag":"{}","id":"/subscriptions/s{}/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/law{}","location":"westeurope","name":"law{}","properties":{{"createdDate":"2024-01-01T00:00:00Z","customerId":"00000000-0000-0000-0000-{:012}","features":{{"disableLocalAuth":true,"enableLogAccessUsingOnlyResourcePermissions":true,"legacy":0,"searchVersion":1}},"modifiedDate":"{}","privateLinkScopedResources":[{}],"provisioningState":"{}","publicNetworkAccessForIngestion":"Disabled","publicNetworkAccessForQuery":"{}","retentionInDays":{},"sku":{{"lastSkuUpdate":"2024-01-01T00:00:00Z","name":"PerGB2018"}},"workspaceCapping":{{"dailyQuotaGb":-1.0,"quotaNextResetTime":"{}"}}}},"tags":{{{}}},"type":"{}"}})",
      after,
      i % 20,
      i,
      i,
      i,
      after ? "2026-06-02" : "2026-06-01",
      scopes,
      after ? "Succeeded" : "Updating",
      after ? "Enabled" : "Disabled",
      90,
      after ? "2026-06-03" : "2026-06-02",
      tags + fmt::format(R"(,"patched":"{}")", after),
      kType);
}

void differences(benchmark::State& state) {
  const auto baseline = shipped();
  std::vector<std::pair<std::string, std::string>> bodies;
  std::size_t bytes = 0;
  for (int i = 0; i < kResources; ++i) {
    bodies.emplace_back(body(i, false), body(i, true));
    bytes += bodies.back().first.size();
  }
  std::size_t found = 0;
  for (auto _ : state) {
    found = 0;
    for (const auto& [before, after] : bodies) {
      simdjson::dom::parser old_parser;
      simdjson::dom::parser new_parser;
      found +=
          baseline->drift
              ->differences(
                  kType, false, old_parser.parse(before).value(), new_parser.parse(after).value())
              .size();
    }
  }
  if (found != std::size_t{2} * kResources) {
    state.SkipWithError("other differences than the two that were made");
  }
  state.counters["body_bytes"] = static_cast<double>(bytes) / kResources;
}

BENCHMARK(differences)->Unit(benchmark::kMillisecond);

}  // namespace
