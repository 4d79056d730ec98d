#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using core::DriftKind;
using tests::component_key;
using tests::JudgeFixture;
using tests::workspace_key;

TEST_CASE_FIXTURE(
    JudgeFixture,
    "a property decides, its change is the cause, and putting it back resolves the drift") {
  workspace("w", "Disabled").settings(workspace_key("w"), R"([{"name":"d"}])").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  CHECK(verdict("diagnostics", workspace_key("w")) == "Compliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 0);

  workspace("w", "Enabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "NonCompliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  REQUIRE(open_drift(DriftKind::kConfiguration) == 1);
  core::DriftFilter open;
  open.states = {core::DriftState::kOpen};
  const auto rows = snapshot()->drift(open);
  const auto item = std::ranges::find(*rows,
                                      std::string("/properties/publicNetworkAccessForQuery"),
                                      [](const core::DriftRow& row) { return row.item.path; });
  REQUIRE(item != rows->end());
  CHECK(item->item.old_value == "\"Disabled\"");
  CHECK(item->item.new_value == "\"Enabled\"");

  workspace("w", "SecuredByPerimeter").commit();
  CHECK(open_drift(DriftKind::kConfiguration) == 1);
  workspace("w", "Disabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  CHECK(open_drift(DriftKind::kConfiguration) == 0);
}

TEST_CASE_FIXTURE(
    JudgeFixture,
    "what is not collected is no verdict; what comes is decided with the right cause") {
  workspace("w", "Disabled").commit();
  CHECK(verdict("diagnostics", workspace_key("w")) == "NoEvidence(not_collected) evidence");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  settings(workspace_key("w"), "[]").commit();
  // The first verdict there is: nothing but the resource caused it, and it is drift from the start.
  CHECK(verdict("diagnostics", workspace_key("w")) == "NonCompliant resource");
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  settings(workspace_key("w"), R"([{"name":"d"}])").commit();
  CHECK(verdict("diagnostics", workspace_key("w")) == "Compliant related");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
}

TEST_CASE_FIXTURE(JudgeFixture, "lost evidence opens no drift and closes none") {
  workspace("good", "Disabled")
      .workspace("bad", "Enabled")
      .evidence("arg:resources|s1", "")
      .commit();
  const auto before = open_drift(DriftKind::kBaseline);
  CHECK(before == 1);
  evidence("arg:resources|s1", "forbidden").commit();
  CHECK(verdict("query", workspace_key("good")) == "NoEvidence(forbidden) evidence");
  CHECK(verdict("query", workspace_key("bad")) == "NoEvidence(forbidden) evidence");
  CHECK(open_drift(DriftKind::kBaseline) == before);
  evidence("arg:resources|s1", "").commit();
  CHECK(verdict("query", workspace_key("good")) == "Compliant evidence");
  CHECK(verdict("query", workspace_key("bad")) == "NonCompliant evidence");
  CHECK(open_drift(DriftKind::kBaseline) == before);

  SUBCASE("a change during the gap is the resource's") {
    evidence("arg:resources|s1", "forbidden").commit();
    workspace("good", "Enabled").evidence("arg:resources|s1", "").commit();
    CHECK(verdict("query", workspace_key("good")) == "NonCompliant resource");
    CHECK(open_drift(DriftKind::kBaseline) == before + 1);
  }
}

TEST_CASE_FIXTURE(JudgeFixture, "one resource in doubt leaves the others alone") {
  workspace("a", "Disabled").workspace("b", "Disabled").commit();
  evidence("resource:" + workspace_key("a"), "truncated").commit();
  CHECK(verdict("query", workspace_key("a")) == "NoEvidence(truncated) evidence");
  CHECK(verdict("query", workspace_key("b")) == "Compliant resource");
  evidence("resource:" + workspace_key("a"), "").commit();
  CHECK(verdict("query", workspace_key("a")) == "Compliant evidence");
}

TEST_CASE_FIXTURE(
    JudgeFixture,
    "a related resource's change decides again what depends on it, and nothing else") {
  workspace("w", "Disabled")
      .workspace("other", "Disabled")
      .component("c", "w")
      .component("d", "other")
      .commit();
  CHECK(verdict("target", component_key("c")) == "Compliant resource");
  workspace("w", "Enabled").commit();
  CHECK(verdict("target", component_key("c")) == "NonCompliant related");
  CHECK(verdict("target", component_key("d")) == "Compliant resource");
  // Two checks on the workspace itself, one on the component that points at it.
  CHECK(last.row.evaluated == 3);
  commit();
  CHECK(last.row.evaluated == 0);
  CHECK(last.row.transitions == 0);
}

namespace {

constexpr const char* kStorageType = "microsoft.storage/storageaccounts";
constexpr const char* kVaultType = "microsoft.keyvault/vaults";

std::string storage_key(const std::string& name) {
  return fmt::format("/subscriptions/s1/resourcegroups/rg/providers/{}/{}", kStorageType, name);
}

std::string vault_key(const std::string& name) {
  return fmt::format("/subscriptions/s1/resourcegroups/rg/providers/{}/{}", kVaultType, name);
}

/// Two checks on storage accounts: `fed` reads an inverse of a union, `archived` a composition.
compliance::AssignmentSpec make_related_assignment() {
  const auto rule = [](const char* relation, const char* property, const char* bad) {
    return fmt::format(
        R"({{"properties":{{"displayName":"D","mode":"All","policyRule":{{"if":{{"allOf":[
          {{"field":"type","equals":"{0}"}},
          {{"count":{{"field":"Plumbline.Relations/{1}[*]","where":{{"field":"Plumbline.Relations/{1}[*].properties.{2}","equals":"{3}"}}}},"greater":0}}]}},
          "then":{{"effect":"audit"}}}}}}}})",
        kStorageType,
        relation,
        property,
        bad);
  };
  compliance::AssignmentSpec spec;
  spec.name = "related";
  spec.initiative.directory = "dir";
  spec.initiative.initiative = {"dir/initiative.json",
                                R"({"properties":{"displayName":"R","policyDefinitions":[
        {"policyDefinitionReferenceId":"fed","policyDefinitionId":"fed"},
        {"policyDefinitionReferenceId":"archived","policyDefinitionId":"archived"}]}})"};
  spec.initiative.definitions = {
      {"dir/definitions/fed.json", rule("fedBy", "level", "all")},
      {"dir/definitions/archived.json", rule("archivedVaults", "purge", "off")}};
  spec.initiative.relations = {"dir/relations.json", R"({"relations":[
    {"name":"archives","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.storageAccountId","targetType":"microsoft.storage/storageaccounts"},
    {"name":"copies","sourceType":"microsoft.insights/diagnosticsettings","path":"properties.copyId","targetType":"microsoft.storage/storageaccounts","ancestor":true},
    {"name":"owner","sourceType":"microsoft.insights/diagnosticsettings","path":"$parent","targetType":"microsoft.keyvault/vaults"},
    {"name":"feeds","unionOf":["archives","copies"]},
    {"name":"fedBy","inverseOf":"feeds"},
    {"name":"archivedVaults","compositionOf":["fedBy","owner"]}]})"};
  return spec;
}

/// A setting of a vault that archives to an account, or copies to a container of it.
std::string setting(const std::string& name,
                    const std::string& account,
                    const std::string& level,
                    bool copy = false) {
  return fmt::format(R"({{"name":"{}","properties":{{"{}":"{}","level":"{}"}}}})",
                     name,
                     copy ? "copyId" : "storageAccountId",
                     storage_key(account) + (copy ? "/blobServices/default" : ""),
                     level);
}

struct RelatedFixture : JudgeFixture {
  RelatedFixture() {
    adopt(make_related_assignment());
    for (const auto* name : {"a", "b", "c"}) {
      resource(storage_key(name), kStorageType, R"("properties":{})");
    }
    for (const auto* name : {"v", "w", "x"}) {
      vault(name, "on");
    }
    JudgeFixture::settings(
        vault_key("v"),
        fmt::format("[{},{}]", setting("1", "a", "some"), setting("2", "b", "some")));
    JudgeFixture::settings(vault_key("w"), fmt::format("[{}]", setting("1", "a", "some", true)));
    JudgeFixture::settings(vault_key("x"), "[]");
    evidence("arg:resources|s1", "").commit();
    CHECK(last.row.evaluated == 6);
    CHECK(states() == "Compliant Compliant Compliant Compliant Compliant Compliant");
  }

  RelatedFixture& vault(const std::string& name, const std::string& purge) {
    resource(vault_key(name), kVaultType, fmt::format(R"("properties":{{"purge":"{}"}})", purge));
    return *this;
  }

  RelatedFixture& sends(const std::string& vault, const std::string& items) {
    JudgeFixture::settings(vault_key(vault), "[" + items + "]");
    return *this;
  }

  /// `fed` of a, b and c, then `archived` of them.
  std::string states() {
    std::string out;
    for (const auto* check : {"fed", "archived"}) {
      for (const auto* name : {"a", "b", "c"}) {
        const auto text = verdict(check, storage_key(name));
        out += (out.empty() ? "" : " ") + text.substr(0, text.find(' '));
      }
    }
    return out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(RelatedFixture,
                  "a changed setting has those accounts decided again that it leads to") {
  SUBCASE("through the first part of the union") {
    sends("v", setting("1", "a", "all") + "," + setting("2", "b", "some")).commit();
    CHECK(states() == "NonCompliant Compliant Compliant Compliant Compliant Compliant");
    CHECK(verdict("fed", storage_key("a")) == "NonCompliant related");
    CHECK(last.row.evaluated == 2);
  }
  SUBCASE("through the second") {
    sends("w", setting("1", "a", "all", true)).commit();
    CHECK(states() == "NonCompliant Compliant Compliant Compliant Compliant Compliant");
    CHECK(last.row.evaluated == 2);
  }
  SUBCASE("beside one that did not change") {
    sends("v", setting("1", "a", "some") + "," + setting("2", "b", "all")).commit();
    CHECK(states() == "Compliant NonCompliant Compliant Compliant Compliant Compliant");
    CHECK(last.row.evaluated == 2);
  }
  SUBCASE("from one to the other") {
    sends("w", setting("1", "c", "all", true)).commit();
    CHECK(states() == "Compliant Compliant NonCompliant Compliant Compliant Compliant");
    CHECK(last.row.evaluated == 4);
  }
  SUBCASE("from here to nowhere") {
    sends("v", setting("1", "a", "all")).commit();
    CHECK(last.row.evaluated == 4);
    sends("v", "").commit();
    CHECK(states() == "Compliant Compliant Compliant Compliant Compliant Compliant");
    CHECK(last.row.evaluated == 2);
  }
  SUBCASE("which leads to none") {
    sends("x", setting("1", "elsewhere", "all")).commit();
    CHECK(last.row.evaluated == 0);
  }
}

TEST_CASE_FIXTURE(RelatedFixture, "what a composition ends at has those decided that lead to it") {
  vault("w", "off").commit();
  CHECK(states() == "Compliant Compliant Compliant NonCompliant Compliant Compliant");
  CHECK(verdict("archived", storage_key("a")) == "NonCompliant related");
  CHECK(last.row.evaluated == 1);
  vault("x", "off").commit();
  CHECK(last.row.evaluated == 0);
  gone(vault_key("w")).commit();
  CHECK(states() == "Compliant Compliant Compliant Compliant Compliant Compliant");
  CHECK(last.row.evaluated == 2);
}

TEST_CASE_FIXTURE(RelatedFixture, "a gap opens and closes for all that it may concern, once") {
  const auto list = core::detail_evidence_key(vault_key("x") +
                                              "/providers/microsoft.insights/diagnosticsettings");
  const std::string unknown = "NoEvidence(forbidden)";
  evidence(list, "forbidden").commit();
  CHECK(last.row.evaluated == 6);
  CHECK(states() == fmt::format("{0} {0} {0} {0} {0} {0}", unknown));
  SUBCASE("another gap behind it changes nothing") {
    const auto second = core::detail_evidence_key(
        vault_key("y") + "/providers/microsoft.insights/diagnosticsettings");
    evidence(second, "throttled").commit();
    CHECK(last.row.evaluated == 0);
    evidence(second, "").commit();
    CHECK(last.row.evaluated == 0);
  }
  SUBCASE("a complete list that was never asked for before changes nothing") {
    evidence(core::detail_evidence_key(vault_key("z") +
                                       "/providers/microsoft.insights/diagnosticsettings"),
             "")
        .commit();
    CHECK(last.row.evaluated == 0);
  }
  evidence(list, "").commit();
  CHECK(last.row.evaluated == 6);
  CHECK(states() == "Compliant Compliant Compliant Compliant Compliant Compliant");
  evidence(core::detail_evidence_key(vault_key("z") +
                                     "/providers/microsoft.insights/diagnosticsettings"),
           "")
      .commit();
  CHECK(last.row.evaluated == 0);
  evidence(core::detail_evidence_key(vault_key("z") + "/providers/microsoft.network/other"),
           "forbidden")
      .commit();
  CHECK(last.row.evaluated == 0);
}

TEST_CASE_FIXTURE(RelatedFixture, "behind a gap, a source that gets lost counts no more") {
  const auto list_of = [](const char* vault) {
    return core::detail_evidence_key(
        core::detail_document_key(vault_key(vault), "microsoft.insights/diagnosticsettings"));
  };
  sends("v", setting("1", "a", "all")).evidence(list_of("first"), "forbidden").commit();
  CHECK(verdict("fed", storage_key("a")) == "NonCompliant related");
  CHECK(verdict("fed", storage_key("b")) == "NoEvidence(forbidden) evidence");
  evidence(list_of("v"), "forbidden").commit();
  CHECK(verdict("fed", storage_key("a")) == "NoEvidence(forbidden) evidence");
  CHECK(last.row.evaluated == 2);
  evidence(list_of("v"), "").commit();
  CHECK(verdict("fed", storage_key("a")) == "NonCompliant evidence");
  CHECK(last.row.evaluated == 2);
}

TEST_CASE_FIXTURE(JudgeFixture, "the first list of a kind closes the gap of never having asked") {
  adopt(make_related_assignment());
  resource(storage_key("a"), kStorageType, R"("properties":{})");
  evidence("arg:resources|s1", "").commit();
  CHECK(verdict("fed", storage_key("a")) == "NoEvidence(not_collected) evidence");
  settings(vault_key("v"), "[]").commit();
  CHECK(verdict("fed", storage_key("a")) == "Compliant resource");
  CHECK(last.row.evaluated == 2);
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a related resource in doubt is no evidence for those that point at it") {
  workspace("w", "Disabled").component("c", "w").commit();
  evidence("resource:" + workspace_key("w"), "truncated").commit();
  CHECK(verdict("target", component_key("c")) == "NoEvidence(truncated) evidence");
  evidence("resource:" + workspace_key("w"), "").commit();
  CHECK(verdict("target", component_key("c")) == "Compliant evidence");
}

TEST_CASE_FIXTURE(JudgeFixture, "a target outside the inventory is no evidence until it comes") {
  component("c", "elsewhere").commit();
  CHECK(verdict("target", component_key("c")) == "NoEvidence(not_collected) evidence");
  workspace("elsewhere", "Disabled").commit();
  CHECK(verdict("target", component_key("c")) == "Compliant resource");
}

TEST_CASE_FIXTURE(JudgeFixture, "a deleted target is known by its id and type alone") {
  const auto target = [this]() { return verdict("target", component_key("c")); };
  evidence("arg:resources|s1", "").workspace("w", "Disabled").component("c", "w").commit();
  CHECK(target() == "Compliant resource");
  gone(workspace_key("w")).commit();
  CHECK(target() == "NonCompliant related");
  SUBCASE("while its subscription cannot be read, it may be back") {
    evidence("arg:resources|s1", "forbidden").commit();
    CHECK(target() == "NoEvidence(forbidden) evidence");
  }
  SUBCASE("it comes back") {
    workspace("w", "Disabled").commit();
    CHECK(target() == "Compliant related");
  }
  SUBCASE("one that is no longer asked for was not deleted") {
    workspace("w", "Disabled").commit();
    retired(workspace_key("w"));
    CHECK(target() == "NoEvidence(not_collected) parameters");
  }
}

TEST_CASE_FIXTURE(JudgeFixture, "that a resource is gone is drift for as long as it is asked for") {
  evidence("arg:resources|s1", "").workspace("w", "Disabled").commit();
  gone(workspace_key("w")).commit();
  CHECK(open_drift(DriftKind::kConfiguration) == 1);
  retired(workspace_key("w"));
  CHECK(open_drift(DriftKind::kConfiguration) == 0);
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a deleted resource takes its verdicts and drift along, history stays") {
  workspace("w", "Enabled").commit();
  CHECK(open_drift(DriftKind::kBaseline) == 1);
  gone(workspace_key("w")).commit();
  CHECK(verdict("query", workspace_key("w")) == "-");
  CHECK(open_drift(DriftKind::kBaseline) == 0);
  const auto transitions = snapshot()->transitions(10);
  CHECK(transitions->front().transition.reason == "deleted");
}

TEST_CASE_FIXTURE(JudgeFixture, "an upgrade of the baseline pages nobody") {
  workspace("w", "Disabled").commit();
  CHECK(verdict("query", workspace_key("w")) == "Compliant resource");
  auto spec = tests::make_assignment();
  SUBCASE("definition") {
    auto& text = spec.initiative.definitions.at(0).text;
    text.replace(text.find("\"notEquals\":\"Disabled\""), 22, "\"notEquals\":\"Perimeter\"");
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "NonCompliant definition");
  }
  SUBCASE("parameters") {
    spec.parameters_json = R"({"effect":"Disabled"})";
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("scope") {
    spec.scope = "/subscriptions/other";
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("notScopes") {
    spec.not_scopes = {workspace_key("w")};
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  SUBCASE("a check that is gone") {
    auto& text = spec.initiative.initiative.text;
    const auto at = text.find("{\"policyDefinitionReferenceId\":\"query\"");
    text.erase(at, text.find("{\"policyDefinitionReferenceId\":\"diagnostics\"") - at);
    adopt(spec);
    CHECK(verdict("query", workspace_key("w")) == "-");
  }
  CHECK(open_drift(DriftKind::kBaseline) == 0);
}

TEST_CASE_FIXTURE(JudgeFixture, "a resource made anew waits for its own lists") {
  workspace("a", "Disabled").settings(workspace_key("a"), R"([{"id":"/x"}])");
  evidence("arg:resources|s1", "");
  commit();
  CHECK(verdict("diagnostics", workspace_key("a")) == "Compliant resource");
  const auto drift = open_drift(core::DriftKind::kBaseline);
  gone(workspace_key("a")).commit();
  CHECK(verdict("diagnostics", workspace_key("a")) == "-");
  workspace("a", "Disabled").commit();
  CHECK(verdict("diagnostics", workspace_key("a")) == "NoEvidence(not_collected) evidence");
  CHECK(open_drift(core::DriftKind::kBaseline) == drift);
}

TEST_CASE_FIXTURE(JudgeFixture, "a list of a resource that is gone is no gap") {
  workspace("a", "Disabled").settings(workspace_key("a"), "[]");
  const auto list = core::detail_evidence_key(workspace_key("a") +
                                              "/providers/microsoft.insights/diagnosticsettings");
  evidence(list, "forbidden").commit();
  CHECK(snapshot()->incomplete_evidence()->size() == 1);
  gone(workspace_key("a")).commit();
  CHECK(snapshot()->incomplete_evidence()->empty());
  // Asked for before it went, answered after.
  evidence(list, "not_found").commit();
  CHECK(snapshot()->incomplete_evidence()->empty());
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a changed check that could not be decided drifts nobody when it can") {
  workspace("a", "Disabled").settings(workspace_key("a"), "[]");
  evidence("arg:resources|s1", "").commit();
  CHECK(verdict("query", workspace_key("a")) == "Compliant resource");
  evidence("arg:resources|s1", "forbidden").commit();
  CHECK(verdict("query", workspace_key("a")) == "NoEvidence(forbidden) evidence");
  const auto drift = open_drift(core::DriftKind::kBaseline);
  auto spec = tests::make_assignment();
  auto& text = spec.initiative.definitions.at(0).text;
  text.replace(text.find("\"notEquals\""), 11, "\"equals\"");
  adopt(spec);
  evidence("arg:resources|s1", "throttled").commit();
  CHECK(verdict("query", workspace_key("a")) == "NoEvidence(throttled) definition");
  evidence("arg:resources|s1", "").commit();
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant definition");
  CHECK(open_drift(core::DriftKind::kBaseline) == drift);
}

TEST_CASE_FIXTURE(JudgeFixture,
                  "a definition that applies to fewer types takes its verdicts back") {
  workspace("a", "Enabled").commit();
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant resource");
  auto spec = tests::make_assignment();
  auto& text = spec.initiative.definitions.at(0).text;
  const std::string type = R"("equals":"Microsoft.OperationalInsights/workspaces")";
  text.replace(text.find(type), type.size(), R"("equals":"Microsoft.Insights/components")");
  adopt(spec);
  CHECK(verdict("query", workspace_key("a")) == "-");
}

TEST_CASE_FIXTURE(JudgeFixture, "what was taken with a clock ahead of time does not last") {
  workspace("a", "Disabled").settings(workspace_key("a"), "[]").commit();
  clock.advance(-std::chrono::hours(24));
  workspace("a", "Enabled").commit();
  CHECK(verdict("query", workspace_key("a")) == "NonCompliant resource");
}
