#include "daemon/backups.hpp"

#include "daemon/hook.hpp"
#include "storage/backup.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace plumbline;
using tests::FakeClock;
using tests::FakeLog;
using tests::TempDirectory;

namespace {

namespace fs = std::filesystem;

bool never() {
  return false;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Fixture {
  Fixture() {
    REQUIRE(storage::open_store({store, ""}, clock));
    options.directory = directory.file("copies");
    options.keep = 2;
    fs::create_directory(options.directory);
  }

  std::string script(const std::string& text) {
    const auto path = directory.file("hook");
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }

  daemon::Backups backups(std::chrono::milliseconds patience = std::chrono::minutes(1)) {
    return {options, store, clock, log, *registry, patience};
  }

  std::string metrics() { return prometheus::TextSerializer().Serialize(registry->Collect()); }

  FakeClock clock;
  FakeLog log;
  TempDirectory directory;
  std::string store = directory.file("p.db");
  config::Backup options;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a copy is made, rotated, handed over and told") {
  options.after = script("echo \"$#:$1\" >> " + directory.file("seen"));
  auto made = backups();
  CHECK(metrics().contains("plumbline_backup_last_success_timestamp_seconds 0\n"));
  for (int i = 0; i < 3; ++i) {
    clock.advance(std::chrono::hours(24));
    REQUIRE(made.take(never));
  }
  const auto copies = storage::list_backups(options.directory);
  REQUIRE(copies->size() == 2);
  CHECK(copies->front().taken_at == clock.now());
  CHECK(storage::check_copy(copies->front().path, never));
  CHECK(read(directory.file("seen")).ends_with("1:" + copies->front().path + "\n"));
  CHECK(metrics().contains("plumbline_backup_last_success_timestamp_seconds 1700259200\n"));
  CHECK(metrics().contains("plumbline_backup_failures_total{stage=\"after\"} 0\n"));
  CHECK(metrics().contains("plumbline_backup_interval_seconds 86400\n"));
  CHECK(std::ranges::count_if(log.lines, [](const std::string& line) {
          return line.starts_with("backup_written path=");
        }) == 3);
}

TEST_CASE_FIXTURE(Fixture, "a later process knows when the last copy was made") {
  {
    auto made = backups();
    REQUIRE(made.take(never));
  }
  registry = std::make_shared<prometheus::Registry>();
  const auto later = backups();
  CHECK(metrics().contains("plumbline_backup_last_success_timestamp_seconds 1700000000\n"));
}

TEST_CASE_FIXTURE(Fixture, "what fails is counted and told, a failed hand-over costs no copy") {
  SUBCASE("the copy") {
    options.directory = directory.file("missing");
    auto made = backups();
    CHECK_FALSE(made.take(never));
    CHECK(metrics().contains("plumbline_backup_failures_total{stage=\"copy\"} 1\n"));
    CHECK(log.lines.at(0).starts_with("backup_failed reason=io error="));
    CHECK(metrics().contains("plumbline_backup_last_success_timestamp_seconds 0\n"));
    return;
  }
  SUBCASE("the program's code") {
    options.after = script("exit 7");
  }
  SUBCASE("a signal") {
    options.after = script("kill -9 $$");
  }
  SUBCASE("no program") {
    options.after = "/nonexistent/program";
  }
  SUBCASE("too slow, with a child of its own") {
    options.after = script("sleep 60 & wait");
  }
  auto made = backups(std::chrono::milliseconds(200));
  CHECK(made.take(never));
  CHECK(metrics().contains("plumbline_backup_failures_total{stage=\"after\"} 1\n"));
  CHECK(log.lines.at(1).starts_with("backup_hook_failed reason="));
  CHECK(storage::list_backups(options.directory)->size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a program runs without a shell, our files and blocked signals") {
  const auto path = script("ls /proc/self/fd | wc -l > " + directory.file("out") +
                           "\ngrep SigBlk /proc/self/status >> " + directory.file("out"));
  REQUIRE(daemon::run_hook(path, "$(exit 3) ; x", std::chrono::seconds(30), never));
  // 0, 1, 2, and the directory that ls reads.
  CHECK(read(directory.file("out")) == "4\nSigBlk:\t0000000000000000\n");
  const auto stopped =
      daemon::run_hook(script("sleep 60"), "", std::chrono::minutes(1), [] { return true; });
  CHECK(stopped.error().code == core::Errc::kCancelled);
}

TEST_CASE("the next copy is due an interval after the last") {
  const auto at = [](int hour) { return core::from_micros(std::int64_t{3600} * 1000000 * hour); };
  const std::chrono::hours day(24);
  CHECK(daemon::Backups::due(std::nullopt, at(5), day) == at(5));
  CHECK(daemon::Backups::due(at(1), at(5), day) == at(25));
  CHECK(daemon::Backups::due(at(1), at(50), day) == at(25));  // overdue
  CHECK(daemon::Backups::due(at(9), at(5), day) == at(5));    // the clock was set back
}
