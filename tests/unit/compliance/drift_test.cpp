#include "compliance/drift.hpp"

#include "core/model/collection_plan.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace plumbline;
using core::Acceptance;
using core::DriftState;
using tests::JudgeFixture;
using tests::workspace_key;

namespace {

const std::string kAccess = "/properties/publicNetworkAccessForQuery";

Acceptance accepted_by(const std::string& author) {
  Acceptance acceptance;
  acceptance.reason = "CHG-1";
  acceptance.author = author;
  return acceptance;
}

struct Fixture : JudgeFixture {
  Fixture() {
    workspace("a", "Disabled");
    settings(workspace_key("a"), R"([{"id":"x"}])");
    evidence("arg:resources|s1", "");
    commit();
  }

  std::vector<core::DriftRow> drift(std::vector<DriftState> states, const std::string& path) {
    core::DriftFilter filter;
    filter.states = std::move(states);
    auto rows = *snapshot()->drift(filter);
    std::erase_if(rows, [&](const core::DriftRow& row) { return row.item.path != path; });
    return rows;
  }

  /// "open Disabled>Enabled" of the one that is not resolved; "-": none.
  std::string access() {
    const auto rows =
        drift({DriftState::kOpen, DriftState::kAccepted, DriftState::kSnoozed}, kAccess);
    if (rows.empty()) {
      return "-";
    }
    REQUIRE(rows.size() == 1);
    auto text = fmt::format(
        "{} {}>{}", core::to_string(rows[0].state), rows[0].item.old_value, rows[0].item.new_value);
    std::erase(text, '"');
    return text;
  }

  /// The steps of all drift about a path, in order.
  std::string steps(const std::string& path) {
    std::string out;
    for (const auto& event : *snapshot()->drift_events(0, 1000)) {
      core::DriftFilter filter;
      filter.id = event.drift;
      const auto row = snapshot()->drift(filter)->at(0);
      if (row.item.path == path && row.item.kind == core::DriftKind::kConfiguration) {
        out += out.empty() ? "" : " ";
        out += core::to_string(event.step);
      }
    }
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "accepted drift is measured against what was accepted") {
  workspace("a", "Enabled").commit();
  CHECK(access() == "open Disabled>Enabled");
  const auto id = drift({DriftState::kOpen}, kAccess).at(0).item.id;
  in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_item(id, accepted_by("a"))); });
  CHECK(access() == "accepted Disabled>Enabled");
  CHECK(open_drift(core::DriftKind::kConfiguration) == 0);
  // Nothing else was accepted: the verdict is drift still.
  CHECK(open_drift(core::DriftKind::kBaseline) == 1);

  SUBCASE("another value is drift from the accepted one, and going back there resolves it") {
    workspace("a", "SecuredByPerimeter").commit();
    CHECK(access() == "open Enabled>SecuredByPerimeter");
    workspace("a", "Enabled").commit();
    CHECK(access() == "-");
    CHECK(steps(kAccess) == "opened accepted changed resolved");
  }
  SUBCASE("so is the value from before") {
    workspace("a", "Disabled").commit();
    CHECK(access() == "open Enabled>Disabled");
  }
  SUBCASE("what was accepted once is not accepted again") {
    in_book([&](compliance::DriftBook& book) {
      const auto again = book.accept_item(id, accepted_by("b"));
      REQUIRE_FALSE(again);
      CHECK(again.error().message == fmt::format("no drift {} is open", id));
    });
  }
  SUBCASE("withdrawn, it opens again") {
    const auto acceptance = snapshot()->acceptances(true)->at(0).id;
    in_book([&](compliance::DriftBook& book) { REQUIRE(book.withdraw(acceptance)); });
    CHECK(access() == "open Disabled>Enabled");
    CHECK(steps(kAccess) == "opened accepted reopened");
    in_book([&](compliance::DriftBook& book) {
      CHECK(book.withdraw(acceptance).error().code == core::Errc::kNotFound);
    });
  }
}

TEST_CASE_FIXTURE(Fixture, "what lies in something that changed is measured with it") {
  const auto tagged = [&](const std::string& tags) {
    resource(workspace_key("a"),
             tests::kWorkspaceType,
             fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"Disabled"}}{})", tags))
        .commit();
  };
  tagged(R"(,"tags":{"x":{"y":1}})");
  CHECK(open_drift(core::DriftKind::kConfiguration) == 1);  // /tags, as a whole
  tagged(R"(,"tags":{"x":{"y":2}})");
  CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
  tagged("");
  CHECK(open_drift(core::DriftKind::kConfiguration) == 0);

  tagged(R"(,"sku":{"name":"a","tier":"b"})");
  const auto sku = drift({DriftState::kOpen}, "/sku").at(0).item.id;
  in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_item(sku, accepted_by("a"))); });
  tagged(R"(,"sku":{"name":"c","tier":"b"})");
  REQUIRE(drift({DriftState::kOpen}, "/sku/name").size() == 1);
  CHECK(drift({DriftState::kOpen}, "/sku/name").at(0).item.old_value == "\"a\"");
  tagged("");
  CHECK(drift({DriftState::kOpen}, "/sku/name").empty());
  CHECK(drift({DriftState::kOpen}, "/sku").size() == 1);
  tagged(R"(,"sku":{"name":"a","tier":"b"})");
  CHECK(open_drift(core::DriftKind::kConfiguration) == 0);
}

TEST_CASE_FIXTURE(Fixture, "an item's acceptance covers that item alone, and ends with it") {
  workspace("a", "Enabled").workspace("b", "Disabled").commit();
  const auto id = drift({DriftState::kOpen}, kAccess).at(0).item.id;
  std::int64_t added = 0;
  for (const auto& row : drift({DriftState::kOpen}, "")) {
    added = row.item.kind == core::DriftKind::kConfiguration ? row.item.id : added;
  }
  auto snooze = accepted_by("a");
  snooze.snooze = true;
  snooze.expires_at = clock.now() + std::chrono::minutes(5);
  in_book([&](compliance::DriftBook& book) {
    REQUIRE(book.accept_item(id, snooze));
    REQUIRE(book.accept_item(added, accepted_by("a")));
  });
  clock.advance(std::chrono::minutes(10));
  commit();
  CHECK(access() == "open Disabled>Enabled");
  workspace("a", "Disabled").commit();
  CHECK(access() == "-");
  CHECK(snapshot()->acceptances(true)->size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a resource that is back is not gone, whatever is known of its source") {
  gone(workspace_key("a")).commit();
  CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
  workspace("a", "Disabled").evidence("arg:resources|s1", "forbidden").commit();
  CHECK(open_drift(core::DriftKind::kConfiguration) == 0);
  evidence("arg:resources|s1", "").commit();
  gone(workspace_key("a")).commit();
  CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
}

TEST_CASE_FIXTURE(Fixture, "an acceptance that expires opens what it covered") {
  workspace("a", "Enabled").commit();
  auto acceptance = accepted_by("a");
  acceptance.expires_at = clock.now() + std::chrono::hours(1);
  acceptance.snooze = true;
  acceptance.reference = "query";
  in_book([&](compliance::DriftBook& book) {
    const auto accepted = book.accept_open(acceptance);
    REQUIRE(accepted);
    CHECK(accepted->covered == 1);
  });
  CHECK(open_drift(core::DriftKind::kBaseline) == 0);
  CHECK(drift({DriftState::kSnoozed}, "").size() == 1);
  clock.advance(std::chrono::minutes(30));
  commit();
  CHECK(open_drift(core::DriftKind::kBaseline) == 0);
  clock.advance(std::chrono::hours(1));
  commit();
  CHECK(open_drift(core::DriftKind::kBaseline) == 1);
  CHECK(snapshot()->acceptances(true)->empty());
  CHECK(snapshot()->acceptances(false)->at(0).ended_at == clock.now());
}

TEST_CASE_FIXTURE(Fixture, "a snoozed value that changes is open, measured against the first") {
  workspace("a", "Enabled").commit();
  auto acceptance = accepted_by("a");
  acceptance.expires_at = clock.now() + std::chrono::hours(9);
  acceptance.snooze = true;
  in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_open(acceptance)); });
  CHECK(access() == "snoozed Disabled>Enabled");
  workspace("a", "SecuredByPerimeter").commit();
  CHECK(access() == "open Disabled>SecuredByPerimeter");
}

TEST_CASE_FIXTURE(Fixture, "an entry of the file covers what comes, for as long as it is there") {
  auto entry = accepted_by("team");
  entry.name = "query-access";
  entry.scope = workspace_key("a");
  entry.path = "/properties";
  adopt(tests::make_assignment(), {}, {entry});
  workspace("a", "Enabled").commit();
  CHECK(access() == "accepted Disabled>Enabled");
  workspace("a", "SecuredByPerimeter").commit();
  CHECK(access() == "accepted Enabled>SecuredByPerimeter");
  CHECK(open_drift(core::DriftKind::kBaseline) == 1);
  CHECK(compliance::has_file_adopted(*snapshot(), {entry}, clock.now()).value());
  CHECK_FALSE(compliance::has_file_adopted(*snapshot(), {}, clock.now()).value());

  SUBCASE("it is withdrawn in the file only") {
    const auto id = snapshot()->acceptances(true)->at(0).id;
    in_book([&](compliance::DriftBook& book) {
      CHECK(book.withdraw(id).error().message.contains("`query-access`: take it out there"));
    });
  }
  SUBCASE("taken out, it covers no longer") {
    adopt(tests::make_assignment(), {}, {});
    CHECK(access() == "open Enabled>SecuredByPerimeter");
  }
  SUBCASE("a changed reason is another entry, which covers on") {
    entry.reason = "CHG-2";
    adopt(tests::make_assignment(), {}, {entry});
    CHECK(access() == "accepted Enabled>SecuredByPerimeter");
    CHECK(snapshot()->acceptances(true)->size() == 1);
    CHECK(snapshot()->acceptances(false)->size() == 2);
  }
  SUBCASE("one that has expired counts as adopted") {
    entry.expires_at = clock.now() - std::chrono::hours(1);
    CHECK_FALSE(compliance::has_file_adopted(*snapshot(), {entry}, clock.now()).value());
    adopt(tests::make_assignment(), {}, {entry});
    CHECK(compliance::has_file_adopted(*snapshot(), {entry}, clock.now()).value());
    CHECK(access() == "open Enabled>SecuredByPerimeter");
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "resources that come and go are drift once their source was read whole") {
  CHECK(open_drift(core::DriftKind::kConfiguration) == 0);
  workspace("b", "Disabled").commit();
  auto added = drift({DriftState::kOpen}, "");
  std::erase_if(added, [](const auto& row) { return row.item.kind == core::DriftKind::kBaseline; });
  REQUIRE(added.size() == 1);
  CHECK(added[0].resource_key == workspace_key("b"));
  CHECK(added[0].item.old_value.empty());
  CHECK(added[0].item.new_value.contains("publicNetworkAccessForQuery"));

  SUBCASE("a removal ends it and is none itself: nothing is left to tell") {
    gone(workspace_key("b")).commit();
    CHECK(open_drift(core::DriftKind::kConfiguration) == 0);
  }
  SUBCASE("accepted, its removal is drift") {
    in_book([&](compliance::DriftBook& book) {
      REQUIRE(book.accept_item(added[0].item.id, accepted_by("a")));
    });
    gone(workspace_key("b")).commit();
    CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
  }
  SUBCASE("a removal is drift until the resource is back") {
    gone(workspace_key("a")).commit();
    const auto rows = drift({DriftState::kOpen}, "");
    const auto removed = std::ranges::find_if(
        rows, [](const auto& row) { return row.resource_key == workspace_key("a"); });
    REQUIRE(removed != rows.end());
    CHECK(removed->item.new_value.empty());
    workspace("a", "Disabled").commit();
    CHECK(open_drift(core::DriftKind::kConfiguration) == 1);  // the added one
  }
  SUBCASE("a type that no check looks at is none") {
    resource("/subscriptions/s1/resourcegroups/rg/providers/p.q/t/n", "p.q/t", R"("a":1)").commit();
    CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
  }
  SUBCASE("what a source shows when it is read for the first time is not new") {
    core::Observation first;
    first.key =
        "/subscriptions/s2/resourcegroups/rg/providers/"
        "microsoft.operationalinsights/workspaces/z";
    first.id = first.key;
    first.type = tests::kWorkspaceType;
    first.body = "{}";
    first.source = "arg:resources|s2";
    observe(first).evidence("arg:resources|s2", "").commit();
    CHECK(open_drift(core::DriftKind::kConfiguration) == 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "drift that keeps coming and going is resolved once it stays away") {
  const auto flip = [&](const char* access) { workspace("a", access).commit(); };
  for (int i = 0; i < 2; ++i) {
    flip("Enabled");
    flip("Disabled");
    CHECK(access() == "-");
  }
  flip("Enabled");
  flip("Disabled");
  // The third time within the hour: held.
  CHECK(access() == "open Disabled>Enabled");
  auto item = drift({DriftState::kOpen}, kAccess).at(0).item;
  CHECK(item.flapping);
  CHECK(item.quiet_since == clock.now());
  CHECK(open_drift(core::DriftKind::kBaseline) == 1);  // so is the verdict's

  SUBCASE("again and again it is one item, and one step") {
    for (int i = 0; i < 5; ++i) {
      flip("Enabled");
      CHECK_FALSE(drift({DriftState::kOpen}, kAccess).at(0).item.quiet_since);
      flip("Disabled");
    }
    CHECK(drift({DriftState::kOpen}, kAccess).at(0).item.id == item.id);
    CHECK(steps(kAccess) == "opened resolved opened resolved opened flapping");
  }
  SUBCASE("away for as long as the window, it is resolved") {
    clock.advance(std::chrono::minutes(58));
    commit();
    CHECK(access() == "open Disabled>Enabled");
    commit();
    CHECK(access() == "-");
    CHECK(open_drift(core::DriftKind::kBaseline) == 0);
    CHECK(steps(kAccess).ends_with("flapping resolved"));
    flip("Enabled");
    CHECK_FALSE(drift({DriftState::kOpen}, kAccess).at(0).item.flapping);
  }
  SUBCASE("not while nobody can see whether it is away") {
    clock.advance(std::chrono::minutes(58));
    evidence("arg:resources|s1", "forbidden").commit();
    commit();
    CHECK(access() == "open Disabled>Enabled");
    CHECK(open_drift(core::DriftKind::kBaseline) == 1);
    evidence("arg:resources|s1", "").commit();
    commit();
    CHECK(access() == "-");
    CHECK(open_drift(core::DriftKind::kBaseline) == 0);
  }
  SUBCASE("another value takes its place, and flaps still") {
    flip("SecuredByPerimeter");
    CHECK(access() == "open Disabled>SecuredByPerimeter");
    flip("Disabled");
    CHECK(drift({DriftState::kOpen}, kAccess).at(0).item.quiet_since == clock.now());
  }
  SUBCASE("accepted while it is away, nothing is measured from what is not there") {
    in_book(
        [&](compliance::DriftBook& book) { REQUIRE(book.accept_item(item.id, accepted_by("a"))); });
    resource(workspace_key("a"),
             "microsoft.operationalinsights/workspaces",
             R"("location":"moved","properties":{"publicNetworkAccessForQuery":"Disabled"})")
        .commit();
    CHECK(access() == "accepted Disabled>Enabled");
    flip("Enabled");
    CHECK(access() == "accepted Disabled>Enabled");
    flip("Disabled");
    CHECK(access() == "open Enabled>Disabled");
  }
}

TEST_CASE_FIXTURE(Fixture, "an accepted value that stays does not flap") {
  for (int i = 0; i < 2; ++i) {
    workspace("a", "Enabled").commit();
    workspace("a", "Disabled").commit();
  }
  workspace("a", "Enabled").commit();
  const auto id = drift({DriftState::kOpen}, kAccess).at(0).item.id;
  in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_item(id, accepted_by("a"))); });
  resource(workspace_key("a"),
           "microsoft.operationalinsights/workspaces",
           R"("location":"moved","properties":{"publicNetworkAccessForQuery":"Enabled"})")
      .commit();
  CHECK_FALSE(steps(kAccess).contains("flapping"));
  workspace("a", "Disabled").commit();
  CHECK(access() == "open Enabled>Disabled");
}

TEST_CASE_FIXTURE(Fixture, "with `openings: 0` nothing flaps") {
  core::DriftSettings settings;
  settings.flapping.openings = 0;
  adopt(tests::make_assignment(), {}, {}, settings);
  for (int i = 0; i < 4; ++i) {
    workspace("a", "Enabled").commit();
    workspace("a", "Disabled").commit();
    CHECK(access() == "-");
  }
}

namespace {

struct RuleFixture : Fixture {
  RuleFixture() {
    core::DriftSettings settings;
    settings.expected = rules();
    adopt(tests::make_assignment(), {}, {}, settings);
  }

  static std::vector<core::ExpectedRule> rules() {
    using Effect = core::ExpectedRule::Effect;
    std::vector<core::ExpectedRule> out(3);
    out[0].name = "pipeline";
    out[0].actors = {"pipeline"};
    out[1].name = "nightly";
    out[1].effect = Effect::kDowngrade;
    out[1].actors = {"job"};
    out[2].name = "by hand";
    out[2].effect = Effect::kEscalate;
    out[2].clients = {"Azure Portal"};
    return out;
  }

  /// Of a change between the last commit and the next one.
  [[nodiscard]] core::ChangeRecord record(const std::string& who,
                                          const std::string& client = {}) const {
    core::ChangeRecord out;
    out.key = workspace_key("a");
    out.type = tests::kWorkspaceType;
    out.at = clock.now() + std::chrono::seconds(30);
    out.kind = "Update";
    out.changed_by = who;
    out.client_type = client;
    out.paths = {"properties.publicNetworkAccessForQuery"};
    return out;
  }

  [[nodiscard]] core::DriftRow item() {
    const auto rows =
        drift({DriftState::kOpen, DriftState::kAccepted, DriftState::kSnoozed}, kAccess);
    REQUIRE(rows.size() == 1);
    return rows[0];
  }

  /// So far that no record of the past can be missing; and what comes of it.
  void read_everything() {
    read_to(clock.now() + core::kFeedLateness);
    decide();
  }

  /// As after each poll.
  void decide() {
    in_book([](compliance::DriftBook& book) { REQUIRE(book.decide_expected()); });
  }

  /// A change that rests on what an earlier one did: by somebody, with some client.
  void flip(const std::string& access, const std::string& who, const std::string& client = {}) {
    told(record(who, client)).workspace("a", access).commit();
  }
};

}  // namespace

TEST_CASE_FIXTURE(RuleFixture, "what a rule expects is put off until nobody else can turn up") {
  const auto late = record("mallory");
  told(record("pipeline")).workspace("a", "Enabled").commit();
  CHECK(access() == "snoozed Disabled>Enabled");
  CHECK(open_drift(core::DriftKind::kBaseline) == 0);
  const auto cover = snapshot()->acceptances(true)->front();
  CHECK(cover.author == "rule pipeline");
  CHECK(cover.expires_at == item().item.opened_at + compliance::kWaitForRecords);

  SUBCASE("nobody did") {
    decide();
    CHECK(access() == "snoozed Disabled>Enabled");
    read_everything();
    CHECK(access() == "accepted Disabled>Enabled");
    CHECK(steps(kAccess) == "opened snoozed accepted");
    const auto acceptances = *snapshot()->acceptances(true);
    CHECK(acceptances.size() == 2);  // of the property, and of the verdict
    CHECK(acceptances[0].reason == "an expected change");
    CHECK_FALSE(item().item.awaits_records);
  }
  SUBCASE("somebody did") {
    told(late).commit();
    decide();
    CHECK(access() == "open Disabled>Enabled");
    CHECK(open_drift(core::DriftKind::kBaseline) == 1);
    CHECK(item().item.awaits_records);
    read_everything();
    CHECK(access() == "open Disabled>Enabled");
    CHECK(steps(kAccess) == "opened snoozed reopened");
    CHECK_FALSE(item().item.awaits_records);
  }
  SUBCASE("Azure never tells") {
    clock.advance(compliance::kWaitForRecords);
    commit();
    CHECK(access() == "open Disabled>Enabled");
    decide();
    CHECK(access() == "open Disabled>Enabled");
    CHECK_FALSE(item().item.awaits_records);
    read_everything();
    CHECK(access() == "open Disabled>Enabled");
  }
  SUBCASE("it is put back meanwhile") {
    workspace("a", "Disabled").commit();
    CHECK(access() == "-");
    read_everything();
    CHECK(steps(kAccess) == "opened snoozed resolved");
    CHECK(snapshot()->acceptances(true)->empty());
  }
  SUBCASE("the rule is gone") {
    adopt(tests::make_assignment());
    decide();
    CHECK(access() == "open Disabled>Enabled");
    CHECK_FALSE(item().item.awaits_records);
  }
}

TEST_CASE_FIXTURE(RuleFixture, "a record that comes late is enough for a rule") {
  const auto late = record("pipeline");
  workspace("a", "Enabled").commit();
  CHECK(access() == "open Disabled>Enabled");
  SUBCASE("put off, then accepted") {
    told(late).commit();
    decide();
    CHECK(access() == "snoozed Disabled>Enabled");
    read_everything();
    CHECK(steps(kAccess) == "opened snoozed accepted");
  }
  SUBCASE("accepted where it can be the only one") {
    told(late).commit();
    read_everything();
    CHECK(steps(kAccess) == "opened accepted");
  }
  SUBCASE("what somebody has accepted meanwhile is his") {
    const auto id = item().item.id;
    in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_item(id, accepted_by("a"))); });
    told(late).commit();
    decide();
    read_everything();
    CHECK(steps(kAccess) == "opened accepted");
    CHECK(snapshot()->acceptances(true)->at(0).author == "a");
  }
}

TEST_CASE_FIXTURE(RuleFixture, "what everything is known of is decided at once") {
  read_to(clock.now() + std::chrono::minutes(1) + core::kFeedLateness);
  told(record("pipeline")).workspace("a", "Enabled").commit();
  CHECK(steps(kAccess) == "opened accepted");
}

TEST_CASE_FIXTURE(RuleFixture, "a rule lowers only what it knows for certain, and raises at once") {
  const auto severity = [&] { return core::to_string(item().item.severity); };
  SUBCASE("lowered") {
    told(record("job")).workspace("a", "Enabled").commit();
    CHECK(severity() == "high");
    read_everything();
    CHECK(severity() == "medium");
    CHECK(steps(kAccess) == "opened downgraded");
    CHECK(snapshot()->open_drift_counts()->front().severity == core::Severity::kMedium);
  }
  SUBCASE("not lowered for somebody else") {
    const auto late = record("mallory");
    told(record("job")).workspace("a", "Enabled").commit();
    told(late).commit();
    read_everything();
    CHECK(severity() == "high");
  }
  SUBCASE("raised") {
    told(record("ann", "Azure Portal")).workspace("a", "Enabled").commit();
    CHECK(severity() == "critical");
    read_everything();
    CHECK(severity() == "critical");
    CHECK(steps(kAccess) == "opened");
  }
  SUBCASE("raised by a record that comes late") {
    const auto late = record("ann", "Azure Portal");
    workspace("a", "Enabled").commit();
    told(late).commit();
    decide();
    CHECK(severity() == "critical");
    CHECK(steps(kAccess) == "opened escalated");
    CHECK_FALSE(item().item.awaits_records);
  }
}

TEST_CASE_FIXTURE(Fixture, "a management group is accepted with the subscriptions below it") {
  const std::string group = core::management_group_key("Contoso");
  resource("/subscriptions/s1",
           "microsoft.resources/subscriptions",
           R"("properties":{"managementGroupAncestorsChain":[{"name":"prod"},{"name":"contoso"}]})")
      .commit();
  auto acceptance = accepted_by("a");
  acceptance.scope = group;
  SUBCASE("what is open") {
    workspace("a", "Enabled").commit();
    in_book([&](compliance::DriftBook& book) {
      CHECK(book.accept(acceptance)->covered == 2);  // and the verdict's
    });
    CHECK(access() == "accepted Disabled>Enabled");
  }
  SUBCASE("what opens later") {
    in_book([&](compliance::DriftBook& book) { CHECK(book.accept(acceptance)->covered == 0); });
    workspace("a", "Enabled").commit();
    CHECK(access() == "accepted Disabled>Enabled");
  }
  SUBCASE("another group") {
    acceptance.scope = core::management_group_key("contoso2");
    in_book([&](compliance::DriftBook& book) { CHECK(book.accept(acceptance)->covered == 0); });
    workspace("a", "Enabled").commit();
    CHECK(access() == "open Disabled>Enabled");
  }
}

TEST_CASE_FIXTURE(Fixture, "an entry of a list is accepted by its id") {
  const auto list = core::detail_key(workspace_key("a"), "microsoft.insights/diagnosticsettings");
  const auto with = [&](const std::string& x, const std::string& y) {
    settings(workspace_key("a"),
             fmt::format(R"([{{"id":"{0}/{3}","properties":{{"workspaceId":"{1}"}}}},)"
                         R"({{"id":"{0}/y","properties":{{"workspaceId":"{2}"}}}}])",
                         list,
                         x,
                         y,
                         std::string(250, 'X')))
        .commit();
  };
  const std::string long_entry = list + "/" + std::string(250, 'x');
  const auto states = [&](const std::string& entry) {
    std::string out;
    for (const auto& row : *snapshot()->drift({})) {
      if (compliance::list_entry_key(row.resource_key, row.item.path) == entry && row.is_detail &&
          row.state != DriftState::kResolved) {
        out += core::to_string(row.state);
      }
    }
    return out;
  };
  with("1", "1");
  in_book([&](compliance::DriftBook& book) { REQUIRE(book.accept_open(accepted_by("a"))); });
  with("2", "2");
  CHECK(states(long_entry) == "open");
  CHECK(states(list + "/y") == "open");
  auto acceptance = accepted_by("a");
  acceptance.scope = long_entry;
  in_book([&](compliance::DriftBook& book) { CHECK(book.accept(acceptance)->covered == 1); });
  CHECK(states(long_entry) == "accepted");
  CHECK(states(list + "/y") == "open");
}

TEST_CASE_FIXTURE(RuleFixture, "whoever brings back what flaps is not the one who began") {
  for (int i = 0; i < 2; ++i) {
    workspace("a", "Enabled").commit();
    workspace("a", "Disabled").commit();
  }
  flip("Enabled", "pipeline");
  CHECK(access() == "snoozed Disabled>Enabled");
  flip("Disabled", "pipeline");
  CHECK(access() == "open Disabled>Enabled");  // and away
  flip("Enabled", "mallory");
  read_everything();
  CHECK(access() == "open Disabled>Enabled");
}

TEST_CASE_FIXTURE(RuleFixture, "people decide about what a rule has put off") {
  const auto late = record("mallory");
  flip("Enabled", "pipeline");
  const auto id = item().item.id;
  SUBCASE("all that is open: what is put off is among it, and stays accepted") {
    in_book([&](compliance::DriftBook& book) {
      CHECK(book.accept_open(accepted_by("ann"))->covered == 2);
    });
    CHECK(access() == "accepted Disabled>Enabled");
    told(late).commit();
    read_everything();
    CHECK(steps(kAccess) == "opened snoozed accepted");
  }
  SUBCASE("one item") {
    in_book(
        [&](compliance::DriftBook& book) { REQUIRE(book.accept_item(id, accepted_by("ann"))); });
    CHECK(access() == "accepted Disabled>Enabled");
  }
  SUBCASE("withdrawn, it is open and stays so") {
    const auto acceptance = item().item.acceptance;
    in_book([&](compliance::DriftBook& book) { REQUIRE(book.withdraw(acceptance)); });
    CHECK(access() == "open Disabled>Enabled");
    decide();
    read_everything();
    CHECK(access() == "open Disabled>Enabled");
  }
}

TEST_CASE_FIXTURE(RuleFixture, "records that may be lost make nothing certain") {
  flip("Enabled", "pipeline");
  read_to(clock.now() + core::kFeedLateness);
  whole_since(clock.now());
  decide();
  CHECK(access() == "snoozed Disabled>Enabled");
}

TEST_CASE_FIXTURE(RuleFixture, "the last step says what is so") {
  auto rules = RuleFixture::rules();
  std::swap(rules[0], rules[2]);
  core::DriftSettings settings;
  settings.expected = std::move(rules);
  adopt(tests::make_assignment(), {}, {}, settings);
  const auto late = record("pipeline", "Azure Portal");
  flip("Enabled", "pipeline");
  CHECK(access() == "snoozed Disabled>Enabled");
  told(late).commit();
  decide();
  CHECK(access() == "open Disabled>Enabled");
  CHECK(steps(kAccess) == "opened snoozed escalated reopened");
}

TEST_CASE_FIXTURE(RuleFixture, "the end of much that was put off takes no time to speak of") {
  constexpr int kMany = 1000;
  for (int i = 0; i < kMany; ++i) {
    workspace(fmt::format("w{}", i), "Disabled");
  }
  commit();
  for (int i = 0; i < kMany; ++i) {
    const auto name = fmt::format("w{}", i);
    auto by = record("pipeline");
    by.key = workspace_key(name);
    told(std::move(by)).workspace(name, "Enabled");
  }
  commit();
  const auto count = [&] { return *snapshot()->drift_counts({}); };
  CHECK(count().at(DriftState::kSnoozed) == 2 * kMany);
  clock.advance(compliance::kWaitForRecords);
  commit();  // it took half a minute when each end looked at all the others
  CHECK_FALSE(count().contains(DriftState::kSnoozed));
  decide();
  CHECK(snapshot()->acceptances(true)->empty());
}

TEST_CASE("an acceptance covers what every member of it fits") {
  core::DriftFacts facts;
  facts.kind = core::DriftKind::kConfiguration;
  facts.resource_key = "/subscriptions/s/resourcegroups/rg/providers/p.q/t/n";
  facts.type = "p.q/t";
  facts.path = "/properties/a/b";
  facts.assignment = "prod";
  facts.reference = "check";
  facts.opened_cycle = 7;
  Acceptance acceptance;
  CHECK(acceptance.covers(facts));
  const auto with = [&](auto change) {
    Acceptance other;
    change(other);
    return other.covers(facts);
  };
  CHECK(with([](auto& a) { a.scope = "/subscriptions/s"; }));
  CHECK(with([](auto& a) { a.scope = "/subscriptions/s/resourcegroups/rg/providers/p.q/t/n"; }));
  CHECK_FALSE(with([](auto& a) { a.scope = "/subscriptions/s/resourcegroups/r"; }));
  CHECK(with([](auto& a) { a.path = "/properties/a"; }));
  CHECK_FALSE(with([](auto& a) { a.path = "/properties/a/b/c"; }));
  CHECK_FALSE(with([](auto& a) { a.path = "/prop"; }));
  CHECK(with([](auto& a) { a.type = "p.q/t"; }));
  CHECK_FALSE(with([](auto& a) { a.type = "p.q/u"; }));
  CHECK(with([](auto& a) { a.reference = "CHECK"; }));
  CHECK_FALSE(with([](auto& a) { a.assignment = "dev"; }));
  CHECK_FALSE(with([](auto& a) { a.kind = core::DriftKind::kBaseline; }));
  CHECK(with([](auto& a) { a.up_to_cycle = 7; }));
  CHECK_FALSE(with([](auto& a) { a.up_to_cycle = 6; }));
}
