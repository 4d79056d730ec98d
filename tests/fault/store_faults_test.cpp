// The store over a disk that fails and over one that loses power: no committed cycle is lost or
// torn, errors are values, reads go on, and once the disk works again so does the store.
// PLUMBLINE_FAULTS: how many places to fail at, of each kind; by default what fits into a run.
#include "storage/sqlite_store.hpp"
#include "storage/verify.hpp"
#include "tests/fault/fault_vfs.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <map>

using namespace plumbline;
using core::Result;
using core::Status;
using tests::Fault;

namespace {

constexpr int kResources = 8;
constexpr int kCycles = 9;
constexpr std::size_t kChanges = 3;  // that retention leaves in any case

std::string key_of(int number) {
  return fmt::format("/subscriptions/s1/resourcegroups/rg/providers/t/t/r{}", number);
}

/// What a store says, for comparison.
struct State {
  std::map<std::string, std::string> bodies;    // by key
  std::map<std::string, std::string> verdicts;  // by key
  std::vector<std::string> changes;             // ids of the latest change records, latest first
  std::optional<core::Time> watermark;

  bool operator==(const State&) const = default;
};

/// Checkpoints are to happen within a few cycles.
int checkpoint_often(sqlite3* handle, char** /*error*/, const sqlite3_api_routines* /*api*/) {
  sqlite3_wal_autocheckpoint(handle, 16);
  return SQLITE_OK;
}

int places_to_try(int usual) {
  const char* wanted = std::getenv("PLUMBLINE_FAULTS");  // NOLINT(concurrency-mt-unsafe)
  return wanted == nullptr ? usual : std::max(1, std::atoi(wanted));
}

/// Cycles that change, delete and bring back resources, with all that belongs to a cycle. A cycle
/// that fails is made again, as the daemon does.
class Workload {
 public:
  Workload() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(checkpoint_often)); }

  ~Workload() { sqlite3_reset_auto_extension(); }

  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  Workload(Workload&&) = delete;
  Workload& operator=(Workload&&) = delete;

  Status open() {
    auto result = storage::open_store({path, ""}, clock);
    if (!result) {
      return result.error();
    }
    store = std::move(result->store);
    return Status::ok();
  }

  /// Makes the next cycle, or part of it.
  Status advance() {
    if (store == nullptr) {
      return open();
    }
    clock.advance(std::chrono::seconds(10));
    const auto number = static_cast<int>(history.size());
    State next = history.back();
    if (auto done = cycle(number, next); !done) {
      in_doubt = std::move(next);
      return done;
    }
    history.push_back(std::move(next));
    in_doubt.reset();
    return trim();
  }

  [[nodiscard]] bool is_done() const { return history.size() > kCycles; }

  /// Whether what the store says is what was committed; `last` may be.
  void check(bool last_may_be) {
    auto snapshot = store->snapshot();
    REQUIRE_MESSAGE(snapshot, snapshot.error().message);
    const auto cycles = (*snapshot)->cycles(1);
    REQUIRE(cycles);
    const auto number = cycles->empty() ? 0 : static_cast<std::size_t>(cycles->front().number);
    const State found = read(**snapshot);
    if (last_may_be && number == history.size() && in_doubt) {
      CHECK(found == *in_doubt);
      history.push_back(*in_doubt);
      in_doubt.reset();
      return;
    }
    CHECK(number + 1 == history.size());
    CHECK(found.bodies == history.back().bodies);
    CHECK(found.verdicts == history.back().verdicts);
    CHECK(fmt::format("{}", fmt::join(found.changes, " ")) ==
          fmt::format("{}", fmt::join(history.back().changes, " ")));
    CHECK(found.watermark == history.back().watermark);
  }

  void verify() const {
    const auto report = storage::verify_store(path, true, [] { return false; });
    REQUIRE_MESSAGE(report, report.error().message);
    for (const auto& problem : report->problems) {
      FAIL_CHECK(problem);
    }
    const auto kept = report->cycles_checked + report->cycles_beyond_horizon;
    CHECK(report->cycles_not_chained == 0);
    CHECK(kept > 0);
  }

  tests::FakeClock clock;
  tests::TempDirectory directory;
  std::string path = directory.file("p.db");
  std::unique_ptr<core::Store> store;
  std::vector<State> history = {State()};  // after each committed cycle
  std::vector<core::Time> times;           // of the committed cycles
  std::optional<State> in_doubt;           // what the cycle that failed would have left

 private:
  Status cycle(int number, State& next) {
    auto cycle = store->begin_cycle("sweep", "test");
    if (!cycle) {
      return cycle.error();
    }
    // Two pages, the second of bodies that fill database pages of their own.
    for (const int size : {40, 3000}) {
      std::vector<core::Observation> page;
      for (int i = number % 2; i < kResources; i += 2) {
        if ((size == 40) == (i < kResources / 2)) {
          page.push_back(observe(i, number, size, next));
        }
      }
      if (auto done = (*cycle)->stage(std::move(page)); !done) {
        return done;
      }
    }
    const auto gone = key_of((number * 3 + 1) % kResources);
    if (number % 3 == 2 && next.bodies.contains(gone)) {
      next.bodies.erase(gone);
      next.verdicts.erase(gone);
      static_cast<void>((*cycle)->stage_deletion(gone));
    }
    core::Evidence evidence;
    evidence.key = "arg:resources|s1";
    evidence.complete = number % 4 != 3;
    evidence.reason = evidence.complete ? "" : "throttled";
    evidence.observed_at = clock.now();
    static_cast<void>((*cycle)->stage_evidence(evidence));
    core::ChangeRecord change;
    change.id = fmt::format("change-{}", number);
    change.key = key_of(0);
    change.at = clock.now();
    static_cast<void>((*cycle)->stage_change(change));
    static_cast<void>((*cycle)->stage_watermark("activity:s1", clock.now()));
    next.changes.insert(next.changes.begin(), change.id);
    next.changes.resize(std::min(next.changes.size(), kChanges));
    next.watermark = clock.now();
    auto report = (*cycle)->commit(evidence.complete,
                                   [&](core::JudgeView& view, const core::CycleChanges& changes) {
                                     return judge(view, changes, next);
                                   });
    return report ? Status::ok() : Status(report.error());
  }

  [[nodiscard]] core::Observation observe(int i, int number, int size, State& next) const {
    core::Observation out;
    out.key = key_of(i);
    out.id = out.key;
    out.type = "t/t";
    out.body = fmt::format("{{\"cycle\":{},\"text\":\"", number);
    for (int part = 0; static_cast<int>(out.body.size()) < size; ++part) {
      out.body += core::to_hex(core::sha256(fmt::format("{} {} {}", i, number, part)));
    }
    out.body += "\"}";
    out.fingerprint = core::sha256(out.body);
    out.source = "arg:resources|s1";
    out.observed_at = clock.now();
    next.bodies[out.key] = out.body;
    return out;
  }

  static Status judge(core::JudgeView& view, const core::CycleChanges& changes, State& next) {
    core::CheckRow check;
    check.assignment = "a";
    check.reference = "r";
    const auto row = view.put_check(check);
    if (!row) {
      return row.error();
    }
    for (const auto& change : changes.resources) {
      const auto before = view.verdict(*row, change.row);
      if (!before) {
        return before.error();
      }
      core::Transition transition;
      transition.check = *row;
      transition.resource = change.row;
      transition.reason = fmt::format("cycle {}", changes.cycle);
      if (*before) {
        transition.from = (*before)->state;
      }
      if (change.new_version == 0) {
        if (auto done = view.remove_verdict(*row, change.row); !done) {
          return done;
        }
      } else {
        core::Verdict verdict;
        verdict.check = *row;
        verdict.resource = change.row;
        verdict.state = changes.cycle % 2 == 0 ? core::ComplianceState::kCompliant
                                               : core::ComplianceState::kNonCompliant;
        verdict.reason = transition.reason;
        verdict.version = change.new_version;
        verdict.since_cycle = changes.cycle;
        verdict.evaluated_at = changes.now;
        transition.to = verdict.state;
        next.verdicts[change.key] = transition.reason;
        if (auto done = view.put_verdict(verdict); !done) {
          return done;
        }
      }
      if (auto done = view.add_transition(transition); !done) {
        return done;
      }
      if (auto done = view.set_dependencies({*row, change.row}, {"key:" + change.key}); !done) {
        return done;
      }
    }
    return Status::ok();
  }

  /// What the storage thread also does between cycles.
  Status trim() {
    times.push_back(clock.now());
    if (times.size() % 3 != 0 || times.size() <= kChanges) {
      return store->put_cached_document({"aliases", clock.now(), std::string(2000, 'x')});
    }
    const auto horizon = times.at(times.size() - std::min(times.size(), kChanges + 1));
    auto outdated = [&]() -> Result<core::Outdated> {
      auto snapshot = store->snapshot();
      if (!snapshot) {
        return snapshot.error();
      }
      return (*snapshot)->outdated(horizon, 100);
    }();
    if (!outdated) {
      return outdated.error();
    }
    if (auto done = store->remove_outdated(*outdated, std::chrono::seconds(1)); !done) {
      return done;
    }
    const auto more = store->shrink(std::chrono::seconds(1));
    return more ? Status::ok() : Status(more.error());
  }

  static State read(core::Snapshot& snapshot) {
    State state;
    auto visited = snapshot.for_each_of_type("t/t", "", [&](const core::StoredResource& resource) {
      state.bodies[resource.key] = resource.body;
    });
    CHECK_MESSAGE(visited, visited.error().message);
    const auto verdicts = snapshot.verdicts({});
    REQUIRE(verdicts);
    for (const auto& row : *verdicts) {
      state.verdicts[row.resource_key] = row.verdict.reason;
    }
    const auto changes = snapshot.change_records(key_of(0), kChanges);
    REQUIRE(changes);
    for (const auto& change : *changes) {
      state.changes.push_back(change.id);
    }
    const auto watermark = snapshot.watermark("activity:s1");
    REQUIRE(watermark);
    state.watermark = *watermark;
    return state;
  }
};

/// What a failing disk may be called.
void check_error(const core::Error& error) {
  CAPTURE(error.message);
  CHECK(error.code == core::Errc::kIo);
  CHECK(error.message.find("SQLite code") != std::string::npos);
}

/// How many operations the whole workload takes.
std::int64_t operations_of_all() {
  const tests::FaultVfs vfs;
  Workload workload;
  while (!workload.is_done()) {
    const auto done = workload.advance();
    REQUIRE_MESSAGE(done, done.error().message);
  }
  workload.check(false);
  workload.verify();
  return vfs.operations();
}

/// Makes all cycles over a disk that becomes whole after a few errors, if not by itself.
void survive(tests::FaultVfs& vfs) {
  constexpr int kPatience = 3;
  Workload workload;
  int errors = 0;
  while (!workload.is_done()) {
    const auto done = workload.advance();
    if (done) {
      continue;
    }
    check_error(done.error());
    if (workload.store != nullptr) {
      workload.check(false);  // what was committed can be read all the while
    }
    if (++errors == kPatience) {
      vfs.heal();
    }
    REQUIRE(errors <= kPatience);
  }
  vfs.heal();
  workload.check(false);
  workload.verify();
  // And a process that comes later finds the same.
  workload.store.reset();
  REQUIRE(workload.open());
  workload.check(false);
  workload.verify();
}

}  // namespace

TEST_CASE("any write or sync may fail, once or from then on") {
  const auto all = operations_of_all();
  const auto places = std::min<std::int64_t>(places_to_try(20), all);
  MESSAGE(all << " operations, " << places << " places for each kind of fault");
  for (const auto fault : {Fault::kIoError, Fault::kFull, Fault::kShortWrite, Fault::kSyncError}) {
    for (const std::int64_t every : {0, 1}) {
      for (std::int64_t place = 0; place < places; ++place) {
        const auto first = 1 + place * all / places;
        CAPTURE(static_cast<int>(fault));
        CAPTURE(first);
        CAPTURE(every);
        tests::FaultVfs vfs;
        vfs.fail(fault, first, every);
        survive(vfs);
      }
    }
  }
}

TEST_CASE("every n-th write and sync fails") {
  for (const auto fault : {Fault::kIoError, Fault::kFull, Fault::kShortWrite, Fault::kSyncError}) {
    for (std::int64_t every = 2; every < 200; every = every * 3 / 2 + 1) {
      CAPTURE(static_cast<int>(fault));
      CAPTURE(every);
      tests::FaultVfs vfs;
      vfs.fail(fault, every, every);
      survive(vfs);
    }
  }
}

TEST_CASE("the power goes off: what was synced is there, the rest in parts or not") {
  const auto all = operations_of_all();
  const auto places = std::min<std::int64_t>(places_to_try(40), all);
  std::int64_t unconfirmed = 0;
  for (std::int64_t place = 0; place < places; ++place) {
    const auto first = 1 + place * all / places;
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      CAPTURE(first);
      CAPTURE(seed);
      tests::FaultVfs vfs;
      Workload workload;
      vfs.lose_power(first);
      while (!vfs.is_dark()) {
        const auto done = workload.advance();
        REQUIRE((done || vfs.is_dark()));
      }
      workload.store.reset();
      vfs.restore_power(static_cast<std::uint32_t>(first) * 31 + seed);
      const auto opened = workload.open();
      REQUIRE_MESSAGE(opened, opened.error().message);
      const auto before = workload.history.size();
      workload.check(true);
      unconfirmed += workload.history.size() > before ? 1 : 0;
      while (!workload.is_done()) {
        const auto done = workload.advance();
        REQUIRE_MESSAGE(done, done.error().message);
      }
      workload.check(false);
      workload.verify();
    }
  }
  MESSAGE(all << " operations, " << places << " places, " << unconfirmed
              << " times a cycle was there whose commit nobody had confirmed");
}
