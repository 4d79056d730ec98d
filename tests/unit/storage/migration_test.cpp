#include "storage/schema.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/verify.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace plumbline;
using tests::FakeClock;
using tests::TempDirectory;

namespace {

constexpr std::string_view kWorkspace =
    "/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourcegroups/rg-contoso-aks/providers/"
    "microsoft.operationalinsights/workspaces/law-contoso-aks";

/// A database of an older schema, as `.dump` wrote it from a store that a daemon of that time
/// filled.
void create_old_database(const std::string& path, int schema) {
  const std::ifstream dump(std::string(PLUMBLINE_SOURCE_DIR) + "/tests/data/storage/v" +
                           std::to_string(schema) + ".sql");
  REQUIRE(dump.good());
  std::ostringstream sql;
  sql << "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=" << storage::kApplicationId
      << "; PRAGMA user_version=" << schema << ";" << dump.rdbuf();
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &handle) == SQLITE_OK);
  const int result = sqlite3_exec(handle, sql.str().c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(handle);
  REQUIRE(result == SQLITE_OK);
  std::ofstream(path + ".key", std::ios::binary) << std::string(32, 'k');
  std::filesystem::permissions(
      path + ".key", std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace

TEST_CASE("a store of every older schema is brought up with all it holds") {
  for (int schema = 1; schema < storage::kSchemaVersion; ++schema) {
    CAPTURE(schema);
    // The store of schema 3 was one of schema 2 and has two links of its own.
    const std::int64_t chained = schema < 3 ? 0 : 2;
    const std::int64_t last = 30 + chained;
    const FakeClock clock;
    const TempDirectory directory;
    const std::string path = directory.file("p.db");
    create_old_database(path, schema);
    auto opened = storage::open_store({path, ""}, clock);
    if (!opened) {
      FAIL(opened.error().message);
    }
    {
      auto snapshot = *opened->store->snapshot();
      const auto workspace = snapshot->find(kWorkspace);
      REQUIRE(workspace);
      REQUIRE(workspace->has_value());
      CHECK((*workspace)->body.contains("publicNetworkAccessForQuery"));
      const auto versions = snapshot->versions(kWorkspace);
      REQUIRE(versions);
      REQUIRE(versions->size() == 2);
      for (const auto& version : *versions) {
        const auto stored = snapshot->find_version(version.row);
        CHECK(stored);
      }
      core::VerdictFilter filter;
      filter.limit = 1000;
      const auto verdicts = snapshot->verdicts(filter);
      CHECK(verdicts->size() == 83);
      std::map<std::string, core::ComplianceState> worst;
      for (const auto& row : *verdicts) {
        const auto [entry, first] = worst.try_emplace(row.resource_key, row.verdict.state);
        entry->second = std::min(entry->second, row.verdict.state);
      }
      const auto counts = snapshot->resource_counts();
      REQUIRE(counts);
      CHECK_FALSE(counts->empty());
      for (const auto& count : *counts) {
        CHECK(count.count == std::ranges::count_if(worst, [&](const auto& entry) {
                return entry.second == count.state;
              }));
      }
      core::DriftFilter everything;
      everything.limit = 1000;
      const auto drift = snapshot->drift(everything);
      REQUIRE(drift);
      CHECK(std::ranges::count_if(*drift, [](const auto& row) {
              return row.item.kind == core::DriftKind::kConfiguration;
            }) == 3);
      CHECK(snapshot->cycles(100)->front().number == last);
    }
    auto cycle = opened->store->begin_cycle("sweep", "test");
    REQUIRE(cycle);
    REQUIRE((*cycle)->stage_deletion(kWorkspace));
    const auto report = (*cycle)->commit(
        true, [](core::JudgeView&, const core::CycleChanges&) { return core::Status::ok(); });
    REQUIRE(report);
    CHECK(report->row.number == last + 1);
    CHECK(report->row.deleted == 1);
    cycle->reset();
    opened->store.reset();
    // The chain begins with the first cycle of schema 3, and goes on.
    const auto verified = storage::verify_store(path, true, [] { return false; });
    REQUIRE(verified);
    CHECK(verified->cycles_checked == chained + 1);
    CHECK(verified->cycles_not_chained == 8);
    CHECK_FALSE(verified->first_misfit);
  }
}

TEST_CASE("a document that can be fetched again is kept until a newer one replaces it") {
  const FakeClock clock;
  const TempDirectory directory;
  auto opened = storage::open_store({directory.file("p.db"), ""}, clock);
  REQUIRE(opened);
  const auto read = [&] { return *(*opened->store->snapshot())->cached_documents("providers/"); };
  CHECK(read().empty());
  const auto at = core::from_micros(1'795'348'594'712'569);
  REQUIRE(opened->store->put_cached_document({"providers/b", at, "one"}));
  REQUIRE(opened->store->put_cached_document({"providers/a", at, "three"}));
  REQUIRE(opened->store->put_cached_document({"other", at, "four"}));
  REQUIRE(opened->store->put_cached_document({"providers/b", at, "two"}));
  const auto documents = read();
  REQUIRE(documents.size() == 2);
  CHECK(documents[0].name == "providers/a");
  CHECK(documents[1].body == "two");
  CHECK(documents[1].fetched_at == at);
}
