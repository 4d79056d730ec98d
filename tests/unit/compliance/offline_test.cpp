#include "compliance/offline.hpp"

#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace plumbline;
using core::ComplianceState;

namespace {

/// Feeds resources and collects verdicts: `<reference> <name>` to state and reason.
class Offline {
 public:
  explicit Offline(bool whole, const std::vector<core::ExemptionSpec>& exemptions = {}) {
    const auto aliases = policy::AliasCatalogue::shipped();
    REQUIRE(aliases);
    auto compiled = compliance::compile_baseline({tests::make_assignment()}, exemptions, **aliases);
    REQUIRE(compiled);
    judge_ = compliance::OfflineJudge::make(
        *compiled,
        core::from_micros(1'700'000'000'000'000),
        whole,
        [this](const compliance::OfflineVerdict& verdict) {
          const auto name = std::string(verdict.resource_id.substr(verdict.resource_id.rfind('/')));
          const auto [entry, added] = verdicts.emplace(
              verdict.check->reference + " " + name.substr(1),
              fmt::format("{} {}", core::to_string(verdict.state), verdict.reason));
          CHECK_MESSAGE(added, entry->first);
        });
  }

  core::Status add(const std::string& key, const std::string& type, const std::string& members) {
    core::Observation out;
    out.key = key;
    out.id = key;
    out.type = type;
    out.body = fmt::format(
        R"({{"id":"{}","location":"x","name":"n",{},"type":"{}"}})", key, members, type);
    return judge_->add(std::move(out), ++line_);
  }

  Offline& workspace(const std::string& name, const std::string& access) {
    REQUIRE(add(tests::workspace_key(name),
                tests::kWorkspaceType,
                fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"{}"}})", access)));
    return *this;
  }

  Offline& component(const std::string& name, const std::string& workspace) {
    REQUIRE(add(tests::component_key(name),
                "microsoft.insights/components",
                fmt::format(R"("properties":{{"WorkspaceResourceId":"{}"}})",
                            tests::workspace_key(workspace))));
    return *this;
  }

  Offline& setting(const std::string& parent) {
    REQUIRE(add(parent + "/providers/microsoft.insights/diagnosticsettings/all",
                "microsoft.insights/diagnosticsettings",
                R"("properties":{})"));
    return *this;
  }

  std::map<std::string, std::string>& finish() {
    REQUIRE(judge_->finish());
    return verdicts;
  }

  std::map<std::string, std::string> verdicts;

  [[nodiscard]] const compliance::OfflineJudge& judge() const { return *judge_; }

 private:
  std::unique_ptr<compliance::OfflineJudge> judge_;
  std::uint64_t line_ = 0;
};

}  // namespace

TEST_CASE("offline: what looks at nothing but its resource is decided at once") {
  Offline offline(/*whole=*/false);
  offline.workspace("open", "Enabled").workspace("closed", "Disabled");
  CHECK(offline.verdicts.at("query open") == "NonCompliant ");
  CHECK(offline.verdicts.at("query closed") == "Compliant ");
}

TEST_CASE("offline: what is not in the input was not asked for") {
  Offline offline(/*whole=*/false);
  offline.workspace("a", "Disabled").component("c", "elsewhere");
  auto& verdicts = offline.finish();
  CHECK(verdicts.at("diagnostics a") == "NoEvidence not_collected");
  CHECK(verdicts.at("target c") == "NoEvidence not_collected");
}

TEST_CASE("offline: a list that is in the input need not be all of it") {
  Offline offline(/*whole=*/false);
  offline.workspace("a", "Disabled").workspace("b", "Disabled").setting(tests::workspace_key("a"));
  auto& verdicts = offline.finish();
  CHECK(verdicts.at("diagnostics a") == "NoEvidence not_collected");
  CHECK(verdicts.at("diagnostics b") == "NoEvidence not_collected");
}

TEST_CASE("offline: a relation finds what is in the input, in any order") {
  Offline offline(/*whole=*/false);
  offline.component("early", "open").component("fine", "closed");
  offline.workspace("open", "Enabled").workspace("closed", "Disabled").component("late", "open");
  CHECK(!offline.verdicts.contains("target early"));
  auto& verdicts = offline.finish();
  CHECK(verdicts.at("target early") == "NonCompliant ");
  CHECK(verdicts.at("target late") == "NonCompliant ");
  CHECK(verdicts.at("target fine") == "Compliant ");
}

TEST_CASE("offline: a whole input says what is not there") {
  Offline offline(/*whole=*/true);
  offline.workspace("a", "Disabled").workspace("b", "Disabled").setting(tests::workspace_key("a"));
  auto& verdicts = offline.finish();
  CHECK(verdicts.at("diagnostics a") == "Compliant ");
  CHECK(verdicts.at("diagnostics b") == "NonCompliant ");
}

TEST_CASE("offline: a kind of list that a whole input has nothing of was left out") {
  Offline offline(/*whole=*/true);
  offline.workspace("a", "Disabled");
  CHECK(offline.finish().at("diagnostics a") == "NoEvidence not_collected");
}

TEST_CASE("offline: exemptions cover what is decided at once and what waits") {
  core::ExemptionSpec exemption;
  exemption.name = "agreed";
  exemption.scope = "/";
  exemption.category = "Waiver";
  Offline offline(/*whole=*/false, {exemption});
  offline.workspace("a", "Enabled");
  auto& verdicts = offline.finish();
  CHECK(verdicts.at("query a") == "Exempt agreed");
  CHECK(verdicts.at("diagnostics a") == "Exempt agreed");
}

TEST_CASE("offline: a resource counts once") {
  Offline offline(/*whole=*/false);
  offline.workspace("a", "Enabled");
  const auto again = offline.add(tests::workspace_key("a"), tests::kWorkspaceType, R"("x":1)");
  REQUIRE(!again);
  CHECK(again.error().message.contains("comes twice"));
}

TEST_CASE("offline: only what is looked up, or looks, is kept") {
  Offline offline(/*whole=*/false);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(offline.add(fmt::format("/subscriptions/s1/resourcegroups/rg/providers/m.x/y/{}", i),
                        "m.x/y",
                        R"("x":1)"));
  }
  CHECK(offline.judge().kept() == 0);
  CHECK(offline.judge().unjudged() == 100);
  offline.workspace("a", "Enabled").component("c", "a");
  CHECK(offline.judge().kept() == 2);
}
