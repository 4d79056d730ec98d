#include "daemon/pipeline_reports.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace plumbline;
using core::ComplianceState;
using daemon::PipelineReport;
using nlohmann::json;

namespace {

PipelineReport report() {
  PipelineReport made;
  made.version = "1.2.3";
  made.file = "some dir/r.jsonl";
  made.rules = {{.id = "tls",
                 .assignment = "prod",
                 .reference = "tls",
                 .title = "TLS <1.2> & \"so\"",
                 .description = "Why.",
                 .remediation = "Set it.",
                 .documentation = "https://example.com/tls",
                 .severity = core::Severity::kCritical,
                 .controls = {"DP-3"},
                 .compliant = 7},
                {.id = "quiet",
                 .assignment = "prod",
                 .reference = "quiet",
                 .title = "",
                 .description = "",
                 .remediation = "",
                 .documentation = "a book",
                 .severity = core::Severity::kLow,
                 .controls = {},
                 .compliant = 0}};
  made.findings = {{0,
                    "/subscriptions/s/x/a",
                    "/subscriptions/S/x/A",
                    "t",
                    ComplianceState::kNonCompliant,
                    "",
                    3},
                   {0,
                    "/subscriptions/s/x/b",
                    "/subscriptions/S/x/B",
                    "t",
                    ComplianceState::kNoEvidence,
                    "n",
                    4},
                   {0,
                    "/subscriptions/s/x/c",
                    "/subscriptions/S/x/C",
                    "t",
                    ComplianceState::kError,
                    "e\x01",
                    0}};
  return made;
}

}  // namespace

TEST_CASE("SARIF: a rule a check, a result for what is non-compliant, the rest notifications") {
  auto made = report();
  made.problems = {"r.jsonl:9: no JSON"};
  const auto log = json::parse(daemon::write_sarif(made));
  CHECK(log["version"] == "2.1.0");
  const auto& run = log["runs"][0];
  const auto& rules = run["tool"]["driver"]["rules"];
  REQUIRE(rules.size() == 2);
  CHECK(rules[0]["helpUri"] == "https://example.com/tls");
  CHECK(rules[0]["help"]["text"] == "Why.\n\nRemediation: Set it.");
  CHECK(rules[0]["defaultConfiguration"]["level"] == "error");
  CHECK(rules[0]["properties"]["security-severity"] == "9.5");
  // What is no link is no helpUri, and a rule without a title is called by its name.
  CHECK(!rules[1].contains("helpUri"));
  CHECK(rules[1]["shortDescription"]["text"] == "quiet");
  CHECK(rules[1]["defaultConfiguration"]["level"] == "note");
  REQUIRE(run["results"].size() == 1);
  const auto& result = run["results"][0];
  CHECK(result["ruleId"] == "tls");
  CHECK(result["ruleIndex"] == 0);
  const auto& place = result["locations"][0];
  CHECK(place["logicalLocations"][0]["fullyQualifiedName"] == "/subscriptions/S/x/A");
  CHECK(place["physicalLocation"]["artifactLocation"]["uri"] == "some%20dir/r.jsonl");
  CHECK(place["physicalLocation"]["region"]["startLine"] == 3);
  const auto& invocation = run["invocations"][0];
  CHECK(invocation["executionSuccessful"] == false);
  CHECK(invocation["toolExecutionNotifications"].size() == 2);
}

TEST_CASE("SARIF: a fingerprint is that of check and resource, not of the place") {
  auto made = report();
  const auto print = [](const PipelineReport& of) {
    return json::parse(daemon::write_sarif(of))["runs"][0]["results"][0]["partialFingerprints"]
        .dump();
  };
  const auto before = print(made);
  made.file = "";
  made.findings[0].line = 0;
  CHECK(print(made) == before);
  const auto log = json::parse(daemon::write_sarif(made));
  CHECK(!log["runs"][0]["results"][0]["locations"][0].contains("physicalLocation"));
  made.findings[0].resource_key = "/subscriptions/s/x/z";
  CHECK(print(made) != before);
}

TEST_CASE("JUnit: a case a finding, one for what is compliant, nothing for what is about nothing") {
  const auto text = daemon::write_junit(report());
  CHECK(text.contains("<testsuites name=\"plumbline\" tests=\"4\" failures=\"1\" errors=\"1\">"));
  CHECK(text.contains(
      "<testsuite name=\"tls\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">"));
  CHECK(text.contains("name=\"compliant resources (7)\""));
  CHECK(
      text.contains("<failure type=\"critical\" "
                    "message=\"TLS &lt;1.2&gt; &amp; &quot;so&quot;\">Set it.</failure>"));
  CHECK(text.contains("<skipped message=\"NoEvidence: n\"/>"));
  // XML cannot hold every character that JSON can.
  CHECK(text.contains(": e?\""));
  CHECK(!text.contains("quiet"));
}
