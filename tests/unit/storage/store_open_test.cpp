#include "core/digest.hpp"
#include "storage/file_system.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace plumbline;
using tests::FakeClock;
using tests::TempDirectory;

namespace {

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// Runs SQL on a database of its own connection, which stays open until the returned handle goes.
std::unique_ptr<sqlite3, int (*)(sqlite3*)> run_sql(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  REQUIRE(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  return {handle, sqlite3_close};
}

}  // namespace

TEST_CASE("a store that can't be used is refused with a clear message and left as it is") {
  const FakeClock clock;
  const TempDirectory directory;
  const std::string path = directory.file("p.db");
  const auto refused = [&](core::Errc code, const char* message) {
    const std::string before = read(path);
    const auto opened = storage::open_store({path, ""}, clock);
    REQUIRE_FALSE(opened);
    CAPTURE(opened.error().message);
    CHECK(opened.error().code == code);
    CHECK(opened.error().message.contains(message));
    CHECK(opened.error().message.contains(path));
    CHECK(read(path) == before);
  };
  const auto create = [&] { REQUIRE(storage::open_store({path, ""}, clock)); };

  SUBCASE("not a database") {
    create();
    write(path, std::string(8192, 'x'));
    refused(core::Errc::kCorrupt, "not a database");
  }
  SUBCASE("another program's database") {
    create();
    std::filesystem::remove(path);
    run_sql(path, "CREATE TABLE bookmarks (url TEXT)");
    refused(core::Errc::kInvalidArgument, "belongs to another program");
  }
  SUBCASE("a newer schema") {
    create();
    run_sql(path, "PRAGMA user_version=99");
    refused(core::Errc::kNewerSchema, "written by a newer version");
  }
  SUBCASE("a lost key") {
    create();
    std::filesystem::remove(path + ".key");
    refused(core::Errc::kNotFound, "redaction key of the database is missing");
  }
  SUBCASE("a key that others can read") {
    create();
    std::filesystem::permissions(
        path + ".key", std::filesystem::perms::others_read, std::filesystem::perm_options::add);
    refused(core::Errc::kInvalidArgument, "readable by others");
  }
  SUBCASE("a second instance") {
    const auto first = storage::open_store({path, ""}, clock);
    REQUIRE(first);
    refused(core::Errc::kBusy, "another Plumbline is using this database");
  }
  SUBCASE("locked by another program") {
    create();
    const auto other =
        run_sql(path, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE x (y); ");
    refused(core::Errc::kBusy, "locked");
  }
}

TEST_CASE("a file system whose locks or writes cannot be relied on holds no store") {
  const FakeClock clock;
  const TempDirectory directory;
  const std::string path = directory.file("p.db");
  for (const auto& [type, name] : {std::pair<std::uint64_t, const char*>{0x6969, "NFS"},
                                   {0xFF534D42, "CIFS"},
                                   {0xFE534D42, "SMB2"},
                                   {0x517B, "SMB"},
                                   {0x65735546, "FUSE"},
                                   {0x01021997, "9P"}}) {
    CAPTURE(name);
    const auto opened = storage::open_store({path, "", type}, clock);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == core::Errc::kInvalidArgument);
    CHECK(opened.error().message.starts_with(path + ": lies on a " + name + " file system"));
    CHECK_FALSE(std::filesystem::exists(path + ".lock"));
  }
  for (const std::uint64_t type : {0x01021994UL, 0xEF53UL, 0x794C7630UL, 0x58465342UL}) {
    CHECK(storage::open_store({path, "", type}, clock));  // tmpfs, ext4, overlay, XFS
  }
  // What this machine has is asked for and taken.
  const auto here = storage::file_system_of(std::filesystem::path(path).parent_path().string());
  REQUIRE(here);
  CHECK(*here != 0);
  CHECK(storage::open_store({path, ""}, clock));
  CHECK(*storage::file_system_of("/dev/shm") == 0x01021994);
  CHECK_FALSE(storage::file_system_of("/nonexistent"));
}

TEST_CASE("a missing directory is named") {
  const FakeClock clock;
  const auto opened = storage::open_store({"/nonexistent/dir/p.db", ""}, clock);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().message.contains("/nonexistent/dir does not exist"));
}

TEST_CASE("the key is made once, private, and given back") {
  const FakeClock clock;
  const TempDirectory directory;
  const std::string path = directory.file("p.db");
  std::string key;
  {
    const auto opened = storage::open_store({path, ""}, clock);
    REQUIRE(opened);
    key = opened->redaction_key;
    CHECK(key.size() == 32);
  }
  const auto mode = std::filesystem::status(path + ".key").permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(storage::open_store({path, ""}, clock)->redaction_key == key);
  CHECK_FALSE(read(path).contains(key));
}
