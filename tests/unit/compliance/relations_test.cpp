#include "compliance/relations.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

namespace {

constexpr const char* kRelations = R"({"relations":[
  {"name":"archives","sourceType":"Microsoft.Insights/diagnosticSettings","path":"properties.storageAccountId","targetType":"Microsoft.Storage/storageAccounts"},
  {"name":"archivedSettings","inverseOf":"archives"},
  {"name":"workspaces","sourceType":"m.x/t","path":"properties.list[*].workspaceId","targetType":"m.y/w"}]})";

}  // namespace

TEST_CASE("relations and their inverses are read") {
  const auto relations = compliance::parse_relations(kRelations, "r.json");
  REQUIRE(relations);
  REQUIRE(relations->size() == 3);
  CHECK(relations->at(1).is_inverse());
  CHECK(relations->at(1).source_type == "microsoft.storage/storageaccounts");
  CHECK(relations->at(2).path ==
        std::vector<std::string>{"properties", "list", "[*]", "workspaceId"});
}

TEST_CASE("bad relations are refused by name") {
  for (
      const auto& [json, message] : std::initializer_list<std::pair<const char*, const char*>>{
          {"{", "r.json: "},
          {"{}", "`relations` must be an array"},
          {R"({"relations":[{}]})", "has no name"},
          {R"({"relations":[{"name":"a"}]})", "relation a needs sourceType"},
          {R"({"relations":[{"name":"a","inverseOf":"b"}]})",
           "is the inverse of b, which is not declared"},
          {R"({"relations":[{"name":"a","sourceType":"x","targetType":"y","path":"p"},{"name":"A","sourceType":"x","targetType":"y","path":"p"}]})",
           "declared twice"}}) {
    const auto relations = compliance::parse_relations(json, "r.json");
    REQUIRE_FALSE(relations);
    CHECK(relations.error().message.contains(message));
  }
}

TEST_CASE("targets are keys, found ignoring case, without what is no id") {
  const auto relations = compliance::parse_relations(kRelations, "r.json");
  simdjson::dom::parser parser;
  const auto resource = parser
                            .parse(std::string(R"({"Properties":{"list":[
      {"workspaceid":"/subscriptions/S/resourceGroups/R/providers/M.Y/w/B"},
      {"workspaceId":"subscriptions/s/resourcegroups/r/providers/m.y/w/a/"},
      {"workspaceId":"/subscriptions/s/resourceGroups/R/providers/M.Y/w/b"},
      {"workspaceId":""},{"workspaceId":5},{"other":1},"text"]}})"))
                            .value();
  CHECK(compliance::relation_targets(relations->at(2), resource) ==
        std::vector<std::string>{"/subscriptions/s/resourcegroups/r/providers/m.y/w/a",
                                 "/subscriptions/s/resourcegroups/r/providers/m.y/w/b"});
}
