#include "storage/verify.hpp"

#include "tests/unit/storage/filled_store.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <random>

using namespace plumbline;
using tests::FilledStore;
using tests::kVault;

namespace {

/// A verdict for each vault, and drift while its body says `"bad"`.
core::Judge decide() {
  return [](core::JudgeView& view, const core::CycleChanges& changes) {
    core::CheckRow check;
    check.assignment = "prod";
    check.reference = "NS-1";
    const auto row = view.put_check(check);
    for (const auto& change : changes.resources) {
      const auto before = *view.verdict(*row, change.row);
      core::Verdict verdict;
      verdict.check = *row;
      verdict.resource = change.row;
      verdict.state = (*view.find_row(change.row))->body.contains("bad")
                          ? core::ComplianceState::kNonCompliant
                          : core::ComplianceState::kCompliant;
      verdict.reason = "why";
      verdict.version = change.new_version;
      verdict.evaluated_at = changes.now;
      const bool same = before && before->state == verdict.state;
      verdict.since_cycle = same ? before->since_cycle : changes.cycle;
      static_cast<void>(view.put_verdict(verdict));
      if (same) {
        continue;
      }
      const auto old = before ? std::optional(before->state) : std::nullopt;
      static_cast<void>(view.add_transition(
          {*row, change.row, old, verdict.state, "why", core::Cause::kResource}));
      const auto open = view.open_drift(change.row);
      for (const auto& item : *open) {
        static_cast<void>(view.resolve_drift(item.id));
      }
      if (verdict.state == core::ComplianceState::kNonCompliant) {
        core::DriftItem item;
        item.check = *row;
        item.resource = change.row;
        item.old_value = "1";
        item.severity = core::Severity::kHigh;
        static_cast<void>(view.open_drift_item(item));
      }
    }
    return core::Status::ok();
  };
}

struct Chained : FilledStore {
  Chained() {
    sweep({vault(R"({"a":"good"})")}, decide());
    sweep({vault(R"({"a":"bad"})")}, decide());
    sweep({}, decide());
    sweep({vault(R"({"a":"good again"})")}, decide());
  }

  storage::VerifyReport verify(bool full = true) {
    auto report = storage::verify_store(path, full, [] { return false; });
    if (!report) {
      FAIL(report.error().message);
    }
    return *report;
  }

  /// Changes the database behind the store's back.
  void tamper(const std::string& sql) {
    sqlite3* handle = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
    const int code = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
    CAPTURE(std::string(sqlite3_errmsg(handle)));
    CHECK(code == SQLITE_OK);
    CHECK(sqlite3_changes(handle) > 0);
    sqlite3_close(handle);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Chained, "an untouched store fits, while it is open and after it was closed") {
  const auto report = verify();
  CHECK(report.sound());
  CHECK(report.cycles_checked == 4);
  CHECK(report.cycles_not_chained == 0);
  CHECK(report.bodies_checked == 3);
  CHECK(report.verdicts_checked == 1);
  CHECK(verify(false).sound());
  close();
  CHECK(verify().sound());
  open();
  sweep({vault("{}")}, decide());
  CHECK(verify().cycles_checked == 5);
}

TEST_CASE_FIXTURE(Chained, "whatever history says, changing it is found, with its cycle") {
  struct Case {
    const char* name;
    const char* sql;
    std::int64_t cycle;
  };

  const Case cases[] = {
      {"when a cycle was", "UPDATE cycle SET committed_at = committed_at + 1 WHERE number = 2", 2},
      {"what a cycle was", "UPDATE cycle SET kind = 'details' WHERE number = 3", 3},
      {"what a cycle counted", "UPDATE cycle SET observed = 7 WHERE number = 1", 1},
      {"a fingerprint", "UPDATE version SET fingerprint = zeroblob(32) WHERE from_cycle = 2", 2},
      {"the end of a version", "UPDATE version SET to_cycle = 3 WHERE from_cycle = 1", 2},
      {"a version is gone", "DELETE FROM version WHERE from_cycle = 2", 2},
      {"a transition", "UPDATE transition_row SET to_state = 2 WHERE cycle = 2", 2},
      {"a transition is gone", "DELETE FROM transition_row WHERE cycle = 2", 2},
      {"a transition elsewhere", "UPDATE transition_row SET cycle = 3 WHERE cycle = 2", 2},
      {"one more transition",
       "INSERT INTO transition_row (cycle, check_id, resource_id, from_state, to_state, reason, "
       "cause) "
       "SELECT 3, check_id, resource_id, NULL, 6, '', 5 FROM transition_row LIMIT 1",
       3},
      {"drift", "UPDATE drift SET severity = 'low'", 2},
      {"when drift ended", "UPDATE drift SET resolved_at = resolved_at + 1", 4},
      {"that drift never ended", "UPDATE drift SET resolved_cycle = NULL, resolved_at = NULL", 4},
      {"whose it was", "UPDATE resource_row SET cased_key = cased_key || 'x'", 1},
      {"what was checked", "UPDATE policy_check SET reference = 'NS-2'", 1},
      {"a cycle is gone", "DELETE FROM cycle WHERE number = 3", 4},
      {"a link", "UPDATE cycle SET chain = zeroblob(32) WHERE number = 3", 3},
      {"no link", "UPDATE cycle SET chain = NULL WHERE number = 3", 3},
  };
  for (const auto& c : cases) {
    const std::string copy = path + ".before";
    if (std::string_view(c.name) == cases[0].name) {
      close();
      std::filesystem::copy_file(path, copy);
    } else {
      std::filesystem::copy_file(copy, path, std::filesystem::copy_options::overwrite_existing);
    }
    for (const char* suffix : {"-wal", "-shm"}) {
      std::filesystem::remove(path + suffix);
    }
    CAPTURE(c.name);
    tamper(c.sql);
    const auto report = verify(false);
    CHECK_FALSE(report.sound());
    REQUIRE(report.first_misfit);
    CHECK(*report.first_misfit == c.cycle);
  }
}

TEST_CASE_FIXTURE(Chained, "what is true now is compared with history") {
  close();
  SUBCASE("a state") {
    tamper("UPDATE verdict_row SET state = 0");
  }
  SUBCASE("a reason") {
    tamper("UPDATE verdict_row SET reason = 'because'");
  }
  SUBCASE("how many there are") {
    tamper("UPDATE verdict_count SET count = count + 1");
  }
  SUBCASE("how many resources there are") {
    tamper("UPDATE resource_count SET count = count + 1");
  }
  SUBCASE("since when") {
    tamper("UPDATE verdict_row SET since_cycle = 1");
  }
  SUBCASE("a verdict is gone") {
    tamper("DELETE FROM verdict_row");
  }
  SUBCASE("a body") {
    tamper("UPDATE version SET body = (SELECT body FROM version WHERE from_cycle = 1)");
  }
  SUBCASE("the current version") {
    tamper("UPDATE resource_row SET version_id = 1");
  }
  SUBCASE("a deletion that never was") {
    tamper("UPDATE resource_row SET version_id = NULL");
  }
  const auto report = verify(false);
  CHECK_FALSE(report.sound());
  CHECK_FALSE(report.first_misfit.has_value());
}

TEST_CASE_FIXTURE(Chained, "a view that says something else is a damaged database") {
  close();
  tamper(
      "DROP VIEW verdict; CREATE VIEW verdict AS SELECT check_id, resource_id, 'Compliant' AS "
      "state, "
      "reason, 'resource' AS cause, version_id, since_cycle, evaluated_at, NULL AS known_state, "
      "known_version FROM verdict_row; UPDATE cycle SET kind = kind");
  const auto report = storage::verify_store(path, false, [] { return false; });
  REQUIRE_FALSE(report.has_value());
  CHECK(report.error().code == core::Errc::kCorrupt);
}

TEST_CASE_FIXTURE(Chained, "references that lead nowhere are found by the full check") {
  close();
  tamper("UPDATE verdict_row SET version_id = 99");
  CHECK_FALSE(verify(true).sound());
}

TEST_CASE_FIXTURE(Chained, "after retention the chain is checked from the horizon on") {
  for (int i = 0; i < 5; ++i) {
    sweep({vault(fmt::format(R"({{"a":{}}})", i))}, decide());
  }
  const auto horizon = clock.now();
  sweep({vault(R"({"a":"bad"})")}, decide());
  sweep({}, decide());
  for (;;) {
    auto outdated = *snapshot()->outdated(horizon, 1000);
    if (outdated.size() == 0) {
      break;
    }
    REQUIRE(opened.store->remove_outdated(outdated, std::chrono::milliseconds(50)));
  }
  auto report = verify();
  CHECK(report.problems == std::vector<std::string>());
  CHECK(report.cycles_checked == 2);
  CHECK(report.cycles_beyond_horizon > 0);
  close();
  tamper("UPDATE horizon SET chain = zeroblob(32)");
  report = verify();
  REQUIRE(report.first_misfit);
  CHECK(*report.first_misfit == 10);
}

TEST_CASE_FIXTURE(Chained, "cycles that are older than the chain are told") {
  close();
  tamper("UPDATE cycle SET chain = NULL");
  open();
  CHECK(verify().cycles_not_chained == 4);
  sweep({vault("{}")}, decide());
  const auto report = verify();
  CHECK(report.sound());
  CHECK(report.cycles_not_chained == 4);
  CHECK(report.cycles_checked == 1);
}

TEST_CASE_FIXTURE(Chained, "what is no store of ours is refused") {
  const auto refused = [](const std::string& file) {
    const auto report = storage::verify_store(file, true, [] { return false; });
    REQUIRE_FALSE(report);
    return report.error().code;
  };
  CHECK(refused(directory.file("none.db")) == core::Errc::kNotFound);
  std::ofstream(directory.file("text")) << std::string(9000, 'x');
  CHECK(refused(directory.file("text")) == core::Errc::kCorrupt);
  close();
  tamper("PRAGMA user_version=2; CREATE TABLE x (y); INSERT INTO x VALUES (1)");
  CHECK(refused(path) == core::Errc::kInvalidArgument);
}
