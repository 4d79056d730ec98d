#include "core/text.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/verify.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace plumbline;
using tests::FakeClock;
using tests::TempDirectory;

namespace {

const std::string kVault =
    "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/kv";
const std::string kSource = "arg:resources|s1";

core::Observation observe(const FakeClock& clock, const std::string& key, const std::string& body) {
  core::Observation out;
  out.key = key;
  out.id = key;
  out.type = "microsoft.keyvault/vaults";
  out.body = body;
  out.fingerprint = core::sha256(body);
  out.source = kSource;
  out.observed_at = clock.now();
  return out;
}

core::Judge accept_all() {
  return [](core::JudgeView&, const core::CycleChanges&) { return core::Status::ok(); };
}

struct Fixture {
  Fixture() { reopen(); }

  void reopen() {
    opened.store.reset();
    auto result = storage::open_store({directory.file("p.db"), ""}, clock);
    REQUIRE(result);
    opened = *std::move(result);
  }

  core::CycleReport sweep(std::vector<core::Observation> page,
                          const core::Judge& judge = accept_all()) {
    clock.advance(std::chrono::seconds(1));
    for (auto& observation : page) {
      observation.observed_at = clock.now();
    }
    auto cycle = opened.store->begin_cycle("sweep", "test");
    REQUIRE(cycle);
    REQUIRE((*cycle)->stage(std::move(page)));
    auto report = (*cycle)->commit(true, judge);
    REQUIRE(report);
    return *report;
  }

  std::unique_ptr<core::Snapshot> snapshot() {
    auto result = opened.store->snapshot();
    REQUIRE(result);
    return *std::move(result);
  }

  FakeClock clock;
  TempDirectory directory;
  storage::OpenedStore opened;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a version is written only where something changed") {
  const auto first = sweep({observe(clock, kVault, R"({"a":1})")});
  CHECK(first.row.number == 1);
  CHECK(first.row.changed == 1);
  const auto second = sweep({observe(clock, kVault, R"({"a":1})")});
  CHECK(second.row.observed == 1);
  CHECK(second.row.changed == 0);
  CHECK_FALSE(second.wrote_anything);
  const auto third = sweep({observe(clock, kVault, R"({"a":2})")});
  CHECK(third.row.changed == 1);

  auto versions = snapshot()->versions(kVault);
  REQUIRE(versions);
  REQUIRE(versions->size() == 2);
  CHECK(versions->at(0).from_cycle == 3);
  CHECK_FALSE(versions->at(0).to_cycle.has_value());
  CHECK(versions->at(1).to_cycle == 3);
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":2})");
}

TEST_CASE_FIXTURE(Fixture, "readers see committed cycles only, and all of one or nothing") {
  sweep({observe(clock, kVault, R"({"a":1})")});
  auto before = snapshot();
  auto cycle = opened.store->begin_cycle("sweep", "test");
  REQUIRE(cycle);
  clock.advance(std::chrono::seconds(1));
  REQUIRE((*cycle)->stage({observe(clock, kVault, R"({"a":2})")}));
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":1})");

  SUBCASE("a judge's error undoes everything") {
    const auto report =
        (*cycle)->commit(true, [](core::JudgeView& view, const core::CycleChanges& changes) {
          CHECK(changes.resources.size() == 1);
          CHECK(view.find(kVault).value()->body == R"({"a":2})");
          return core::Status(core::Error{core::Errc::kInternal, "no"});
        });
    REQUIRE_FALSE(report);
    CHECK(snapshot()->find(kVault).value()->body == R"({"a":1})");
    CHECK(snapshot()->cycles(10).value().size() == 1);
  }
  SUBCASE("a cycle that is dropped leaves nothing") {
    cycle->reset();
    reopen();
    CHECK(snapshot()->find(kVault).value()->body == R"({"a":1})");
    const auto next = sweep({});
    CHECK(next.row.changed == 0);
    CHECK(next.row.number == 2);
  }
  SUBCASE("a snapshot that is held does not move") {
    REQUIRE((*cycle)->commit(true, accept_all()));
    CHECK(before->find(kVault).value()->body == R"({"a":1})");
    CHECK(snapshot()->find(kVault).value()->body == R"({"a":2})");
  }
}

TEST_CASE_FIXTURE(Fixture, "an observation sent earlier than the stored one is dropped") {
  const auto early = observe(clock, kVault, R"({"a":"early"})");
  sweep({observe(clock, kVault, R"({"a":"late"})")});
  auto cycle = opened.store->begin_cycle("details", "test");
  REQUIRE(cycle);
  REQUIRE((*cycle)->stage({early}));
  CHECK((*cycle)->commit(true, accept_all())->row.changed == 0);
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":"late"})");
}

TEST_CASE_FIXTURE(Fixture,
                  "unseen resources are known, deletion takes the details along, revival works") {
  const std::string other = kVault + "2";
  core::Observation detail =
      observe(clock, kVault + "/providers/microsoft.insights/diagnosticsettings", "{}");
  detail.is_detail = true;
  detail.source = "detail:x";
  sweep({observe(clock, kVault, "{}"), observe(clock, other, "{}"), detail});

  clock.advance(std::chrono::seconds(1));
  auto cycle = opened.store->begin_cycle("sweep", "test");
  REQUIRE(cycle);
  REQUIRE((*cycle)->stage({observe(clock, other, "{}")}));
  CHECK((*cycle)->unseen(kSource, {}).value() == std::vector{kVault});
  CHECK((*cycle)->known(kSource, {}).value() == 2);
  // What a plan no longer asks for is not missing.
  CHECK((*cycle)->unseen(kSource, {"m.other/type"}).value().empty());
  CHECK((*cycle)->known(kSource, {"m.other/type"}).value() == 0);
  REQUIRE((*cycle)->stage_deletion(kVault));
  std::vector<core::ResourceChange> changes;
  REQUIRE((*cycle)->commit(true, [&](core::JudgeView&, const core::CycleChanges& all) {
    changes = all.resources;
    return core::Status::ok();
  }));
  REQUIRE(changes.size() == 2);
  CHECK(changes.at(0).new_version == 0);
  CHECK_FALSE(snapshot()->find(kVault).value().has_value());
  // What was is still there to be read.
  CHECK(snapshot()->versions(kVault).value().size() == 1);

  CHECK(sweep({observe(clock, kVault, R"({"again":true})")}).row.changed == 1);
  CHECK(snapshot()->find(kVault).value()->body == R"({"again":true})");
}

TEST_CASE_FIXTURE(Fixture, "evidence changes are told once") {
  const auto record = [&](bool complete, const char* reason) {
    auto cycle = opened.store->begin_cycle("sweep", "test");
    REQUIRE(cycle);
    REQUIRE((*cycle)->stage_evidence({kSource, complete, reason, "", clock.now()}));
    std::size_t told = 0;
    REQUIRE((*cycle)->commit(complete, [&](core::JudgeView&, const core::CycleChanges& changes) {
      told = changes.evidence.size();
      return core::Status::ok();
    }));
    return told;
  };
  CHECK(record(true, "") == 1);
  CHECK(record(true, "") == 0);
  CHECK(record(false, "forbidden") == 1);
  CHECK(record(false, "forbidden") == 0);
  CHECK(record(false, "throttled") == 1);
  CHECK(record(true, "") == 1);
}

TEST_CASE_FIXTURE(Fixture, "gaps in the evidence are found, and sources counted by their keys") {
  auto cycle = opened.store->begin_cycle("sweep", "test");
  REQUIRE(cycle);
  for (const auto& [key, reason] : std::initializer_list<std::pair<const char*, const char*>>{
           {"arg:resources|s1", ""},
           {"arg:resources|s2", "forbidden"},
           {"arg:resourcecontainers|s1", ""},
           {"detail:/b/providers/m.x/t", "throttled"},
           {"detail:/a/providers/m.x/t", ""},
           {"detail:/a/providers/m.x/other", ""}}) {
    const std::string_view text = reason;
    REQUIRE((*cycle)->stage_evidence({key, text.empty(), reason, "", clock.now()}));
  }
  REQUIRE((*cycle)->commit(true, accept_all()));
  const auto state = snapshot();
  const auto gaps = state->incomplete_evidence().value();
  REQUIRE(gaps.size() == 2);
  CHECK(gaps.at(0).key == "arg:resources|s2");
  CHECK(gaps.at(0).reason == "forbidden");
  CHECK(gaps.at(1).key == "detail:/b/providers/m.x/t");
  CHECK(state->count_evidence("arg:resources|", "", 10).value() == 2);
  CHECK(state->count_evidence("detail:", "/providers/m.x/t", 10).value() == 2);
  CHECK(state->count_evidence("detail:", "/providers/m.x/t", 1).value() == 1);
  CHECK(state->count_evidence("detail:/a/", "/providers/m.x/t", 10).value() == 1);
  CHECK(state->count_evidence("arg:absent|", "", 10).value() == 0);
}

TEST_CASE_FIXTURE(Fixture, "verdicts, dependencies and drift are kept and found") {
  const auto found = sweep(
      {observe(clock, kVault, "{}")},
      [&](core::JudgeView& view, const core::CycleChanges& changes) {
        const auto row = changes.resources.at(0).row;
        const auto check = view.put_check({0, "prod", "NS-1", "d", "p", ""});
        REQUIRE(check);
        core::Verdict verdict;
        verdict.check = *check;
        verdict.resource = row;
        verdict.state = core::ComplianceState::kNonCompliant;
        verdict.known_state = verdict.state;
        verdict.version = changes.resources.at(0).new_version;
        verdict.since_cycle = changes.cycle;
        verdict.evaluated_at = changes.now;
        REQUIRE(view.put_verdict(verdict));
        REQUIRE(view.add_transition(
            {*check, row, std::nullopt, verdict.state, "", core::Cause::kResource}));
        REQUIRE(view.set_dependencies({*check, row}, {"key:a", "key:b"}));
        REQUIRE(view.set_dependencies({*check, row}, {"key:b", "key:c"}));
        CHECK(view.dependents("key:a").value().empty());
        CHECK(view.dependents("key:c").value() == std::vector{core::Subject{*check, row}});
        CHECK(view.set_references(row, "r", {"/x"}).value().empty());
        CHECK(view.set_references(row, "r", {"/y"}).value() == std::vector<std::string>{"/x"});
        CHECK(view.referring("r", "/y").value() == std::vector{row});
        core::DriftItem item;
        item.check = *check;
        item.resource = row;
        item.severity = core::Severity::kHigh;
        REQUIRE(view.open_drift_item(item));
        return core::Status::ok();
      });
  auto view = snapshot();
  core::VerdictFilter filter;
  filter.state = core::ComplianceState::kNonCompliant;
  const auto verdicts = view->verdicts(filter);
  REQUIRE(verdicts->size() == 1);
  CHECK(verdicts->at(0).reference == "NS-1");
  CHECK(verdicts->at(0).resource_key == kVault);
  filter.state = core::ComplianceState::kCompliant;
  CHECK(view->verdicts(filter)->empty());
  core::DriftFilter open;
  open.states = {core::DriftState::kOpen};
  REQUIRE(view->drift(open)->size() == 1);
  CHECK(view->drift(open)->at(0).item.severity == core::Severity::kHigh);
  // What is counted has been committed with this cycle, and is told once.
  REQUIRE(found.drift_steps.size() == 1);
  CHECK(found.drift_steps[0].step == core::DriftStep::kOpened);
  CHECK(found.drift_steps[0].kind == core::DriftKind::kBaseline);
  CHECK(found.drift_steps[0].severity == core::Severity::kHigh);
  CHECK(found.drift_steps[0].count == 1);
  CHECK(sweep({observe(clock, kVault, R"({"a":1})")}).drift_steps.empty());
  open.subscription = "s1";
  CHECK(view->drift(open)->size() == 1);
  CHECK(view->drift_counts(open).value() ==
        std::map<core::DriftState, std::int64_t>{{core::DriftState::kOpen, 1}});
  open.subscription = "s2";
  CHECK(view->drift(open)->empty());
  CHECK(view->drift_counts(open)->empty());
  open.subscription.clear();
  CHECK(view->transitions(10)->size() == 1);
  CHECK(view->verdict_counts()->at(0).subscription == "s1");

  sweep({}, [&](core::JudgeView& judge, const core::CycleChanges&) {
    return judge.remove_check(judge.checks()->at(0).row);
  });
  CHECK(snapshot()->checks()->empty());
  CHECK(snapshot()->verdicts({})->empty());
  CHECK(snapshot()->drift(open)->empty());
  // The states that are wanted do not narrow what is counted.
  CHECK(snapshot()->drift_counts(open).value() ==
        std::map<core::DriftState, std::int64_t>{{core::DriftState::kResolved, 1}});
  const auto transitions = snapshot()->transitions(10);
  REQUIRE(transitions->size() == 2);
  CHECK(transitions->front().transition.from == core::ComplianceState::kNonCompliant);
  CHECK_FALSE(transitions->front().transition.to.has_value());
  CHECK(transitions->front().transition.reason == "unassigned");
  CHECK(transitions->front().transition.cause == core::Cause::kDefinition);
}

TEST_CASE_FIXTURE(Fixture, "every state and every cause is read as it was written") {
  constexpr std::array kCauses = {core::Cause::kResource,
                                  core::Cause::kRelated,
                                  core::Cause::kTime,
                                  core::Cause::kDefinition,
                                  core::Cause::kParameters,
                                  core::Cause::kExemption,
                                  core::Cause::kEvidence,
                                  core::Cause::kNormaliser};
  for (std::size_t i = 0; i < core::kComplianceStates.size(); ++i) {
    const auto state = core::kComplianceStates.at(i);
    const auto before = core::kComplianceStates.at((i + 1) % core::kComplianceStates.size());
    const auto cause = kCauses.at(i);
    const std::string key = kVault + std::to_string(i);
    sweep({observe(clock, key, "{}")},
          [&](core::JudgeView& view, const core::CycleChanges& changes) {
            const auto row = changes.resources.at(0).row;
            const auto check = view.put_check({0, "prod", "NS-1", "d", "p", ""});
            REQUIRE(check);
            core::Verdict verdict;
            verdict.check = *check;
            verdict.resource = row;
            verdict.version = changes.resources.at(0).new_version;
            verdict.since_cycle = changes.cycle;
            verdict.evaluated_at = changes.now;
            verdict.state = before;
            REQUIRE(view.put_verdict(verdict));
            verdict.state = state;
            verdict.cause = cause;
            verdict.known_state = before;
            REQUIRE(view.put_verdict(verdict));
            const auto stored = view.verdict(*check, row);
            REQUIRE(stored);
            REQUIRE(stored->has_value());
            CHECK((*stored)->state == state);
            CHECK((*stored)->cause == cause);
            CHECK((*stored)->known_state == before);
            REQUIRE(view.add_transition({*check, row, before, state, "", cause}));
            return core::Status::ok();
          });
    core::VerdictFilter filter;
    filter.state = state;
    filter.resource_key = key;
    const auto verdicts = snapshot()->verdicts(filter);
    REQUIRE(verdicts->size() == 1);
    CHECK(verdicts->front().verdict.cause == cause);
    CHECK(verdicts->front().verdict.known_state == before);
    const auto transition = snapshot()->transitions(1)->front().transition;
    CHECK(transition.from == before);
    CHECK(transition.to == state);
    CHECK(transition.cause == cause);
  }
}

TEST_CASE_FIXTURE(Fixture, "a resource is found by its key, whatever its spelling") {
  auto spelled = observe(clock, kVault, "{}");
  spelled.id = "/subscriptions/S1/resourceGroups/RG/providers/Microsoft.KeyVault/vaults/KV";
  auto other = observe(clock, kVault + "2", "{}");
  other.id = "/an/id/that/is/not/its/key";
  sweep({spelled, other});
  const auto view = snapshot();
  REQUIRE(view->find(spelled.key)->has_value());
  CHECK(view->find(spelled.key)->value().id == spelled.id);
  CHECK(view->find(spelled.key)->value().type == spelled.type);
  CHECK(view->find(spelled.key)->value().source == kSource);
  REQUIRE(view->find(other.key)->has_value());
  CHECK(view->find(other.key)->value().id == other.id);
  CHECK_FALSE(view->find(core::to_lower(other.id))->has_value());
}

TEST_CASE_FIXTURE(Fixture,
                  "pages lie beside the database while it is open, and are left by nobody") {
  const std::string staging = directory.file("p.db-staging");
  CHECK(std::filesystem::status(staging).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  opened.store.reset();
  CHECK_FALSE(std::filesystem::exists(staging));
  std::ofstream(staging) << "what a daemon left that was killed";
  reopen();
  CHECK(sweep({observe(clock, kVault, "{}")}).row.changed == 1);
}

TEST_CASE_FIXTURE(Fixture, "changes and watermarks are stored with their cycle, and only once") {
  core::ChangeRecord change;
  change.id = "c1";
  change.key = kVault;
  change.at = clock.now();
  change.kind = "Update";
  change.changed_by = "mia@contoso.example";
  change.paths = {"tags.a", R"(properties.x["y"])"};
  CHECK_FALSE(snapshot()->watermark("feed").value().has_value());
  for (const char* const who : {"mia@contoso.example", "someone else"}) {
    auto cycle = opened.store->begin_cycle("changes", "feed").value();
    REQUIRE(cycle->stage_watermark("feed", clock.now()));
    CHECK(cycle->empty());
    change.changed_by = who;
    REQUIRE(cycle->stage_change(change));
    CHECK_FALSE(cycle->empty());
    REQUIRE(cycle->commit(true, accept_all()));
  }
  const auto records = snapshot()->change_records(kVault, 10).value();
  REQUIRE(records.size() == 1);
  CHECK(records[0].changed_by == "mia@contoso.example");
  CHECK(records[0].type == "microsoft.keyvault/vaults");
  CHECK(records[0].paths == change.paths);
  CHECK(snapshot()->watermark("feed").value() == clock.now());

  clock.advance(std::chrono::minutes(1));
  REQUIRE(opened.store->put_watermarks({{"feed", clock.now()}}));
  CHECK(snapshot()->watermark("feed").value() == clock.now());
  // A cycle that is dropped leaves none.
  auto dropped = opened.store->begin_cycle("changes", "feed").value();
  REQUIRE(dropped->stage_watermark("feed", core::from_micros(0)));
  dropped.reset();
  CHECK(snapshot()->watermark("feed").value() == clock.now());
}

TEST_CASE_FIXTURE(Fixture, "a cycle that saw only what is stored already is empty") {
  sweep({observe(clock, kVault, "{}")});
  clock.advance(std::chrono::seconds(1));
  auto cycle = opened.store->begin_cycle("changes", "feed").value();
  REQUIRE(cycle->stage({observe(clock, kVault, "{}")}));
  CHECK(cycle->empty());
  REQUIRE(cycle->stage({observe(clock, kVault, R"({"a":1})")}));
  CHECK_FALSE(cycle->empty());
}

TEST_CASE_FIXTURE(Fixture, "a clock that is set back loses and reorders nothing") {
  sweep({observe(clock, kVault, R"({"a":1})")});
  sweep({observe(clock, kVault, R"({"a":2})")});
  const auto latest = clock.now();
  clock.advance(-std::chrono::hours(1));
  // What was seen at a time that is yet to come does not hold up what is seen now.
  const auto third = sweep({observe(clock, kVault, R"({"a":3})")});
  CHECK(third.row.number == 3);
  CHECK(third.row.changed == 1);
  CHECK(third.row.committed_at < latest);
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":3})");
  const auto versions = snapshot()->versions(kVault);
  REQUIRE(versions);
  REQUIRE(versions->size() == 3);
  CHECK(versions->at(0).from_cycle == 3);
  CHECK(versions->at(1).to_cycle == 3);
  CHECK(versions->at(2).to_cycle == 2);
  // An instant that came twice is told of as it was the second time: order is the cycle's number.
  CHECK(snapshot()->cycle_at(latest).value() == 3);
  CHECK(snapshot()->find_at(kVault, 2).value()->body == R"({"a":2})");
  // Retention does not take what the clock says is yet to come, nor what still holds.
  auto outdated = snapshot()->outdated(clock.now(), 100);
  REQUIRE(outdated);
  REQUIRE(opened.store->remove_outdated(*outdated, std::chrono::seconds(1)));
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":3})");
  reopen();
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":3})");
  clock.advance(std::chrono::hours(1));
  CHECK(sweep({observe(clock, kVault, R"({"a":4})")}).row.number == 4);
  CHECK(storage::verify_store(directory.file("p.db"), true, [] { return false; })->sound());
}

TEST_CASE_FIXTURE(Fixture, "files that are deleted or replaced underneath take no commit") {
  sweep({observe(clock, kVault, R"({"a":1})")});
  const std::string path = directory.file("p.db");
  for (const std::string suffix : {"", "-wal", "-shm"}) {
    CAPTURE(suffix);
    for (const bool replace : {false, true}) {
      CAPTURE(replace);
      auto cycle = opened.store->begin_cycle("sweep", "test");
      REQUIRE(cycle);
      CHECK(opened.store->writable());
      std::filesystem::rename(path + suffix, path + ".away");
      if (replace) {
        std::filesystem::copy_file(path + ".away", path + suffix);
      }
      const auto report = (*cycle)->commit(true, accept_all());
      REQUIRE_FALSE(report);
      CHECK(report.error().code == core::Errc::kIo);
      CHECK(report.error().message.starts_with(path + suffix + ": was deleted or replaced"));
      CHECK_FALSE(opened.store->writable());
      const auto reader = opened.store->snapshot();
      REQUIRE_FALSE(reader);
      CHECK(reader.error().message == report.error().message);
      std::filesystem::rename(path + ".away", path + suffix);
      const auto last = snapshot()->cycles(1).value().front().number;
      CHECK(sweep({observe(clock, kVault, R"({"a":1})")}).row.number == last + 1);
      CHECK(opened.store->writable());
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "a log without its database is not thrown away") {
  const std::string path = directory.file("p.db");
  sweep({observe(clock, kVault, R"({"a":1})")});
  std::filesystem::remove(path);
  opened.store.reset();
  CHECK(std::filesystem::file_size(path + "-wal") > 0);
  const auto refused = storage::open_store({path, ""}, clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == core::Errc::kNotFound);
  CHECK(refused.error().message.contains("the database is gone"));
  CHECK_FALSE(std::filesystem::exists(path));
  std::filesystem::remove(path + "-wal");
  CHECK(storage::open_store({path, ""}, clock));
}

TEST_CASE("people in change records are written as the privacy setting says") {
  const FakeClock clock;
  const TempDirectory directory;
  const std::string path = directory.file("p.db");
  const auto record = [&](core::ActorPrivacy actors, const std::string& id) {
    storage::StoreOptions options{path, ""};
    options.actors = actors;
    auto opened = storage::open_store(options, clock);
    REQUIRE(opened);
    auto cycle = opened->store->begin_cycle("changes", "test");
    REQUIRE(cycle);
    core::ChangeRecord change;
    change.id = id;
    change.key = kVault;
    change.at = clock.now();
    change.changed_by = "ada@contoso.example";
    change.changed_by_type = "User";
    REQUIRE((*cycle)->stage_change(change));
    REQUIRE((*cycle)->commit(true, accept_all()));
    auto records = (*opened->store->snapshot())->change_records(kVault, 1);
    REQUIRE(records);
    return records->front().changed_by;
  };
  CHECK(record(core::ActorPrivacy::kOff, "1").empty());
  const auto mark = record(core::ActorPrivacy::kPseudonym, "2");
  CHECK(mark.starts_with("actor:"));
  // The same person is the same after a restart, too: the key lasts.
  CHECK(record(core::ActorPrivacy::kPseudonym, "3") == mark);
  for (const std::string suffix : {"", "-wal"}) {
    std::ifstream file(path + suffix, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    CHECK_FALSE(text.str().contains("ada@contoso"));
  }
  CHECK(record(core::ActorPrivacy::kFull, "4") == "ada@contoso.example");
  CHECK(storage::verify_store(path, true, [] { return false; })->sound());
}
