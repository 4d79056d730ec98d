#include "daemon/web/verdict_metrics.hpp"

#include "daemon/baseline_files.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

using namespace plumbline;

namespace {

compliance::Summary make_summary(compliance::Baseline& baseline) {
  baseline.assignments.push_back({.name = "prod",
                                  .id = {},
                                  .scope = "/",
                                  .not_scopes = {},
                                  .resource_selectors = {},
                                  .initiative_name = "Azure \"Monitor\"",
                                  .initiative_version = "1",
                                  .controls = {{"NS-2", "Network"}}});
  compliance::Summary summary;
  compliance::AssignmentSummary entry;
  entry.assignment = baseline.assignments.data();
  entry.tally.add(core::ComplianceState::kCompliant, 1, core::Severity::kCritical);
  entry.tally.add(core::ComplianceState::kNonCompliant, 4, core::Severity::kLow);
  entry.tally.add(core::ComplianceState::kNoEvidence, 5, core::Severity::kHigh);
  entry.by_subscription["s1"] = entry.tally;
  entry.by_control["NS-2"];
  summary.assignments.push_back(std::move(entry));
  return summary;
}

/// The shipped baseline beside an initiative of 600 definitions, over 400 subscriptions, each of
/// which has findings and drift of every severity.
constexpr int kDefinitions = 600;
constexpr int kSubscriptions = 400;

std::shared_ptr<const compliance::Baseline> make_large_baseline() {
  auto shipped = daemon::read_initiative(PLUMBLINE_SOURCE_DIR "/baselines/azure-monitor");
  REQUIRE(shipped);
  compliance::AssignmentSpec own;
  own.name = "azure-monitor";
  own.initiative = *std::move(shipped);
  compliance::AssignmentSpec large;
  large.name = "large";
  large.initiative.directory = "large";
  std::string references;
  for (int i = 0; i < kDefinitions; ++i) {
    references += fmt::format(
        R"({}{{"policyDefinitionId":"d{}","groupNames":["g{}"]}})", i == 0 ? "" : ",", i, i % 30);
    large.initiative.definitions.push_back(
        {fmt::format("large/definitions/d{}.json", i),
         fmt::format(R"({{"properties":{{"displayName":"Definition {}","mode":"All",)"
                     R"("metadata":{{"severity":"{}"}},"policyRule":{{"if":{{"field":"location",)"
                     R"("equals":"x"}},"then":{{"effect":"audit"}}}}}}}})",
                     i,
                     core::to_string(static_cast<core::Severity>(i % 4)))});
  }
  std::string groups;
  for (int i = 0; i < 30; ++i) {
    groups += fmt::format(R"({}{{"name":"g{}"}})", i == 0 ? "" : ",", i);
  }
  large.initiative.initiative = {
      "large/initiative.json",
      fmt::format(
          R"({{"policyDefinitionGroups":[{}],"policyDefinitions":[{}]}})", groups, references)};
  const auto aliases = policy::AliasCatalogue::shipped();
  REQUIRE(aliases);
  auto baseline = compliance::compile_baseline({own, large}, {}, **aliases);
  CAPTURE((baseline ? std::string() : baseline.error().message));
  REQUIRE(baseline);
  return *baseline;
}

compliance::Summary make_large_summary(std::shared_ptr<const compliance::Baseline> baseline) {
  using core::ComplianceState;
  std::vector<core::PastCount> counts;
  compliance::Summary summary;
  for (const auto& check : baseline->checks) {
    auto& entry = summary.checks.emplace_back();
    entry.check = &check;
    for (const auto state : {ComplianceState::kNonCompliant,
                             ComplianceState::kNoEvidence,
                             ComplianceState::kCompliant}) {
      entry.tally.add(state, kSubscriptions, check.severity);
      for (int i = 0; i < kSubscriptions; ++i) {
        counts.push_back({check.assignment, check.reference, state, fmt::format("sub-{}", i), 1});
      }
    }
  }
  summary.assignments = compliance::tally_past(*baseline, counts).assignments;
  for (int i = 0; i < kSubscriptions; ++i) {
    const auto id = fmt::format("sub-{}", i);
    summary.subscriptions.push_back({id, "Subscription " + id, true});
    for (const auto severity : {core::Severity::kLow,
                                core::Severity::kMedium,
                                core::Severity::kHigh,
                                core::Severity::kCritical}) {
      for (auto& assignment : summary.assignments) {
        assignment.noncompliant[{id, severity}] = 1;
      }
      summary.open_drift[{core::DriftKind::kBaseline, severity, id}] = 1;
    }
    summary.open_drift[{core::DriftKind::kConfiguration, core::Severity::kLow, id}] = 1;
  }
  summary.baseline = std::move(baseline);
  return summary;
}

std::size_t series_of(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    count += text[at] == '#' ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("400 subscriptions, the whole baseline and 600 definitions stay under the cap") {
  const auto baseline = make_large_baseline();
  CHECK(baseline->checks.size() > kDefinitions + 150);
  auto summary = make_large_summary(baseline);
  const auto text = daemon::render_verdict_metrics(summary);
  CHECK(text.contains("plumbline_series_dropped_total 0\n"));
  const auto series = series_of(text);
  CAPTURE(series);
  CHECK(series > 9000);  // the case is what it says
  CHECK(series <= daemon::kMaxVerdictSeries);
  // One less than there are, not counting plumbline_series_dropped_total itself.
  CHECK(daemon::render_verdict_metrics(summary, series - 2)
            .contains("plumbline_series_dropped_total 1\n"));
  const auto lowered = daemon::render_verdict_metrics(summary, 1000);
  CHECK(series_of(lowered) == 1001);
  CHECK(lowered.contains(fmt::format("plumbline_series_dropped_total {}\n", series - 1001)));

  // What is gone leaves no series behind.
  CHECK(text.contains("subscription_id=\"sub-399\""));
  CHECK(text.contains("control=\"g29\""));
  std::erase_if(summary.open_drift,
                [](const auto& entry) { return std::get<2>(entry.first) == "sub-399"; });
  std::erase_if(summary.subscriptions, [](const auto& entry) { return entry.id == "sub-399"; });
  for (auto& assignment : summary.assignments) {
    assignment.by_subscription.erase("sub-399");
    assignment.by_control.erase("g29");
    std::erase_if(assignment.noncompliant,
                  [](const auto& entry) { return entry.first.first == "sub-399"; });
  }
  const auto less = daemon::render_verdict_metrics(summary);
  CHECK_FALSE(less.contains("sub-399"));
  CHECK_FALSE(less.contains("plumbline_control_score_ratio{assignment=\"large\",control=\"g29\"}"));
}

TEST_CASE("scores are weighted, coverage stands beside them, and nothing counted is no series") {
  compliance::Baseline baseline;
  const auto text = daemon::render_verdict_metrics(make_summary(baseline));
  CAPTURE(text);
  // 8 of 8 + 4 * 1
  CHECK(
      text.contains("plumbline_compliance_score_ratio{assignment=\"prod\"} 0.6666666666666666\n"));
  CHECK(text.contains("plumbline_evidence_coverage_ratio{assignment=\"prod\"} 0.5\n"));
  CHECK(text.contains(
      "plumbline_subscription_score_ratio{assignment=\"prod\",subscription_id=\"s1\"} 0.66"));
  CHECK_FALSE(text.contains("plumbline_control_score_ratio{"));
  CHECK(text.contains(R"(initiative="Azure \"Monitor\"")"));
  CHECK(text.contains("plumbline_series_dropped_total 0\n"));
}

TEST_CASE("what Azure would show is a share of resources, and leaves out what nobody could read") {
  using core::ComplianceState;
  compliance::Baseline baseline;
  auto summary = make_summary(baseline);
  constexpr std::string_view kName = "plumbline_azure_compliance_ratio{assignment=\"prod\"}";
  CHECK_FALSE(daemon::render_verdict_metrics(summary).contains("azure_compliance"));
  auto& resources = summary.assignments[0].resources;
  const auto put = [&](ComplianceState state, std::int64_t count) {
    resources.counts.at(static_cast<std::size_t>(state)) = count;
  };
  put(ComplianceState::kNoEvidence, 7);
  put(ComplianceState::kProtected, 9);
  CHECK_FALSE(daemon::render_verdict_metrics(summary).contains("azure_compliance"));
  put(ComplianceState::kCompliant, 3);
  put(ComplianceState::kExempt, 1);
  put(ComplianceState::kUnknown, 1);
  CHECK(daemon::render_verdict_metrics(summary).contains(fmt::format("{} 1\n", kName)));
  put(ComplianceState::kNonCompliant, 3);
  put(ComplianceState::kConflict, 1);
  put(ComplianceState::kError, 1);
  CHECK(daemon::render_verdict_metrics(summary).contains(fmt::format("{} 0.5\n", kName)));
}

TEST_CASE("series beyond the cap are dropped and counted") {
  compliance::Baseline baseline;
  const auto text = daemon::render_verdict_metrics(make_summary(baseline), 2);
  CHECK(std::ranges::count(text, '\n') == 3 + 3 + 3);
  CHECK_FALSE(text.contains("plumbline_series_dropped_total 0\n"));
}
