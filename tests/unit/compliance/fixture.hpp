// A baseline of four small checks over a real store, and helpers to feed it cycle by cycle.
#pragma once

#include "compliance/baseline.hpp"
#include "compliance/drift.hpp"
#include "compliance/judge.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"
#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace plumbline::tests {

inline constexpr const char* kWorkspaceType = "microsoft.operationalinsights/workspaces";

inline std::string workspace_key(const std::string& name) {
  return "/subscriptions/s1/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/" +
         name;
}

inline std::string component_key(const std::string& name) {
  return "/subscriptions/s1/resourcegroups/rg/providers/microsoft.insights/components/" + name;
}

inline compliance::AssignmentSpec make_assignment() {
  compliance::AssignmentSpec spec;
  spec.name = "prod";
  spec.initiative.directory = "dir";
  spec.initiative.initiative = {"dir/initiative.json",
                                R"({"properties":{"displayName":"I","metadata":{"version":"1"},
    "parameters":{"effect":{"type":"String","defaultValue":"Audit"}},
    "policyDefinitionGroups":[{"name":"NS-2","displayName":"Network"}],
    "policyDefinitions":[
      {"policyDefinitionReferenceId":"query","policyDefinitionId":"public-query","groupNames":["NS-2"],"parameters":{"effect":{"value":"[parameters('effect')]"}}},
      {"policyDefinitionReferenceId":"diagnostics","policyDefinitionId":"diagnostics"},
      {"policyDefinitionReferenceId":"target","policyDefinitionId":"target"}]}})"};
  spec.initiative.definitions = {
      {"dir/definitions/public-query.json",
       R"({"properties":{"displayName":"Query","mode":"All","metadata":{"severity":"high"},
        "parameters":{"effect":{"type":"String","allowedValues":["Audit","Disabled"],"defaultValue":"Audit"}},
        "policyRule":{"if":{"allOf":[{"field":"type","equals":"Microsoft.OperationalInsights/workspaces"},
          {"field":"Microsoft.OperationalInsights/workspaces/publicNetworkAccessForQuery","notEquals":"Disabled"}]},
          "then":{"effect":"[parameters('effect')]"}}}})"},
      {"dir/definitions/diagnostics.json",
       R"({"properties":{"displayName":"Diagnostics","mode":"All","metadata":{"severity":"medium"},
        "policyRule":{"if":{"field":"type","equals":"Microsoft.OperationalInsights/workspaces"},
          "then":{"effect":"auditIfNotExists","details":{"type":"Microsoft.Insights/diagnosticSettings"}}}}})"},
      {"dir/definitions/target.json",
       R"({"properties":{"displayName":"Target","mode":"All","metadata":{"severity":"low"},
        "policyRule":{"if":{"allOf":[{"field":"type","equals":"Microsoft.Insights/components"},
          {"count":{"field":"Plumbline.Relations/workspace[*]","where":{"field":"Plumbline.Relations/workspace[*].properties.publicNetworkAccessForQuery","notEquals":"Disabled"}},"greater":0}]},
          "then":{"effect":"audit"}}}})"}};
  spec.initiative.relations = {
      "dir/relations.json",
      R"({"relations":[{"name":"workspace","sourceType":"microsoft.insights/components","path":"properties.WorkspaceResourceId","targetType":"microsoft.operationalinsights/workspaces"}]})"};
  return spec;
}

/// Feeds observations and evidence as a sweep would, and looks at what came of it.
class JudgeFixture {
 public:
  JudgeFixture() {
    auto result = storage::open_store({directory_.file("p.db"), ""}, clock);
    REQUIRE(result);
    opened_ = *std::move(result);
    adopt(make_assignment());
  }

  void adopt(const compliance::AssignmentSpec& spec,
             const std::vector<core::ExemptionSpec>& exemptions = {},
             std::vector<core::Acceptance> acceptances = {},
             const core::DriftSettings& drift = {}) {
    const auto aliases = policy::AliasCatalogue::shipped();
    REQUIRE(aliases);
    auto compiled =
        compliance::compile_baseline({spec}, exemptions, **aliases, drift, std::move(acceptances));
    CAPTURE((compiled ? std::string() : compiled.error().message));
    REQUIRE(compiled);
    baseline = *std::move(compiled);
    auto cycle = opened_.store->begin_cycle("baseline", "");
    auto report =
        (*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
          return compliance::adopt_baseline(*baseline, view, changes, confirming);
        });
    REQUIRE(report);
    last = *report;
    check_counts();
  }

  JudgeFixture& workspace(const std::string& name, const std::string& access) {
    return resource(workspace_key(name),
                    kWorkspaceType,
                    fmt::format(R"("properties":{{"publicNetworkAccessForQuery":"{}"}})", access));
  }

  JudgeFixture& component(const std::string& name, const std::string& workspace) {
    return resource(
        component_key(name),
        "microsoft.insights/components",
        fmt::format(R"("properties":{{"WorkspaceResourceId":"{}"}})", workspace_key(workspace)));
  }

  JudgeFixture& resource(const std::string& key,
                         const std::string& type,
                         const std::string& members) {
    core::Observation out;
    out.key = key;
    out.id = key;
    out.type = type;
    out.body = fmt::format(
        R"({{"id":"{}","location":"x","name":"n",{},"type":"{}"}})", key, members, type);
    out.source = "arg:resources|s1";
    return add(std::move(out));
  }

  JudgeFixture& settings(const std::string& parent, const std::string& value) {
    core::Observation out;
    out.key = core::detail_key(parent, "microsoft.insights/diagnosticsettings");
    out.id = out.key;
    out.type = "microsoft.insights/diagnosticsettings";
    out.is_detail = true;
    out.body = fmt::format(R"({{"id":"{}","value":{}}})", out.key, value);
    out.source = core::detail_evidence_key(out.key);
    evidence_.push_back({out.source, true, "", "", clock.now()});
    return add(std::move(out));
  }

  /// What Resource Manager says of the resource as it is stored.
  JudgeFixture& confirm(const std::string& key, const std::string& columns) {
    core::Observation out;
    out.key = core::confirmation_key(key);
    out.id = out.key;
    out.type = core::kConfirmationType;
    out.is_detail = true;
    out.source = core::detail_evidence_key(out.key);
    out.body = fmt::format(R"({{"apiVersion":"v","fingerprint":"{}","resource":{{{}}}}})",
                           core::to_hex(snapshot()->find(key).value().value().fingerprint),
                           columns);
    return add(std::move(out));
  }

  JudgeFixture& observe(core::Observation observation) { return add(std::move(observation)); }

  JudgeFixture& evidence(const std::string& key, const std::string& reason) {
    evidence_.push_back({key, reason.empty(), reason, "", clock.now()});
    return *this;
  }

  JudgeFixture& gone(const std::string& key) {
    deletions_.push_back(key);
    return *this;
  }

  /// What Azure says of a change, with the next commit.
  JudgeFixture& told(core::ChangeRecord record) {
    record.id = fmt::format("change-{}", ++told_);
    records_.push_back(std::move(record));
    return *this;
  }

  /// How far Azure's change feed has been read.
  JudgeFixture& read_to(core::Time position) {
    REQUIRE(opened_.store->put_watermarks(
        {{"arg:resourcechanges", position},
         {core::whole_since("arg:resourcechanges"), core::from_micros(1)}}));
    return *this;
  }

  /// Since when every record of it was read.
  JudgeFixture& whole_since(core::Time position) {
    REQUIRE(opened_.store->put_watermarks({{core::whole_since("arg:resourcechanges"), position}}));
    return *this;
  }

  /// Commits what was fed since the last call.
  void commit() {
    clock.advance(std::chrono::minutes(1));
    auto cycle = opened_.store->begin_cycle("sweep", "");
    for (auto& observation : page_) {
      observation.observed_at = clock.now();
    }
    REQUIRE((*cycle)->stage(std::exchange(page_, {})));
    for (const auto& key : std::exchange(deletions_, {})) {
      REQUIRE((*cycle)->stage_deletion(key));
    }
    for (auto& record : std::exchange(records_, {})) {
      REQUIRE((*cycle)->stage_change(std::move(record)));
    }
    for (auto& item : std::exchange(evidence_, {})) {
      REQUIRE((*cycle)->stage_evidence(std::move(item)));
    }
    auto report =
        (*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
          return compliance::judge_changes(*baseline, view, changes, confirming);
        });
    CAPTURE((report ? std::string() : report.error().message));
    REQUIRE(report);
    last = *report;
    check_counts();
  }

  /// The counts that the store keeps are those of its verdicts.
  void check_counts() {
    const auto view = snapshot();
    std::map<std::pair<std::int64_t, core::ComplianceState>, std::int64_t> counted;
    core::VerdictFilter everything;
    everything.limit = 1'000'000;
    std::map<std::pair<std::string, std::string>, core::ComplianceState> worst;
    for (const auto& row : *view->verdicts(everything)) {
      ++counted[{row.verdict.check, row.verdict.state}];
      const auto [entry, first] =
          worst.try_emplace({row.assignment, row.resource_key}, row.verdict.state);
      entry->second = std::min(entry->second, row.verdict.state);
    }
    std::map<std::pair<std::string, core::ComplianceState>, std::int64_t> resources;
    for (const auto& [of, state] : worst) {
      ++resources[{of.first, state}];
    }
    for (const auto& count : *view->resource_counts()) {
      resources[{count.assignment, count.state}] -= count.count;
    }
    CHECK(std::ranges::all_of(resources, [](const auto& entry) { return entry.second == 0; }));
    for (const auto& count : *view->verdict_counts()) {
      counted[{count.check, count.state}] -= count.count;
    }
    CHECK(std::ranges::all_of(counted, [](const auto& entry) { return entry.second == 0; }));
  }

  /// Commits that nobody asks for a resource any longer.
  void retired(const std::string& key) {
    auto cycle = opened_.store->begin_cycle("baseline", "no longer collected");
    REQUIRE((*cycle)->stage_retirement(key));
    REQUIRE((*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
      return compliance::judge_changes(*baseline, view, changes);
    }));
    check_counts();
  }

  /// Lets `change` write into the book of drift, in a cycle of its own.
  template <class Change>
  void in_book(Change change) {
    clock.advance(std::chrono::minutes(1));
    auto cycle = opened_.store->begin_cycle("acceptance", "drift");
    auto report =
        (*cycle)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
          compliance::DriftBook book(view, changes, baseline->expected, baseline->flapping);
          change(book);
          return core::Status::ok();
        });
    REQUIRE(report);
  }

  [[nodiscard]] std::unique_ptr<core::Snapshot> snapshot() {
    return opened_.store->snapshot().value();
  }

  /// "NonCompliant resource", "NoEvidence(forbidden) evidence", or "-" without a verdict.
  std::string verdict(const std::string& reference, const std::string& key) {
    core::VerdictFilter filter;
    filter.reference = reference;
    filter.resource_key = key;
    const auto rows = snapshot()->verdicts(filter);
    REQUIRE(rows);
    if (rows->empty()) {
      return "-";
    }
    const auto& row = rows->front().verdict;
    return fmt::format("{}{} {}",
                       core::to_string(row.state),
                       row.reason.empty() ? "" : "(" + row.reason + ")",
                       core::to_string(row.cause));
  }

  std::size_t open_drift(core::DriftKind kind) {
    core::DriftFilter filter;
    filter.states = {core::DriftState::kOpen};
    filter.limit = 1000;
    const auto rows = snapshot()->drift(filter);
    return static_cast<std::size_t>(std::ranges::count_if(
        *rows, [&](const core::DriftRow& row) { return row.item.kind == kind; }));
  }

  compliance::Confirming confirming = compliance::Confirming::kNobodyAsks;
  FakeClock clock;
  std::shared_ptr<const compliance::Baseline> baseline;
  core::CycleReport last;

 private:
  JudgeFixture& add(core::Observation observation) {
    observation.fingerprint = core::sha256(observation.body);
    page_.push_back(std::move(observation));
    return *this;
  }

  TempDirectory directory_;
  storage::OpenedStore opened_;
  std::vector<core::Observation> page_;
  std::vector<core::Evidence> evidence_;
  std::vector<std::string> deletions_;
  std::vector<core::ChangeRecord> records_;
  int told_ = 0;
};

}  // namespace plumbline::tests
