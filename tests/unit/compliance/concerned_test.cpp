#include "compliance/concerned.hpp"

#include "core/text.hpp"
#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using tests::JudgeFixture;
using tests::kWorkspaceType;
using tests::workspace_key;

namespace {

core::DriftRow property(const std::string& type, const std::string& path, bool is_detail = false) {
  core::DriftRow row;
  row.item.kind = core::DriftKind::kConfiguration;
  row.item.path = path;
  row.resource_type = type;
  row.is_detail = is_detail;
  return row;
}

std::string names(const compliance::ConcernedChecks& checks, const core::DriftRow& row) {
  std::string out;
  for (const auto* check : checks.of(row)) {
    out += (out.empty() ? "" : " ") + check->reference;
  }
  CHECK(checks.any(row) == !out.empty());
  return out;
}

}  // namespace

TEST_CASE_FIXTURE(JudgeFixture, "drift concerns its own check, or those that read the property") {
  const compliance::ConcernedChecks all(*baseline, "");
  const compliance::ConcernedChecks network(*baseline, "NS-2");
  const compliance::ConcernedChecks none(*baseline, "NS-9");

  core::DriftRow own;
  own.assignment = "prod";
  own.reference = "diagnostics";
  CHECK(names(all, own) == "diagnostics");
  CHECK(names(network, own).empty());
  own.reference = "query";
  CHECK(names(network, own) == "query");
  CHECK(names(none, own).empty());
  own.assignment = "other";
  CHECK(names(all, own).empty());

  const auto access = property(kWorkspaceType, "/properties/publicNetworkAccessForQuery");
  // A component's check reads it, too, of the workspace that the component names.
  CHECK(names(all, access) == "query target");
  CHECK(names(network, access) == "query");
  CHECK(names(none, access).empty());
  CHECK(names(all, property(kWorkspaceType, "/tags/team")).empty());
  CHECK(names(all, property("microsoft.other/things", access.item.path)).empty());
}

TEST_CASE_FIXTURE(JudgeFixture, "a version is by whoever changed all of it") {
  const auto key = workspace_key("a");
  const auto put = [&](const std::string& access, const std::string& team) {
    resource(
        key,
        kWorkspaceType,
        fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"{}"}},"tags":{{"team":"{}"}})",
                    access,
                    team));
  };
  const auto record =
      [&](const std::string& actor, const std::string& path, const std::string& kind = "Update") {
        core::ChangeRecord out;
        out.key = key;
        out.kind = kind;
        out.at = clock.now() + std::chrono::seconds(30);
        out.changed_by = actor;
        out.paths = {path};
        return out;
      };
  const auto by = [&]() {
    const auto state = snapshot();
    const auto rows = *state->versions(key);
    const auto found = compliance::attribution_of(
        *state, key, rows.size() > 1 ? &rows[1] : nullptr, rows.data(), clock.now());
    REQUIRE(found);
    CHECK(found->not_after == rows[0].observed_at);
    CHECK(found->not_before == (rows.size() > 1 ? rows[1].observed_at : core::Time()));
    CHECK(found->is_exact == !found->changed_by.empty());
    return found->changed_by;
  };
  constexpr const char* kAccess = "properties.publicNetworkAccessForQuery";

  put("Disabled", "web");
  commit();
  CHECK(by().empty());

  put("Enabled", "app");
  told(record("ann", kAccess)).told(record("ANN", "tags.team"));
  commit();
  CHECK(core::iequals(by(), "ann"));

  put("Disabled", "web");
  told(record("ann", kAccess)).told(record("bob", "tags.team"));
  commit();
  CHECK(by().empty());

  // One property that nobody is named for leaves the whole open.
  put("Enabled", "app");
  told(record("ann", kAccess));
  commit();
  CHECK(by().empty());

  put("Disabled", "app");
  told(record("bob", kAccess));
  commit();
  CHECK(by() == "bob");

  gone(key).told(record("eve", "", "Delete"));
  commit();
  const auto state = snapshot();
  const auto rows = *state->versions(key);
  REQUIRE(rows[0].to_cycle);
  const auto end = compliance::attribution_of(*state, key, rows.data(), nullptr, clock.now());
  REQUIRE(end);
  CHECK(end->changed_by == "eve");
}
