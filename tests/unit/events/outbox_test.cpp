#include "events/outbox.hpp"

#include "storage/sqlite.hpp"
#include "tests/unit/events/fixture.hpp"

#include <algorithm>

using namespace plumbline;
using namespace std::chrono_literals;
using events::Outcome;
using tests::EventStore;
using Ids = std::vector<std::string>;

namespace {

/// What it answers is scripted; what it took is remembered beyond its own life.
class FakeSink final : public events::Sink {
 public:
  using Script = std::function<Outcome(const events::Event&)>;

  FakeSink(std::string name, Script* script, Ids* offered)
      : name_(std::move(name)), script_(script), offered_(offered) {}

  [[nodiscard]] std::string name() const override { return name_; }

  [[nodiscard]] std::string target() const override { return "here"; }

  [[nodiscard]] events::Filter filter() const override { return {}; }

  [[nodiscard]] std::chrono::seconds give_up_after() const override { return 72h; }

  net::Task<Outcome> deliver(events::Event event) override {
    offered_->push_back(tests::row_of(event.id));
    co_return (*script_)(event);
  }

 private:
  std::string name_;
  Script* script_;
  Ids* offered_;
};

Outcome taken(const events::Event& /*event*/) {
  return {};
}

Outcome failed(const events::Event& /*event*/) {
  return {Outcome::Kind::kFailed, "HTTP status 503", std::nullopt};
}

using Wait = std::optional<std::chrono::milliseconds>;

struct Fixture : EventStore {
  Fixture() { start(); }

  events::MakeFacts facts() {
    return [this, make = tests::fake_facts(damaged)](
               core::Snapshot& view) -> core::Result<std::unique_ptr<events::Facts>> {
      return is_broken ? core::Error{core::Errc::kBusy, "busy"} : make(view);
    };
  }

  /// As after the daemon has started again.
  void start() {
    std::vector<std::unique_ptr<events::Sink>> sinks;
    sinks.push_back(std::make_unique<FakeSink>(name, &script, &offered));
    outbox = std::make_unique<events::Outbox>(events::Outbox::Parts{.store = *opened.store,
                                                                    .clock = clock,
                                                                    .log = log,
                                                                    .metrics = metrics,
                                                                    .io = io.executor(),
                                                                    .cpu = cpu.executor(),
                                                                    .storage = storage.executor(),
                                                                    .make_facts = facts(),
                                                                    .external_url = "",
                                                                    .chance = [] { return 1.0; }},
                                              std::move(sinks));
    REQUIRE(outbox->open());
  }

  static net::Task<void> run(events::Outbox* outbox, Wait* out) {
    *out = co_await outbox->round(0);
  }

  Wait round() {
    Wait out;
    net::run_blocking(io.executor(), run(outbox.get(), &out));
    return out;
  }

  core::EventPosition stored() { return snapshot()->sink_position("fake").value().value(); }

  /// From outside.
  void run(const char* sql) {
    auto connection =
        storage::Connection::open(path, storage::Connection::Access::kReadWriteCreate);
    REQUIRE(connection);
    REQUIRE((*connection)->execute(sql));
  }

  events::SinkStatus status() { return outbox->statuses().front(); }

  tests::FakeLog log;
  prometheus::Registry registry;
  events::EventMetrics metrics{registry};
  std::string name = "fake";
  std::string damaged;
  bool is_broken = false;  // what is stored cannot be read
  FakeSink::Script script = taken;
  Ids offered;
  net::Worker io{"io", 1};  // ends last: what the others have in flight refers to it
  net::Worker storage{"storage", 1};
  net::Worker cpu{"cpu", 1};
  std::unique_ptr<events::Outbox> outbox;
};

}  // namespace

TEST_CASE("waits grow from half a second to a quarter of an hour, and bow to the receiver") {
  CHECK(events::backoff(1, 0, std::nullopt) == 500ms);
  CHECK(events::backoff(1, 1, std::nullopt) == 1s);
  CHECK(events::backoff(4, 1, std::nullopt) == 8s);
  CHECK(events::backoff(11, 1, std::nullopt) == 15min);
  CHECK(events::backoff(100'000, 1, std::nullopt) == 15min);
  CHECK(events::backoff(1, 1, 90s) == 90s);
  CHECK(events::backoff(10, 1, 1s) == 512s);
  CHECK(events::backoff(1, 1, 100h) == 1h);
}

TEST_CASE_FIXTURE(Fixture, "everything is told once and in order, and the place is kept") {
  fails({1, 2});
  CHECK_FALSE(round());
  CHECK(offered == Ids{"transition-1", "transition-2", "drift-1", "drift-2"});
  CHECK(stored() == core::EventPosition{2, 2});
  CHECK(status().pending == 0);
  CHECK(status().taken == 4);
  CHECK_FALSE(round());
  CHECK(offered.size() == 4);
  start();
  fails({3});
  CHECK_FALSE(round());
  CHECK(Ids(offered.begin() + 4, offered.end()) == Ids{"transition-3", "drift-3"});
}

TEST_CASE_FIXTURE(Fixture, "a sink that comes later begins with what happens from then on") {
  fails({1, 2});
  name = "later";
  start();
  CHECK_FALSE(round());
  CHECK(offered.empty());
  fails({3});
  start();
  CHECK_FALSE(round());
  CHECK(offered == Ids{"transition-3", "drift-3"});
}

TEST_CASE_FIXTURE(Fixture, "what fails holds up what comes after it, and is offered again") {
  fails({1, 2});
  script = [this](const events::Event& event) {
    return tests::row_of(event.id) == "transition-2" && offered.size() < 4 ? failed(event)
                                                                           : Outcome{};
  };
  CHECK(round() == 1s);
  CHECK(offered == Ids{"transition-1", "transition-2"});
  CHECK(stored() == core::EventPosition{0, 1});
  CHECK(status().pending == 3);
  CHECK(status().last_error == "HTTP status 503");
  CHECK(status().next_attempt_at == clock.now() + 1s);
  CHECK(round() == 2s);
  CHECK_FALSE(round());
  CHECK(offered ==
        Ids{"transition-1", "transition-2", "transition-2", "transition-2", "drift-1", "drift-2"});
  CHECK(status().last_error.empty());
  CHECK_FALSE(status().next_attempt_at);
  CHECK(status().pending == 0);
}

TEST_CASE_FIXTURE(Fixture, "who dies after telling and before keeping the place tells again") {
  fails({1, 2});
  script = [](const events::Event& event) {
    if (tests::row_of(event.id) == "drift-1") {
      // The process ends here: nothing of this round is stored.
      return failed(event);
    }
    return Outcome{};
  };
  const auto before = stored();
  round();
  REQUIRE(opened.store->put_sink("fake", before, {}));
  start();
  script = taken;
  offered.clear();
  CHECK_FALSE(round());
  CHECK(offered == Ids{"transition-1", "transition-2", "drift-1", "drift-2"});
}

TEST_CASE_FIXTURE(Fixture, "an event that is refused is a dead letter, and the next one goes out") {
  fails({1, 2});
  script = [](const events::Event& event) {
    return tests::row_of(event.id) == "transition-2"
               ? Outcome{Outcome::Kind::kRefused, "HTTP status 422", {}}
               : Outcome{};
  };
  CHECK_FALSE(round());
  CHECK(offered.size() == 4);
  CHECK(stored() == core::EventPosition{2, 2});
  const auto letters = snapshot()->dead_letters(10).value();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].sink == "fake");
  CHECK(tests::row_of(letters[0].event) == "transition-2");
  CHECK(letters[0].error == "HTTP status 422");
  CHECK(letters[0].at == clock.now());
  CHECK(status().dead_letters == 1);
  start();
  CHECK(status().dead_letters == 1);
  CHECK_FALSE(round());
  CHECK(offered.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "an event is offered for as long as configured, across days") {
  fails({1});
  script = failed;
  for (int attempt = 0; attempt < 20; ++attempt) {
    CHECK(round());
  }
  CHECK(snapshot()->dead_letters(10)->empty());
  clock.advance(71h);
  CHECK(round() == 15min);
  CHECK(snapshot()->dead_letters(10)->empty());
  clock.advance(1h);
  // The next one waits, too: the receiver is as dead as before.
  CHECK(round() == 15min);
  CHECK(snapshot()->dead_letters(10)->size() == 1);
  CHECK(stored() == core::EventPosition{0, 1});
  CHECK(round() == 15min);
  CHECK(tests::row_of(snapshot()->dead_letters(10)->front().event) == "drift-1");
}

TEST_CASE_FIXTURE(Fixture, "who was away for days has offered nothing meanwhile") {
  fails({1});
  clock.advance(100h);
  start();
  script = failed;
  CHECK(round() == 1s);
  CHECK(snapshot()->dead_letters(10)->empty());
}

TEST_CASE_FIXTURE(Fixture, "what retention removed before it was told is counted") {
  fails({1});
  REQUIRE(opened.store->put_sink("fake", {0, 0}, {}));
  for (int number = 2; number <= 4; ++number) {
    fails({number});
    resolve(last_item);
  }
  clock.advance(std::chrono::hours(24 * 500));
  fails({5});
  core::Outdated outdated = snapshot()->outdated(clock.now() - 24h, 1000).value();
  REQUIRE(outdated.drift_events.size() == 6);
  REQUIRE(opened.store->remove_outdated(outdated, 10s));
  start();
  CHECK_FALSE(round());
  CHECK(offered.back() == "drift-8");
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines[0] ==
        "events_lost sink=fake lost=6 reason=retention removed them before they were taken");
}

TEST_CASE_FIXTURE(Fixture, "what was lost is counted once, however often the rest is offered") {
  fails({1});
  REQUIRE(opened.store->put_sink("fake", {0, 0}, {}));
  fails({2});
  resolve(last_item);
  clock.advance(std::chrono::hours(24 * 500));
  fails({5});
  core::Outdated outdated = snapshot()->outdated(clock.now() - 24h, 1000).value();
  REQUIRE(opened.store->remove_outdated(outdated, 10s));
  start();
  script = failed;
  CHECK(round());
  CHECK(round());
  script = taken;
  CHECK_FALSE(round());
  CHECK(std::ranges::count_if(log.lines, [](const std::string& line) {
          return line.starts_with("events_lost");
        }) == 1);
}

TEST_CASE_FIXTURE(Fixture, "a row that is damaged becomes a dead letter, and holds up nothing") {
  damaged = key(2);
  start();
  fails({1, 2, 3});
  CHECK_FALSE(round());
  CHECK(offered == Ids{"transition-1", "transition-2", "transition-3", "drift-1", "drift-3"});
  const auto letters = snapshot()->dead_letters(10).value();
  REQUIRE(letters.size() == 1);
  CHECK(tests::row_of(letters[0].event) == "drift-2");
  CHECK(letters[0].error == "damaged");
  CHECK(status().failed == 0);  // it is not the receiver's fault
}

TEST_CASE_FIXTURE(Fixture, "a clock that is set gives up nothing before its time") {
  fails({1});
  script = failed;
  CHECK(round());
  clock.set(clock.now() + 100h);
  CHECK(round());
  CHECK(snapshot()->dead_letters(10)->empty());
}

TEST_CASE_FIXTURE(Fixture, "a store that cannot be written is not counted against the receiver") {
  fails({1});
  run("CREATE TRIGGER full BEFORE INSERT ON sink BEGIN SELECT RAISE(ABORT, 'full'); END");
  CHECK(round() == 1s);
  CHECK(status().failed == 0);
  CHECK_FALSE(status().last_error.empty());
  run("DROP TRIGGER full");
  CHECK_FALSE(round());
  CHECK(status().last_error.empty());
  CHECK(status().pending == 0);
}

TEST_CASE_FIXTURE(Fixture, "only so many dead letters are kept of a sink") {
  std::vector<core::DeadLetter> letters(600, {0, "fake", "drift-1", clock.now(), "e"});
  letters.push_back({0, "other", "drift-1", clock.now(), "e"});
  REQUIRE(opened.store->put_sink("fake", {}, letters));
  REQUIRE(opened.store->put_sink("fake", {}, letters));
  CHECK(snapshot()->count_dead_letters("fake").value() == 1000);
  CHECK(snapshot()->count_dead_letters("other").value() == 2);
}

TEST_CASE_FIXTURE(Fixture, "the store is back, the receiver is not") {
  fails({1});
  script = [](const events::Event& event) {
    return tests::row_of(event.id) == "transition-1" ? Outcome{} : failed(event);
  };
  run("CREATE TRIGGER full BEFORE INSERT ON sink BEGIN SELECT RAISE(ABORT, 'full'); END");
  round();
  run("DROP TRIGGER full");
  CHECK(round());
  CHECK(status().last_error == "HTTP status 503");
  CHECK(status().next_attempt_at);
}

TEST_CASE_FIXTURE(Fixture, "three days without the store are not the receiver's") {
  fails({1});
  script = failed;
  round();
  is_broken = true;
  for (int hour = 0; hour < 73; ++hour) {
    clock.advance(1h);
    CHECK(round());
  }
  is_broken = false;
  round();
  CHECK(status().dead_letters == 0);
}
