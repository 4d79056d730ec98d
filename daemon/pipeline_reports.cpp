#include "daemon/pipeline_reports.hpp"

#include "core/digest.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string_view>

namespace plumbline::daemon {

using core::ComplianceState;
using core::Severity;
using nlohmann::json;

namespace {

std::string_view level_of(Severity severity) {
  switch (severity) {
    case Severity::kCritical:
    case Severity::kHigh:
      return "error";
    case Severity::kMedium:
      return "warning";
    case Severity::kLow:
      break;
  }
  return "note";
}

/// On the scale of CVSS, by which code scanning sorts.
std::string_view score_of(Severity severity) {
  switch (severity) {
    case Severity::kCritical:
      return "9.5";
    case Severity::kHigh:
      return "8.0";
    case Severity::kMedium:
      return "5.5";
    case Severity::kLow:
      break;
  }
  return "2.5";
}

std::string name_of(const std::string& resource_id) {
  const auto slash = resource_id.rfind('/');
  return slash == std::string::npos ? resource_id : resource_id.substr(slash + 1);
}

/// A path as a relative or absolute URI reference (RFC 3986).
std::string uri_of(std::string_view path) {
  std::string out = path.starts_with('/') ? "file://" : "";
  std::string_view separator;
  for (const auto segment : core::split(path, '/')) {
    out += separator;
    out += core::percent_encode(segment);
    separator = "/";
  }
  return out;
}

json rule_json(const PipelineRule& rule) {
  std::string help = rule.description;
  if (!rule.remediation.empty()) {
    help += (help.empty() ? "" : "\n\n") + ("Remediation: " + rule.remediation);
  }
  if (help.empty()) {
    help = rule.title;
  }
  json tags = json::array({"security", "azure-monitor"});
  for (const auto& control : rule.controls) {
    tags.push_back(control);
  }
  json out = {{"id", rule.id},
              {"name", rule.reference},
              {"shortDescription", {{"text", rule.title.empty() ? rule.reference : rule.title}}},
              {"help", {{"text", help}}},
              {"defaultConfiguration", {{"level", level_of(rule.severity)}}},
              {"properties",
               {{"tags", std::move(tags)},
                {"severity", core::to_string(rule.severity)},
                {"security-severity", score_of(rule.severity)}}}};
  if (!rule.description.empty()) {
    out["fullDescription"] = {{"text", rule.description}};
  }
  if (rule.documentation.starts_with("https://")) {
    out["helpUri"] = rule.documentation;
  }
  return out;
}

json location_json(const PipelineReport& report, const PipelineFinding& finding) {
  json out = {{"logicalLocations",
               json::array({{{"name", name_of(finding.resource_id)},
                             {"fullyQualifiedName", finding.resource_id},
                             {"kind", "resource"}}})}};
  if (!report.file.empty()) {
    out["physicalLocation"] = {{"artifactLocation", {{"uri", uri_of(report.file)}}}};
    if (finding.line > 0) {
      out["physicalLocation"]["region"] = {{"startLine", finding.line}};
    }
  }
  return out;
}

std::string message_of(const PipelineRule& rule, const PipelineFinding& finding) {
  return fmt::format(
      "{}: {}", name_of(finding.resource_id), rule.title.empty() ? rule.reference : rule.title);
}

/// The same for the same check and resource, whatever file it is found in.
std::string fingerprint_of(const PipelineRule& rule, const PipelineFinding& finding) {
  return core::to_hex(core::sha256(
      fmt::format("{}\n{}\n{}", rule.assignment, rule.reference, finding.resource_key)));
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    // XML 1.0 has no place for other control characters, escaped or not.
    const bool is_allowed =
        static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n' || c == '\r';
    out += is_allowed ? c : '?';
  }
  // Nor for U+FFFE and U+FFFF.
  for (const std::string_view none : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {
    for (auto at = out.find(none); at != std::string::npos; at = out.find(none, at)) {
      out.replace(at, none.size(), "?");
    }
  }
  return core::html_escape(out);
}

std::string suite_text(const PipelineRule& rule, const std::vector<const PipelineFinding*>& own) {
  std::size_t failures = 0;
  std::size_t errors = 0;
  std::string cases;
  if (rule.compliant > 0) {
    cases += fmt::format("    <testcase classname=\"{}\" name=\"compliant resources ({})\"/>\n",
                         xml_escape(rule.id),
                         rule.compliant);
  }
  for (const PipelineFinding* finding : own) {
    const bool is_failure = finding->state == ComplianceState::kNonCompliant;
    const bool is_error = finding->state == ComplianceState::kError;
    failures += is_failure ? 1 : 0;
    errors += is_error ? 1 : 0;
    cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\">\n",
                         xml_escape(rule.id),
                         xml_escape(finding->resource_id));
    const std::string reason =
        finding->reason.empty() ? std::string() : fmt::format(": {}", xml_escape(finding->reason));
    if (is_failure || is_error) {
      cases += fmt::format("      <{0} type=\"{1}\" message=\"{2}{3}\">{4}</{0}>\n",
                           is_failure ? "failure" : "error",
                           is_failure ? core::to_string(rule.severity) : "Error",
                           xml_escape(rule.title),
                           reason,
                           xml_escape(rule.remediation));
    } else {
      cases += fmt::format(
          "      <skipped message=\"{}{}\"/>\n", core::to_string(finding->state), reason);
    }
    cases += "    </testcase>\n";
  }
  const std::size_t tests = own.size() + (rule.compliant > 0 ? 1 : 0);
  return fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n{}"
      "  </testsuite>\n",
      xml_escape(rule.id),
      tests,
      failures,
      errors,
      own.size() - failures - errors,
      cases);
}

}  // namespace

std::string write_sarif(const PipelineReport& report) {
  json rules = json::array();
  for (const auto& rule : report.rules) {
    rules.push_back(rule_json(rule));
  }
  json notifications = json::array();
  const auto notify = [&](const std::string& text) {
    notifications.push_back({{"level", "error"}, {"message", {{"text", text}}}});
  };
  for (const auto& problem : report.problems) {
    notify(problem);
  }
  json results = json::array();
  for (const auto& finding : report.findings) {
    const auto& rule = report.rules[finding.rule];
    if (finding.state == ComplianceState::kError) {
      notify(fmt::format("{}: {}: {}", rule.id, finding.resource_id, finding.reason));
    }
    if (finding.state != ComplianceState::kNonCompliant) {
      continue;
    }
    results.push_back(
        {{"ruleId", rule.id},
         {"ruleIndex", finding.rule},
         {"level", level_of(rule.severity)},
         {"message", {{"text", message_of(rule, finding)}}},
         {"locations", json::array({location_json(report, finding)})},
         {"partialFingerprints", {{"checkAndResource/v1", fingerprint_of(rule, finding)}}}});
  }
  const bool is_whole = notifications.empty();
  const json run = {{"tool",
                     {{"driver",
                       {{"name", "Plumbline"},
                        {"version", report.version},
                        {"semanticVersion", report.version},
                        {"rules", std::move(rules)}}}}},
                    {"invocations",
                     json::array({{{"executionSuccessful", is_whole},
                                   {"toolExecutionNotifications", std::move(notifications)}}})},
                    {"columnKind", "utf16CodeUnits"},
                    {"results", std::move(results)}};
  const json log = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                    {"version", "2.1.0"},
                    {"runs", json::array({run})}};
  // Bytes that are no UTF-8 are not worth failing for.
  return log.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string write_junit(const PipelineReport& report) {
  std::vector<std::vector<const PipelineFinding*>> by_rule(report.rules.size());
  std::size_t failures = 0;
  std::size_t errors = 0;
  for (const auto& finding : report.findings) {
    by_rule[finding.rule].push_back(&finding);
    failures += finding.state == ComplianceState::kNonCompliant ? 1 : 0;
    errors += finding.state == ComplianceState::kError ? 1 : 0;
  }
  std::string suites;
  std::size_t tests = 0;
  for (std::size_t i = 0; i < report.rules.size(); ++i) {
    const auto& rule = report.rules[i];
    if (by_rule[i].empty() && rule.compliant == 0) {
      continue;  // about nothing in the input
    }
    tests += by_rule[i].size() + (rule.compliant > 0 ? 1 : 0);
    suites += suite_text(rule, by_rule[i]);
  }
  if (!report.problems.empty()) {
    tests += report.problems.size();
    errors += report.problems.size();
    suites += fmt::format(
        "  <testsuite name=\"input\" tests=\"{0}\" failures=\"0\" errors=\"{0}\" skipped=\"0\">\n",
        report.problems.size());
    for (const auto& problem : report.problems) {
      suites += fmt::format(
          "    <testcase classname=\"input\" name=\"{0}\">\n      <error type=\"input\" "
          "message=\"{0}\"/>\n    </testcase>\n",
          xml_escape(problem));
    }
    suites += "  </testsuite>\n";
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuites name=\"plumbline\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n{}"
      "</testsuites>\n",
      tests,
      failures,
      errors,
      suites);
}

}  // namespace plumbline::daemon
