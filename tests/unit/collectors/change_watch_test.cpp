#include "collectors/activity/change_watch.hpp"

#include "core/text.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

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

std::string vault(const std::string& name) {
  return "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/" + name;
}

const std::string kSettings = "/providers/microsoft.insights/diagnosticsettings";
const std::string kRole = "/subscriptions/s1/providers/microsoft.authorization/roleassignments/r1";

/// A tenant that changes, and an Azure that tells of it as late as it is told to.
struct Tenant {
  struct Row {
    std::string id;
    core::Time at;
    std::string json;
  };

  explicit Tenant(const tests::FakeClock& time) : clock(&time) {}

  void change(const std::string& key, const std::string& kind, core::Microseconds ago = 0s) {
    const auto id = fmt::format("c{}", changes.size());
    const auto at = azure_now() - ago;
    changes.push_back(
        {id,
         at,
         fmt::format(
             R"({{"id":"{}","properties":{{"targetResourceId":"{}","targetResourceType":"microsoft.keyvault/vaults","changeType":"{}","changeAttributes":{{"timestamp":"{}"}}}}}})",
             id,
             key,
             kind,
             core::to_rfc3339(at))});
  }

  void event(const std::string& key, const std::string& operation, core::Microseconds ago = 0s) {
    const auto id = fmt::format("e{}", events.size());
    events.push_back(
        {operation,
         azure_now() - ago,
         fmt::format(
             R"({{"eventDataId":"{}","operationName":{{"value":"{}"}},"status":{{"value":"Succeeded"}},"resourceId":"{}","eventTimestamp":"{}"}})",
             id,
             operation,
             key,
             core::to_rfc3339(azure_now() - ago))});
  }

  [[nodiscard]] core::Time azure_now() const { return clock->now() + ahead; }

  core::Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    const auto url = request.url.substr(std::string("https://arm.example").size());
    const auto path = url.substr(0, url.find('?'));
    auto answer = body_of(path, url, request.body);
    if (ahead != 0s && answer) {
      const auto date = std::chrono::floor<std::chrono::seconds>(azure_now());
      answer->headers.set("Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", date));
    }
    return answer;
  }

  core::Result<net::HttpResponse> body_of(const std::string& path,
                                          const std::string& url,
                                          const std::string& body) {
    if (path == "/subscriptions") {
      return tests::response(200, R"({"value":[{"subscriptionId":"s1"}]})");
    }
    if (path.contains("/eventtypes/management/values")) {
      activity.push_back(url);
      if (const auto fault = faults.find("activity"); fault != faults.end()) {
        return fault->second;
      }
      std::string rows;
      for (const auto& row : events) {
        const auto provider = row.id.substr(0, row.id.find('/'));
        if (url.contains("resourceProvider%20eq%20%27" + provider + "%27")) {
          rows += (rows.empty() ? "" : ",") + row.json;
        }
      }
      return tests::response(200, R"({"value":[)" + rows + "]}");
    }
    if (path.contains("ResourceGraph")) {
      return graph(body);
    }
    asked.push_back(path);
    if (const auto fault = faults.find(path); fault != faults.end()) {
      return fault->second;
    }
    if (path.ends_with(kSettings)) {
      return tests::response(200, R"({"value":[)" + settings[path] + "]}");
    }
    return vaults.contains(path) ? tests::response(200, "{}")
                                 : tests::response(404, R"({"error":{"code":"ResourceNotFound"}})");
  }

  core::Result<net::HttpResponse> graph(const std::string& body) {
    std::string rows;
    const auto add = [&](const std::string& row) { rows += (rows.empty() ? "" : ",") + row; };
    if (body.contains("changes | where")) {
      if (const auto fault = faults.find("feed"); fault != faults.end()) {
        return fault->second;
      }
      if (body.contains("resourcechanges |")) {
        const auto begin = body.find("datetime(2") + 9;
        since = *core::parse_rfc3339(body.substr(begin, body.find(')', begin) - begin));
        for (const auto& row : changes) {
          if (row.at >= since) {
            add(row.json);
          }
        }
      }
    } else if (body.contains("authorizationresources |")) {
      role_requests.push_back(body);
      add(fmt::format(R"({{"id":"{}","type":"microsoft.authorization/roleassignments"}})", kRole));
    } else {
      const bool by_id = body.contains("where id in~");
      if (by_id) {
        bodies.push_back(body);
        if (const auto fault = faults.find("bodies"); fault != faults.end()) {
          return fault->second;
        }
      }
      auto shown = vaults;
      for (const auto& key : ghosts) {
        shown.emplace(key, 1);
      }
      for (const auto& [key, value] : shown) {
        if (!by_id || body.contains("'" + key + "'")) {
          add(fmt::format(
              R"({{"id":"{}","type":"microsoft.keyvault/vaults","subscriptionId":"s1","properties":{{"a":{}}}}})",
              key,
              value));
        }
      }
    }
    return tests::response(200, R"({"resultTruncated":"false","data":[)" + rows + "]}");
  }

  const tests::FakeClock* clock;
  core::Microseconds ahead{0};        // Azure's clock; sent when it is not ours
  std::map<std::string, int> vaults;  // by key, with what Resource Graph shows of it
  std::vector<std::string> ghosts;    // shown by Resource Graph alone
  std::map<std::string, std::string> settings;
  std::vector<Row> changes;
  std::vector<Row> events;
  std::map<std::string, core::Result<net::HttpResponse>> faults;
  core::Time since;                 // of the last question to the feed
  std::vector<std::string> bodies;  // questions for resources by id
  std::vector<std::string> role_requests;
  std::vector<std::string> activity;
  std::vector<std::string> asked;  // of Resource Manager, but the activity log
};

struct Fixture {
  Fixture() {
    auto result = storage::open_store({directory.file("p.db"), ""}, clock);
    REQUIRE(result);
    opened = *std::move(result);
    collectors::AzureClientOptions client;
    client.resource_manager = "https://arm.example";
    client.audience = "a";
    client.max_retries = 0;
    azure =
        std::make_unique<collectors::AzureClient>(transport, tokens, clock, log, metrics, client);
    core::CollectionPlan plan;
    plan.tables = {{"resources", {"microsoft.keyvault/vaults"}},
                   {"authorizationresources", {"microsoft.authorization/roleassignments"}}};
    plan.details = {{"microsoft.insights/diagnosticsettings",
                     "2021-05-01-preview",
                     {"microsoft.keyvault/vaults"}}};
    const collectors::Collection parts{
        .azure = *azure,
        .store = *opened.store,
        .normaliser = normaliser,
        .clock = clock,
        .log = log,
        .metrics = metrics,
        .io = io.executor(),
        .cpu = cpu.executor(),
        .storage = storage.executor(),
        .judge = [](core::JudgeView&, const core::CycleChanges&) { return core::Status::ok(); },
        .on_commit = [](const core::CycleReport&) { return nothing(); }};
    inventory =
        std::make_unique<collectors::Inventory>(parts, plan, collectors::InventoryOptions{});
    watch = std::make_unique<collectors::ChangeWatch>(parts, plan, collectors::WatchOptions{});
    collectors::Inventory::Hooks hooks;
    hooks.swept = [this](const collectors::PassReport& report) { watch->passed(report); };
    hooks.between = [this]() { return between ? between() : nothing(); };
    inventory->set_hooks(std::move(hooks));
    tenant.vaults = {{vault("a"), 1}, {vault("b"), 1}};
  }

  ~Fixture() {
    io.stop();
    for (net::Worker* worker : {&io, &cpu, &storage}) {
      worker->join();
    }
  }

  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  Fixture(Fixture&&) = delete;
  Fixture& operator=(Fixture&&) = delete;

  static net::Task<void> nothing() { co_return; }

  static net::Task<void> pass_on(collectors::Inventory* inventory, collectors::PassReport* out) {
    *out = co_await inventory->run();
  }

  static net::Task<void> poll_on(collectors::ChangeWatch* watch, bool* sweep) {
    *sweep = co_await watch->poll_changes();
  }

  void pass() { net::run_blocking(io.executor(), pass_on(inventory.get(), &last_pass)); }

  /// A poll a minute later: whether it asks for a sweep.
  bool poll(std::chrono::seconds later = 60s) {
    clock.advance(later);
    bool sweep = false;
    net::run_blocking(io.executor(), poll_on(watch.get(), &sweep));
    return sweep;
  }

  void poll_activity(std::chrono::seconds later = 300s) {
    clock.advance(later);
    net::run_blocking(io.executor(), watch->poll_activity());
  }

  std::vector<core::CycleRow> cycles(const std::string& kind) {
    auto rows = opened.store->snapshot().value()->cycles(1000).value();
    std::erase_if(rows, [&](const auto& row) { return row.kind != kind; });
    return rows;
  }

  std::optional<core::Time> watermark(const std::string& source) {
    return opened.store->snapshot().value()->watermark(source).value();
  }

  std::string body(const std::string& key) {
    const auto found = opened.store->snapshot().value()->find(key).value();
    return found ? found->body : std::string();
  }

  bool logged(const std::string& text) {
    return std::ranges::any_of(log.lines, [&](const auto& line) { return line.contains(text); });
  }

  double missed() {
    for (const auto& family : registry.Collect()) {
      if (family.name == "plumbline_change_feed_missed_total") {
        return family.metric.at(0).counter.value;
      }
    }
    return -1;
  }

  tests::FakeClock clock;
  tests::TempDirectory directory;
  storage::OpenedStore opened;
  tests::FakeLog log;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  FakeTokens tokens;
  Tenant tenant{clock};
  core::Normaliser normaliser{"k"};
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest& request) { return tenant.answer(request); }};
  std::unique_ptr<collectors::AzureClient> azure;
  std::unique_ptr<collectors::Inventory> inventory;
  std::unique_ptr<collectors::ChangeWatch> watch;
  collectors::PassReport last_pass;
  std::function<net::Task<void>()> between;
  net::Worker storage{"storage", 1};
  net::Worker cpu{"cpu", 1};
  net::Worker io{"io", 1};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "nothing is asked before the first pass") {
  CHECK_FALSE(poll());
  poll_activity();
  CHECK(transport.requests.empty());
}

TEST_CASE_FIXTURE(Fixture, "a feed is read from the sweep on, then from the last poll on") {
  const auto swept = clock.now();
  pass();
  poll();
  CHECK(tenant.since == swept - collectors::kFeedOverlap);
  CHECK(watermark("arg:resourcechanges") == clock.now());
  const auto first = clock.now();
  poll();
  CHECK(tenant.since == first - collectors::kFeedOverlap);
  CHECK(cycles("changes").empty());
  CHECK(tenant.bodies.empty());
}

TEST_CASE_FIXTURE(Fixture, "a feed is read by Azure's clock") {
  for (const auto ahead : {core::Microseconds(1h), core::Microseconds(-1h)}) {
    CAPTURE(ahead.count());
    tenant.ahead = ahead;
    const auto swept = tenant.azure_now();
    pass();
    poll();
    if (ahead > 0s) {  // the second time there is a watermark, ahead of that clock
      CHECK(tenant.since == swept - collectors::kFeedOverlap);
    }
    const auto first = tenant.azure_now();
    CHECK(watermark("arg:resourcechanges") == first);
    tenant.change(vault("a"), "Update");
    tenant.vaults[vault("a")] += 1;
    poll();
    CHECK(tenant.since == first - collectors::kFeedOverlap);
    CHECK(cycles("changes").size() == (ahead > 0s ? 1 : 2));
  }
  CHECK(logged("clock_skewed"));
}

TEST_CASE_FIXTURE(Fixture, "a change is read once, and told of once") {
  pass();
  poll();
  tenant.change(vault("a"), "Update");
  tenant.change(vault("a"), "Update");
  tenant.change("/subscriptions/other/resourcegroups/rg/providers/microsoft.keyvault/vaults/a",
                "Update");
  tenant.vaults[vault("a")] = 2;
  poll();
  REQUIRE(cycles("changes").size() == 1);
  CHECK(cycles("changes")[0].changed == 1);
  CHECK(body(vault("a")).contains(R"("a":2)"));
  CHECK(tenant.bodies.size() == 1);
  CHECK_FALSE(tenant.bodies[0].contains(vault("b")));
  CHECK(opened.store->snapshot().value()->change_records(vault("a"), 10).value().size() == 2);
  for (int i = 0; i < 12; ++i) {
    poll();
  }
  CHECK(cycles("changes").size() == 1);
  CHECK(tenant.bodies.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a body that is late is waited for, up to ten minutes") {
  pass();
  tenant.change(vault("a"), "Update");
  poll();
  CHECK(tenant.bodies.size() == 1);
  SUBCASE("it comes") {
    poll();
    tenant.vaults[vault("a")] = 2;
    poll();
    CHECK_FALSE(body(vault("a")).contains(R"("a":2)"));  // not asked at each poll
    poll();
    CHECK(body(vault("a")).contains(R"("a":2)"));
    for (int i = 0; i < 12; ++i) {
      poll();
    }
    CHECK(tenant.bodies.size() == 3);
  }
  SUBCASE("it never comes") {
    for (int i = 0; i < 20; ++i) {
      poll();
    }
    CHECK(tenant.bodies.size() == 5);
    CHECK(logged("change_not_seen resource_id=" + vault("a")));
  }
  SUBCASE("nobody could ask in the meantime") {
    tenant.faults["bodies"] = tests::response(503, "");
    for (int i = 0; i < 30; ++i) {
      poll();
    }
    tenant.faults.clear();
    tenant.vaults[vault("a")] = 2;
    poll();
    CHECK(body(vault("a")).contains(R"("a":2)"));
  }
  // A cycle for what was told, one for a body that came.
  CHECK(cycles("changes").size() <= 2);
}

TEST_CASE_FIXTURE(Fixture, "a feed that fails is asked again from where it was") {
  pass();
  poll();
  const auto before = watermark("arg:resourcechanges");

  struct Case {
    const char* name;
    core::Result<net::HttpResponse> answer;
  };

  for (const auto& c : std::vector<Case>{
           {"throttled", tests::response(429, "")},
           {"half a body", tests::response(200, R"({"data":[{"id":"/x)")},
           {"lost rows", tests::response(200, R"({"totalRecords":3,"data":[]})")},
           {"the same token", tests::response(200, R"({"$skipToken":"t","data":[]})")},
           {"no connection", core::Error{core::Errc::kNetwork, "refused"}},
       }) {
    CAPTURE(c.name);
    tenant.faults.insert_or_assign("feed", c.answer);
    CHECK_FALSE(poll());
    CHECK(watermark("arg:resourcechanges") == before);
    CHECK(cycles("changes").empty());
  }
  tenant.change(vault("a"), "Update", 4min);
  tenant.vaults[vault("a")] = 2;
  tenant.faults.clear();
  poll();
  CHECK(tenant.since == *before - collectors::kFeedOverlap);
  CHECK(body(vault("a")).contains(R"("a":2)"));
}

TEST_CASE_FIXTURE(Fixture, "a deletion needs Resource Manager's word") {
  pass();
  tenant.change(vault("a"), "Delete");
  SUBCASE("gone") {
    tenant.vaults.erase(vault("a"));
    poll();
    CHECK(body(vault("a")).empty());
    CHECK(cycles("changes").at(0).deleted == 2);  // with its list
    CHECK_FALSE(body(vault("b")).empty());
  }
  SUBCASE("still there: it was made again") {
    tenant.vaults[vault("a")] = 2;
    poll();
    CHECK(body(vault("a")).contains(R"("a":2)"));
  }
  SUBCASE("denied, then gone") {
    tenant.vaults.erase(vault("a"));
    tenant.faults.insert_or_assign(vault("a"), tests::response(403, ""));
    poll();
    CHECK(logged("deletion_unconfirmed"));
    CHECK_FALSE(body(vault("a")).empty());
    tenant.faults.clear();
    poll();
    CHECK(body(vault("a")).empty());
  }
  SUBCASE("the subscription cannot be read") {
    tenant.vaults.erase(vault("a"));
    tenant.faults.insert_or_assign(
        vault("a"), tests::response(404, R"({"error":{"code":"SubscriptionNotFound"}})"));
    for (int i = 0; i < 15; ++i) {
      poll();
    }
    CHECK_FALSE(body(vault("a")).empty());
  }
  SUBCASE("nobody knows it") {
    tenant.change(vault("never seen"), "Delete");
    poll();
    CHECK(std::ranges::find(tenant.asked, vault("never seen")) == tenant.asked.end());
  }
}

TEST_CASE_FIXTURE(Fixture, "a new resource comes with its lists") {
  pass();
  tenant.asked.clear();
  tenant.vaults[vault("new")] = 1;
  tenant.change(vault("new"), "Create");
  poll();
  CHECK_FALSE(body(vault("new")).empty());
  CHECK(tenant.asked == std::vector{vault("new") + kSettings});
  CHECK_FALSE(body(vault("new") + kSettings).empty());
}

TEST_CASE_FIXTURE(Fixture, "a gap that no sweep covers asks for one, not at every poll") {
  pass();
  poll();
  SUBCASE("the feed has forgotten what it was not asked for") {
    clock.advance(24h * 15);
    CHECK(poll());
    CHECK(logged("change_feed_gap source=arg:resourcechanges"));
    CHECK_FALSE(poll());
    pass();
    CHECK_FALSE(poll());
    CHECK(watermark("arg:resourcechanges") == clock.now());
  }
  SUBCASE("the feed cuts its answer short") {
    const auto before = watermark("arg:resourcechanges");
    tenant.faults.insert_or_assign("feed",
                                   tests::response(200, R"({"resultTruncated":"true","data":[]})"));
    CHECK(poll());
    const auto granted = watermark("arg:resourcechanges");
    CHECK(granted > before);
    for (int i = 0; i < 9; ++i) {
      CHECK_FALSE(poll());
    }
    CHECK(watermark("arg:resourcechanges") == granted);
    CHECK(poll());
  }
  SUBCASE("a sweep covers it") {
    clock.advance(24h * 15);
    const auto swept = clock.now();
    pass();
    CHECK_FALSE(poll());
    CHECK(tenant.since == swept - collectors::kFeedOverlap);
    CHECK(logged("change_feed_gap source=arg:resourcechanges"));
  }
}

TEST_CASE_FIXTURE(Fixture, "a sweep counts what the feed did not tell") {
  pass();
  poll();
  tenant.vaults[vault("a")] = 2;
  tenant.vaults[vault("b")] = 2;
  tenant.change(vault("b"), "Update");
  pass();
  CHECK(body(vault("a")).contains(R"("a":2)"));
  for (int i = 0; i < 9; ++i) {
    poll();
  }
  CHECK(missed() == 0);
  poll();
  CHECK(missed() == 1);
  CHECK(logged("change_missed resource_id=" + vault("a")));
  for (int i = 0; i < 20; ++i) {
    poll();
  }
  CHECK(missed() == 1);
  // What a new plan asks for first was never the feed's to tell.
  auto plan = inventory->plan();
  watch->set_plan(plan, {});
  tenant.vaults[vault("a")] = 3;
  pass();
  for (int i = 0; i < 20; ++i) {
    poll();
  }
  CHECK(missed() == 1);
}

TEST_CASE_FIXTURE(Fixture, "polls go between the cycles of a pass") {
  collectors::InventoryOptions options;
  options.lists_per_cycle = 1;
  inventory->set_plan(inventory->plan(), options);
  pass();
  poll();
  clock.advance(24h);  // every list is due again
  int pauses = 0;
  bool sweep = false;
  between = [&]() {
    ++pauses;
    if (pauses == 2) {  // after the sweep and the first list
      tenant.change(vault("b"), "Update");
      tenant.vaults[vault("b")] = 2;
    }
    return pauses == 2 ? poll_on(watch.get(), &sweep) : nothing();
  };
  pass();
  CHECK(pauses == 3);
  CHECK(body(vault("b")).contains(R"("a":2)"));
  CHECK(last_pass.complete);
  CHECK(last_pass.swept);
  // Twice two lists, and at first the word that they are to come.
  CHECK(cycles("details").size() == 5);
  const auto kinds = opened.store->snapshot().value()->cycles(3).value();
  CHECK(kinds[0].kind == "details");
  CHECK(kinds[1].kind == "changes");
  CHECK(kinds[2].kind == "details");
}

TEST_CASE_FIXTURE(Fixture, "an event makes a list stale, and it is fetched at once") {
  const std::string list = vault("a") + kSettings;
  tenant.settings[list] = R"({"id":"x"})";
  pass();
  poll_activity();
  CHECK(tenant.activity.size() == 3);
  CHECK(watermark("activity:s1") == clock.now());
  tenant.asked.clear();
  tenant.settings[list] = "";
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/delete");
  tenant.event(vault("a"), "Microsoft.Insights/components/write");
  tenant.event(vault("unknown") + kSettings + "/x", "Microsoft.Insights/diagnosticSettings/write");
  poll_activity();
  CHECK(tenant.asked == std::vector{list});
  CHECK_FALSE(body(list).contains(R"("id":"x")"));
  CHECK(opened.store->snapshot().value()->change_records(list + "/x", 10).value().size() == 1);
  const auto cycle_count = opened.store->snapshot().value()->cycles(1000).value().size();
  poll_activity();  // the events are in the window again
  CHECK(tenant.asked == std::vector{list});
  CHECK(opened.store->snapshot().value()->cycles(1000).value().size() == cycle_count);
}

TEST_CASE_FIXTURE(Fixture, "a stale list that cannot be read is asked for again") {
  const std::string list = vault("a") + kSettings;
  pass();
  poll_activity();
  tenant.settings[list] = R"({"id":"x"})";
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/write");
  tenant.faults.insert_or_assign(list, tests::response(503, ""));
  poll_activity();
  CHECK_FALSE(body(list).contains(R"("id":"x")"));
  const auto evidence =
      opened.store->snapshot().value()->evidence(core::detail_evidence_key(list)).value();
  // Azure not answering says nothing against what is known; the next poll of either kind asks
  // again.
  CHECK(evidence->complete);
  tenant.faults.clear();
  poll();
  CHECK(body(list).contains(R"("id":"x")"));
  tenant.faults.insert_or_assign(list, tests::response(403, ""));
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/write");
  poll_activity();
  CHECK_FALSE(opened.store->snapshot()
                  .value()
                  ->evidence(core::detail_evidence_key(list))
                  .value()
                  ->complete);
}

TEST_CASE_FIXTURE(Fixture, "a list that is newer than the event is not fetched again") {
  const std::string list = vault("a") + kSettings;
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/write");
  clock.advance(3min);
  pass();
  tenant.asked.clear();
  poll_activity();
  CHECK(tenant.asked.empty());
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/write", 299s);
  poll_activity(0s);
  CHECK(tenant.asked == std::vector{list});
}

TEST_CASE_FIXTURE(Fixture, "an activity log that fails is read again from where it was") {
  pass();
  poll_activity();
  const auto before = watermark("activity:s1");
  tenant.faults.insert_or_assign("activity", tests::response(403, ""));
  tenant.event(vault("a") + kSettings + "/x", "Microsoft.Insights/diagnosticSettings/write");
  poll_activity();
  CHECK(watermark("activity:s1") == before);
  CHECK(logged("changes_failed source=activity reason=forbidden"));
  tenant.faults.clear();
  tenant.asked.clear();
  poll_activity(3600s);
  CHECK(tenant.asked == std::vector{vault("a") + kSettings});
  CHECK(tenant.activity.back().contains(
      core::percent_encode(core::to_rfc3339(*before - collectors::kActivityOverlap))));
}

TEST_CASE_FIXTURE(Fixture, "types of tables without a feed are read when the log names them") {
  pass();
  tenant.role_requests.clear();
  tenant.event(kRole, "Microsoft.Authorization/roleAssignments/write");
  poll_activity();
  REQUIRE(tenant.role_requests.size() == 1);
  CHECK(tenant.role_requests[0].contains(kRole));
  CHECK(tenant.role_requests[0].contains("AtScopeAboveAndBelow"));
}

TEST_CASE_FIXTURE(Fixture,
                  "what was just deleted is not read back from a Resource Graph that lags") {
  pass();
  poll();
  tenant.vaults.erase(vault("b"));  // so that Resource Manager does not know it
  tenant.change(vault("b"), "Delete");
  poll();
  REQUIRE(body(vault("b")).empty());
  tenant.ghosts = {vault("b")};
  tenant.change(vault("b"), "Update");
  poll();
  CHECK(body(vault("b")).empty());
  tenant.ghosts.clear();
  tenant.vaults[vault("b")] = 2;
  poll();
  CHECK(body(vault("b")).contains("2"));
}

TEST_CASE_FIXTURE(Fixture, "a late event about a list that was read meanwhile tells who it was") {
  const std::string list = vault("a") + kSettings;
  const auto records = [&] {
    return opened.store->snapshot().value()->change_records(list + "/x", 10).value().size();
  };
  pass();
  poll_activity();
  const auto other_at = clock.now() + 30s;
  tenant.settings[list] = R"({"id":"x"})";
  tenant.event(list + "/x", "Microsoft.Insights/diagnosticSettings/write");
  clock.advance(5min);
  poll_activity();
  CHECK(records() == 1);
  clock.advance(5min);
  tenant.event(list + "/x",
               "Microsoft.Insights/diagnosticSettings/write",
               std::chrono::duration_cast<std::chrono::seconds>(clock.now() - other_at));
  poll_activity();
  CHECK(records() == 2);
}
