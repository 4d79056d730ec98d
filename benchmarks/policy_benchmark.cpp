// How fast the policy engine decides, compiles and loads its aliases, on one thread. The built-in
// definitions and cases are third-party data beside the repository; without them only what needs
// none is measured.
#include "policy/engine.hpp"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using namespace plumbline;
using policy::Json;

std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream file(std::string(PLUMBLINE_SHARED_DATA) + "/azure-policy/" + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

[[noreturn]] void give_up(const std::string& message) {
  std::fprintf(stderr, "policy_benchmark: %s\n", message.c_str());
  std::_Exit(1);
}

const std::shared_ptr<const policy::AliasCatalogue>& aliases() {
  static const auto kAliases = [] {
    auto loaded = policy::AliasCatalogue::shipped();
    if (!loaded) {
      give_up(loaded.error().message);
    }
    return *loaded;
  }();
  return kAliases;
}

/// What a look-up of a case found.
class Found final : public policy::RelatedResources {
 public:
  explicit Found(std::vector<Json> candidates) { answer_.candidates = std::move(candidates); }

  policy::RelatedAnswer find(const policy::ExistenceQuery& /*query*/) override { return answer_; }

 private:
  policy::RelatedAnswer answer_;
};

/// A conformance case, ready to be evaluated again and again.
struct Case {
  std::unique_ptr<simdjson::dom::parser> document;  // owns what context and related refer to
  std::unique_ptr<simdjson::dom::parser> resource_document;
  simdjson::padded_string text;  // the resource alone
  Json resource;
  policy::EvaluationContext context;
  std::unique_ptr<Found> related;
  std::shared_ptr<const policy::BoundDefinition> definition;
};

/// Definitions bound to parameters, by their texts: a case does not bring its own where another has
/// the same.
using Bound = std::unordered_map<std::string, std::shared_ptr<const policy::BoundDefinition>>;

std::shared_ptr<const policy::BoundDefinition> bind(const std::string& definition,
                                                    const std::string& parameters,
                                                    Bound& known) {
  auto& bound = known[definition + parameters];
  if (bound == nullptr) {
    const auto compiled = policy::compile_definition(definition, "case", *aliases());
    if (!compiled) {
      return nullptr;
    }
    const auto made =
        policy::bind_parameters(*compiled, parameters, {.effect_override = {}, .lenient = true});
    bound = made ? *made : nullptr;
  }
  return bound;
}

std::optional<Case> read_case(const std::string& line, Bound& known) {
  Case out;
  out.document = std::make_unique<simdjson::dom::parser>();
  out.resource_document = std::make_unique<simdjson::dom::parser>();
  Json root;
  Json resource;
  Json definition;
  if (out.document->parse(line).get(root) != simdjson::SUCCESS ||
      root["resource"].get(resource) != simdjson::SUCCESS ||
      root["definition"].get(definition) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const auto part = [&](const char* name) {
    Json value;
    return root["context"][name].get(value) == simdjson::SUCCESS ? std::optional(value)
                                                                 : std::nullopt;
  };
  out.context.subscription = part("subscription");
  out.context.resource_group = part("resourceGroup");
  out.context.policy = part("policy");
  out.context.request_context = part("requestContext");
  std::vector<Json> candidates;
  simdjson::dom::array related;
  if (root["related"].get(related) == simdjson::SUCCESS) {
    for (const auto entry : related) {
      Json candidate;
      if (entry["resource"].get(candidate) == simdjson::SUCCESS && candidate.is_object()) {
        candidates.push_back(candidate);
      }
    }
  }
  out.related = std::make_unique<Found>(std::move(candidates));
  out.context.related = out.related.get();
  out.text = simdjson::padded_string(simdjson::to_string(resource));
  Json parameters;
  const std::string values = root["parameters"].get(parameters) == simdjson::SUCCESS
                                 ? simdjson::to_string(parameters)
                                 : "{}";
  out.definition = bind(simdjson::to_string(definition), values, known);
  if (out.definition == nullptr ||
      out.resource_document->parse(out.text).get(out.resource) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return out;
}

const std::vector<Case>& builtin_cases() {
  static const auto kCases = [] {
    std::vector<Case> cases;
    Bound known;
    for (const auto& line : lines_of("cases/builtin_cases.jsonl")) {
      if (auto read = read_case(line, known)) {
        cases.push_back(*std::move(read));
      }
    }
    return cases;
  }();
  return kCases;
}

/// Evaluations a second over all cases, each `times` in a row. Once: every evaluation meets another
/// definition and another document, so that memory decides. Many times: as when one definition
/// meets resource after resource.
template <class Evaluate>
void run_cases(benchmark::State& state, Evaluate evaluate) {
  const auto& cases = builtin_cases();
  if (cases.empty()) {
    state.SkipWithError("no built-in cases beside the repository");
    return;
  }
  const std::int64_t times = state.range(0);
  for ([[maybe_unused]] auto round : state) {
    for (const auto& item : cases) {
      for (std::int64_t i = 0; i < times; ++i) {
        evaluate(item);
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(cases.size()) * times);
}

/// On resources that are parsed already.
void evaluate_parsed(benchmark::State& state) {
  run_cases(state, [](const Case& item) {
    benchmark::DoNotOptimize(policy::evaluate(*item.definition, item.resource, item.context));
  });
}

/// From the bytes of the resource to the verdict.
void evaluate_from_bytes(benchmark::State& state) {
  simdjson::dom::parser parser;
  run_cases(state, [&](const Case& item) {
    const Json resource = parser.parse(item.text).value();
    benchmark::DoNotOptimize(policy::evaluate(*item.definition, resource, item.context));
  });
}

constexpr std::string_view kStorageAccount =
    R"({"id":"/subscriptions/5a0e2b6c-91d4-4f53-8f0e-3c7a2d1b9e64/resourceGroups/rg-orders-prod/providers/Microsoft.Storage/storageAccounts/stordersprod01",)"
    R"("name":"stordersprod01","type":"Microsoft.Storage/storageAccounts","location":"westeurope","kind":"StorageV2","sku":{"name":"Standard_ZRS","tier":"Standard"},)"
    R"("tags":{"owner":"team-orders","costCentre":"4711","environment":"production","dataClass":"confidential"},"identity":{"type":"SystemAssigned","principalId":"d9a9a3a8-19a4-4f0a-b7f4-0b4c1f6a9f10","tenantId":"7c7d54c6-4e1f-4e19-9f0e-6f4b8f9f5a10"},)"
    R"("properties":{"accessTier":"Hot","allowBlobPublicAccess":false,"allowCrossTenantReplication":false,"allowSharedKeyAccess":true,"creationTime":"2024-03-18T09:12:44.1234567Z","defaultToOAuthAuthentication":true,"dnsEndpointType":"Standard",)"
    R"("encryption":{"keySource":"Microsoft.Storage","requireInfrastructureEncryption":false,"services":{"blob":{"enabled":true,"keyType":"Account","lastEnabledTime":"2024-03-18T09:12:44Z"},"file":{"enabled":true,"keyType":"Account","lastEnabledTime":"2024-03-18T09:12:44Z"}}},)"
    R"("isHnsEnabled":false,"largeFileSharesState":"Disabled","minimumTlsVersion":"TLS1_2","networkAcls":{"bypass":"AzureServices","defaultAction":"Deny","ipRules":[{"action":"Allow","value":"203.0.113.10"},{"action":"Allow","value":"203.0.113.32/28"}],)"
    R"("virtualNetworkRules":[{"action":"Allow","id":"/subscriptions/5a0e2b6c-91d4-4f53-8f0e-3c7a2d1b9e64/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-prod/subnets/snet-apps","state":"Succeeded"}]},)"
    R"("primaryEndpoints":{"blob":"https://stordersprod01.blob.core.windows.net/","file":"https://stordersprod01.file.core.windows.net/","queue":"https://stordersprod01.queue.core.windows.net/","table":"https://stordersprod01.table.core.windows.net/"},)"
    R"("primaryLocation":"westeurope","privateEndpointConnections":[],"provisioningState":"Succeeded","publicNetworkAccess":"Enabled","statusOfPrimary":"available","supportsHttpsTrafficOnly":true}})";

/// Ten built-in definitions that apply to a storage account without looking elsewhere.
std::vector<std::shared_ptr<const policy::BoundDefinition>> ten_definitions(Json resource) {
  std::vector<std::shared_ptr<const policy::BoundDefinition>> chosen;
  for (const auto& line : lines_of("definitions.jsonl")) {
    auto compiled = policy::compile_definition(line, "built-in", *aliases());
    if (!compiled) {
      continue;
    }
    const auto& info = (*compiled)->info();
    if (info.types != std::vector<std::string>{"microsoft.storage/storageaccounts"} ||
        !info.lookups.empty()) {
      continue;
    }
    auto bound = policy::bind_parameters(*compiled, "{}");
    if (!bound) {
      continue;
    }
    const auto outcome = policy::evaluate(**bound, resource, {}).outcome;
    if (outcome == policy::Outcome::kCompliant || outcome == policy::Outcome::kNonCompliant) {
      chosen.push_back(*bound);
    }
    if (chosen.size() == 10) {
      break;
    }
  }
  return chosen;
}

/// Resources of 2 KB a second, from bytes to the verdicts of ten definitions that apply.
void resource_with_ten_definitions(benchmark::State& state) {
  const simdjson::padded_string text(kStorageAccount);
  simdjson::dom::parser parser;
  const auto definitions = ten_definitions(parser.parse(text).value());
  if (definitions.size() != 10) {
    state.SkipWithError("no ten built-in definitions beside the repository");
    return;
  }
  const policy::EvaluationContext context;
  for ([[maybe_unused]] auto round : state) {
    const Json resource = parser.parse(text).value();
    for (const auto& definition : definitions) {
      benchmark::DoNotOptimize(policy::evaluate(*definition, resource, context));
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes"] = static_cast<double>(text.size());
}

void compile_builtins(benchmark::State& state) {
  const auto lines = lines_of("definitions.jsonl");
  if (lines.empty()) {
    state.SkipWithError("no built-in definitions beside the repository");
    return;
  }
  static_cast<void>(aliases());
  std::size_t rejected = 0;
  for ([[maybe_unused]] auto round : state) {
    rejected = 0;
    for (const auto& line : lines) {
      const auto compiled = policy::compile_definition(line, "built-in", *aliases());
      rejected += compiled ? 0 : 1;
    }
  }
  state.counters["definitions"] = static_cast<double>(lines.size());
  state.counters["rejected"] = static_cast<double>(rejected);
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024.0 * 1024.0);
}

void load_alias_catalogue(benchmark::State& state) {
  double grown = 0;
  for ([[maybe_unused]] auto round : state) {
    const double before = resident_mib();
    auto loaded = policy::AliasCatalogue::shipped();
    benchmark::DoNotOptimize(loaded);
    grown = std::max(grown, resident_mib() - before);
  }
  state.counters["resident_MiB"] = grown;
}

}  // namespace

// The catalogue first: what it adds to a fresh process is one of the figures.
BENCHMARK(load_alias_catalogue)->Unit(benchmark::kMillisecond);
BENCHMARK(compile_builtins)->Unit(benchmark::kMillisecond);
BENCHMARK(evaluate_parsed)->ArgName("times")->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(evaluate_from_bytes)->ArgName("times")->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(resource_with_ten_definitions);

BENCHMARK_MAIN();
