#include "collectors/confirmations.hpp"

#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
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

core::ConfirmationRequest request_for(const std::string& name) {
  core::ConfirmationRequest request;
  request.key = request.id = vault(name);
  request.type = "microsoft.keyvault/vaults";
  request.fingerprint = core::sha256(name);
  request.checks = {{"prod", "check"}};
  return request;
}

/// Answers by the last segment of the path, and what waits until it is answered.
struct Fixture {
  Fixture() { clock.advance(1min); }

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

  static net::Task<void> run_one(collectors::Confirmations* confirmations,
                                 collectors::Confirmations::Report* out) {
    *out = co_await confirmations->run(/*renew=*/true);
  }

  core::Result<net::HttpResponse> answer(const net::HttpRequest& request) {
    const auto path = request.url.substr(0, request.url.find('?'));
    const auto name = path.substr(path.rfind('/') + 1);
    const auto found = answers.find(name);
    return found == answers.end()
               ? tests::response(200, fmt::format(R"({{"id":"{}"}})", vault(name)))
               : found->second;
  }

  core::PendingConfirmations pending(core::Snapshot& snapshot,
                                     std::size_t limit,
                                     const std::function<bool(const std::string&)>& skip) {
    core::PendingConfirmations out;
    for (const auto& name : names) {
      if (snapshot.find(core::confirmation_key(vault(name))).value()) {
        continue;
      }
      ++out.resources;
      if (out.requests.size() < limit && !skip(vault(name))) {
        out.requests.push_back(request_for(name));
      }
    }
    return out;
  }

  collectors::Confirmations::Report run() {
    collectors::Confirmations::Report report;
    net::run_blocking(io.executor(), run_one(&confirmations, &report));
    return report;
  }

  std::vector<std::string> asked() {
    std::vector<std::string> out;
    for (const auto& request : transport.requests) {
      const auto path = request.url.substr(0, request.url.find('?'));
      out.push_back(path.substr(path.rfind('/') + 1));
    }
    transport.requests.clear();
    std::ranges::sort(out);
    return out;
  }

  std::optional<core::Evidence> refusal(const std::string& name) {
    return opened.store->snapshot()
        .value()
        ->evidence(core::detail_evidence_key(core::confirmation_key(vault(name))))
        .value();
  }

  double metric(const std::string& family, const std::string& result = "") {
    for (const auto& found : registry.Collect()) {
      for (const auto& sample : found.metric) {
        if (found.name == family && (result.empty() || sample.label.at(0).value == result)) {
          return sample.counter.value + sample.gauge.value;
        }
      }
    }
    return -1;
  }

  collectors::AzureClientOptions client_options() {
    collectors::AzureClientOptions options;
    options.resource_manager = "https://arm.example";
    options.audience = "a";
    options.base_delay = 1ms;
    options.max_retries = 0;
    return options;
  }

  tests::FakeClock clock;
  tests::FakeLog log;
  tests::TempDirectory directory;
  storage::OpenedStore opened = storage::open_store({directory.file("p.db"), ""}, clock).value();
  std::vector<std::string> names;
  std::map<std::string, net::HttpResponse> answers;
  FakeTokens tokens;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  core::Normaliser normaliser{"k"};
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest& request) { return answer(request); }};
  net::Worker io{"io", 1};
  net::Worker cpu{"cpu", 1};
  net::Worker storage{"storage", 1};
  collectors::AzureClient azure{transport, tokens, clock, log, metrics, client_options()};
  collectors::Confirmations confirmations{
      {.azure = azure,
       .store = *opened.store,
       .normaliser = normaliser,
       .clock = clock,
       .log = log,
       .metrics = metrics,
       .io = io.executor(),
       .cpu = cpu.executor(),
       .storage = storage.executor(),
       .judge = [](core::JudgeView&, const core::CycleChanges&) { return core::Status::ok(); },
       .on_commit = [](const core::CycleReport&) { return nothing(); }},
      {.pending =
           [this](core::Snapshot& snapshot,
                  std::size_t limit,
                  const std::function<bool(const std::string&)>& skip,
                  std::optional<core::Time> renew_before) {
             CHECK(renew_before == clock.now() - 6h);
             return core::Result<core::PendingConfirmations>(pending(snapshot, limit, skip));
           },
       .outcome =
           [this](core::Snapshot&, const std::vector<core::ConfirmationRequest>& requests) {
             core::ConfirmationOutcome out;
             out.confirmed = requests.size() - contradictions.size();
             out.contradicted = contradictions.size();
             out.contradictions = contradictions;
             return core::Result<core::ConfirmationOutcome>(std::move(out));
           }},
      {.budget = 3, .parallel = 2, .per_cycle = 2}};
  std::vector<core::Contradiction> contradictions;
};

}  // namespace

TEST_CASE("an answer is kept with what it speaks of, redacted and without what tells it apart") {
  const core::Normaliser normaliser("k");
  const auto kept = collectors::parse_confirmation(
      R"({"id":"/x","name":"n","location":"West Europe","etag":"1","tags":{"b":"2","a":"1"},)"
      R"("properties":{"z":1,"a":2,"password":"hunter2"},"kind":null})",
      request_for("a"),
      "2023-07-01",
      core::from_micros(5),
      normaliser);
  REQUIRE(kept);
  CHECK(kept->key == vault("a") + "/providers/plumbline.evidence/confirmations");
  CHECK(kept->is_detail);
  CHECK(kept->source == "detail:" + kept->key);
  CHECK(kept->body.starts_with(fmt::format(R"({{"apiVersion":"2023-07-01","fingerprint":"{}",)",
                                           core::to_hex(core::sha256("a")))));
  CHECK(kept->body.contains(R"("resource":{"properties":{"a":2,"password":"redacted:)"));
  CHECK(kept->body.contains(R"("z":1},"tags":{"a":"1","b":"2"}})"));
  for (const char* const left_out : {"hunter2", "West Europe", "etag", "kind"}) {
    CAPTURE(left_out);
    CHECK_FALSE(kept->body.contains(left_out));
  }
  for (const char* const body : {"", "[]", "{}", R"({"value":[]})", R"({"id":)"}) {
    CAPTURE(body);
    CHECK_FALSE(collectors::parse_confirmation(
        body, request_for("a"), "v", core::from_micros(5), normaliser));
  }
}

TEST_CASE("who was refused is asked again, later each time") {
  CHECK(collectors::confirmation_delay(1) == 1min);
  CHECK(collectors::confirmation_delay(2) == 2min);
  CHECK(collectors::confirmation_delay(6) == 32min);
  CHECK(collectors::confirmation_delay(7) == 60min);
  CHECK(collectors::confirmation_delay(1'000'000) == 60min);

  Fixture f;
  f.names = {"a", "b"};
  f.answers["a"] = tests::response(403, R"({"error":{"code":"AuthorizationFailed"}})");
  auto report = f.run();
  CHECK(report.asked == 2);
  REQUIRE(report.cycles.size() == 1);
  CHECK_FALSE(report.cycles.front().complete);
  CHECK(f.asked() == std::vector<std::string>{"a", "b"});
  REQUIRE(f.refusal("a"));
  CHECK(f.refusal("a")->reason == "forbidden");
  REQUIRE(f.refusal("b"));
  CHECK(f.refusal("b")->complete);
  CHECK(f.metric("plumbline_confirmations_total", "failed") == 1);
  CHECK(f.metric("plumbline_confirmations_pending") == 1);
  CHECK(std::ranges::any_of(f.log.lines, [](const std::string& line) {
    return line.starts_with("confirmation_failed resource_id=" + vault("a") + " reason=forbidden");
  }));

  CHECK(f.run().asked == 0);
  f.clock.advance(61s);
  CHECK(f.run().asked == 1);
  f.clock.advance(61s);
  CHECK(f.run().asked == 0);
  f.answers.clear();
  f.clock.advance(61s);
  CHECK(f.run().asked == 1);
  CHECK(f.refusal("a")->complete);
  CHECK(f.metric("plumbline_confirmations_pending") == 0);
}

TEST_CASE("the budget bounds how many are asked for, a cycle how many at once") {
  Fixture f;
  f.names = {"a", "b", "c", "d", "e"};
  auto report = f.run();
  CHECK(report.asked == 3);
  CHECK(report.cycles.size() == 2);
  CHECK(f.asked() == std::vector<std::string>{"a", "b", "c"});
  CHECK(f.metric("plumbline_confirmations_pending") == 2);
  CHECK(f.run().asked == 2);
  CHECK(f.asked() == std::vector<std::string>{"d", "e"});
  CHECK(f.metric("plumbline_confirmations_pending") == 0);
  CHECK(f.run().asked == 0);
}

TEST_CASE("who does not answer is left in peace") {
  Fixture f;
  f.names = {"a", "b", "c"};
  for (const char* const name : {"a", "b", "c"}) {
    f.answers[name] = tests::response(503, "");
  }
  CHECK(f.run().asked == 2);
  CHECK(f.asked() == std::vector<std::string>{"a", "b"});
  CHECK(f.metric("plumbline_confirmations_pending") == 3);
}

TEST_CASE("an api-version that a type does not have is learned from the refusal, once") {
  Fixture f;
  f.names = {"a"};
  f.answers["a"] = tests::response(
      400,
      R"({"error":{"code":"NoRegisteredProviderFound","message":"The supported api-versions are )"
      R"('2020-01-01, 2026-02-01'."}})");
  f.run();
  REQUIRE(f.transport.requests.size() == 2);
  CHECK(f.transport.requests[1].url.ends_with("?api-version=2026-02-01"));
  f.transport.requests.clear();
  f.names = {"b"};
  f.run();
  REQUIRE(f.transport.requests.size() == 1);
  CHECK(f.transport.requests[0].url.ends_with("?api-version=2026-02-01"));
}

TEST_CASE("a contradiction is counted and told") {
  Fixture f;
  f.names = {"a"};
  f.contradictions = {{vault("a"), "prod", "check", "Compliant", {"properties.x", "properties.y"}}};
  f.run();
  CHECK(f.metric("plumbline_confirmations_total", "contradicted") == 1);
  CHECK(f.metric("plumbline_confirmations_total", "confirmed") == 0);
  CHECK(std::ranges::count(f.log.lines,
                           "confirmation_contradicted resource_id=" + vault("a") +
                               " assignment=prod check=check path=properties.x,properties.y "
                               "to=Compliant") == 1);
}
