#include "storage/backup.hpp"

#include "storage/sqlite_store.hpp"
#include "tests/unit/storage/filled_store.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace plumbline;
using tests::FilledStore;
using tests::kVault;

namespace {

namespace fs = std::filesystem;

bool never() {
  return false;
}

void damage(const std::string& path, std::uintmax_t offset, std::size_t bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(file.good());
  file.seekp(static_cast<std::streamoff>(offset));
  file << std::string(bytes, '\xA5');
}

std::string body_in(const std::string& path, const core::Clock& clock) {
  const auto opened = storage::open_store({path, ""}, clock);
  if (!opened) {
    return opened.error().message;
  }
  const auto found = (*opened->store->snapshot())->find(kVault);
  return found && *found ? (*found)->body : "nothing";
}

std::size_t entries(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

}  // namespace

TEST_CASE_FIXTURE(FilledStore, "a copy holds what was committed, in one private file") {
  sweep({vault(R"({"a":1})")});
  const std::string copy = directory.file("copy.db");
  REQUIRE(storage::back_up(path, copy, never));
  CHECK(fs::status(copy).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(storage::check_copy(copy, never));
  for (const char* suffix : {".part", "-wal", "-shm", "-journal"}) {
    CHECK_FALSE(fs::exists(copy + suffix));
  }
  sweep({vault(R"({"a":2})")});
  fs::copy_file(path + ".key", copy + ".key");
  CHECK(body_in(copy, clock) == R"({"a":1})");
}

TEST_CASE_FIXTURE(FilledStore, "a copy of a store in use is of one commit, and nobody waits") {
  sweep({vault(R"({"a":0})")});
  fill(400);
  const std::string copy = directory.file("copy.db");
  std::atomic<bool> ended = false;
  core::Status copied;
  std::thread copier([&] {
    copied = storage::back_up(path, copy, never);
    ended = true;
  });
  int commits = 0;
  std::chrono::steady_clock::duration longest{};
  while (!ended || commits == 0) {
    const auto began = std::chrono::steady_clock::now();
    sweep({vault(fmt::format(R"({{"a":{}}})", ++commits))});
    longest = std::max(longest, std::chrono::steady_clock::now() - began);
  }
  copier.join();
  REQUIRE(copied);
  CHECK(commits > 1);
  CHECK(longest < std::chrono::seconds(2));  // a commit beside a copy does not wait for its end
  fs::copy_file(path + ".key", copy + ".key");
  const auto opened = storage::open_store({copy, ""}, clock);
  REQUIRE(opened);
  const auto snapshot = *opened->store->snapshot();
  const auto last = snapshot->cycles(1)->front().number;
  CHECK((*snapshot->find(kVault))->from_cycle <= last);
  CHECK(snapshot->versions(kVault)->front().from_cycle == (*snapshot->find(kVault))->from_cycle);
}

TEST_CASE_FIXTURE(FilledStore, "a copy that cannot be made leaves nothing") {
  sweep({vault("{}")});
  fill(200);
  const std::string target = directory.file("out");
  fs::create_directory(target);
  const auto stopped = storage::back_up(path, target + "/copy.db", [] { return true; });
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == core::Errc::kCancelled);
  CHECK(entries(target) == 0);
  CHECK(storage::back_up(directory.file("none.db"), target + "/c.db", never).error().code ==
        core::Errc::kNotFound);
  CHECK(storage::back_up(path, "/nonexistent/c.db", never).error().code == core::Errc::kIo);
  std::ofstream(directory.file("text")) << std::string(5000, 'x');
  CHECK_FALSE(storage::back_up(directory.file("text"), target + "/c.db", never));
  CHECK(entries(target) == 0);
}

TEST_CASE_FIXTURE(FilledStore, "copies rotate by the time in their name") {
  const std::string target = directory.file("out");
  fs::create_directory(target);
  const auto at = [](int day) { return *core::parse_rfc3339(fmt::format("2026-11-{:02}", day)); };
  CHECK(storage::backup_name(at(22)) == "plumbline-20261122T000000Z.db");
  for (const int day : {3, 1, 5, 4, 2}) {
    std::ofstream(target + "/" + storage::backup_name(at(day))) << day;
  }
  for (const char* other : {"notes.db", "plumbline-yesterday.db", "plumbline-20261101.db"}) {
    std::ofstream(target + "/" + other) << "x";
  }
  std::ofstream(target + "/" + storage::backup_name(at(6)) + ".part") << "x";
  REQUIRE(storage::rotate_backups(target, 2));
  const auto left = storage::list_backups(target);
  REQUIRE(left);
  REQUIRE(left->size() == 2);
  CHECK(left->at(0).taken_at == at(5));
  CHECK(left->at(1).taken_at == at(4));
  CHECK(entries(target) == 5);
  CHECK_FALSE(storage::list_backups("/nonexistent"));
}

TEST_CASE_FIXTURE(FilledStore, "a restore checks first, keeps what was there, and needs the key") {
  sweep({vault(R"({"a":1})")});
  const std::string copy = directory.file("copy.db");
  REQUIRE(storage::back_up(path, copy, never));
  sweep({vault(R"({"a":2})")});

  SUBCASE("beside a daemon") {
    const auto done = storage::restore_store(path, "", copy, clock.now());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == core::Errc::kBusy);
  }
  SUBCASE("what is no copy of ours") {
    close();
    std::ofstream(copy, std::ios::trunc) << std::string(8192, 'x');
    CHECK(storage::restore_store(path, "", copy, clock.now()).error().code == core::Errc::kCorrupt);
    CHECK(body_in(path, clock) == R"({"a":2})");
  }
  SUBCASE("a damaged copy") {
    close();
    damage(copy, 4096, 2000);
    CHECK_FALSE(storage::restore_store(path, "", copy, clock.now()));
    CHECK(body_in(path, clock) == R"({"a":2})");
  }
  SUBCASE("without the key") {
    close();
    fs::remove(path + ".key");
    const auto done = storage::restore_store(path, "", copy, clock.now());
    REQUIRE_FALSE(done);
    CHECK(done.error().message.contains("redaction key of the database is missing"));
  }
  SUBCASE("done") {
    close();
    const auto done = storage::restore_store(path, "", copy, clock.now());
    REQUIRE(done);
    CHECK(done->set_aside == path + ".replaced-20231114T221322Z");
    CHECK(body_in(path, clock) == R"({"a":1})");
    fs::copy_file(path + ".key", done->set_aside + ".key");
    CHECK(body_in(done->set_aside, clock) == R"({"a":2})");
  }
  SUBCASE("onto an empty place") {
    close();
    for (const char* suffix : {"", "-wal", "-shm"}) {
      fs::remove(path + suffix);
    }
    const auto done = storage::restore_store(path, "", copy, clock.now());
    REQUIRE(done);
    CHECK(done->set_aside.empty());
    CHECK(body_in(path, clock) == R"({"a":1})");
  }
  SUBCASE("interrupted before the last step") {
    close();
    fs::copy_file(copy, storage::replacement_path(path));
    fs::remove(path);
    CHECK(body_in(path, clock).contains("a restore was interrupted"));
    CHECK_FALSE(fs::exists(path));
  }
}

TEST_CASE_FIXTURE(FilledStore, "a damaged store is refused, or replaced by the latest sound copy") {
  const std::string target = directory.file("out");
  fs::create_directory(target);
  const auto copy_now = [&] {
    const auto copy = target + "/" + storage::backup_name(clock.now());
    REQUIRE(storage::back_up(path, copy, never));
    return copy;
  };
  sweep({vault(R"({"a":1})")});
  const auto first = copy_now();
  sweep({vault(R"({"a":2})")});
  const auto second = copy_now();
  fill(50);
  sweep({vault(R"({"a":3})")});
  const auto third = copy_now();
  close();
  damage(path, 4096, 3000);
  damage(third, 4096, 3000);

  storage::StoreOptions options{.path = path, .key_file = ""};
  const auto refused = storage::open_store(options, clock);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == core::Errc::kCorrupt);
  CHECK(refused.error().message.contains("plumbline restore"));

  options.restore = true;
  options.backups = target;
  SUBCASE("replaced") {
    const auto opened = storage::open_store(options, clock);
    REQUIRE(opened);
    REQUIRE(opened->restored);
    CHECK(opened->restored->files.copy == second);
    CHECK(opened->restored->files.set_aside.starts_with(path + ".damaged-"));
    CHECK(fs::exists(opened->restored->files.set_aside));
    CHECK((*(*opened->store->snapshot())->find(kVault))->body == R"({"a":2})");
  }
  SUBCASE("no sound copy is left") {
    damage(first, 4096, 3000);
    damage(second, 4096, 3000);
    const auto opened = storage::open_store(options, clock);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.contains("none of the 3 backups"));
    CHECK(fs::exists(path));
  }
}
