// What judging costs in a tenant of 20,000 resources, each with a list of diagnostic settings. The
// time reported is that of the judge alone, without staging and merging.
#include "compliance/judge.hpp"
#include "core/model/collection_plan.hpp"
#include "storage/sqlite_store.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace plumbline;

constexpr int kResources = 20'000;
constexpr int kAccounts = 1'000;  // so many of them are storage accounts that lists point at
constexpr int kSubscriptions = 20;
constexpr const char* kSettings = "microsoft.insights/diagnosticsettings";
constexpr const char* kAccountType = "microsoft.storage/storageaccounts";
constexpr const char* kVaultType = "microsoft.keyvault/vaults";

template <class T>
T require(core::Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

void require(const core::Status& status) {
  if (!status) {
    throw std::runtime_error(status.error().message);
  }
}

std::string subscription_of(int i) {
  return fmt::format("00000000-0000-0000-0000-{:012}", i % kSubscriptions);
}

const char* type_of(int i) {
  return i < kAccounts ? kAccountType : kVaultType;
}

std::string key_of(int i) {
  return fmt::format("/subscriptions/{}/resourcegroups/group{}/providers/{}/resource{}",
                     subscription_of(i),
                     i % 200,
                     type_of(i),
                     i);
}

core::Observation finish(core::Observation observation) {
  observation.id = observation.key;
  observation.fingerprint = core::sha256(observation.body);
  observation.observed_at = core::SystemClock().now();
  return observation;
}

core::Observation make_resource(int i) {
  core::Observation out;
  out.key = key_of(i);
  out.type = type_of(i);
  out.source = core::partition_evidence_key("resources", subscription_of(i));
  out.body = fmt::format(
      R"({{"id":"{}","location":"westeurope","name":"resource{}","properties":{{"enableSoftDelete":true,"networkAcls":{{"bypass":"AzureServices","defaultAction":"Deny","ipRules":[],"virtualNetworkRules":[]}},"provisioningState":"Succeeded","publicNetworkAccess":"Disabled","minimumTlsVersion":"TLS1_2"}},"tags":{{"owner":"team{}","environment":"production"}},"type":"{}"}})",
      out.key,
      i,
      i % 40,
      out.type);
  return finish(std::move(out));
}

/// A list of one setting that archives to one of the accounts.
core::Observation make_list(int i, int generation) {
  core::Observation out;
  out.key = core::detail_document_key(key_of(i), kSettings);
  out.type = kSettings;
  out.is_detail = true;
  out.source = core::detail_evidence_key(out.key);
  out.body = fmt::format(
      R"({{"id":"{0}","type":"{1}","value":[{{"id":"{0}/archive","name":"archive","properties":{{"logs":[{{"category":"AuditEvent","enabled":true,"retentionPolicy":{{"days":{2},"enabled":false}}}}],"metrics":[{{"category":"AllMetrics","enabled":false}}],"storageAccountId":"{3}"}},"type":"{1}"}}]}})",
      out.key,
      kSettings,
      generation,
      key_of(i % kAccounts));
  return finish(std::move(out));
}

std::string existence_rule(const char* type) {
  return fmt::format(
      R"({{"properties":{{"displayName":"D","mode":"All","policyRule":{{"if":{{"field":"type","equals":"{}"}},
        "then":{{"effect":"auditIfNotExists","details":{{"type":"Microsoft.Insights/diagnosticSettings"}}}}}}}}}})",
      type);
}

compliance::AssignmentSpec make_assignment() {
  compliance::AssignmentSpec spec;
  spec.name = "benchmark";
  spec.initiative.directory = "benchmark";
  spec.initiative.initiative = {"benchmark/initiative.json",
                                R"({"properties":{"displayName":"B","policyDefinitions":[
        {"policyDefinitionReferenceId":"vaults","policyDefinitionId":"vaults"},
        {"policyDefinitionReferenceId":"accounts","policyDefinitionId":"accounts"},
        {"policyDefinitionReferenceId":"archives","policyDefinitionId":"archives"}]}})"};
  spec.initiative.definitions = {
      {"benchmark/definitions/vaults.json", existence_rule(kVaultType)},
      {"benchmark/definitions/accounts.json", existence_rule(kAccountType)},
      {"benchmark/definitions/archives.json",
       fmt::format(
           R"({{"properties":{{"displayName":"A","mode":"All","policyRule":{{"if":{{"allOf":[{{"field":"type","equals":"{}"}},
             {{"count":{{"field":"Plumbline.Relations/archivedSettings[*]","where":{{"field":"Plumbline.Relations/archivedSettings[*].name","equals":"archive"}}}},"greater":0}},
             {{"field":"Microsoft.Storage/storageAccounts/minimumTlsVersion","notEquals":"TLS1_2"}}]}},
             "then":{{"effect":"audit"}}}}}}}})",
           kAccountType)}};
  spec.initiative.relations = {"benchmark/relations.json", R"({"relations":[
    {"name":"archives","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.storageAccountId","targetType":"microsoft.storage/storageaccounts"},
    {"name":"archivedSettings","inverseOf":"archives"}]})"};
  return spec;
}

class Tenant {
 public:
  Tenant() {
    std::string path = (std::filesystem::temp_directory_path() / "judge-benchmark.XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      throw std::runtime_error("cannot make a directory");
    }
    directory_ = path;
    opened_ = require(storage::open_store({directory_ + "/store.db", ""}, clock_));
    baseline_ = require(compliance::compile_baseline(
        {make_assignment()}, {}, *require(policy::AliasCatalogue::shipped())));
    auto cycle = require(opened_.store->begin_cycle("baseline", ""));
    require(cycle->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
      return compliance::adopt_baseline(*baseline_, view, changes);
    }));
  }

  ~Tenant() {
    opened_.store.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;
  Tenant(Tenant&&) = delete;
  Tenant& operator=(Tenant&&) = delete;

  /// One cycle; the seconds that judging took, and how many evaluations it made.
  std::pair<double, std::int64_t> commit(std::vector<core::Observation> page,
                                         std::vector<core::Evidence> evidence) {
    auto cycle = require(opened_.store->begin_cycle("sweep", ""));
    for (auto& observation : page) {
      if (observation.is_detail) {
        evidence.push_back({observation.source, true, "", "", clock_.now()});
      }
    }
    require(cycle->stage(std::move(page)));
    for (auto& item : evidence) {
      require(cycle->stage_evidence(std::move(item)));
    }
    double seconds = 0;
    const auto report =
        require(cycle->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
          const auto start = clock_.steady_now();
          auto done = compliance::judge_changes(*baseline_, view, changes);
          seconds = std::chrono::duration<double>(clock_.steady_now() - start).count();
          return done;
        }));
    return {seconds, report.row.evaluated};
  }

  std::pair<double, std::int64_t> commit_everything() {
    std::vector<core::Observation> page;
    std::vector<core::Evidence> evidence;
    page.reserve(std::size_t{2} * kResources);
    evidence.reserve(kSubscriptions);
    for (int i = 0; i < kResources; ++i) {
      page.push_back(make_resource(i));
      page.push_back(make_list(i, 0));
    }
    for (int i = 0; i < kSubscriptions; ++i) {
      evidence.push_back({core::partition_evidence_key("resources", subscription_of(i)),
                          true,
                          "",
                          "",
                          clock_.now()});
    }
    return commit(std::move(page), std::move(evidence));
  }

  /// The tenant as it is after its first cycle; made once.
  static Tenant& filled() {
    static auto tenant = [] {
      auto made = std::make_unique<Tenant>();
      made->commit_everything();
      return made;
    }();
    return *tenant;
  }

 private:
  core::SystemClock clock_;
  std::string directory_;
  storage::OpenedStore opened_;
  std::shared_ptr<const compliance::Baseline> baseline_;
};

void report(benchmark::State& state, std::pair<double, std::int64_t> judged) {
  state.SetIterationTime(judged.first);
  state.counters["evaluations"] = static_cast<double>(judged.second);
}

void first_cycle(benchmark::State& state) {
  while (state.KeepRunning()) {
    Tenant tenant;
    report(state, tenant.commit_everything());
  }
}

void one_setting_changes(benchmark::State& state) {
  int generation = 0;
  while (state.KeepRunning()) {
    std::vector<core::Observation> page;
    page.push_back(make_list(kAccounts + 7, ++generation));
    report(state, Tenant::filled().commit(std::move(page), {}));
  }
}

/// Every account's verdict depends on whether all lists could be read.
void one_list_is_refused_and_read_again(benchmark::State& state) {
  bool refused = false;
  const auto list = core::detail_evidence_key(core::detail_document_key(key_of(7), kSettings));
  while (state.KeepRunning()) {
    refused = !refused;
    report(state,
           Tenant::filled().commit(
               {}, {{list, !refused, refused ? "forbidden" : "", "", core::SystemClock().now()}}));
  }
}

}  // namespace

BENCHMARK(first_cycle)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(one_setting_changes)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(20);
BENCHMARK(one_list_is_refused_and_read_again)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(2);
