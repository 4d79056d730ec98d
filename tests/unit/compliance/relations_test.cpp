#include "compliance/relations.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace plumbline;
using compliance::Relation;

namespace {

constexpr const char* kRelations = R"({"relations":[
  {"name":"archivedSettings","inverseOf":"archives"},
  {"name":"archives","sourceType":"Microsoft.Insights/diagnosticSettings","path":"properties.storageAccountId","targetType":"Microsoft.Storage/storageAccounts"},
  {"name":"workspaces","sourceType":["m.z/u","M.x/t"],"paths":["properties.list[*].workspaceId","properties['a.b']"],"targetType":["m.y/w"]},
  {"name":"anything","sourceType":"m.x/t","path":"properties.id"},
  {"name":"namespace","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.eventHubAuthorizationRuleId","targetType":"Microsoft.EventHub/namespaces","ancestor":true},
  {"name":"owner","sourceType":"microsoft.insights/diagnosticsettings","path":"$parent"},
  {"name":"holder","sourceType":["m.y/w/t","m.y/w/s"],"path":"$parent"},
  {"name":"subscription","sourceType":"m.x/t","path":"$subscription"},
  {"name":"group","sourceType":"m.x/t","path":"$resourceGroup"},
  {"name":"groups","sourceType":"microsoft.resources/subscriptions","path":"$managementGroups"},
  {"name":"sinks","unionOf":["archives","namespace"]},
  {"name":"archivedResources","compositionOf":["archivedSettings","owner"]},
  {"name":"archivesOfResource","inverseOf":"archivedResources"},
  {"name":"fed","inverseOf":"sinks"}]})";

using Relations = std::vector<std::shared_ptr<const Relation>>;

const Relation& named(const Relations& relations, std::string_view name) {
  const auto found = std::ranges::find(relations, name, &Relation::name);
  REQUIRE(found != relations.end());
  return **found;
}

std::string vm(const std::string& name) {
  return "/subscriptions/s/resourcegroups/r/providers/m.x/t/" + name;
}

/// The targets of the relation in the elements that `body` holds.
std::vector<std::string> targets(const char* relation,
                                 const std::string& key,
                                 const std::string& type,
                                 const std::string& body) {
  const auto relations = compliance::parse_relations(kRelations, "r.json");
  REQUIRE(relations);
  simdjson::dom::parser parser;
  std::vector<std::string> out;
  for (const auto& end : compliance::ends_of(key, type, parser.parse(body).value())) {
    std::ranges::move(compliance::relation_targets(named(*relations, relation), end),
                      std::back_inserter(out));
  }
  return out;
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("relations know the types at their ends, in whatever order they are declared") {
  const auto relations = compliance::parse_relations(kRelations, "r.json");
  CAPTURE((relations ? std::string() : relations.error().message));
  REQUIRE(relations);
  REQUIRE(relations->size() == 14);

  const struct {
    const char* name;
    Relation::Kind kind;
    Keys source_types;
    Keys target_types;
  } cases[] = {
      {"archivedSettings",
       Relation::Kind::kInverse,
       {"microsoft.storage/storageaccounts"},
       {"microsoft.insights/diagnosticsettings"}},
      {"workspaces", Relation::Kind::kForward, {"m.x/t", "m.z/u"}, {"m.y/w"}},
      {"anything", Relation::Kind::kForward, {"m.x/t"}, {}},
      {"owner", Relation::Kind::kForward, {"microsoft.insights/diagnosticsettings"}, {}},
      {"holder", Relation::Kind::kForward, {"m.y/w/s", "m.y/w/t"}, {"m.y/w"}},
      {"subscription", Relation::Kind::kForward, {"m.x/t"}, {"microsoft.resources/subscriptions"}},
      {"group",
       Relation::Kind::kForward,
       {"m.x/t"},
       {"microsoft.resources/subscriptions/resourcegroups"}},
      {"sinks",
       Relation::Kind::kUnion,
       {"microsoft.insights/diagnosticsettings"},
       {"microsoft.eventhub/namespaces", "microsoft.storage/storageaccounts"}},
      {"archivedResources",
       Relation::Kind::kComposition,
       {"microsoft.storage/storageaccounts"},
       {}},
      {"archivesOfResource", Relation::Kind::kInverse, {}, {"microsoft.storage/storageaccounts"}},
  };

  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto& relation = named(*relations, c.name);
    CHECK(relation.kind == c.kind);
    CHECK(relation.source_types == c.source_types);
    CHECK(relation.target_types == c.target_types);
  }
  const auto leaves = compliance::forward_relations(named(*relations, "archivesOfResource"));
  REQUIRE(leaves.size() == 2);
  CHECK(leaves.at(0)->name == "archives");
  CHECK(leaves.at(1)->name == "owner");
}

TEST_CASE("bad relations are refused by place and name") {
  const std::string a = R"({"name":"a","sourceType":"x/y","targetType":"y/z","path":"p"})";
  const auto list = [](const std::string& entries) {
    return fmt::format(R"({{"relations":[{}]}})", entries);
  };

  const struct {
    const char* name;
    std::string json;
    const char* message;
  } cases[] = {
      {"no JSON", "{", "r.json:1:2: "},
      {"no list", "{}", "r.json:1:1: `relations` must be an array"},
      {"list of another kind", R"({"relations":{}})", "r.json:1:14: `relations` must be an array"},
      {"unknown key of the document",
       R"({"relations":[],"version":1})",
       "r.json:1:17: the document has no `version`"},
      {"place", "{\"relations\":[\n  {}]}", "r.json:2:3: a relation has no name"},
      {"no object", list("5"), "a relation has no name"},
      {"name of another kind", list(R"({"name":5})"), "a relation has no name"},
      {"name with a path", list(R"({"name":"a.b"})"), "a.b: a name has no dots or brackets"},
      {"nothing but a name", list(R"({"name":"a"})"), "relation a needs sourceType and either"},
      {"unknown key",
       list(R"({"name":"a","sourceType":"x/y","path":"p","target":"y/z"})"),
       "r.json:1:57: relation a has no `target`; it may have name, sourceType"},
      {"key in another case",
       list(R"({"name":"a","sourcetype":"x/y","path":"p"})"),
       "relation a has no `sourcetype`"},
      {"key twice",
       list(R"({"name":"a","sourceType":"x/y","path":"p","path":"q"})"),
       "relation a has `path` twice"},
      {"path and paths",
       list(R"({"name":"a","sourceType":"x/y","path":"p","paths":["q"]})"),
       "needs sourceType and either path or paths"},
      {"no source", list(R"({"name":"a","path":"p"})"), "relation a needs sourceType"},
      {"no type", list(R"({"name":"a","sourceType":"x","path":"p"})"), "`sourceType` must be"},
      {"no types",
       list(R"({"name":"a","sourceType":[],"path":"p"})"),
       "`sourceType` lists no type"},
      {"type of another kind",
       list(R"({"name":"a","sourceType":["x/y",5],"path":"p"})"),
       "`sourceType` must be a resource type"},
      {"no paths",
       list(R"({"name":"a","sourceType":"x/y","paths":[]})"),
       "must be a list of paths"},
      {"path of another kind",
       list(R"({"name":"a","sourceType":"x/y","paths":[1]})"),
       "a path must be a string"},
      {"path", list(R"({"name":"a","sourceType":"x/y","path":"p..q"})"), "`p..q` is not a path"},
      {"special path",
       list(R"({"name":"a","sourceType":"x/y","path":"$tenant"})"),
       "`$tenant` is none of $parent, $subscription, $resourceGroup, $managementGroups"},
      {"ancestor of another kind",
       list(R"({"name":"a","sourceType":"x/y","path":"p","targetType":"y/z","ancestor":"yes"})"),
       "`ancestor` must be true or false"},
      {"ancestor of any type",
       list(R"({"name":"a","sourceType":"x/y","path":"p","ancestor":true})"),
       "`ancestor` needs a targetType"},
      {"twice",
       list(a + R"(,{"name":"A","sourceType":"x/y","path":"p"})"),
       "relation A is declared twice"},
      {"inverse of nothing",
       list(R"({"name":"a","inverseOf":"b"})"),
       "relation a is the inverse of b, which is not declared"},
      {"inverse with a path",
       list(a + R"(,{"name":"b","inverseOf":"a","path":"p"})"),
       "relation b has no `path`; it may have name, inverseOf"},
      {"inverse of an inverse",
       list(a + R"(,{"name":"b","inverseOf":"a"},{"name":"c","inverseOf":"b"})"),
       "relation c is the inverse of b, which is an inverse itself: use a"},
      {"inverse of a list",
       list(a + R"(,{"name":"b","inverseOf":["a"]})"),
       "expected the name of a relation"},
      {"union of one", list(a + R"(,{"name":"b","unionOf":["a"]})"), "at least two relations"},
      {"union of a name", list(a + R"(,{"name":"b","unionOf":"a"})"), "at least two relations"},
      {"union with a repetition",
       list(a + R"(,{"name":"b","unionOf":["a","A"]})"),
       "`unionOf` names a twice"},
      {"union of nothing",
       list(a + R"(,{"name":"b","unionOf":["a","c"]})"),
       "relation b is a union of c, which is not declared"},
      {"composition of one",
       list(a + R"(,{"name":"b","compositionOf":["a"]})"),
       "must list two or three relations"},
      {"composition of four",
       list(a + R"(,{"name":"b","compositionOf":["a","a","a","a"]})"),
       "must list two or three relations"},
      {"composition of what does not fit",
       list(a + R"(,{"name":"b","compositionOf":["a","a"]})"),
       "relation b: a leads to y/z, but a starts at x/y"},
      {"cycle",
       list(a + R"(,{"name":"b","unionOf":["a","c"]},{"name":"c","inverseOf":"b"})"),
       "relation c is the inverse of b, which leads back to it"},
      {"itself", list(R"({"name":"a","inverseOf":"a"})"), "which leads back to it"},
  };

  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto relations = compliance::parse_relations(c.json, "r.json");
    REQUIRE_FALSE(relations);
    CAPTURE(relations.error().message);
    CHECK(relations.error().message.starts_with("r.json:"));
    CHECK(relations.error().message.contains(c.message));
  }
}

TEST_CASE("relations nest only so deep, whichever comes first") {
  std::vector<std::string> entries = {R"({"name":"n0","sourceType":"x/y","path":"p"})"};
  for (int i = 1; i <= 20; ++i) {
    entries.push_back(fmt::format(R"({{"name":"n{}","unionOf":["n{}","n0"]}})", i, i - 1));
    if (i == 1) {
      entries.back() = R"({"name":"n1","inverseOf":"n0"})";
    }
  }
  for (const bool reversed : {false, true}) {
    if (reversed) {
      std::ranges::reverse(entries);
    }
    const auto relations = compliance::parse_relations(
        fmt::format(R"({{"relations":[{}]}})", fmt::join(entries, ",")), "r.json");
    REQUIRE_FALSE(relations);
    CHECK(relations.error().message.contains("relations are nested more than 8 deep"));
  }
}

TEST_CASE("targets are keys, found ignoring case, without what is no id or of another type") {
  CHECK(targets("workspaces", vm("a"), "m.x/t", R"({"Properties":{"list":[
      {"workspaceid":"/subscriptions/S/resourceGroups/R/providers/M.Y/w/B"},
      {"workspaceId":"subscriptions/s/resourcegroups/r/providers/m.y/w/a/"},
      {"workspaceId":"/subscriptions/s/resourceGroups/R/providers/M.Y/w/b"},
      {"workspaceId":"/subscriptions/s/resourceGroups/R/providers/M.Y/other/b"},
      {"workspaceId":""},{"workspaceId":5},{"other":1},"text"],
      "a.b":"/subscriptions/s/resourceGroups/R/providers/M.Y/w/c"}})") ==
        Keys{"/subscriptions/s/resourcegroups/r/providers/m.y/w/a",
             "/subscriptions/s/resourcegroups/r/providers/m.y/w/b",
             "/subscriptions/s/resourcegroups/r/providers/m.y/w/c"});
}

TEST_CASE("management groups are found by the names that a subscription has of them") {
  const std::string chain = R"({"properties":{"managementGroupAncestorsChain":[
      {"name":"Prod","displayName":"Production"},{"displayName":"nameless"},{"name":"root"}]}})";
  CHECK(targets("groups", "/subscriptions/s", "microsoft.resources/subscriptions", chain) ==
        Keys{"/providers/microsoft.management/managementgroups/prod",
             "/providers/microsoft.management/managementgroups/root"});
  CHECK(targets("groups", "/subscriptions/s", "microsoft.resources/subscriptions", "{}").empty());
  const auto relations = compliance::parse_relations(kRelations, "r.json");
  REQUIRE(relations);
  CHECK(named(*relations, "groups").reads_body());
  CHECK(named(*relations, "groups").target_types == Keys{"microsoft.management/managementgroups"});
}

TEST_CASE("a relation starts at its own types only") {
  const std::string body = fmt::format(R"({{"properties":{{"id":"{}"}}}})", vm("b"));
  CHECK(targets("anything", vm("a"), "m.x/t", body) == Keys{vm("b")});
  CHECK(targets("anything", vm("a"), "m.x/other", body).empty());
}

TEST_CASE("an ancestor is found from any depth, or not at all") {
  const std::string hub =
      "/subscriptions/s/resourcegroups/r/providers/microsoft.eventhub/namespaces/n";
  const auto found = [&](const std::string& id) {
    return targets(
        "namespace",
        vm("a") + "/providers/microsoft.insights/diagnosticsettings",
        "microsoft.insights/diagnosticsettings",
        fmt::format(R"({{"value":[{{"properties":{{"eventHubAuthorizationRuleId":"{}"}}}}]}})",
                    id));
  };
  CHECK(found(hub) == Keys{hub});
  CHECK(found(hub + "/authorizationRules/Root") == Keys{hub});
  CHECK(found(hub + "/eventhubs/h/authorizationrules/r") == Keys{hub});
  CHECK(found(hub + "/providers/microsoft.insights/diagnosticsettings/d") == Keys{hub});
  CHECK(found("/subscriptions/s/resourcegroups/r/providers/microsoft.relay/namespaces/n").empty());
  CHECK(found("/subscriptions/s").empty());
}

TEST_CASE("a parent is what an extension sits on, or the id without its last pair") {
  const std::string settings = "microsoft.insights/diagnosticsettings";
  const std::string two = R"({"value":[{"id":"/elsewhere/x"},{"name":"d"}]})";
  CHECK(targets("owner", vm("a") + "/providers/" + settings, settings, two) ==
        Keys{vm("a"), vm("a")});
  CHECK(targets("owner", "/subscriptions/s/providers/" + settings, settings, two) ==
        Keys{"/subscriptions/s", "/subscriptions/s"});
  const std::string workspace = "/subscriptions/s/resourcegroups/r/providers/m.y/w/w1";
  CHECK(targets("holder", workspace + "/t/x", "m.y/w/t", "{}") == Keys{workspace});
  CHECK(targets("subscription", vm("a"), "m.x/t", "{}") == Keys{"/subscriptions/s"});
  CHECK(targets("group", vm("a"), "m.x/t", "{}") == Keys{"/subscriptions/s/resourcegroups/r"});
  CHECK(targets("group", "/subscriptions/s/providers/m.x/t/a", "m.x/t", "{}").empty());
}

TEST_CASE("what a key says of its parent") {
  const struct {
    const char* key;
    const char* type;
    const char* parent;
  } cases[] = {
      {"/subscriptions/s/resourcegroups/r/providers/m.x/t/a", "m.x/t", ""},
      {"/subscriptions/s/resourcegroups/r/providers/m.x/t/a/u/b",
       "m.x/t/u",
       "/subscriptions/s/resourcegroups/r/providers/m.x/t/a"},
      {"/subscriptions/s/resourcegroups/r/providers/m.x/t/a/providers/m.q/e/b",
       "m.q/e",
       "/subscriptions/s/resourcegroups/r/providers/m.x/t/a"},
      {"/subscriptions/s/resourcegroups/r",
       "microsoft.resources/subscriptions/resourcegroups",
       "/subscriptions/s"},
      {"/subscriptions/s", "microsoft.resources/subscriptions", ""},
      {"/subscriptions/s/resourcegroups/r/providers/microsoft.authorization/locks/l",
       "microsoft.authorization/locks",
       "/subscriptions/s/resourcegroups/r"},
  };

  for (const auto& c : cases) {
    CAPTURE(c.key);
    const auto end = compliance::end_of_key(c.key);
    CHECK(end.type == c.type);
    CHECK(end.parent == c.parent);
  }
}
