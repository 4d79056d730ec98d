#include "daemon/cli/report.hpp"

#include "core/text.hpp"
#include "daemon/html_report.hpp"
#include "daemon/summary_json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::daemon {

using core::ComplianceState;
using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kPage = 1000;

class Report {
 public:
  Report(const compliance::Summary& summary, core::Snapshot& snapshot)
      : summary_(&summary), snapshot_(&snapshot) {}

  Result<std::string> table() {
    const auto overall = summary_->overall();
    std::string out = fmt::format("Score {}   coverage {}   {} resources in {} subscriptions\n\n",
                                  percent_text(overall.score()),
                                  percent_text(overall.coverage()),
                                  summary_->resources(),
                                  summary_->subscriptions.size());
    out.insert(out.size() - 1, azure_text());
    out += fmt::format("  {:<16} {:>8} {:>9} {:>10} {:>14} {:>12}  {}\n",
                       "CONTROL",
                       "SCORE",
                       "COVERAGE",
                       "COMPLIANT",
                       "NONCOMPLIANT",
                       "NOEVIDENCE",
                       "TITLE");
    for (const auto& assignment : summary_->assignments) {
      for (const auto& control : assignment.assignment->controls) {
        const auto found = assignment.by_control.find(control.name);
        const auto tally =
            found == assignment.by_control.end() ? compliance::Tally{} : found->second;
        out += fmt::format("  {:<16} {:>8} {:>9} {:>10} {:>14} {:>12}  {}\n",
                           control.name,
                           percent_text(tally.score()),
                           percent_text(tally.coverage()),
                           tally.of(ComplianceState::kCompliant),
                           tally.of(ComplianceState::kNonCompliant),
                           tally.of(ComplianceState::kNoEvidence),
                           control.title);
      }
    }
    add_structure(out);
    add_exemptions(out);
    for (const auto state :
         {ComplianceState::kNonCompliant, ComplianceState::kNoEvidence, ComplianceState::kError}) {
      std::size_t count = 0;
      std::string lines;
      auto done = each(state, [&](const core::VerdictRow& row, const compliance::Check& check) {
        ++count;
        lines += fmt::format("  {:<8} {}  {}{}\n",
                             core::to_string(check.severity),
                             row.reference,
                             row.resource_id,
                             row.verdict.reason.empty() ? "" : "  (" + row.verdict.reason + ")");
      });
      if (!done) {
        return done.error();
      }
      if (count > 0) {
        out += fmt::format("\n{} ({})\n{}", core::to_string(state), count, lines);
      }
    }
    return out;
  }

  Result<std::string> csv() {
    std::string out =
        "assignment,reference,severity,state,reason,resource_id,resource_type,observed_at\r\n";
    auto done =
        each(std::nullopt, [&](const core::VerdictRow& row, const compliance::Check& check) {
          out += fmt::format("{},{},{},{},{},{},{},{}\r\n",
                             csv_cell(row.assignment),
                             csv_cell(row.reference),
                             core::to_string(check.severity),
                             core::to_string(row.verdict.state),
                             csv_cell(row.verdict.reason),
                             csv_cell(row.resource_id),
                             csv_cell(row.resource_type),
                             core::to_rfc3339(row.observed_at));
        });
    if (!done) {
      return done.error();
    }
    return out;
  }

  Result<std::string> json() {
    const auto overall = summary_->overall();
    const auto number = [](std::optional<double> value) {
      return value ? fmt::format("{}", *value) : std::string("null");
    };
    std::string out = fmt::format(
        R"({{"score":{},"coverage":{},"azure":{},"resources":{},"subscriptions":{},"controls":{},"results":[)",
        number(overall.score()),
        number(overall.coverage()),
        azure_by_assignment().dump(),
        summary_->resources(),
        summary_->subscriptions.size(),
        controls_json(*summary_).dump());
    auto done = each(std::nullopt, [&](const core::VerdictRow& row, const compliance::Check& check) {
      out += out.ends_with('[') ? "\n" : ",\n";
      out += fmt::format(
          R"({{"assignment":{},"reference":{},"title":{},"severity":"{}","state":"{}","reason":{},"resource_id":{},"resource_type":{},"observed_at":"{}"}})",
          core::json_quote(row.assignment),
          core::json_quote(row.reference),
          core::json_quote(check.title),
          core::to_string(check.severity),
          core::to_string(row.verdict.state),
          core::json_quote(row.verdict.reason),
          core::json_quote(row.resource_id),
          core::json_quote(row.resource_type),
          core::to_rfc3339(row.observed_at));
    });
    if (!done) {
      return done.error();
    }
    return out + "\n]}\n";
  }

 private:
  /// Beside the score, for those who compare with the portal.
  [[nodiscard]] std::string azure_text() const {
    std::string out;
    for (const auto& entry : summary_->assignments) {
      if (const auto ratio = entry.resources.azure_ratio()) {
        out += fmt::format("{}{} ({})",
                           out.empty() ? "As Azure Policy counts: " : ", ",
                           percent_text(ratio),
                           entry.assignment->name);
      }
    }
    return out.empty() ? out : out + "\n";
  }

  [[nodiscard]] nlohmann::json azure_by_assignment() const {
    auto out = nlohmann::json::object();
    for (const auto& entry : summary_->assignments) {
      out[entry.assignment->name] = azure_json(entry.resources);
    }
    return out;
  }

  /// What stands under a row of the documents; `own`: whether that is the row's own score.
  static std::string row_text(const compliance::AssignmentSummary& entry,
                              const std::string& id,
                              std::size_t checks,
                              bool own) {
    const auto found = entry.by_row.find(id);
    const auto tally = found == entry.by_row.end() ? compliance::Tally{} : found->second;
    return fmt::format("{:>8} {:>8} {:>7} {:>10} {:>14} {:>12}",
                       own ? percent_text(tally.score()) : "-",
                       percent_text(tally.coverage()),
                       checks,
                       tally.of(ComplianceState::kCompliant),
                       tally.of(ComplianceState::kNonCompliant),
                       tally.of(ComplianceState::kNoEvidence));
  }

  void add_structure(std::string& out) const {
    constexpr std::string_view kFigures =
        "   SCORE COVERAGE  CHECKS  COMPLIANT   NONCOMPLIANT   NOEVIDENCE";
    for (const auto& entry : summary_->assignments) {
      const auto& structure = entry.assignment->structure;
      if (!structure.features.empty()) {
        out += fmt::format("\nFEATURES ({})\n  {:<8} {:<13} {:<9} {:<10} {:<12}{}  NAME\n",
                           entry.assignment->name,
                           "ID",
                           "STATE",
                           "SUPPORTED",
                           "BY DEFAULT",
                           "RESPONSIBLE",
                           kFigures);
      }
      for (const auto& row : structure.features) {
        const bool own = row.state == compliance::FeatureState::kCustomer;
        out += fmt::format("  {:<8} {:<13} {:<9} {:<10} {:<12}{}  {}\n",
                           row.id,
                           compliance::to_string(row.state),
                           row.supported,
                           row.enabled_by_default,
                           row.responsibility,
                           row_text(entry, row.id, row.checks.size(), own),
                           row.name);
      }
      if (!structure.recommendations.empty()) {
        out += fmt::format(
            "\nRECOMMENDATIONS ({})\n  {:<16}{}  NAME\n", entry.assignment->name, "ID", kFigures);
      }
      for (const auto& row : structure.recommendations) {
        out += fmt::format(
            "  {:<16}{}  {}\n", row.id, row_text(entry, row.id, row.checks.size(), true), row.name);
      }
      if (!structure.information.empty()) {
        out += fmt::format("\nFOR INFORMATION ({})\n", entry.assignment->name);
      }
      for (const auto& row : structure.information) {
        out += fmt::format("  {:<13} {:<8} {}\n", row.state, row.feature, row.name);
      }
    }
  }

  void add_exemptions(std::string& out) const {
    if (summary_->exemptions.empty()) {
      return;
    }
    out += fmt::format("\nExemptions ({})\n", summary_->exemptions.size());
    for (const auto& entry : summary_->exemptions) {
      const auto& spec = entry.exemption->spec;
      out += fmt::format("  {:<9} {}  {} verdicts{}  {}: {}\n",
                         compliance::to_string(entry.state),
                         spec.name,
                         entry.verdicts,
                         spec.expires_on ? "  until " + core::to_rfc3339(*spec.expires_on) : "",
                         spec.category,
                         spec.description);
    }
  }

  template <class Visit>
  core::Status each(std::optional<ComplianceState> state, Visit visit) {
    core::VerdictFilter filter;
    filter.state = state;
    filter.limit = kPage;
    for (;;) {
      auto rows = snapshot_->verdicts(filter);
      if (!rows) {
        return rows.error();
      }
      for (const auto& row : *rows) {
        const auto check =
            std::ranges::find(summary_->checks, row.verdict.check, &compliance::CheckSummary::row);
        if (check != summary_->checks.end()) {
          visit(row, *check->check);
        }
      }
      if (rows->size() < kPage) {
        return core::Status::ok();
      }
      filter.after_check = rows->back().verdict.check;
      filter.after_resource = rows->back().verdict.resource;
    }
  }

  const compliance::Summary* summary_;
  core::Snapshot* snapshot_;
};

}  // namespace

std::string csv_cell(std::string_view text) {
  std::string cell(text);
  if (!cell.empty() && std::string_view("=+-@").contains(cell.front())) {
    cell.insert(cell.begin(), '\'');
  }
  if (cell.find_first_of(",\"\r\n") == std::string::npos) {
    return cell;
  }
  std::string quoted = "\"";
  for (const char c : cell) {
    quoted += c;
    if (c == '"') {
      quoted += '"';
    }
  }
  return quoted + "\"";
}

std::string percent_text(std::optional<double> ratio) {
  return ratio ? fmt::format("{:.1f} %", *ratio * 100.0) : std::string("-");
}

Result<std::int64_t> report_cycle(core::Snapshot& snapshot, const std::string& at) {
  if (at.empty()) {
    const auto last = snapshot.cycles(1);
    if (!last) {
      return last.error();
    }
    if (last->empty()) {
      return Error{Errc::kNotFound, "nothing is known yet: no cycle was committed"};
    }
    return last->front().number;
  }
  const auto instant = core::parse_rfc3339(at);
  if (!instant) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is no instant such as 2026-11-22T10:00:00Z", at)};
  }
  const auto found = snapshot.cycle_at(*instant);
  if (!found) {
    return found.error();
  }
  if (!*found) {
    return Error{Errc::kNotFound,
                 fmt::format("nothing was known at {}: the first cycle came later", at)};
  }
  return **found;
}

Result<std::string> render_report(const compliance::Summary& summary,
                                  core::Snapshot& snapshot,
                                  core::Time now,
                                  Format format) {
  Report report(summary, snapshot);
  switch (format) {
    case Format::kJson:
      return report.json();
    case Format::kCsv:
      return report.csv();
    case Format::kHtml:
      return html_report(summary, snapshot, now);
    case Format::kTable:
      break;
  }
  return report.table();
}

int exit_code_of(const compliance::Summary& summary, const collectors::PassReport& pass) {
  const auto overall = summary.overall();
  if (!pass.signed_in || !pass.first_error.empty() || overall.of(ComplianceState::kError) > 0) {
    return kExitError;
  }
  if (overall.of(ComplianceState::kNonCompliant) > 0) {
    return kExitNonCompliant;
  }
  if (!pass.complete || overall.of(ComplianceState::kNoEvidence) > 0) {
    return kExitIncomplete;
  }
  return kExitOk;
}

}  // namespace plumbline::daemon
