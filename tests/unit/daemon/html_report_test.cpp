#include "daemon/html_report.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using daemon::HtmlReport;

namespace {

constexpr auto kNow = core::from_micros(1'700'000'000'000'000);
constexpr const char* kHostile = "\"><script>alert(1)</script>&'";

HtmlReport hostile() {
  HtmlReport report;
  report.now = kNow;
  report.committed_at = kNow - std::chrono::hours(3);
  report.cycle = 7;
  report.overall.score = 0.5;
  report.overall.noncompliant = 1;
  report.by_severity = {{"high", 1}};
  report.sections = {{kHostile, {{kHostile, kHostile, kHostile, {}, true}}}};
  HtmlReport::Finding finding;
  finding.reference = finding.title = finding.severity = finding.description = finding.remediation =
      kHostile;
  finding.documentation = std::string("https://example.com/") + kHostile;
  finding.resources = {{kHostile, kHostile, kNow - std::chrono::hours(72)}};
  report.noncompliant = report.errors = report.no_evidence = {finding};
  report.missing_evidence = {{kHostile, kHostile}};
  report.drift = {{kHostile, kHostile, kHostile, kHostile, kHostile, kNow}};
  report.exemptions = {kHostile};
  return report;
}

}  // namespace

TEST_CASE("nothing that a report is made of becomes markup") {
  const auto page = daemon::write_html(hostile());
  CHECK(!page.contains("<script"));
  CHECK(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
  CHECK(!page.contains("=\"\">"));
}

TEST_CASE("a report fetches nothing") {
  const auto page = daemon::write_html(hostile());
  for (const auto* fetched : {"src=", "<link", "@import", "url("}) {
    CHECK_MESSAGE(!page.contains(fetched), fetched);
  }
  CHECK(page.contains("default-src 'none'"));
}

TEST_CASE("a documentation that is no web link is text") {
  auto report = hostile();
  report.noncompliant[0].documentation = "javascript:alert(1)";
  report.errors.clear();
  report.no_evidence.clear();
  const auto page = daemon::write_html(report);
  CHECK(!page.contains("href="));
  CHECK(page.contains("javascript:alert(1)"));
}

TEST_CASE("the age of evidence is told in the unit that fits") {
  CHECK(daemon::age_text(kNow - std::chrono::minutes(119), kNow) == "119 min");
  CHECK(daemon::age_text(kNow - std::chrono::minutes(120), kNow) == "2 h");
  CHECK(daemon::age_text(kNow - std::chrono::hours(72), kNow) == "3 d");
  CHECK(daemon::age_text(kNow + std::chrono::hours(1), kNow) == "0 min");
  CHECK(daemon::write_html(hostile()).contains(">3 d old<"));
}
