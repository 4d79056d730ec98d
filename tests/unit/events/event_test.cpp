#include "events/event.hpp"

#include "core/text.hpp"
#include "tests/unit/events/fixture.hpp"

using namespace plumbline;
using tests::EventStore;
using Ids = std::vector<std::string>;

namespace {

struct Fixture : EventStore {
  events::Batch read(const core::EventPosition& after = {},
                     const events::Filter& filter = {},
                     std::size_t limit = 100) {
    tests::FakeFacts facts;
    const auto view = snapshot();
    auto batch = events::read_events(*view, facts, after, filter, "https://p.example/", limit);
    REQUIRE(batch);
    return *std::move(batch);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "events come by cycle, verdicts before the drift that they mean") {
  fails({1, 2});
  resolve(last_item);
  fails({3});
  const auto batch = read();
  CHECK(tests::ids_of(batch.events) == Ids{"transition-1",
                                           "transition-2",
                                           "drift-1",
                                           "drift-2",
                                           "drift-3",
                                           "transition-3",
                                           "drift-4"});
  CHECK(batch.end == core::EventPosition{4, 3});
  CHECK(batch.pending.count == 7);
  CHECK(batch.lost == 0);
  CHECK_FALSE(batch.has_more);
}

TEST_CASE_FIXTURE(Fixture, "pieces of any size make the same order, and each event its position") {
  for (int number = 1; number <= 6; ++number) {
    fails({number, number + 10});
    resolve(last_item);
  }
  const auto whole = tests::ids_of(read().events);
  REQUIRE(whole.size() == 30);
  for (std::size_t limit = 1; limit <= 7; ++limit) {
    Ids pieces;
    core::EventPosition position;
    for (bool more = true; more;) {
      const auto batch = read(position, {}, limit);
      for (const auto& id : tests::ids_of(batch.events)) {
        pieces.push_back(id);
      }
      position = batch.end;
      more = batch.has_more;
    }
    CHECK(pieces == whole);
  }
  for (std::size_t told = 0; told < whole.size(); ++told) {
    const auto rest = read(read().events[told].position);
    CHECK(tests::ids_of(rest.events) ==
          Ids(whole.begin() + static_cast<std::ptrdiff_t>(told) + 1, whole.end()));
  }
}

TEST_CASE_FIXTURE(Fixture, "what a sink does not want moves its position only") {
  cycle({1}, [&](core::JudgeView& view, const std::vector<std::int64_t>& rows) {
    transit(view, rows[0]);
    transit(view, rows[0], "LOW-1");
    open_item(view, rows[0], core::Severity::kLow, "/a");
    open_item(view, rows[0], core::Severity::kCritical, "/b");
  });
  const auto ids = [&](const events::Filter& filter) {
    return tests::ids_of(read({}, filter).events);
  };
  CHECK(ids({true, false, core::Severity::kLow}) == Ids{"drift-1", "drift-2"});
  CHECK(ids({false, true, core::Severity::kLow}) == Ids{"transition-1", "transition-2"});
  CHECK(ids({true, true, core::Severity::kHigh}) == Ids{"transition-1", "drift-2"});
  CHECK(read({}, {true, true, core::Severity::kCritical}).end == core::EventPosition{2, 2});
}

TEST_CASE_FIXTURE(Fixture, "an event says what was so after its step, whatever became of it") {
  core::Acceptance acceptance;
  acceptance.reason = "known";
  fails({1});
  cycle({1}, [&](core::JudgeView& view, const std::vector<std::int64_t>&) {
    acceptance.id = view.put_acceptance(acceptance).value();
    REQUIRE(view.cover_drift(last_item, acceptance));
  });
  resolve(last_item);
  std::vector<std::pair<std::string, std::string>> told;
  for (const auto& event : read({}, {true, false, core::Severity::kLow}).events) {
    told.emplace_back(event.type, event.data["state"]);
    CHECK(event.data["acceptance"].is_null() != (event.data["step"] == "accepted"));
  }
  CHECK(told == std::vector<std::pair<std::string, std::string>>{
                    {"io.plumbline.drift.opened", "open"},
                    {"io.plumbline.drift.accepted", "accepted"},
                    {"io.plumbline.drift.resolved", "resolved"}});
}

TEST_CASE_FIXTURE(Fixture, "structured mode is CloudEvents 1.0") {
  fails({1});
  const auto batch = read();
  const auto verdict = nlohmann::json::parse(events::structured(batch.events[0], "urn:test"));
  CHECK(verdict["specversion"] == "1.0");
  CHECK(verdict["id"] == fmt::format("transition-1-{}", core::to_micros(batch.events[0].at)));
  CHECK(verdict["source"] == "urn:test");
  CHECK(verdict["type"] == "io.plumbline.compliance.changed");
  CHECK(verdict["subject"] == key(1));
  CHECK(core::parse_rfc3339(verdict["time"].get<std::string>()) == batch.events[0].at);
  CHECK(verdict["datacontenttype"] == "application/json");
  CHECK(verdict["data"]["from"] == "Compliant");
  CHECK(verdict["data"]["to"] == "NonCompliant");
  CHECK(verdict["data"]["severity"] == "high");
  CHECK(verdict["data"]["subscription"] == "s1");
  CHECK(verdict["data"]["score"]["change"] == -0.05);
  CHECK(verdict["data"]["check"]["controls"] == nlohmann::json{"NS-1", "NS-2"});
  const auto drift = nlohmann::json::parse(events::structured(batch.events[1], "urn:test"));
  CHECK(drift["type"] == "io.plumbline.drift.opened");
  CHECK(drift["data"]["owner"] == "team-a");
  CHECK(drift["data"]["link"] == "https://p.example/#/resource?id=" + core::percent_encode(key(1)) +
                                     "&assignment=baseline&reference=NS-1-test");
  // Attributes of CloudEvents are named in lower-case letters and digits.
  for (const auto& [name, value] : drift.items()) {
    CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos);
  }
}

TEST_CASE_FIXTURE(Fixture, "a receiver that wants one family is not led through the other") {
  fails({1, 2, 3});
  const auto drift = read({}, {true, false, core::Severity::kLow}, 1);
  CHECK(drift.begin == core::EventPosition{0, 3});
  CHECK(drift.pending.count == 3);
  const auto compliance = read({}, {false, true, core::Severity::kLow}, 100);
  CHECK(compliance.begin == core::EventPosition{3, 0});
  CHECK(compliance.pending.count == 3);
}

TEST_CASE_FIXTURE(Fixture, "who was told that it opened is told its end, however low it is rated") {
  fails({1});
  cycle({0}, [&](core::JudgeView& view, const std::vector<std::int64_t>&) {
    core::DriftFilter only;
    only.id = last_item;
    REQUIRE(view.rate_drift(view.drift(only)->front().item, core::Severity::kMedium));
  });
  resolve(last_item);
  std::vector<std::pair<std::string, core::Severity>> told;
  for (const auto& event : read({}, {true, false, core::Severity::kHigh}).events) {
    told.emplace_back(event.data["step"], event.severity);
  }
  CHECK(told ==
        std::vector<std::pair<std::string, core::Severity>>{{"opened", core::Severity::kHigh},
                                                            {"downgraded", core::Severity::kMedium},
                                                            {"resolved", core::Severity::kMedium}});
}

TEST_CASE("what is no UTF-8 is replaced, not a reason to tell nothing") {
  events::Event event;
  event.subject = "a\xff";
  CHECK(nlohmann::json::accept(events::structured(event, "s")));
}
