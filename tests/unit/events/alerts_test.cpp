#include "events/alertmanager.hpp"
#include "tests/unit/events/fixture.hpp"

#include <algorithm>

using namespace plumbline;
using namespace std::chrono_literals;
using core::Severity;
using events::Alert;
using tests::EventStore;

namespace {

struct Fixture : EventStore {
  std::vector<Alert> alerts(Severity least = Severity::kHigh) {
    tests::FakeFacts facts;
    const auto view = snapshot();
    auto out = events::read_alerts(*view, facts, {least, 60s, "https://p.example"}, clock.now());
    REQUIRE(out);
    return *std::move(out);
  }

  /// That many items open in one cycle.
  void opens(int count, Severity severity = Severity::kHigh) {
    std::vector<int> resources(static_cast<std::size_t>(count));
    for (auto& number : resources) {
      number = next_resource++;
    }
    cycle(resources, [&](core::JudgeView& view, const std::vector<std::int64_t>& rows) {
      for (const auto row : rows) {
        items.push_back(open_item(view, row, severity, "/properties/a"));
      }
    });
  }

  void to_next_minute() {
    const auto minute = std::chrono::ceil<std::chrono::minutes>(clock.now());
    clock.advance(minute - clock.now());
  }

  int next_resource = 1;
  std::vector<std::int64_t> items;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an open item is an alert with all that routes it") {
  fails({1});
  const auto found = alerts();
  REQUIRE(found.size() == 1);
  CHECK(found[0].labels == events::Labels{{"alertname", "PlumblineDrift"},
                                          {"severity", "page"},
                                          {"check_severity", "high"},
                                          {"component", "compliance"},
                                          {"drift", "identity-of-" + key(1) + tests::kCheck},
                                          {"kind", "baseline"},
                                          {"subscription_id", "s1"},
                                          {"resource", key(1)},
                                          {"type", "microsoft.keyvault/vaults"},
                                          {"assignment", "baseline"},
                                          {"definition", "NS-1-test"},
                                          {"control", "NS-1"},
                                          {"team", "team-a"}});
  CHECK(found[0].annotations.at("summary") == "kv1: Title of the check");
  CHECK(found[0].annotations.at("description") ==
        key(1) +
            " fails NS-1-test. Changed by someone@example.com with Portal. The score of baseline "
            "is 75.0 %, 5.00 points less by it. Open since " +
            core::to_rfc3339(found[0].starts_at) + ".");
  CHECK(found[0].generator_url.starts_with("https://p.example/#/resource?id="));
  CHECK_FALSE(found[0].ended_at);

  const auto body = nlohmann::json::parse(events::alerts_body(found, clock.now(), 60s));
  CHECK(body[0]["startsAt"] == core::to_rfc3339(found[0].starts_at));
  CHECK(body[0]["endsAt"] == core::to_rfc3339(clock.now() + 300s));
  const auto slow = nlohmann::json::parse(events::alerts_body(found, clock.now(), 600s));
  CHECK(slow[0]["endsAt"] == core::to_rfc3339(clock.now() + 2400s));
}

TEST_CASE_FIXTURE(Fixture, "only what is open and bad enough") {
  opens(1, Severity::kCritical);
  opens(1, Severity::kMedium);
  CHECK(alerts().size() == 1);
  CHECK(alerts(Severity::kCritical).size() == 1);
  CHECK(alerts(Severity::kLow).size() == 2);
  const auto all = alerts(Severity::kLow);
  const auto medium = std::ranges::find_if(
      all, [](const Alert& alert) { return alert.labels.at("check_severity") == "medium"; });
  REQUIRE(medium != all.end());
  CHECK(medium->labels.at("severity") == "ticket");
}

TEST_CASE_FIXTURE(Fixture, "the end is told for a quarter of an hour, whoever tells it") {
  fails({1});
  const auto labels = alerts().front().labels;
  resolve(last_item);
  const auto resolved_at = clock.now();
  clock.advance(14min);
  const auto ended = alerts();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].labels == labels);
  CHECK(ended[0].ended_at == resolved_at);
  const auto body = nlohmann::json::parse(events::alerts_body(ended, clock.now(), 60s));
  CHECK(body[0]["endsAt"] == core::to_rfc3339(resolved_at));
  clock.advance(2min);
  CHECK(alerts().empty());
}

TEST_CASE("a clock that was set back lets nothing end before it starts") {
  Alert alert;
  alert.labels["alertname"] = "a";
  alert.starts_at = core::from_micros(1'700'000'000'000'000);
  alert.ended_at = alert.starts_at - 1h;
  const auto ended = nlohmann::json::parse(events::alerts_body({&alert, 1}, alert.starts_at, 60s));
  CHECK(ended[0]["startsAt"] == ended[0]["endsAt"]);
  alert.ended_at.reset();
  const auto open =
      nlohmann::json::parse(events::alerts_body({&alert, 1}, alert.starts_at - 3h, 60s));
  CHECK(open[0]["startsAt"] == open[0]["endsAt"]);
}

TEST_CASE_FIXTURE(Fixture, "what is accepted ends; what opens again goes before its own end") {
  fails({1});
  core::Acceptance acceptance;
  cycle({1}, [&](core::JudgeView& view, const std::vector<std::int64_t>&) {
    acceptance.id = view.put_acceptance(acceptance).value();
    REQUIRE(view.cover_drift(last_item, acceptance));
  });
  REQUIRE(alerts().size() == 1);
  CHECK(alerts()[0].ended_at == clock.now());
  cycle({1}, [&](core::JudgeView& view, const std::vector<std::int64_t>&) {
    REQUIRE(view.uncover_drift(last_item));
  });
  REQUIRE(alerts().size() == 1);
  CHECK_FALSE(alerts()[0].ended_at);
  resolve(last_item);
  fails({1});
  REQUIRE(alerts().size() == 1);
  CHECK_FALSE(alerts()[0].ended_at);
}

TEST_CASE_FIXTURE(Fixture, "more than fifty in a minute are one alert, and stay one") {
  to_next_minute();
  opens(50);
  CHECK(alerts().size() == 50);
  events::AlertMemory memory;
  auto told = alerts();
  memory.complete(told, clock.now());
  opens(1, Severity::kCritical);
  REQUIRE(alerts().size() == 1);
  const auto many = alerts().front();
  CHECK(many.labels == events::Labels{{"alertname", "PlumblineDriftMany"},
                                      {"severity", "page"},
                                      {"check_severity", "critical"},
                                      {"component", "compliance"},
                                      {"opened", core::to_rfc3339(many.starts_at)}});
  CHECK(many.annotations.at("summary") == "51 pieces of drift opened within a minute");
  CHECK(many.annotations.at("description").contains("1 of 1 critical, 50 of 50 high"));
  CHECK(many.generator_url == "https://p.example/#/drift");
  // Those that were told one by one end.
  told = alerts();
  memory.complete(told, clock.now());
  CHECK(told.size() == 51);
  CHECK(std::ranges::count_if(told, [](const Alert& a) { return a.ended_at.has_value(); }) == 50);

  // What opens later is told by itself, and when most are resolved the rest is still that one.
  clock.advance(5min);
  opens(1);
  CHECK(alerts().size() == 2);
  for (std::size_t i = 0; i < 50; ++i) {
    resolve(items[i]);
  }
  const auto left = alerts();
  REQUIRE(left.size() == 2);
  CHECK(left[1].labels == many.labels);
  CHECK_FALSE(left[1].ended_at);
  resolve(items[50]);
  CHECK(alerts()[1].ended_at == clock.now());
}

TEST_CASE("what was told under other labels ends under those") {
  events::AlertMemory memory;
  const auto now = tests::FakeClock().now();
  Alert alert;
  alert.labels = {{"team", "a"}};
  std::vector<Alert> alerts = {alert};
  memory.complete(alerts, now);
  CHECK(alerts.size() == 1);
  alert.labels = {{"team", "b"}};
  for (const auto later : {1min, 15min}) {
    alerts = {alert};
    memory.complete(alerts, now + later);
    REQUIRE(alerts.size() == 2);
    CHECK(alerts[1].labels.at("team") == "a");
    CHECK(alerts[1].ended_at == now + 1min);
  }
  alerts = {alert};
  memory.complete(alerts, now + 16min);
  CHECK(alerts.size() == 1);
}

namespace {

struct Sending : Fixture {
  static net::Task<void> run(events::Alertmanager* of, bool* out) { *out = co_await of->send(); }

  bool send() {
    bool out = false;
    net::run_blocking(io.executor(), run(&alertmanager, &out));
    return out;
  }

  tests::FakeLog log;
  prometheus::Registry registry;
  events::EventMetrics metrics{registry};
  std::function<core::Result<net::HttpResponse>(const net::HttpRequest&)> script =
      [](const net::HttpRequest&) { return tests::response(200, ""); };
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest& request) { return script(request); }};
  net::Worker io{"io", 1};  // ends last: what the others have in flight refers to it
  net::Worker cpu{"cpu", 1};
  events::Alertmanager alertmanager{{.store = *opened.store,
                                     .clock = clock,
                                     .log = log,
                                     .metrics = metrics,
                                     .io = io.executor(),
                                     .cpu = cpu.executor(),
                                     .make_facts = tests::fake_facts(),
                                     .transport = transport},
                                    {},
                                    {"http://am-1:9093/", "http://am-2:9093/prefix"}};
};

}  // namespace

TEST_CASE_FIXTURE(Sending, "every Alertmanager is told everything, in pieces") {
  CHECK(send());
  CHECK(transport.requests.empty());
  opens(40);
  clock.advance(2min);
  opens(40);
  CHECK(send());
  REQUIRE(transport.requests.size() == 4);
  CHECK(transport.requests[0].url == "http://am-1:9093/api/v2/alerts");
  CHECK(transport.requests[2].url == "http://am-2:9093/prefix/api/v2/alerts");
  CHECK(nlohmann::json::parse(transport.requests[0].body).size() == 64);
  CHECK(nlohmann::json::parse(transport.requests[3].body).size() == 16);
  CHECK(alertmanager.statuses()[1].taken == 80);
}

TEST_CASE_FIXTURE(Sending, "one that is away holds up no other") {
  fails({1});
  script = [](const net::HttpRequest& request) {
    return tests::response(request.url.contains("am-1") ? 503 : 200, "");
  };
  CHECK_FALSE(send());
  CHECK(transport.requests.size() == 2);
  CHECK(alertmanager.statuses()[0].last_error == "HTTP status 503");
  CHECK(alertmanager.statuses()[1].taken == 1);
  script = [](const net::HttpRequest&) { return tests::response(200, ""); };
  CHECK(send());
  CHECK(alertmanager.statuses()[0].taken == 1);
  CHECK(alertmanager.statuses()[0].last_error.empty());
}
