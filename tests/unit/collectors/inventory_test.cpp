#include "collectors/inventory.hpp"

#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

using namespace plumbline;
using namespace std::chrono_literals;

namespace {

class FakeTokens final : public collectors::TokenSource {
 public:
  net::Task<core::Result<std::string>> token(std::string /*audience*/) override {
    co_return std::string("t");
  }

  void discard(const std::string& /*audience*/) override {}
};

/// A tenant with one subscription, told request by request.
struct Fixture {
  Fixture() {
    auto result = storage::open_store({directory.file("p.db"), ""}, clock);
    REQUIRE(result);
    opened = *std::move(result);
    answers["/subscriptions"] =
        tests::response(200, R"({"value":[{"subscriptionId":"s1","displayName":"One"}]})");
    plan.tables = {{"resources", {"microsoft.keyvault/vaults"}}};
    plan.details = {{"microsoft.insights/diagnosticsettings",
                     "2021-05-01-preview",
                     {"microsoft.keyvault/vaults"}}};
  }

  ~Fixture() {
    // As App does: the thread that hands out work stops, the others finish it.
    io.stop();
    for (net::Worker* worker : {&io, &cpu, &storage}) {
      worker->join();
    }
  }

  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  Fixture(Fixture&&) = delete;
  Fixture& operator=(Fixture&&) = delete;

  static std::string vault_key(const std::string& name) {
    return "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/" + name;
  }

  static std::string row(const std::string& name) {
    return fmt::format(R"({{"id":"{}","type":"microsoft.keyvault/vaults","subscriptionId":"s1"}})",
                       vault_key(name));
  }

  void graph(const std::string& rows, const std::string& more = "") {
    answers["/providers/Microsoft.ResourceGraph/resources"] = tests::response(
        200, fmt::format(R"({{"resultTruncated":"false","data":[{}]{}}})", rows, more));
  }

  static net::Task<void> nothing() { co_return; }

  static net::Task<void> pass(collectors::Inventory* inventory, collectors::PassReport* out) {
    *out = co_await inventory->run();
  }

  static net::Task<void> retire(collectors::Inventory* inventory) {
    const auto retired = co_await inventory->retire();
    CHECK(retired);
  }

  collectors::PassReport run() {
    clock.advance(1min);
    collectors::AzureClientOptions options;
    options.resource_manager = "https://arm.example";
    options.audience = "a";
    options.base_delay = 1ms;
    options.max_retries = 0;
    collectors::AzureClient azure(transport, tokens, clock, log, metrics, options);
    const core::Normaliser normaliser("k");
    collectors::Inventory::Parts parts{
        .azure = azure,
        .store = *opened.store,
        .normaliser = normaliser,
        .clock = clock,
        .log = log,
        .metrics = metrics,
        .io = io.executor(),
        .cpu = cpu.executor(),
        .storage = storage.executor(),
        .judge =
            [this](core::JudgeView&, const core::CycleChanges& changes) {
              for (const auto& change : changes.resources) {
                if (change.retired) {
                  retired.push_back(change.key);
                }
              }
              return core::Status::ok();
            },
        .on_commit = [](const core::CycleReport&) { return nothing(); }};
    collectors::Inventory inventory(std::move(parts), plan, options_of_inventory);
    collectors::PassReport report;
    net::run_blocking(io.executor(), pass(&inventory, &report));
    if (reloaded_plan) {
      inventory.set_plan(*reloaded_plan, options_of_inventory);
    }
    net::run_blocking(io.executor(), retire(&inventory));
    return report;
  }

  core::Evidence evidence(const std::string& key) {
    auto found = opened.store->snapshot().value()->evidence(key);
    REQUIRE(found);
    REQUIRE(found->has_value());
    return **found;
  }

  bool has_evidence(const std::string& key) {
    return opened.store->snapshot().value()->evidence(key).value().has_value();
  }

  std::set<std::string> succeeded() {
    std::set<std::string> sources;
    for (const auto& family : registry.Collect()) {
      if (family.name == "plumbline_collection_last_success_timestamp_seconds") {
        for (const auto& metric : family.metric) {
          sources.insert(metric.label.at(0).value);
        }
      }
    }
    return sources;
  }

  bool is_known(const std::string& name) {
    return opened.store->snapshot().value()->find(vault_key(name)).value().has_value();
  }

  tests::FakeClock clock;
  tests::TempDirectory directory;
  storage::OpenedStore opened;
  std::map<std::string, core::Result<net::HttpResponse>> answers;  // by path
  std::function<net::HttpResponse()> graph_pages;
  /// For queries that hold the text.
  std::map<std::string, core::Result<net::HttpResponse>> graph_by_subscription;
  tests::FakeLog log;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  FakeTokens tokens;
  core::CollectionPlan plan;
  std::optional<core::CollectionPlan> reloaded_plan;
  std::vector<std::string> retired;  // as the judge was told
  collectors::InventoryOptions options_of_inventory;
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest& request) -> core::Result<net::HttpResponse> {
        const auto url = request.url.substr(std::string("https://arm.example").size());
        if (graph_pages && request.body.contains("order by")) {
          return graph_pages();
        }
        for (const auto& [subscription, answer] : graph_by_subscription) {
          if (request.body.contains(subscription)) {
            return answer;
          }
        }
        const auto found = answers.find(url.substr(0, url.find('?')));
        return found == answers.end()
                   ? tests::response(404, R"({"error":{"code":"ResourceNotFound"}})")
                   : found->second;
      }};
  net::Worker storage{"storage", 1};
  net::Worker cpu{"cpu", 1};
  net::Worker io{"io", 1};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a pass that changes nothing writes nothing") {
  graph(row("a") + "," + row("b"));
  answers[vault_key("a") + "/providers/microsoft.insights/diagnosticsettings"] =
      tests::response(200, R"({"value":[]})");
  answers[vault_key("b") + "/providers/microsoft.insights/diagnosticsettings"] =
      tests::response(200, "[]");
  const auto first = run();
  CHECK(first.signed_in);
  CHECK(first.complete);
  CHECK(first.versions == 4);
  const auto second = run();
  CHECK(second.complete);
  CHECK(second.versions == 0);
}

TEST_CASE_FIXTURE(
    Fixture, "lists of a type that nobody has asked for are missing before the first comes in") {
  graph(row("a") + "," + row("b"));
  const auto list = [](const std::string& name) {
    return vault_key(name) + "/providers/microsoft.insights/diagnosticsettings";
  };
  answers[list("a")] = tests::response(200, R"({"value":[]})");
  answers[list("b")] = tests::response(200, R"({"value":[]})");
  run();
  const auto scopes = [&] {
    std::vector<std::string> out;
    for (const auto& cycle : opened.store->snapshot().value()->cycles(100).value()) {
      out.push_back(cycle.kind + " " + cycle.scope);
    }
    return out;
  };
  const auto announced = std::ranges::count(scopes(), "details not asked yet");
  CHECK(announced == 1);
  CHECK(evidence(core::detail_evidence_key(list("a"))).complete);
  // A new resource's list does not put those that were read in doubt.
  graph(row("a") + "," + row("b") + "," + row("c"));
  answers[list("c")] = tests::response(200, R"({"value":[]})");
  run();
  CHECK(evidence(core::detail_evidence_key(list("c"))).complete);
  CHECK(std::ranges::count(scopes(), "details not asked yet") == announced);
}

TEST_CASE_FIXTURE(Fixture, "what can't be read is missing evidence, never a deletion") {
  graph(row("a"));
  run();
  const std::string detail = core::detail_evidence_key(
      vault_key("a") + "/providers/microsoft.insights/diagnosticsettings");

  struct Case {
    const char* name;
    core::Result<net::HttpResponse> answer;
    const char* reason;
  };

  const std::vector<Case> cases = {
      {"forbidden",
       tests::response(403, R"({"error":{"code":"AuthorizationFailed"}})"),
       "forbidden"},
      {"server error", tests::response(500, ""), "unavailable"},
      {"throttled", tests::response(429, ""), "throttled"},
      {"half a body", tests::response(200, R"({"data":[{"id":"/x)"), "parse"},
      {"not an answer", tests::response(200, "{}"), "parse"},
      {"connection lost", core::Error{core::Errc::kTruncated, "ended early"}, "truncated"},
      {"truncated result",
       tests::response(200, R"({"resultTruncated":"true","data":[]})"),
       "truncated"},
      {"fewer rows than told",
       tests::response(200, R"({"totalRecords":3,"resultTruncated":"false","data":[]})"),
       "truncated"},
      {"same token again", tests::response(200, R"({"$skipToken":"t","data":[]})"), "truncated"},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      answers.insert_or_assign("/providers/Microsoft.ResourceGraph/resources", c.answer);
      const auto report = run();
      CHECK_FALSE(report.complete);
      CHECK(is_known("a"));
      CHECK(evidence("arg:resources|s1").reason == c.reason);
    }
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "gone means: missing from a complete sweep, and Resource Manager says so") {
  graph(row("a") + "," + row("b"));
  run();
  graph(row("a"));
  SUBCASE("confirmed") {
    CHECK(run().deleted >= 1);
    CHECK_FALSE(is_known("b"));
    CHECK(is_known("a"));
    CHECK(evidence("arg:resources|s1").complete);
  }
  SUBCASE("its group is gone") {
    answers[vault_key("b")] = tests::response(404, R"({"error":{"code":"ResourceGroupNotFound"}})");
    run();
    CHECK_FALSE(is_known("b"));
  }
  SUBCASE("Resource Manager still has it") {
    answers[vault_key("b")] = tests::response(200, "{}");
    CHECK_FALSE(run().complete);
    CHECK(is_known("b"));
    CHECK(evidence("arg:resources|s1").complete);
    CHECK(evidence("resource:" + vault_key("b")).reason == "truncated");
    graph(row("a") + "," + row("b"));
    run();
    CHECK(evidence("resource:" + vault_key("b")).complete);
  }
  SUBCASE("the reader is gone, not the resource") {
    for (const char* code : {"SubscriptionNotFound", "InvalidResourceType"}) {
      answers[vault_key("b")] =
          tests::response(404, fmt::format(R"({{"error":{{"code":"{}"}}}})", code));
      run();
      CHECK(is_known("b"));
    }
  }
  SUBCASE("denied") {
    answers[vault_key("b")] = tests::response(403, "");
    run();
    CHECK(is_known("b"));
  }
}

TEST_CASE_FIXTURE(Fixture, "many resources gone at once have lost their reader") {
  std::string rows;
  for (int i = 0; i < 30; ++i) {
    rows += (rows.empty() ? "" : ",") + row("v" + std::to_string(i));
  }
  graph(rows);
  run();
  graph(row("v0"));
  CHECK_FALSE(run().complete);
  CHECK(is_known("v29"));
  CHECK(evidence("arg:resources|s1").message.contains("29 of 30 resources are missing at once"));
}

TEST_CASE_FIXTURE(Fixture,
                  "a subscription that is no longer listed loses its evidence, not its resources") {
  plan.tables.push_back({"resourcecontainers", {"microsoft.resources/subscriptions"}});
  graph(
      row("a") +
      R"(,{"id":"/subscriptions/s1","type":"microsoft.resources/subscriptions","subscriptionId":"s1","name":"One"})");
  run();
  answers["/subscriptions"] = tests::response(200, R"({"value":[]})");
  CHECK_FALSE(run().complete);
  CHECK(is_known("a"));
  CHECK(evidence("arg:resources|s1").reason == "forbidden");
}

TEST_CASE_FIXTURE(
    Fixture, "Azure down: every known partition is without evidence, and the reason says why") {
  plan.tables.push_back({"resourcecontainers", {"microsoft.resources/subscriptions"}});
  graph(
      row("a") +
      R"(,{"id":"/subscriptions/s1","type":"microsoft.resources/subscriptions","subscriptionId":"s1","name":"One"})");
  run();
  answers.insert_or_assign("/subscriptions",
                           core::Error{core::Errc::kNetwork, "connection refused"});
  const auto report = run();
  CHECK_FALSE(report.signed_in);
  CHECK(report.first_error.contains("connection refused"));
  CHECK(evidence("arg:resources|s1").reason == "network");
  CHECK(evidence("arm:subscriptions").reason == "network");
}

TEST_CASE_FIXTURE(Fixture, "what was just deleted does not come back because Resource Graph lags") {
  graph(row("a") + "," + row("b"));
  run();
  graph(row("a"));
  run();
  REQUIRE_FALSE(is_known("b"));
  graph(row("a") + "," + row("b"));
  SUBCASE("Resource Manager still says that it is gone") {
    CHECK(run().versions == 0);
    CHECK_FALSE(is_known("b"));
    CHECK(evidence("arg:resources|s1").complete);
    clock.advance(collectors::kGraphShowsDeleted);
    run();  // by now it would be gone: it was made anew
    CHECK(is_known("b"));
  }
  SUBCASE("it was made anew") {
    answers[vault_key("b")] = tests::response(200, "{}");
    run();
    CHECK(is_known("b"));
  }
  SUBCASE("Resource Manager does not say") {
    answers[vault_key("b")] = tests::response(503, "");
    CHECK_FALSE(run().complete);
    CHECK_FALSE(is_known("b"));
  }
}

TEST_CASE_FIXTURE(Fixture, "what is no longer planned leaves the store, with its evidence") {
  plan.tables[0].types.emplace_back("microsoft.web/sites");
  plan.tables.push_back({"insightsresources", {"microsoft.insights/tenantactiongroups"}});
  graph(
      row("a") +
      R"(,{"id":"/subscriptions/s1/resourcegroups/rg/providers/microsoft.web/sites/w","type":"microsoft.web/sites","subscriptionId":"s1"})");
  const std::string list = vault_key("a") + "/providers/microsoft.insights/diagnosticsettings";
  const std::string site = "/subscriptions/s1/resourcegroups/rg/providers/microsoft.web/sites/w";
  answers[list] = tests::response(200, R"({"value":[]})");
  run();
  CHECK(has_evidence("arg:insightsresources|s1"));
  CHECK(succeeded() ==
        std::set<std::string>{"arg:resources", "arg:insightsresources", "arm:details"});
  reloaded_plan = core::CollectionPlan{{{"resources", {"microsoft.keyvault/vaults"}}}, {}};
  plan.details.clear();
  run();
  const auto snapshot = opened.store->snapshot().value();
  CHECK(is_known("a"));
  CHECK_FALSE(snapshot->find(site).value().has_value());
  CHECK_FALSE(snapshot->find(list).value().has_value());
  CHECK_FALSE(has_evidence("arg:insightsresources|s1"));
  CHECK_FALSE(has_evidence(core::detail_evidence_key(list)));
  CHECK(has_evidence("arg:resources|s1"));
  CHECK_FALSE(succeeded().contains("arg:insightsresources"));
  CHECK(succeeded().contains("arg:resources"));
}

TEST_CASE_FIXTURE(Fixture, "a subscription that the scope leaves out is retired, not deleted") {
  answers["/subscriptions"] =
      tests::response(200, R"({"value":[{"subscriptionId":"s1"},{"subscriptionId":"s2"}]})");
  graph(
      row("a") +
      R"(,{"id":"/subscriptions/s2/resourcegroups/rg/providers/microsoft.keyvault/vaults/z","type":"microsoft.keyvault/vaults","subscriptionId":"s2"})");
  run();
  CHECK(has_evidence("arg:resources|s2"));
  options_of_inventory.subscriptions = {"s1"};
  graph(row("a"));
  run();
  CHECK(is_known("a"));
  CHECK_FALSE(has_evidence("arg:resources|s2"));
  CHECK(opened.store->snapshot().value()->resource_keys("s2", {}).value().empty());
}

TEST_CASE_FIXTURE(Fixture, "what is gone is told again once its subscription is left out") {
  answers["/subscriptions"] =
      tests::response(200, R"({"value":[{"subscriptionId":"s1"},{"subscriptionId":"s2"}]})");
  const std::string key =
      "/subscriptions/s2/resourcegroups/rg/providers/microsoft.keyvault/vaults/z";
  graph(row("a") + R"(,{"id":")" + key +
        R"(","type":"microsoft.keyvault/vaults","subscriptionId":"s2"})");
  run();
  auto cycle = opened.store->begin_cycle("sweep", "");
  REQUIRE((*cycle)->stage_deletion(key));
  REQUIRE((*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
    core::DriftItem item;
    item.kind = core::DriftKind::kConfiguration;
    item.resource = changes.resources.at(0).row;
    item.old_value = "{}";
    item.opened_cycle = changes.cycle;
    return core::Status(view.open_drift_item(item) ? core::Status::ok()
                                                   : core::Error{core::Errc::kIo, "test"});
  }));
  CHECK(opened.store->snapshot().value()->was_deleted(key).value());
  options_of_inventory.subscriptions = {"s1"};
  graph(row("a"));
  run();
  CHECK(retired == std::vector{key});
  CHECK_FALSE(opened.store->snapshot().value()->was_deleted(key).value());
}

TEST_CASE_FIXTURE(Fixture, "a source succeeded only if every subscription of it did") {
  answers["/subscriptions"] =
      tests::response(200, R"({"value":[{"subscriptionId":"s1"},{"subscriptionId":"s2"}]})");
  options_of_inventory.subscriptions_per_query = 1;
  graph_by_subscription[R"(["s2"])"] = tests::response(403, "");
  graph(row("a"));
  run();
  CHECK_FALSE(succeeded().contains("arg:resources"));
  graph_by_subscription.clear();
  run();
  CHECK(succeeded().contains("arg:resources"));
  CHECK_FALSE(succeeded().contains("arm:details"));
  answers[vault_key("a") + "/providers/microsoft.insights/diagnosticsettings"] =
      tests::response(200, R"({"value":[]})");
  run();
  CHECK(succeeded().contains("arm:details"));
}

TEST_CASE_FIXTURE(Fixture, "a page too large for an answer is asked for with fewer rows") {
  graph_by_subscription.insert_or_assign(
      R"("$top":1000)",
      tests::response(
          400,
          R"({"error":{"code":"BadRequest","details":[{"code":"ResponsePayloadTooLarge"}]}})"));
  graph_by_subscription.insert_or_assign(
      R"("$top":500)",
      tests::response(
          400,
          R"({"error":{"code":"BadRequest","details":[{"code":"ResponsePayloadTooLarge"}]}})"));
  graph(row("a"));
  run();
  CHECK(is_known("a"));
  CHECK(evidence("arg:resources|s1").complete);
  CHECK(transport.requests.back().body.empty());  // the list of a
  CHECK(std::ranges::any_of(transport.requests, [](const auto& request) {
    return request.body.contains(R"("$top":250)");
  }));
}

TEST_CASE_FIXTURE(Fixture, "rows that come twice, or tokens that come again, are no whole answer") {
  graph(row("a"));
  run();
  SUBCASE("twice") {
    graph(row("a") + "," + row("a"));
    CHECK_FALSE(run().complete);
    CHECK(evidence("arg:resources|s1").reason == "truncated");
  }
  SUBCASE("a token of two pages before") {
    int page = 0;
    graph_pages = [&page]() {
      ++page;
      return tests::response(
          200, fmt::format(R"({{"$skipToken":"{}","data":[]}})", page % 2 == 0 ? "even" : "odd"));
    };
    CHECK_FALSE(run().complete);
    CHECK(evidence("arg:resources|s1").message.contains("$skipToken"));
    CHECK(page < 10);
  }
  CHECK(is_known("a"));
}

TEST_CASE_FIXTURE(Fixture, "fewer rows than are counted, before and after, are no whole answer") {
  graph(row("a") + "," + row("b"));
  graph_by_subscription.insert_or_assign(
      "summarize", tests::response(200, R"({"data":[{"subscriptionId":"s1","count_":3}]})"));
  CHECK_FALSE(run().complete);
  CHECK(evidence("arg:resources|s1").message.contains("counts 3 rows and gave 2"));
}

TEST_CASE_FIXTURE(Fixture, "one bad row in a page costs that row alone") {
  graph(row("a") + "," + row("b"));
  run();
  graph(row("a") + R"(,{"id":")" + vault_key("b") +
        R"(","type":"microsoft.keyvault/vaults","p":1e999})");
  answers[vault_key("b")] = tests::response(200, "{}");
  CHECK_FALSE(run().complete);
  CHECK(evidence("arg:resources|s1").complete);
  CHECK_FALSE(evidence("resource:" + vault_key("b")).complete);
  CHECK(is_known("b"));
}

TEST_CASE_FIXTURE(Fixture, "management groups say which subscriptions are expected") {
  const std::string below = "/providers/Microsoft.Management/managementGroups/contoso/descendants";
  const auto descendants = [](const std::string& names) {
    std::string items = R"({"type":"Microsoft.Management/managementGroups","name":"sub"})";
    for (const char name : names) {
      items += fmt::format(
          R"(,{{"type":"Microsoft.Management/managementGroups/subscriptions","name":"S{}"}})",
          name);
    }
    return tests::response(200, R"({"value":[)" + items + "]}");
  };
  const auto listed = [](const std::string& names) {
    std::string items;
    for (const char name : names) {
      items += fmt::format(R"({}{{"subscriptionId":"s{}"}})", items.empty() ? "" : ",", name);
    }
    return tests::response(200, R"({"value":[)" + items + "]}");
  };
  options_of_inventory.management_groups = {"contoso"};
  answers["/subscriptions"] = listed("123");
  answers.insert_or_assign(below, descendants("12"));
  graph(row("a"));
  CHECK(run().listed == std::vector<std::string>{"s1", "s2"});
  CHECK(has_evidence("arg:resources|s2"));
  CHECK_FALSE(has_evidence("arg:resources|s3"));
  SUBCASE("one that can't be read is missing evidence") {
    answers["/subscriptions"] = listed("13");
    run();
    CHECK(evidence("arg:resources|s2").reason == "forbidden");
  }
  SUBCASE("one that was moved elsewhere is retired") {
    answers.insert_or_assign(below, descendants("1"));
    run();
    CHECK_FALSE(has_evidence("arg:resources|s2"));
    CHECK(has_evidence("arg:resources|s1"));
  }
  SUBCASE("while the group can't be read, nothing is retired and nothing is complete") {
    plan.tables.push_back({"resourcecontainers", {"microsoft.resources/subscriptions"}});
    graph(
        row("a") +
        R"(,{"id":"/subscriptions/s1","type":"microsoft.resources/subscriptions","subscriptionId":"s1"})");
    run();
    answers.insert_or_assign(below, tests::response(403, ""));
    const auto report = run();
    CHECK_FALSE(report.complete);
    CHECK(report.first_error.contains("403"));
    CHECK(report.listed == std::vector<std::string>{"s1"});
    CHECK(has_evidence("arg:resources|s2"));
  }
}
