#include "compliance/attribution.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using compliance::ObservedChange;
using core::ChangeRecord;

namespace {

core::Time at(int second) {
  return *core::parse_rfc3339("2026-06-01T12:00:00Z") + std::chrono::seconds(second);
}

ChangeRecord record(int second,
                    const std::string& actor,
                    const std::string& kind,
                    std::vector<std::string> paths = {},
                    const std::string& correlation = "",
                    const std::string& key = "/r") {
  ChangeRecord out;
  out.key = key;
  out.at = at(second);
  out.kind = kind;
  out.changed_by = actor;
  out.changed_by_type = "User";
  out.client_type = paths.empty() && kind == "Update" ? "" : "Azure Portal";
  out.operation = "write";
  out.correlation_id = correlation;
  out.paths = std::move(paths);
  return out;
}

constexpr const char* kProperty = "/properties/publicNetworkAccess";
constexpr const char* kNamed = "properties.publicNetworkAccess";

}  // namespace

TEST_CASE("a change is told of one who certainly made it, or of nobody") {
  using Kind = ObservedChange::Kind;

  struct Case {
    const char* name;
    Kind kind;
    std::string path;
    std::vector<ChangeRecord> records;
    std::string actor;  // empty: not known
    int second = 0;
  };

  const Case cases[] = {
      {"no record", Kind::kChanged, kProperty, {}, ""},
      {"a record that names it",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {"tags.x", kNamed})},
       "ann",
       10},
      {"one that names another property",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {"tags.x"})},
       ""},
      {"before the first observation, or at it",
       Kind::kChanged,
       kProperty,
       {record(-1, "ann", "Update", {kNamed}), record(0, "ann", "Update", {kNamed})},
       ""},
      {"after the second one",
       Kind::kChanged,
       kProperty,
       {record(61, "ann", "Update", {kNamed})},
       ""},
      {"at the second one",
       Kind::kChanged,
       kProperty,
       {record(60, "ann", "Update", {kNamed})},
       "ann",
       60},
      {"another resource",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}, "", "/other")},
       ""},
      {"the last of several by one",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}),
        record(30, "Ann", "Update", {kNamed}),
        record(20, "ann", "Update", {kNamed})},
       "Ann",
       30},
      {"two of them",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}), record(30, "bob", "Update", {kNamed})},
       ""},
      {"another one changed something else",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}), record(30, "bob", "Update", {"tags.x"})},
       "ann",
       10},
      {"another one changed nobody says what",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}), record(30, "bob", "Update")},
       ""},
      {"the activity log tells of the same act, by another name",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}, "C1"), record(11, "app-id", "Update", {}, "c1")},
       "ann",
       10},
      {"the activity log tells of the act that changed something else",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}, "c1"),
        record(20, "bob", "Update", {"tags.x"}, "c2"),
        record(21, "bob-id", "Update", {}, "c2")},
       "ann",
       10},
      {"only the activity log", Kind::kChanged, kProperty, {record(10, "ann", "Update")}, ""},
      {"it was made anew by another one",
       Kind::kChanged,
       kProperty,
       {record(10, "ann", "Update", {kNamed}), record(20, "bob", "Create")},
       ""},
      {"nobody is named",
       Kind::kChanged,
       kProperty,
       {record(10, "", "Update", {kNamed}), record(20, "", "Update", {kNamed})},
       ""},
      {"created", Kind::kAppeared, "", {record(10, "ann", "Create")}, "ann", 10},
      {"created, then changed by another one",
       Kind::kAppeared,
       "",
       {record(10, "ann", "Create"), record(20, "bob", "Update", {kNamed})},
       "ann",
       10},
      {"created twice",
       Kind::kAppeared,
       "",
       {record(10, "ann", "Create"), record(20, "bob", "Create")},
       ""},
      {"appeared without a creation",
       Kind::kAppeared,
       "",
       {record(10, "ann", "Update", {kNamed})},
       ""},
      {"deleted",
       Kind::kWent,
       "",
       {record(10, "ann", "Delete"), record(5, "bob", "Update", {kNamed})},
       "ann",
       10},
      {"gone without a deletion", Kind::kWent, "", {record(10, "ann", "Create")}, ""},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const ObservedChange change{"/r", false, c.kind, c.path, at(0), at(60)};
      const auto told = compliance::attribute(change, c.records);
      CHECK(told.is_exact == !c.actor.empty());
      CHECK(told.changed_by == c.actor);
      CHECK(told.not_before == at(0));
      CHECK(told.not_after == at(60));
      if (told.is_exact) {
        CHECK(told.at == at(c.second));
        CHECK(told.client_type == "Azure Portal");
        CHECK(told.operation == "write");
        CHECK(told.changed_by_type == "User");
      } else {
        CHECK_FALSE(told.at);
        CHECK(told.client_type.empty());
        CHECK(told.correlation_id.empty());
      }
    }
  }
}

TEST_CASE("records of what a list holds speak for its elements") {
  const std::string key = "/r/providers/microsoft.insights/diagnosticsettings";
  const std::string audit = key + "/audit";
  const std::string path = "/value/~1r~1providers~1Microsoft.Insights~1diagnosticSettings~1audit";
  const auto attribute = [&](const std::string& where, const std::vector<ChangeRecord>& records) {
    return compliance::attribute({key, true, ObservedChange::Kind::kChanged, where, at(0), at(60)},
                                 records)
        .changed_by;
  };
  const auto ann = record(10, "ann", "Update", {}, "", audit);
  CHECK(attribute(path, {ann}) == "ann");
  CHECK(attribute(path + "/properties/workspaceId", {ann}) == "ann");
  CHECK(attribute("/value/audit/properties/workspaceId", {ann}) == "ann");
  CHECK(attribute(path, {record(10, "ann", "Delete", {}, "", audit)}) == "ann");
  CHECK(attribute(path, {ann, record(20, "bob", "Update", {}, "", key + "/other")}) == "ann");
  CHECK(attribute(path, {ann, record(20, "bob", "Update", {}, "", audit)}).empty());
  CHECK(attribute(path, {record(20, "bob", "Update", {}, "", key + "/other")}).empty());
  CHECK(attribute(path + "/properties/workspaceId",
                  {record(10, "ann", "Update", {"properties.logs[0].enabled"}, "", audit)})
            .empty());
  // What the list is of has records of its own, which say nothing about the list.
  CHECK(attribute(path, {record(10, "ann", "Update", {}, "", "/r")}).empty());
  // The list as a whole: whoever changed any of it, if it was one.
  CHECK(attribute("/value", {ann}) == "ann");
  CHECK(attribute("/value", {ann, record(20, "bob", "Update", {}, "", key + "/other")}).empty());
}

TEST_CASE("paths of records and paths of drift") {
  struct Case {
    const char* record;
    const char* drift;
    bool about;
  };

  const Case cases[] = {
      {"properties.x", "/properties/x", true},
      {"Properties.X", "/properties/x", true},
      {"properties.x.y", "/properties/x", true},
      {"properties.x", "/properties/x/y", true},
      {"properties.xy", "/properties/x", false},
      {"properties.x", "/properties/xy", false},
      {"properties.vms[5].sku[1]", "/properties/vms/web/sku/0", true},
      {"properties.vms[5].sku", "/properties/vms/web/name", false},
      {"properties.vms[5]", "/properties/vms", true},
      {"tags.key1", "/tags/key1", true},
      {"tags.a.b", "/tags/a.b", true},
      {"tags.a.b", "/tags/a", false},
      {"tags.a", "/tags/a.b", false},
      {"tags.a", "/tags", true},
      {"tags", "/tags/a", true},
      {"tags['a b']", "/tags/a b", true},
      {"identity.userAssignedIdentities./subscriptions/S/u.clientId",
       "/identity/userAssignedIdentities/~1subscriptions~1s~1u/clientId",
       true},
      {"properties.x", "", true},
      {"properties.x[", "/properties/x/0", false},
      {"sku.name", "/properties/sku/name", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.record);
    CAPTURE(c.drift);
    CHECK(compliance::is_about(c.record, c.drift) == c.about);
  }
}

using namespace simdjson;

TEST_CASE("the owner is named by the nearest tag") {
  simdjson::dom::parser one;
  simdjson::dom::parser two;
  simdjson::dom::parser three;
  const std::vector<std::string> names = {"owner", "team"};
  const auto resource = one.parse(R"({"tags":{"Team":"web","owner":" "}})"_padded).value();
  const auto group = two.parse(R"({"tags":{"OWNER":" group owner "}})"_padded).value();
  const auto subscription = three.parse(R"({"tags":{"team":"platform","owner":5}})"_padded).value();
  const auto nobody = std::optional<simdjson::dom::element>();
  CHECK(compliance::owner_of(names, resource, group, subscription) == "web");
  CHECK(compliance::owner_of(names, nobody, group, subscription) == "group owner");
  CHECK(compliance::owner_of(names, nobody, nobody, subscription) == "platform");
  CHECK(compliance::owner_of(names, nobody, nobody, nobody).empty());
  CHECK(compliance::owner_of({}, resource, group, subscription).empty());
}
