#include "tests/unit/storage/filled_store.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>

using namespace plumbline;
using tests::FilledStore;
using tests::kVault;

namespace {

using core::ComplianceState;

/// Decides every vault: non-compliant while its body says `"bad"`, with one drift item meanwhile.
core::Judge decide() {
  return [](core::JudgeView& view, const core::CycleChanges& changes) {
    core::CheckRow check;
    check.assignment = "prod";
    check.reference = "NS-1";
    const auto row = view.put_check(check);
    for (const auto& change : changes.resources) {
      const auto before = *view.verdict(*row, change.row);
      const auto old = before ? std::optional(before->state) : std::nullopt;
      const auto open = view.open_drift(change.row);
      if (change.new_version == 0) {
        for (const auto& item : *open) {
          static_cast<void>(view.resolve_drift(item.id));
        }
        static_cast<void>(view.remove_verdict(*row, change.row));
        static_cast<void>(view.add_transition(
            {*row, change.row, old, std::nullopt, "deleted", core::Cause::kResource}));
        continue;
      }
      const bool bad = (*view.find_row(change.row))->body.contains("bad");
      core::Verdict verdict;
      verdict.check = *row;
      verdict.resource = change.row;
      verdict.state = bad ? ComplianceState::kNonCompliant : ComplianceState::kCompliant;
      verdict.version = change.new_version;
      verdict.known_version = change.new_version;
      verdict.evaluated_at = changes.now;
      verdict.since_cycle = old == verdict.state ? before->since_cycle : changes.cycle;
      static_cast<void>(view.put_verdict(verdict));
      if (old == verdict.state) {
        continue;
      }
      static_cast<void>(
          view.add_transition({*row, change.row, old, verdict.state, "", core::Cause::kResource}));
      for (const auto& item : *open) {
        static_cast<void>(view.resolve_drift(item.id));
      }
      if (bad) {
        core::DriftItem item;
        item.check = *row;
        item.resource = change.row;
        item.severity = core::Severity::kHigh;
        static_cast<void>(view.open_drift_item(item));
      }
    }
    return core::Status::ok();
  };
}

std::int64_t count(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) == SQLITE_OK);
  const std::int64_t value =
      sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  sqlite3_close(handle);
  return value;
}

struct History : FilledStore {
  void day(const std::string& body, const std::vector<std::string>& deleted = {}) {
    clock.advance(std::chrono::hours(24));
    sweep({vault(body)}, decide(), deleted);
  }

  std::optional<std::int64_t> cycle_at(core::Time at) {
    const auto found = snapshot()->cycle_at(at);
    REQUIRE(found);
    return *found;
  }

  std::string body_at(core::Time at) {
    const auto cycle = cycle_at(at);
    const auto found = snapshot()->find_at(kVault, cycle.value_or(0));
    REQUIRE(found);
    return *found ? (*found)->body : "nothing";
  }

  std::string state_at(core::Time at) {
    const auto verdicts = snapshot()->verdicts_at(kVault, cycle_at(at).value_or(0));
    REQUIRE(verdicts);
    return verdicts->empty() ? "none" : std::string(core::to_string(verdicts->at(0).state));
  }

  std::size_t trim(core::Time at, std::size_t limit = 1000) {
    std::size_t rows = 0;
    for (;;) {
      auto outdated = *snapshot()->outdated(at, limit);
      if (outdated.size() == 0) {
        return rows;
      }
      while (outdated.size() > 0) {
        const auto before = outdated.size();
        REQUIRE(opened.store->remove_outdated(outdated, std::chrono::milliseconds(50)));
        rows += before - outdated.size();
        CHECK(count(path, "SELECT count(*) FROM pragma_foreign_key_check") == 0);
      }
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(History, "what a resource was, and what was said of it, can be asked for later") {
  const auto before = clock.now();
  day(R"({"a":"good"})");
  const auto good = clock.now();
  day(R"({"a":"bad"})");
  const auto bad = clock.now();
  clock.advance(std::chrono::hours(24));
  sweep({}, decide(), {kVault});
  const auto gone = clock.now();
  day(R"({"a":"good again"})");

  CHECK_FALSE(cycle_at(before).has_value());
  CHECK(body_at(before) == "nothing");
  CHECK(body_at(good) == R"({"a":"good"})");
  CHECK(body_at(bad - std::chrono::microseconds(1)) == R"({"a":"good"})");
  CHECK(body_at(bad) == R"({"a":"bad"})");
  CHECK(body_at(gone) == "nothing");
  CHECK(body_at(clock.now()) == R"({"a":"good again"})");
  CHECK(state_at(before) == "none");
  CHECK(state_at(good) == "Compliant");
  CHECK(state_at(bad) == "NonCompliant");
  CHECK(state_at(gone) == "none");
  CHECK(state_at(clock.now()) == "Compliant");
  CHECK(snapshot()->verdicts_at(kVault, 2)->at(0).since_cycle == 2);
  CHECK(snapshot()->transitions_of(kVault, 10)->size() == 4);
  CHECK(snapshot()->transitions_of(kVault, 2)->size() == 2);
  CHECK(snapshot()->transitions_of(kVault + "x", 10)->empty());
  core::DriftFilter of_vault;
  of_vault.scope = kVault;
  CHECK(snapshot()->drift(of_vault)->size() == 1);
  CHECK(snapshot()->committed_at(2).value() == bad);
  CHECK_FALSE(snapshot()->committed_at(99)->has_value());
}

TEST_CASE_FIXTURE(History, "the whole tenant as it was, in pages and in counts") {
  day(R"({"a":"good"})");
  day(R"({"a":"bad"})");
  sweep({}, decide(), {kVault});
  const auto states = [&](std::int64_t cycle) {
    const auto rows = snapshot()->past_verdicts({}, cycle);
    const auto counts = snapshot()->past_counts(cycle);
    REQUIRE(rows);
    REQUIRE(counts);
    std::string text;
    for (const auto& row : *rows) {
      text += std::string(core::to_string(row.verdict.state)) + " " + row.reference;
      CHECK(row.resource_key == kVault);
      CHECK(row.verdict.since_cycle == cycle);
    }
    CHECK(counts->size() == rows->size());
    for (const auto& entry : *counts) {
      CHECK(entry.count == 1);
      CHECK(fmt::format("{} {}", core::to_string(entry.state), entry.reference) == text);
    }
    return text;
  };
  CHECK(states(0).empty());
  CHECK(states(1) == "Compliant NS-1");
  CHECK(states(2) == "NonCompliant NS-1");
  CHECK(states(3).empty());
  core::VerdictFilter filter;
  filter.state = ComplianceState::kCompliant;
  CHECK(snapshot()->past_verdicts(filter, 2)->empty());
  CHECK(snapshot()->past_verdicts(filter, 1)->size() == 1);
  filter.after_resource = 1;
  filter.after_check = 1;
  CHECK(snapshot()->past_verdicts(filter, 1)->empty());

  core::ResourceFilter wanted;
  CHECK(snapshot()->resources(wanted)->empty());
  wanted.cycle = 2;
  REQUIRE(snapshot()->resources(wanted)->size() == 1);
  CHECK(snapshot()->resources(wanted)->at(0).from_cycle == 2);
  wanted.text = "no such text";
  CHECK(snapshot()->resources(wanted)->empty());
  wanted.text.clear();
  wanted.after = 1;
  CHECK(snapshot()->resources(wanted)->empty());
}

TEST_CASE_FIXTURE(History, "what happened is told in order, from any place in it") {
  day(R"({"a":"good"})");
  day(R"({"a":"bad"})");
  day(R"({"a":"good again"})");
  const auto all = snapshot()->transitions_after(0, 10);
  REQUIRE(all->size() == 3);
  CHECK(all->at(0).cycle == 1);
  CHECK(all->at(2).cycle == 3);
  CHECK(snapshot()->transitions_after(0, 2)->size() == 2);
  CHECK(snapshot()->transitions_after(all->at(1).row, 10)->at(0).row == all->at(2).row);
  const auto steps = *snapshot()->drift_events(0, 10);
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].step == core::DriftStep::kOpened);
  CHECK(steps[1].step == core::DriftStep::kResolved);
  CHECK(steps[1].cycle == 3);
  CHECK(snapshot()->drift_events(steps[0].id, 10)->size() == 1);
  CHECK(snapshot()->drift_events(steps[1].id, 10)->empty());
}

TEST_CASE_FIXTURE(History, "verdicts end in history when their check is no longer assigned") {
  day("{}");
  const auto assigned = clock.now();
  clock.advance(std::chrono::hours(1));
  sweep({}, [](core::JudgeView& view, const core::CycleChanges&) {
    return view.remove_check(view.checks()->at(0).row);
  });
  CHECK(state_at(assigned) == "Compliant");
  CHECK(state_at(clock.now()) == "none");
}

TEST_CASE_FIXTURE(History, "retention keeps what was valid at the horizon, and references hold") {
  const std::string passing = kVault + "-passing";
  day(R"({"a":"good"})");
  sweep({observe(passing, R"({"a":"bad"})")}, decide());
  sweep({}, decide(), {passing});
  day(R"({"a":"bad"})");
  day(R"({"a":"worse, bad"})");
  const auto horizon = clock.now() + std::chrono::hours(12);
  day(R"({"a":"good again"})");
  for (int i = 0; i < 10; ++i) {
    day(fmt::format(R"({{"a":{}}})", i));
  }
  const auto last = clock.now();
  const auto versions = count(path, "SELECT count(*) FROM version");
  CHECK(trim(horizon - std::chrono::hours(24 * 30)) == 0);
  CHECK(snapshot()->horizon()->cycle == 0);
  // However few rows are taken at a time.
  std::size_t rows = 1000;
  SUBCASE("all at once") {}
  SUBCASE("one by one") {
    rows = 1;
  }
  CHECK(trim(horizon, rows) > 0);

  CHECK(body_at(horizon) == R"({"a":"worse, bad"})");
  CHECK(state_at(horizon) == "NonCompliant");
  CHECK(body_at(last) == R"({"a":9})");
  CHECK(state_at(last) == "Compliant");
  const auto early = snapshot()->cycle_at(horizon - std::chrono::hours(1));
  REQUIRE_FALSE(early);
  CHECK(early.error().code == core::Errc::kNotFound);
  CHECK(early.error().message.contains("history is kept from"));

  CHECK(count(path, "SELECT count(*) FROM version") == versions - 3);
  CHECK(count(path, "SELECT count(*) FROM resource") == 1);
  CHECK(count(path, "SELECT count(*) FROM transition") == 2);
  CHECK(count(path, "SELECT count(*) FROM drift") == 1);
  CHECK(snapshot()->horizon()->cycle == 5);
  // Nothing is left to do, and nothing goes back.
  CHECK(trim(horizon) == 0);
  CHECK(trim(horizon - std::chrono::hours(48)) == 0);
  // Cycles go on in their order, and the room is given back.
  day("{}");
  CHECK(snapshot()->cycles(1)->front().number == 17);
  while (*opened.store->shrink(std::chrono::milliseconds(50))) {
  }
  CHECK(count(path, "PRAGMA freelist_count") == 0);
}

TEST_CASE_FIXTURE(History, "however far the horizon, what is there now and the last cycle stay") {
  for (int i = 0; i < 4; ++i) {
    day(fmt::format(R"({{"a":{}}})", i));
  }
  sweep({}, decide());
  CHECK(trim(clock.now()) > 0);
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":3})");
  CHECK(count(path, "SELECT count(*) FROM version") == 1);
  // Those that the version and the verdict began with, and the last.
  CHECK(count(path, "SELECT group_concat(number, '') = '145' FROM cycle") == 1);
  close();
  open();
  day(R"({"a":"bad"})");
  CHECK(snapshot()->cycles(1)->front().number == 6);
  CHECK(state_at(clock.now()) == "NonCompliant");
}

TEST_CASE_FIXTURE(History, "a resource that comes back while it is chosen for deletion stays") {
  day("{}");
  sweep({}, decide(), {kVault});
  const auto horizon = clock.now();
  day("{}");
  sweep({}, decide(), {kVault});
  trim(horizon);
  auto outdated = *snapshot()->outdated(clock.now(), 1000);
  trim(clock.now(), 1000);
  outdated.resources = {count(path, "SELECT id FROM resource")};
  day(R"({"a":"back"})");
  REQUIRE(opened.store->remove_outdated(outdated, std::chrono::milliseconds(50)));
  CHECK(snapshot()->find(kVault).value()->body == R"({"a":"back"})");
}

TEST_CASE_FIXTURE(History, "a step of retention takes no longer than it may") {
  for (int round = 0; round < 3; ++round) {
    fill(300);
    day(fmt::format(R"({{"a":{}}})", round));
    std::vector<core::Observation> page;
    page.reserve(300);
    for (int i = 0; i < 300; ++i) {
      page.push_back(observe(fmt::format("{}{}", kVault, i), fmt::format("{{\"r\":{}}}", round)));
    }
    sweep(std::move(page), decide());
  }
  auto outdated = *snapshot()->outdated(clock.now() + std::chrono::hours(1), 10'000);
  const auto all = outdated.size();
  REQUIRE(all > 1000);
  REQUIRE(opened.store->remove_outdated(outdated, std::chrono::microseconds(0)));
  CHECK(outdated.size() < all);
  CHECK(outdated.size() > all - 200);  // it looks at the clock every so often
}

TEST_CASE_FIXTURE(History, "an export holds what lies in its range, each body whole") {
  day(R"({"a":"good"})");
  const auto from = clock.now() + std::chrono::hours(1);
  day(R"({"a":"bad"})");
  const auto to = clock.now() + std::chrono::hours(1);
  day(R"({"a":"good, at last"})");
  const auto rows = [&](core::ExportOf what, core::Time first, core::Time end) {
    std::vector<std::map<std::string, std::string>> out;
    REQUIRE(snapshot()->for_each_export(
        what, first, end, [&](const std::vector<core::ExportCell>& cells) {
          auto& row = out.emplace_back();
          for (const auto& cell : cells) {
            row[std::string(cell.name)] = cell.kind == core::ExportCell::Kind::kInteger
                                              ? fmt::format("{}", cell.integer)
                                          : cell.kind == core::ExportCell::Kind::kNull ? "null"
                                                                                       : cell.text;
          }
        }));
    return out;
  };
  using core::ExportOf;
  const auto all = rows(ExportOf::kVersions, core::Time::min(), core::Time::max());
  REQUIRE(all.size() == 3);
  CHECK(all.at(1).at("body") == R"({"a":"bad"})");
  CHECK(all.at(1).at("to_cycle") == "3");
  CHECK(all.at(2).at("to") == "null");
  CHECK(all.at(0).at("from") == "2023-11-15T22:13:21Z");
  CHECK(all.at(0).at("checksum") == core::to_hex(core::sha256(R"({"a":"good"})")));
  CHECK(rows(ExportOf::kVersions, from, to).size() == 1);
  CHECK(rows(ExportOf::kTransitions, from, to).at(0).at("to_state") == "NonCompliant");
  CHECK(rows(ExportOf::kTransitions, core::Time::min(), from).at(0).at("from_state") == "null");
  CHECK(rows(ExportOf::kDrift, from, to).at(0).at("resolved_cycle") == "3");
  CHECK(rows(ExportOf::kVerdicts, core::Time::min(), core::Time::max()).at(0).at("state") ==
        "Compliant");
  CHECK(rows(ExportOf::kResources, core::Time::min(), core::Time::max()).at(0).at("key") == kVault);
  CHECK(rows(ExportOf::kResources, from, to).empty());
}
