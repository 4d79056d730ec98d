#include "daemon/drift_json.hpp"

#include "daemon/history_json.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using daemon::DriftWish;
using tests::workspace_key;

namespace {

/// Six workspaces that are open to all, one after the other; every second one is somebody's.
struct Fixture : tests::JudgeFixture {
  Fixture() {
    for (int i = 0; i < 6; ++i) {
      resource(workspace_key(fmt::format("w{}", i)),
               tests::kWorkspaceType,
               fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"Enabled"}},)"
                           R"("tags":{{"team":"{}"}})",
                           i % 2 == 0 ? "Web" : "platform"));
      commit();
    }
  }

  /// What is listed page by page, and how many pages that takes.
  std::pair<std::vector<std::string>, int> list(const DriftWish& wish,
                                                std::size_t limit,
                                                std::size_t most) {
    const auto state = snapshot();
    daemon::DriftRenderer renderer(*state, owner_tags);
    core::DriftFilter filter;
    filter.limit = limit;
    std::vector<std::string> names;
    for (int pages = 1;; ++pages) {
      const auto page = daemon::read_drift(*state, renderer, filter, wish, most);
      REQUIRE(page);
      CHECK(page->rows.size() <= limit);
      for (const auto& row : page->rows) {
        const auto key = row["resource_key"].get<std::string>();
        names.push_back(key.substr(key.rfind('/') + 1));
      }
      if (page->next == 0 || pages > 20) {
        return {names, pages};
      }
      filter.before = page->next;
    }
  }

  std::vector<std::string> owner_tags = {"team"};
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(Fixture, "drift in pages, each item once, and the last page is known as such") {
  const Names all = {"w5", "w4", "w3", "w2", "w1", "w0"};
  REQUIRE(snapshot()->drift({})->size() == all.size());
  CHECK(list({}, 100, 100) == std::pair(all, 1));
  CHECK(list({}, 6, 100) == std::pair(all, 1));
  CHECK(list({}, 4, 100) == std::pair(all, 2));
  CHECK(list({}, 2, 100) == std::pair(all, 3));

  const Names webs = {"w4", "w2", "w0"};
  const DriftWish web{.owner = "web", .actor = "", .control = nullptr};
  CHECK(list(web, 100, 100) == std::pair(webs, 1));
  CHECK(list(web, 3, 100) == std::pair(webs, 1));
  CHECK(list(web, 2, 100) == std::pair(webs, 2));
  // No more than two are looked at for a page: it holds one, or none, and goes on.
  CHECK(list(web, 100, 2) == std::pair(webs, 3));
  CHECK(list({.owner = "nobody", .actor = "", .control = nullptr}, 100, 2) ==
        std::pair(Names(), 3));
  CHECK(list({.owner = "", .actor = "nobody", .control = nullptr}, 100, 100) ==
        std::pair(Names(), 1));

  const compliance::ConcernedChecks network(*baseline, "NS-2");
  CHECK(list({.owner = "", .actor = "", .control = &network}, 4, 100) == std::pair(all, 2));
  const compliance::ConcernedChecks other(*baseline, "LT-4");
  CHECK(list({.owner = "", .actor = "", .control = &other}, 4, 100) == std::pair(Names(), 1));
}

TEST_CASE_FIXTURE(Fixture, "a timeline has the latest first, also of what came back") {
  const auto key = workspace_key("w0");
  gone(key).commit();
  workspace("w0", "Disabled").commit();
  const auto state = snapshot();
  daemon::DriftRenderer renderer(*state, owner_tags);
  const auto whole = daemon::timeline_json(*state, renderer, key, 100);
  REQUIRE(whole);
  CHECK_FALSE(whole->more);
  std::string entries;
  std::string last = "9";
  for (const auto& entry : whole->entries) {
    CHECK(entry["at"].get<std::string>() <= last);
    last = entry["at"].get<std::string>();
    entries += entry["entry"].get<std::string>() + ' ';
  }
  CHECK(entries ==
        "drift transition transition version "
        "drift drift transition transition end "
        "drift transition transition version ");
  // It had gone in between: nothing says when the version that came back was made.
  CHECK(whole->entries.at(3).at("change").at("not_before").is_null());
  const auto cut = daemon::timeline_json(*state, renderer, key, 4);
  REQUIRE(cut);
  CHECK(cut->more);
  REQUIRE(cut->entries.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(cut->entries[i] == whole->entries[i]);
  }
  CHECK(daemon::timeline_json(*state, renderer, workspace_key("none"), 4)->entries.empty());
}
