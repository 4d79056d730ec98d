// What relations lead to over a real store: elements, gaps and dependencies, form by form.
#include "compliance/related.hpp"

#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using namespace plumbline;
using tests::JudgeFixture;
using tests::workspace_key;

namespace {

constexpr const char* kSettings = "microsoft.insights/diagnosticsettings";
constexpr const char* kStorage = "microsoft.storage/storageaccounts";

constexpr const char* kRelations = R"({"relations":[
  {"name":"archives","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.storageAccountId","targetType":"microsoft.storage/storageaccounts"},
  {"name":"hubs","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.eventHubAuthorizationRuleId","targetType":"microsoft.eventhub/namespaces","ancestor":true},
  {"name":"owner","sourceType":"microsoft.insights/diagnosticsettings","path":"$parent"},
  {"name":"vaultOwner","sourceType":"microsoft.insights/diagnosticsettings","path":"$parent","targetType":"m.k/vaults"},
  {"name":"settings","inverseOf":"owner"},
  {"name":"archivedBy","inverseOf":"archives"},
  {"name":"sinks","unionOf":["archives","hubs"]},
  {"name":"fedBy","inverseOf":"sinks"},
  {"name":"sinksOfResource","compositionOf":["settings","sinks"]},
  {"name":"archivedResources","compositionOf":["archivedBy","owner"]},
  {"name":"resourcesWithSinks","inverseOf":"sinksOfResource"},
  {"name":"keyVault","sourceType":["m.d/sets","microsoft.storage/storageaccounts"],"paths":["properties.vault","properties.encryption.keyVault"],"targetType":"m.k/vaults"},
  {"name":"vaultOfArchives","compositionOf":["settings","archives","keyVault"]},
  {"name":"usersOfVault","inverseOf":"keyVault"},
  {"name":"subscription","sourceType":["m.k/vaults","microsoft.storage/storageaccounts"],"path":"$subscription"},
  {"name":"inSubscription","inverseOf":"subscription"},
  {"name":"neighbours","compositionOf":["subscription","inSubscription"]},
  {"name":"setting","sourceType":"m.d/sets","path":"properties.setting"},
  {"name":"either","unionOf":["keyVault","setting"]}]})";

std::string key_of(const std::string& type,
                   const std::string& name,
                   const std::string& sub = "s1") {
  return fmt::format("/subscriptions/{}/resourcegroups/rg/providers/{}/{}", sub, type, name);
}

const std::string kVault = key_of("m.k/vaults", "v");
const std::string kAccount = key_of(kStorage, "a");
const std::string kHub = key_of("microsoft.eventhub/namespaces", "h");

struct Fixture : JudgeFixture {
  Fixture() {
    auto parsed = compliance::parse_relations(kRelations, "r.json");
    CAPTURE((parsed ? std::string() : parsed.error().message));
    REQUIRE(parsed);
    relations = *std::move(parsed);
  }

  /// References are what the judge keeps of bodies, so the relations must be adopted.
  void adopt_relations() {
    auto spec = tests::make_assignment();
    spec.initiative.definitions.pop_back();
    auto& initiative = spec.initiative.initiative.text;
    const std::string last = R"(,
      {"policyDefinitionReferenceId":"target","policyDefinitionId":"target"})";
    initiative.erase(initiative.find(last), last.size());
    spec.initiative.relations = {"dir/relations.json", kRelations};
    adopt(spec);
  }

  Fixture& stored(const std::string& type,
                  const std::string& name,
                  const std::string& properties = "{}") {
    resource(key_of(type, name), type, fmt::format(R"("properties":{})", properties));
    evidence("arg:resources|s1", "");
    return *this;
  }

  /// One diagnostic setting on a resource for each of `properties`.
  Fixture& sends(const std::string& owner, const std::vector<std::string>& properties) {
    std::vector<std::string> items;
    items.reserve(properties.size());
    for (const auto& text : properties) {
      items.push_back(fmt::format(R"({{"id":"{}/providers/{}/d{}","properties":{}}})",
                                  owner,
                                  kSettings,
                                  items.size(),
                                  text));
    }
    JudgeFixture::settings(owner, fmt::format("[{}]", fmt::join(items, ",")));
    return *this;
  }

  /// What a relation leads to, in short: names of elements, `id?reason` for those of which no more
  /// is known, `?reason` for gaps; sorted.
  std::string follow(const std::string& name, const std::string& from) {
    const auto found = std::ranges::find(relations, name, [](const auto& r) { return r->name; });
    REQUIRE(found != relations.end());
    auto state = snapshot();
    compliance::SharedReads reads(*state);
    auto document = reads.find(from);
    REQUIRE(document);
    REQUIRE(*document != nullptr);
    compliance::Surroundings surroundings(reads, *document);
    const auto body = surroundings.body_with({found->get()});
    REQUIRE_FALSE(surroundings.failure());
    REQUIRE(body);
    dependencies = surroundings.take_dependencies();
    const auto json = nlohmann::json::parse(simdjson::minify(*body));
    std::vector<std::string> out;
    for (const auto& item : json.at(std::string(policy::kRelationsProperty)).at(name)) {
      const std::string id = item.value("id", "");
      const std::string text = id.substr(id.rfind('/') + 1);
      const auto reason = item.find(std::string(policy::kNoEvidenceKey));
      out.push_back(reason == item.end() ? text : text + "?" + reason->get<std::string>());
    }
    std::ranges::sort(out);
    return fmt::format("{}", fmt::join(out, " "));
  }

  [[nodiscard]] bool depends(const std::string& target) const {
    return std::ranges::find(dependencies, target) != dependencies.end();
  }

  std::vector<std::shared_ptr<const compliance::Relation>> relations;
  std::vector<std::string> dependencies;
};

std::string archive(const std::string& account) {
  return fmt::format(R"({{"storageAccountId":"{}"}})", account);
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a forward relation of several types and paths") {
  adopt_relations();
  stored("m.k/vaults", "v")
      .stored("m.k/vaults", "w")
      .stored("m.d/sets", "set", fmt::format(R"({{"vault":"{}"}})", kVault))
      .stored(kStorage,
              "a",
              fmt::format(R"({{"vault":"{}","encryption":{{"keyVault":"{}"}}}})",
                          key_of("m.k/vaults", "w"),
                          key_of("m.k/vaults", "elsewhere")))
      .commit();
  CHECK(follow("keyVault", key_of("m.d/sets", "set")) == "v");
  CHECK(follow("keyVault", kAccount) == "elsewhere?not_collected w");
  CHECK(depends("key:" + key_of("m.k/vaults", "elsewhere")));
  CHECK(follow("keyVault", kVault).empty());
  CHECK(follow("usersOfVault", kVault) == "set");
  evidence("resource:" + kVault, "truncated").commit();
  CHECK(follow("keyVault", key_of("m.d/sets", "set")) == "v?truncated");
  CHECK(depends("evidence:resource:" + kVault));
}

TEST_CASE_FIXTURE(Fixture, "an ancestor's children stand for it, in both directions") {
  adopt_relations();
  stored("microsoft.eventhub/namespaces", "h")
      .stored("m.k/vaults", "v")
      .sends(kVault,
             {fmt::format(R"({{"eventHubAuthorizationRuleId":"{}/authorizationRules/R"}})", kHub)})
      .commit();
  CHECK(follow("sinksOfResource", kVault) == "h");
  CHECK(follow("fedBy", kHub) == "d0");
  CHECK(follow("resourcesWithSinks", kHub) == "v");
}

TEST_CASE_FIXTURE(Fixture,
                  "an inverse has the elements that point here, and a gap while one may hide") {
  adopt_relations();
  stored(kStorage, "a").stored(kStorage, "b").stored("m.k/vaults", "v");
  commit();
  CHECK(follow("archivedBy", kAccount) == "?not_collected");
  CHECK(depends("sources:archives"));
  sends(kVault, {archive(kAccount), archive(key_of(kStorage, "b")), "{}"}).commit();
  CHECK(follow("archivedBy", kAccount) == "d0");
  CHECK(follow("archivedBy", key_of(kStorage, "b")) == "d1");
  CHECK(depends("relation:archives|" + key_of(kStorage, "b")));
  evidence("detail:/subscriptions/s1/x/providers/microsoft.insights/diagnosticsettings",
           "forbidden")
      .commit();
  CHECK(follow("archivedBy", kAccount) == "?forbidden d0");
  // What a list said before it was refused is not what it says.
  evidence("detail:" + kVault + "/providers/" + kSettings, "throttled").commit();
  CHECK(follow("archivedBy", key_of(kStorage, "b")) == "?throttled");
}

TEST_CASE_FIXTURE(Fixture, "an inverse is not asked of what it cannot lead to") {
  adopt_relations();
  stored("m.k/vaults", "v").commit();
  CHECK(follow("archivedBy", kVault).empty());
  CHECK(dependencies.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "what belongs to a resource hides only where that resource's list is missing") {
  adopt_relations();
  stored(kStorage, "a").stored("m.k/vaults", "v").sends(kVault, {"{}", "{}"}).commit();
  evidence("detail:" + kAccount + "/providers/" + kSettings, "forbidden").commit();
  CHECK(follow("settings", kVault) == "d0 d1");
  CHECK(depends("evidence:detail:" + kVault + "/providers/" + kSettings));
  CHECK_FALSE(depends("sources:owner"));
  CHECK(follow("settings", kAccount) == "?forbidden");
}

TEST_CASE_FIXTURE(Fixture,
                  "a subscription's resources hide only where that subscription is unread") {
  adopt_relations();
  stored("m.k/vaults", "v").stored(kStorage, "a");
  resource("/subscriptions/s1", "microsoft.resources/subscriptions", R"("tags":{})");
  evidence("arg:resources|s10", "forbidden").commit();
  CHECK(follow("inSubscription", "/subscriptions/s1") == "a v");
  CHECK(follow("neighbours", kVault) == "a v");
  // Its subscription is a step on the way: nobody reads its body.
  CHECK_FALSE(depends("key:/subscriptions/s1"));
  evidence("arg:resources|s1", "throttled").commit();
  CHECK(follow("neighbours", kVault) == "?throttled");
}

TEST_CASE_FIXTURE(Fixture, "a union holds what its parts lead to once, and all their gaps") {
  adopt_relations();
  stored(kStorage, "a").stored("microsoft.eventhub/namespaces", "h").stored("m.k/vaults", "v");
  sends(kVault,
        {archive(kAccount),
         fmt::format(
             R"({{"storageAccountId":"{}","eventHubAuthorizationRuleId":"{}"}})", kAccount, kHub)});
  commit();
  CHECK(follow("sinksOfResource", kVault) == "a h");
  CHECK(follow("fedBy", kAccount) == "d0 d1");
  CHECK(follow("fedBy", kHub) == "d1");
  evidence("detail:/x/providers/microsoft.insights/diagnosticsettings", "forbidden").commit();
  CHECK(follow("fedBy", kHub) == "?forbidden d1");
}

TEST_CASE_FIXTURE(Fixture, "beyond so many elements there may be any number") {
  adopt_relations();
  stored(kStorage, "a").stored("m.k/vaults", "v");
  sends(kVault, std::vector<std::string>(compliance::kMaxRelated + 1, archive(kAccount))).commit();
  const auto beyond = follow("archivedBy", kAccount);
  CHECK(beyond.starts_with("?limit d0 "));
  CHECK(std::ranges::count(beyond, ' ') == static_cast<std::ptrdiff_t>(compliance::kMaxRelated));
}

TEST_CASE_FIXTURE(Fixture, "more text than a rule is given is a gap") {
  adopt_relations();
  const std::string padding(compliance::kMaxRelatedBytes / 4, 'x');
  const std::string padded =
      fmt::format(R"({{"storageAccountId":"{}","padding":"{}"}})", kAccount, padding);
  stored(kStorage, "a").stored("m.k/vaults", "v");
  sends(kVault, std::vector<std::string>(3, padded)).commit();
  CHECK(follow("archivedBy", kAccount) == "d0 d1 d2");
  sends(kVault, std::vector<std::string>(6, padded)).commit();
  CHECK(follow("archivedBy", kAccount) == "?limit d0 d1 d2 d3");
}

TEST_CASE_FIXTURE(Fixture, "a union takes parts of other source types for empty") {
  adopt_relations();
  const auto setting = kVault + "/providers/" + kSettings + "/d0";
  stored("m.k/vaults", "v")
      .stored("m.d/sets", "set", fmt::format(R"({{"vault":"{}","setting":"{}"}})", kVault, setting))
      .stored(kStorage, "a", fmt::format(R"({{"vault":"{}"}})", kVault))
      .commit();
  CHECK(follow("either", kAccount) == "v");
  // An element of a list is found in the list of the resource that it sits on.
  CHECK(follow("either", key_of("m.d/sets", "set")) == "d0?not_collected v");
  sends(kVault, {"{}"}).commit();
  CHECK(follow("either", key_of("m.d/sets", "set")) == "d0 v");
  sends(kVault, {}).commit();
  CHECK(follow("either", key_of("m.d/sets", "set")) == "d0?not_collected v");
}

TEST_CASE_FIXTURE(Fixture, "a composition goes step by step, and each step's gaps stay") {
  adopt_relations();
  stored("m.k/vaults", "v")
      .stored(kStorage, "a", fmt::format(R"({{"encryption":{{"keyVault":"{}"}}}})", kVault))
      .stored("m.d/sets", "set")
      .commit();
  const auto set = key_of("m.d/sets", "set");
  CHECK(follow("vaultOfArchives", set) == "?not_collected");
  sends(set, {archive(kAccount)}).commit();
  CHECK(follow("vaultOfArchives", set) == "v");
  CHECK(depends("key:" + kAccount));
  CHECK(depends("key:" + kVault));
  // The account on the way is not known: it may lead to any vault.
  sends(set, {archive(key_of(kStorage, "elsewhere"))}).commit();
  CHECK(follow("vaultOfArchives", set) == "?not_collected");
  sends(set, {archive(kAccount)}).evidence("resource:" + kAccount, "truncated").commit();
  CHECK(follow("vaultOfArchives", set) == "?truncated");
  sends(set, {}).commit();
  CHECK(follow("vaultOfArchives", set).empty());
}

TEST_CASE_FIXTURE(
    Fixture, "a composition of an inverse and a parent reaches resources outside the inventory") {
  adopt_relations();
  const auto unseen = key_of("m.q/unseen", "u");
  stored(kStorage, "a").stored("m.k/vaults", "v");
  sends(kVault, {archive(kAccount)}).sends(unseen, {archive(kAccount)}).commit();
  CHECK(follow("archivedResources", kAccount) == "u?not_collected v");
}

TEST_CASE_FIXTURE(Fixture, "a failed partition makes its resources' edges doubtful, not certain") {
  adopt_relations();
  stored("m.k/vaults", "v")
      .stored("m.d/sets", "set", fmt::format(R"({{"vault":"{}"}})", kVault))
      .commit();
  CHECK(follow("usersOfVault", kVault) == "set");
  evidence("resource:" + key_of("m.d/sets", "set"), "truncated").commit();
  CHECK(follow("usersOfVault", kVault) == "?truncated");
  evidence("resource:" + key_of("m.d/sets", "set"), "").commit();
  evidence("arg:resources|s1", "forbidden").commit();
  CHECK(follow("usersOfVault", kVault) == "?forbidden");
}
