// The store with a large tenant: how long it takes, how much it writes, how large it becomes. One
// run in a directory, because each step works on what the one before left.
//
//   store_benchmark [RESOURCES [DIRECTORY]]
#include "core/text.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace plumbline;

namespace {

constexpr int kChecks = 10;
constexpr std::size_t kPage = 1000;
const std::string kSource = "arg:resources|0";

template <class T>
T value(core::Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

void done(const core::Status& status) {
  if (!status) {
    throw std::runtime_error(status.error().message);
  }
}

/// Seeded: the same tenant every time.
class Tenant {
 public:
  explicit Tenant(std::uint32_t seed) : chance_(seed) {
    for (int i = 0; i < 20; ++i) {
      subscriptions_.push_back(uuid());
    }
  }

  core::Observation resource(std::size_t number, core::Time now) {
    core::Observation out;
    const auto& shape = kShapes.at(number % kShapes.size());
    const auto& subscription = subscriptions_.at(number % subscriptions_.size());
    const auto group = fmt::format("rg-{}-{}", kTeams.at(number / 7 % kTeams.size()), number % 40);
    const auto name = fmt::format("{}-{:06}", shape.prefix, number);
    out.id = fmt::format("/subscriptions/{}/resourceGroups/{}/providers/{}/{}",
                         subscription,
                         group,
                         shape.type,
                         name);
    out.key = core::to_lower(out.id);
    out.type = core::to_lower(shape.type);
    out.source = kSource;
    out.observed_at = now;
    out.body = body(shape, out.id, subscription, group, name, number);
    out.fingerprint = core::sha256(out.body);
    return out;
  }

 private:
  struct Shape {
    const char* type;
    const char* prefix;
    std::vector<const char*> switches;
    std::vector<const char*> references;
  };

  std::string uuid() {
    std::string hex;
    for (int i = 0; i < 4; ++i) {
      hex += fmt::format("{:08x}", chance_());
    }
    return fmt::format("{}-{}-{}-{}-{}",
                       hex.substr(0, 8),
                       hex.substr(8, 4),
                       hex.substr(12, 4),
                       hex.substr(16, 4),
                       hex.substr(20));
  }

  bool coin() { return chance_() % 2 == 0; }

  /// Canonical: names sorted, about 2.5 KB, as Resource Graph has them: mostly names that recur,
  /// ids of others, GUIDs, addresses and instants that do not.
  std::string body(const Shape& shape,
                   const std::string& id,
                   const std::string& subscription,
                   const std::string& group,
                   const std::string& name,
                   std::size_t number) {
    std::string out = fmt::format(
        R"({{"id":"{}","identity":{{"principalId":"{}","tenantId":"72f988bf-86f1-41af-91ab-2d7cd011db47","type":"SystemAssigned"}},"kind":"","location":"{}","name":"{}","properties":{{)",
        id,
        uuid(),
        kRegions.at(number % kRegions.size()),
        name);
    out += fmt::format(R"("creationTime":"2026-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}Z",)",
                       1 + chance_() % 12,
                       1 + chance_() % 28,
                       chance_() % 24,
                       chance_() % 60,
                       chance_() % 60,
                       chance_() % 10'000'000);
    for (const auto* property : shape.switches) {
      out += fmt::format(R"("{}":{},)", property, coin() ? "\"Enabled\"" : "\"Disabled\"");
    }
    std::size_t other = 0;
    for (const auto* property : shape.references) {
      out += fmt::format(
          R"("{}":{{"id":"/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/{}/{}-{}","properties":{{"provisioningState":"Succeeded"}}}},)",
          property,
          subscription,
          group,
          property,
          name,
          ++other);
    }
    // Rules, as network security groups, alert rules and collection rules have them.
    out += R"("rules":[)";
    for (int rule = 0; out.size() < 2250; ++rule) {
      out += fmt::format(
          R"({}{{"access":"{}","destinationPortRange":"{}","direction":"Inbound","name":"rule-{}","priority":{},"protocol":"Tcp","sourceAddressPrefix":"10.{}.{}.0/24"}})",
          rule == 0 ? "" : ",",
          coin() ? "Allow" : "Deny",
          coin() ? 443 : 1024 + (chance_() % 60000),
          rule,
          100 + (rule * 10),
          chance_() % 256,
          chance_() % 256);
    }
    out += fmt::format(
        R"(],"provisioningState":"Succeeded","uniqueId":"{}"}},"resourceGroup":"{}","subscriptionId":"{}","tags":{{"costCenter":"{}","env":"{}","owner":"{}@contoso.com"}},"tenantId":"72f988bf-86f1-41af-91ab-2d7cd011db47","type":"{}"}})",
        uuid(),
        group,
        subscription,
        1000 + (number % 97),
        kStages.at(number % kStages.size()),
        kTeams.at(number % kTeams.size()),
        shape.type);
    return out;
  }

  const std::vector<Shape> kShapes = {
      {"Microsoft.Compute/virtualMachines",
       "vm",
       {"encryptionAtHost", "secureBoot", "vTpm", "hibernation"},
       {"networkInterface", "availabilitySet"}},
      {"Microsoft.Storage/storageAccounts",
       "st",
       {"allowBlobPublicAccess",
        "allowSharedKeyAccess",
        "publicNetworkAccess",
        "supportsHttpsTrafficOnly"},
       {"privateEndpointConnections"}},
      {"Microsoft.Network/networkSecurityGroups",
       "nsg",
       {"flushConnection"},
       {"subnets", "networkInterfaces"}},
      {"Microsoft.OperationalInsights/workspaces",
       "log",
       {"publicNetworkAccessForIngestion", "publicNetworkAccessForQuery", "disableLocalAuth"},
       {"privateLinkScopedResources"}},
      {"Microsoft.Insights/components",
       "appi",
       {"publicNetworkAccessForIngestion", "publicNetworkAccessForQuery", "DisableIpMasking"},
       {"WorkspaceResourceId"}},
      {"Microsoft.Insights/dataCollectionRules",
       "dcr",
       {"enableDirectIngestion"},
       {"dataCollectionEndpoint"}},
      {"Microsoft.KeyVault/vaults",
       "kv",
       {"enablePurgeProtection",
        "enableRbacAuthorization",
        "enableSoftDelete",
        "publicNetworkAccess"},
       {"privateEndpointConnections"}},
      {"Microsoft.Network/networkInterfaces",
       "nic",
       {"enableAcceleratedNetworking", "enableIPForwarding"},
       {"networkSecurityGroup", "subnet", "publicIPAddress"}}};
  const std::vector<const char*> kTeams = {
      "payments", "identity", "search", "platform", "reporting", "mobile", "warehouse", "edge"};
  const std::vector<const char*> kRegions = {
      "westeurope", "northeurope", "germanywestcentral", "swedencentral"};
  const std::vector<const char*> kStages = {"prod", "test", "dev"};

  std::mt19937 chance_;
  std::vector<std::string> subscriptions_;
};

/// What a judge writes: a state for each check, and a transition where it is new.
core::Status judge(core::JudgeView& view, const core::CycleChanges& changes) {
  std::vector<std::int64_t> checks;
  for (int i = 0; i < kChecks; ++i) {
    core::CheckRow check;
    check.assignment = "azure-monitor";
    check.reference = fmt::format("LT-4.1-check-{}", i);
    check.definition_hash = core::to_hex(core::sha256(check.reference));
    const auto row = view.put_check(check);
    if (!row) {
      return row.error();
    }
    checks.push_back(*row);
  }
  for (const auto& change : changes.resources) {
    for (const auto row : checks) {
      const auto before = view.verdict(row, change.row);
      if (!before) {
        return before.error();
      }
      core::Verdict verdict;
      verdict.check = row;
      verdict.resource = change.row;
      verdict.state = (row + change.row) % 10 == 0 ? core::ComplianceState::kNonCompliant
                                                   : core::ComplianceState::kCompliant;
      verdict.version = verdict.known_version = change.new_version;
      verdict.since_cycle = *before ? (*before)->since_cycle : changes.cycle;
      verdict.evaluated_at = changes.now;
      verdict.known_state = verdict.state;
      if (auto put = view.put_verdict(verdict); !put) {
        return put;
      }
      if (!*before) {
        if (auto added = view.add_transition(
                {row, change.row, std::nullopt, verdict.state, "", verdict.cause});
            !added) {
          return added;
        }
      }
    }
  }
  view.count_evaluations(static_cast<std::int64_t>(changes.resources.size()) * kChecks);
  return core::Status::ok();
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

/// Wall and processor time of a step: beside others on the machine the two differ.
class Stopwatch {
 public:
  [[nodiscard]] double wall() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  [[nodiscard]] double cpu() const { return cpu_seconds() - cpu_; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double cpu_ = cpu_seconds();
};

void row(const char* what, double found, const char* unit, const char* goal, double cpu = 0) {
  fmt::print("{:<44} {:>12.3f} {:<9} goal {:<10} {}\n",
             what,
             found,
             unit,
             goal,
             cpu > 0 ? fmt::format("(processor {:.3f} s)", cpu) : "");
}

std::int64_t bytes_written() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::int64_t count = 0;
  while (io >> name >> count) {
    if (name == "wchar:") {
      return count;
    }
  }
  return 0;
}

std::int64_t ask(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr);
  sqlite3_stmt* statement = nullptr;
  std::int64_t result = 0;
  if (sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    result = sqlite3_column_int64(statement, 0);
  }
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return result;
}

class Run {
 public:
  Run(std::size_t resources, const std::string& directory)
      : count_(resources), path_(directory + "/plumbline.db") {
    for (std::size_t i = 0; i < count_; ++i) {
      tenant_.push_back(maker_.resource(i, clock_.now()));
      raw_ += static_cast<std::int64_t>(tenant_.back().body.size());
    }
    fmt::print("{} resources, {:.0f} bytes of JSON each, {} verdicts each\n",
               count_,
               static_cast<double>(raw_) / static_cast<double>(count_),
               kChecks);
  }

  void all() {
    open();
    first_commit();
    row("start to ready", reopen(), "s", "1");
    sizes();
    unchanged();
    some_changed();
    past();
  }

 private:
  void open() { opened_ = value(storage::open_store({path_, ""}, clock_)); }

  double reopen() {
    opened_.store.reset();
    const Stopwatch watch;
    open();
    // What publishing reads.
    const auto snapshot = value(opened_.store->snapshot());
    value(snapshot->verdict_counts());
    value(snapshot->type_counts());
    value(snapshot->cycles(1));
    return watch.wall();
  }

  /// Staging and commit of the whole tenant; the time of the commit alone.
  double sweep() {
    const auto now = clock_.now();
    auto cycle = value(opened_.store->begin_cycle("sweep", "benchmark"));
    for (std::size_t from = 0; from < tenant_.size(); from += kPage) {
      std::vector<core::Observation> page(
          tenant_.begin() + static_cast<std::ptrdiff_t>(from),
          tenant_.begin() + static_cast<std::ptrdiff_t>(std::min(from + kPage, tenant_.size())));
      for (auto& observation : page) {
        observation.observed_at = now;
      }
      done(cycle->stage(std::move(page)));
    }
    core::Evidence evidence;
    evidence.key = kSource;
    evidence.complete = true;
    evidence.observed_at = now;
    done(cycle->stage_evidence(evidence));
    const Stopwatch watch;
    value(cycle->commit(true, judge));
    return watch.wall();
  }

  void first_commit() {
    const Stopwatch watch;
    const auto commit = sweep();
    row("first commit, with staging", watch.wall(), "s", "10", watch.cpu());
    row("  of it the transaction", commit, "s", "");
  }

  void sizes() {
    opened_.store.reset();
    const auto file = static_cast<double>(std::filesystem::file_size(path_));
    const auto bodies = ask(path_, "SELECT sum(length(body)) FROM version");
    const auto rows = ask(path_,
                          "SELECT sum(length(body) + length(fingerprint) + length(checksum) + 24) "
                          "FROM version");
    open();
    row("bodies of versions",
        100.0 * static_cast<double>(bodies) / static_cast<double>(raw_),
        "%",
        "");
    row("version rows", 100.0 * static_cast<double>(rows) / static_cast<double>(raw_), "%", "15");
    row("file", file / 1024 / static_cast<double>(count_), "KiB each", "1.2");
  }

  void unchanged() {
    const auto before = bytes_written();
    const Stopwatch watch;
    sweep();
    const auto wall = watch.wall();
    const auto cpu = watch.cpu();
    row("sweep in which nothing changed, written",
        static_cast<double>(bytes_written() - before) / 1024,
        "KiB",
        "64");
    row("  its time", wall, "s", "", cpu);
  }

  void some_changed() {
    for (std::size_t i = 0; i < tenant_.size(); i += 100) {
      auto& body = tenant_.at(i).body;
      body.replace(body.rfind("\"env\":\""), 7, "\"env\":\"new-");
      tenant_.at(i).fingerprint = core::sha256(body);
    }
    const Stopwatch watch;
    const auto commit = sweep();
    row("sweep in which 1 % changed", watch.wall(), "s", "", watch.cpu());
    row("  of it the transaction", commit, "s", "0.5");
  }

  void past() {
    const auto snapshot = value(opened_.store->snapshot());
    constexpr std::size_t kAsked = 1000;
    std::mt19937 chance(1);
    const Stopwatch one;
    for (std::size_t i = 0; i < kAsked; ++i) {
      const auto& key = tenant_.at(chance() % tenant_.size()).key;
      if (!value(snapshot->find_at(key, 1)) || value(snapshot->verdicts_at(key, 1)).empty()) {
        throw std::runtime_error("nothing was there: " + key);
      }
    }
    row("one resource at an instant, with verdicts", one.wall() * 1000 / kAsked, "ms", "5");
  }

  core::SystemClock clock_;
  Tenant maker_{20260101};
  std::size_t count_;
  std::string path_;
  std::vector<core::Observation> tenant_;
  std::int64_t raw_ = 0;
  storage::OpenedStore opened_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t resources = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  std::string directory = argc > 2 ? argv[2] : "";
  if (directory.empty()) {
    directory = (std::filesystem::temp_directory_path() / "plumbline-store.XXXXXX").string();
    if (::mkdtemp(directory.data()) == nullptr) {
      return 2;
    }
  }
  int code = 0;
  try {
    Run(resources, directory).all();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    code = 2;
  }
  if (argc <= 2) {
    std::filesystem::remove_all(directory);
  }
  return code;
}
