#include "daemon/web/verdict_metrics.hpp"

#include <doctest/doctest.h>

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

}  // namespace

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

TEST_CASE("series beyond the cap are dropped and counted") {
  compliance::Baseline baseline;
  const auto text = daemon::render_verdict_metrics(make_summary(baseline), 2);
  CHECK(std::ranges::count(text, '\n') == 3 + 3 + 3);
  CHECK_FALSE(text.contains("plumbline_series_dropped_total 0\n"));
}
