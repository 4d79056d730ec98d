#include "daemon/html_report.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace plumbline::daemon {

using core::ComplianceState;
using core::html_escape;
using core::Result;

namespace {

constexpr std::size_t kPage = 1000;
constexpr std::array kSeverities = {core::Severity::kCritical,
                                    core::Severity::kHigh,
                                    core::Severity::kMedium,
                                    core::Severity::kLow};

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ink:#1a1f24;--soft:#59636e;--line:#d5dae0;--ground:#fff;
--panel:#f5f7f9;
--bad:#a40e26;--warn:#7a4a00;--good:#116329;--link:#0550ae}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--soft:#9aa5b1;--line:#39424d;
--ground:#14181d;
--panel:#1d232a;--bad:#ff8182;--warn:#eac054;--good:#6fdd8b;--link:#80b8ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:75rem;padding:1.5rem 1rem 3rem;font:15px/1.5 system-ui,sans-serif;
color:var(--ink);background:var(--ground)}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:0}p{margin:.4rem 0}
a{color:var(--link)}.soft{color:var(--soft)}
.cards{display:flex;flex-wrap:wrap;gap:.7rem;margin:1.2rem 0 0;padding:0}
.cards div{flex:1 1 8.5rem;background:var(--panel);border:1px solid var(--line);border-radius:.4rem;
padding:.6rem .8rem}
.cards dt{color:var(--soft)}.cards dd{margin:0;font-size:1.35rem;font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.id,.path{overflow-wrap:anywhere}td.id{font-family:ui-monospace,monospace;font-size:.85em;
min-width:14rem}
td.age,td.row-id{white-space:nowrap}td.name{min-width:11rem}
td.what{min-width:18rem}
section.finding{border:1px solid var(--line);border-radius:.4rem;padding:.8rem 1rem;margin:.8rem 0}
.tag{display:inline-block;border:1px solid currentColor;border-radius:.3rem;padding:0 .4rem;
font-size:.8rem;font-weight:600;margin-right:.4rem}
.critical,.high{color:var(--bad)}.medium{color:var(--warn)}.low{color:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#bbb;--ground:#fff;--panel:#fff;
--bad:#a40e26;--warn:#7a4a00;--good:#116329;--link:#000}
body{max-width:none;padding:0;font-size:9.5pt}.wide{overflow:visible}
thead{display:table-header-group}
tr,.cards{break-inside:avoid}h2,h3{break-after:avoid}section.finding{border:0;padding:0;
border-top:1px solid var(--line);border-radius:0;padding-top:.5rem}a{text-decoration:none}
@page{margin:14mm}}
)css";

std::string percent(std::optional<double> ratio) {
  return ratio ? fmt::format("{:.1f} %", *ratio * 100.0) : std::string("–");
}

void card(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", html_escape(name), html_escape(value));
}

std::string moment(core::Time time) {
  // Nobody reads a report by the microsecond.
  return core::to_rfc3339(std::chrono::floor<std::chrono::seconds>(time));
}

void add_section(std::string& out, const HtmlReport::Section& section) {
  out += fmt::format(
      "<h2>{}</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Id</th><th>Name</th>"
      "<th class=\"n\">Score</th><th class=\"n\">Coverage</th><th class=\"n\">Compliant</th>"
      "<th class=\"n\">Non-compliant</th><th class=\"n\">No evidence</th></tr></thead>\n<tbody>\n",
      html_escape(section.title));
  for (const auto& row : section.rows) {
    out += fmt::format(
        "<tr><td class=\"row-id\">{}</td><td class=\"name\">{}{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n{}\">{}</td><td class=\"n\">{}</td></tr>\n",
        html_escape(row.id),
        html_escape(row.name),
        row.note.empty() ? ""
                         : fmt::format("<br><span class=\"soft\">{}</span>", html_escape(row.note)),
        row.has_score ? percent(row.figures.score) : "–",
        percent(row.figures.coverage),
        row.figures.compliant,
        row.figures.noncompliant > 0 ? " bad" : "",
        row.figures.noncompliant,
        row.figures.no_evidence);
  }
  out += "</tbody></table></div>\n";
}

std::string documentation_html(const std::string& text) {
  if (text.empty()) {
    return "";
  }
  const std::string escaped = html_escape(text);
  return text.starts_with("https://")
             ? fmt::format("<p class=\"path\"><a href=\"{}\" rel=\"noreferrer\">{}</a></p>\n",
                           escaped,
                           escaped)
             : fmt::format("<p class=\"soft\">{}</p>\n", escaped);
}

void add_findings(std::string& out,
                  std::string_view title,
                  const std::vector<HtmlReport::Finding>& findings,
                  core::Time now) {
  if (findings.empty()) {
    return;
  }
  out += fmt::format("<h2>{}</h2>\n", title);
  for (const auto& finding : findings) {
    out += fmt::format(
        "<section class=\"finding\">\n<h3><span class=\"tag {}\">{}</span>{}</h3>\n"
        "<p class=\"soft path\">{}</p>\n",
        html_escape(finding.severity),
        html_escape(finding.severity),
        html_escape(finding.title),
        html_escape(finding.reference));
    if (!finding.description.empty()) {
      out += fmt::format("<p>{}</p>\n", html_escape(finding.description));
    }
    if (!finding.remediation.empty()) {
      out += fmt::format("<p><strong>Remediation.</strong> {}</p>\n",
                         html_escape(finding.remediation));
    }
    out += documentation_html(finding.documentation);
    const bool has_reasons =
        std::ranges::any_of(finding.resources, [](const auto& row) { return !row.reason.empty(); });
    out += fmt::format(
        "<div class=\"wide\"><table>\n<thead><tr><th>Resource ({})</th>{}"
        "<th>Evidence</th></tr></thead>\n<tbody>\n",
        finding.resources.size(),
        has_reasons ? "<th>Reason</th>" : "");
    for (const auto& row : finding.resources) {
      out += fmt::format(
          "<tr><td class=\"id\">{}</td>{}<td class=\"age\" title=\"{}\">{} old</td></tr>\n",
          html_escape(row.resource_id),
          has_reasons ? fmt::format("<td>{}</td>", html_escape(row.reason)) : "",
          moment(row.observed_at),
          age_text(row.observed_at, now));
    }
    out += "</tbody></table></div>\n</section>\n";
  }
}

void add_drift(std::string& out, const HtmlReport& report) {
  if (report.drift.empty()) {
    return;
  }
  out += fmt::format(
      "<h2>Open drift ({})</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Severity</th>"
      "<th>What</th><th>Resource</th><th>Since</th></tr></thead>\n<tbody>\n",
      report.drift.size());
  for (const auto& row : report.drift) {
    const bool has_values = !row.from.empty() || !row.to.empty();
    const auto value = [](const std::string& text) {
      return text.empty() ? std::string("absent") : html_escape(text);
    };
    out += fmt::format(
        "<tr><td class=\"{}\">{}</td><td class=\"what path\">{}{}</td><td class=\"id\">{}</td>"
        "<td class=\"age\" title=\"{}\">{}</td></tr>\n",
        html_escape(row.severity),
        html_escape(row.severity),
        html_escape(row.what),
        has_values
            ? fmt::format("<br><span class=\"soft\">{} → {}</span>", value(row.from), value(row.to))
            : std::string(),
        html_escape(row.resource_id),
        moment(row.opened_at),
        age_text(row.opened_at, report.now));
  }
  out += "</tbody></table></div>\n";
}

void add_cards(std::string& out, const HtmlReport& report) {
  out += "<dl class=\"cards\">\n";
  card(out, "Score", percent(report.overall.score));
  card(out, "Coverage", percent(report.overall.coverage));
  for (const auto& azure : report.azure) {
    card(out,
         report.azure.size() == 1 ? "As Azure counts" : "As Azure counts, " + azure.assignment,
         percent(azure.ratio));
  }
  card(out, "Resources", fmt::format("{}", report.resources));
  card(out, "Subscriptions", fmt::format("{}", report.subscriptions));
  card(out, "Non-compliant", fmt::format("{}", report.overall.noncompliant));
  card(out, "No evidence", fmt::format("{}", report.overall.no_evidence));
  card(out, "Open drift", fmt::format("{}", report.drift.size()));
  out += "</dl>\n";
  if (report.overall.noncompliant > 0) {
    out += "<p>Non-compliant by severity: ";
    for (const auto& [severity, count] : report.by_severity) {
      out += fmt::format("<span class=\"tag {}\">{} {}</span>",
                         html_escape(severity),
                         html_escape(severity),
                         count);
    }
    out += "</p>\n";
  }
}

}  // namespace

std::string age_text(core::Time from, core::Time now) {
  const auto age = std::max(now - from, core::Microseconds::zero());
  if (age < std::chrono::hours(2)) {
    return fmt::format("{} min", std::chrono::floor<std::chrono::minutes>(age).count());
  }
  if (age < std::chrono::hours(48)) {
    return fmt::format("{} h", std::chrono::floor<std::chrono::hours>(age).count());
  }
  return fmt::format("{} d", std::chrono::floor<std::chrono::days>(age).count());
}

std::string write_html(const HtmlReport& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      // Whatever an id or a reason holds, the page runs and fetches nothing.
      "<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<title>Azure Monitor configuration report</title>\n<style>";
  out += kStyle;
  out += "</style>\n</head>\n<body>\n<main>\n<h1>Azure Monitor configuration report</h1>\n";
  out += fmt::format("<p class=\"soft\">Made {}{}</p>\n",
                     moment(report.now),
                     report.committed_at ? fmt::format(" of cycle {}, committed {} ({} before)",
                                                       report.cycle,
                                                       moment(*report.committed_at),
                                                       age_text(*report.committed_at, report.now))
                                         : std::string());
  add_cards(out, report);
  if (!report.missing_evidence.empty()) {
    out += fmt::format(
        "<h2>Sources that could not be read ({})</h2>\n<div class=\"wide\"><table>\n<thead><tr>"
        "<th>Source</th><th>Reason</th></tr></thead>\n<tbody>\n",
        report.missing_evidence.size());
    for (const auto& [source, reason] : report.missing_evidence) {
      out += fmt::format("<tr><td class=\"id\">{}</td><td>{}</td></tr>\n",
                         html_escape(source),
                         html_escape(reason));
    }
    out += "</tbody></table></div>\n";
  }
  for (const auto& section : report.sections) {
    add_section(out, section);
  }
  if (report.noncompliant.empty()) {
    out += "<h2>Non-compliant</h2>\n<p class=\"good\">Nothing is known to be non-compliant.</p>\n";
  }
  add_findings(out, "Non-compliant", report.noncompliant, report.now);
  add_findings(out, "Errors", report.errors, report.now);
  add_drift(out, report);
  if (!report.exemptions.empty()) {
    out += "<h2>Exemptions</h2>\n<ul>\n";
    for (const auto& text : report.exemptions) {
      out += fmt::format("<li class=\"path\">{}</li>\n", html_escape(text));
    }
    out += "</ul>\n";
  }
  add_findings(out, "No evidence", report.no_evidence, report.now);
  return out + "</main>\n</body>\n</html>\n";
}

namespace {

HtmlReport::Figures figures_of(const compliance::Tally& tally) {
  return {tally.score(),
          tally.coverage(),
          tally.of(ComplianceState::kCompliant),
          tally.of(ComplianceState::kNonCompliant),
          tally.of(ComplianceState::kNoEvidence)};
}

template <class Map>
HtmlReport::Figures figures_in(const Map& map, const std::string& id) {
  const auto found = map.find(id);
  return figures_of(found == map.end() ? compliance::Tally{} : found->second);
}

void add_assignment(HtmlReport& report, const compliance::AssignmentSummary& entry) {
  const auto& assignment = *entry.assignment;
  const auto titled = [&](std::string_view title) {
    return HtmlReport::Section{fmt::format("{} – {}", title, assignment.name), {}};
  };
  if (!assignment.controls.empty()) {
    auto controls = titled("Controls");
    for (const auto& control : assignment.controls) {
      controls.rows.push_back(
          {control.name, control.title, "", figures_in(entry.by_control, control.name), true});
    }
    report.sections.push_back(std::move(controls));
  }
  if (!assignment.structure.features.empty()) {
    auto features = titled("Features");
    for (const auto& row : assignment.structure.features) {
      features.rows.push_back({row.id,
                               row.name,
                               fmt::format("Supported: {} · by default: {} · responsibility: {}",
                                           row.supported,
                                           row.enabled_by_default,
                                           row.responsibility),
                               figures_in(entry.by_row, row.id),
                               row.state == compliance::FeatureState::kCustomer});
    }
    report.sections.push_back(std::move(features));
  }
  if (!assignment.structure.recommendations.empty()) {
    auto recommendations = titled("Recommendations");
    for (const auto& row : assignment.structure.recommendations) {
      recommendations.rows.push_back(
          {row.id, row.name, "", figures_in(entry.by_row, row.id), true});
    }
    report.sections.push_back(std::move(recommendations));
  }
}

Result<std::vector<HtmlReport::Finding>> findings_of(const compliance::Summary& summary,
                                                     core::Snapshot& snapshot,
                                                     ComplianceState state) {
  std::vector<HtmlReport::Finding> findings;
  for (const auto severity : kSeverities) {
    for (const auto& entry : summary.checks) {
      if (entry.check->severity != severity || entry.tally.of(state) == 0) {
        continue;
      }
      const compliance::Check& check = *entry.check;
      HtmlReport::Finding finding;
      finding.reference = check.reference;
      finding.title = check.title;
      finding.severity = core::to_string(severity);
      finding.description = check.description;
      finding.remediation = check.remediation;
      finding.documentation = check.documentation;
      core::VerdictFilter filter;
      filter.state = state;
      filter.assignment = check.assignment;
      filter.reference = check.reference;
      filter.limit = kPage;
      for (bool more = true; more;) {
        auto rows = snapshot.verdicts(filter);
        if (!rows) {
          return rows.error();
        }
        for (const auto& row : *rows) {
          finding.resources.push_back({row.resource_id, row.verdict.reason, row.observed_at});
          filter.after_check = row.verdict.check;
          filter.after_resource = row.verdict.resource;
        }
        more = rows->size() == kPage;
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

core::Status add_open_drift(HtmlReport& report, core::Snapshot& snapshot) {
  core::DriftFilter filter;
  filter.states = {core::DriftState::kOpen};
  filter.limit = kPage;
  for (;;) {
    auto rows = snapshot.drift(filter);
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      const bool is_check = !row.reference.empty();
      report.drift.push_back({std::string(core::to_string(row.item.severity)),
                              is_check                ? row.reference
                              : row.item.path.empty() ? "the resource"
                                                      : row.item.path,
                              row.resource_id,
                              row.item.old_value,
                              is_check ? "" : row.item.new_value,
                              row.item.opened_at});
    }
    if (rows->size() < kPage) {
      return core::Status::ok();
    }
    filter.before = rows->back().item.id;
  }
}

}  // namespace

Result<std::string> html_report(const compliance::Summary& summary,
                                core::Snapshot& snapshot,
                                core::Time now) {
  HtmlReport report;
  report.now = now;
  if (summary.last_cycle) {
    report.committed_at = summary.last_cycle->committed_at;
    report.cycle = summary.last_cycle->number;
  }
  report.resources = summary.resources();
  report.subscriptions = static_cast<std::int64_t>(summary.subscriptions.size());
  report.overall = figures_of(summary.overall());
  std::map<core::Severity, std::int64_t> by_severity;
  for (const auto& entry : summary.checks) {
    by_severity[entry.check->severity] += entry.tally.of(ComplianceState::kNonCompliant);
  }
  for (const auto severity : kSeverities) {
    if (by_severity[severity] > 0) {
      report.by_severity.emplace_back(core::to_string(severity), by_severity[severity]);
    }
  }
  for (const auto& entry : summary.assignments) {
    add_assignment(report, entry);
    if (const auto ratio = entry.resources.azure_ratio()) {
      report.azure.push_back({entry.assignment->name, *ratio});
    }
  }
  for (const auto& [into, state] : {std::pair(&report.noncompliant, ComplianceState::kNonCompliant),
                                    std::pair(&report.errors, ComplianceState::kError),
                                    std::pair(&report.no_evidence, ComplianceState::kNoEvidence)}) {
    auto findings = findings_of(summary, snapshot, state);
    if (!findings) {
      return findings.error();
    }
    *into = *std::move(findings);
  }
  for (const auto& item : summary.missing_evidence) {
    report.missing_evidence.emplace_back(item.key, item.reason);
  }
  if (auto added = add_open_drift(report, snapshot); !added) {
    return added.error();
  }
  for (const auto& entry : summary.exemptions) {
    const auto& spec = entry.exemption->spec;
    report.exemptions.push_back(
        fmt::format("{} ({}): {} verdicts{}. {}: {}",
                    spec.name,
                    compliance::to_string(entry.state),
                    entry.verdicts,
                    spec.expires_on ? ", until " + core::to_rfc3339(*spec.expires_on) : "",
                    spec.category,
                    spec.description));
  }
  return write_html(report);
}

}  // namespace plumbline::daemon
