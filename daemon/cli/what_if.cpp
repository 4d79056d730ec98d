#include "daemon/cli/what_if.hpp"

#include "compliance/comparison.hpp"
#include "compliance/plan.hpp"
#include "compliance/summary.hpp"
#include "core/text.hpp"
#include "daemon/alias_refresh.hpp"
#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/ephemeral_state.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace plumbline::daemon {

using compliance::Difference;
using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kPage = 5000;

struct WhatIf {
  std::int64_t cycle = 0;
  core::Time committed_at;
  bool is_past = false;  // history was judged, with the evidence of today
  std::string changed;   // what was put in the place of the configured
  std::vector<compliance::VerdictDifference> verdicts;
  std::vector<compliance::CheckDifference> checks;
  std::size_t checks_in_all = 0;  // of the other baseline
  compliance::Tally before;
  compliance::Tally after;
  std::int64_t left_out = 0;  // verdicts of checks that are no longer configured, not in `before`
  std::vector<std::string> unasked;  // types that the other baseline reads and nobody asked for
  std::map<std::string, std::pair<compliance::Tally, compliance::Tally>> by_control;
};

/// Every verdict of the last committed state, or of an earlier cycle.
template <class Visit>
Status each_verdict(core::Snapshot& snapshot, std::optional<std::int64_t> cycle, Visit visit) {
  core::VerdictFilter filter;
  filter.limit = kPage;
  for (;;) {
    auto rows = cycle ? snapshot.past_verdicts(filter, *cycle) : snapshot.verdicts(filter);
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      visit(row);
    }
    if (rows->size() < kPage) {
      return Status::ok();
    }
    filter.after_check = rows->back().verdict.check;
    filter.after_resource = rows->back().verdict.resource;
  }
}

/// The settings with what is asked for in the place of what is configured.
Result<config::Settings> changed_settings(config::Settings settings, const PastOptions& options) {
  if (!options.exemptions.empty()) {
    settings.exemptions_file = options.exemptions;
  }
  // Verdicts do not depend on what drift is accepted.
  settings.drift.acceptances_file.clear();
  if (options.baseline.empty()) {
    return settings;
  }
  auto& assignments = settings.assignments;
  auto chosen = assignments.begin();
  if (!options.assignment.empty()) {
    chosen = std::ranges::find(assignments, options.assignment, &config::AssignmentConfig::name);
  } else if (assignments.size() != 1) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("{} assignments are configured: say with --assignment which of them "
                             "--baseline is for",
                             assignments.size())};
  }
  if (chosen == assignments.end()) {
    return Error{Errc::kNotFound,
                 fmt::format("no assignment named `{}` is configured", options.assignment)};
  }
  chosen->initiative = options.baseline;
  return settings;
}

void add_controls(WhatIf& out,
                  const std::vector<compliance::AssignmentSummary>& before,
                  const std::vector<compliance::AssignmentSummary>& after) {
  const auto sum = [](compliance::Tally& into, const compliance::Tally& from) {
    for (std::size_t i = 0; i < into.counts.size(); ++i) {
      into.counts[i] += from.counts[i];
    }
    into.weighted_compliant += from.weighted_compliant;
    into.weighted_counted += from.weighted_counted;
  };
  for (const auto& entry : before) {
    for (const auto& [control, tally] : entry.by_control) {
      sum(out.by_control[control].first, tally);
    }
  }
  for (const auto& entry : after) {
    for (const auto& [control, tally] : entry.by_control) {
      sum(out.by_control[control].second, tally);
    }
  }
}

const compliance::Check* find_check(const compliance::Baseline& baseline,
                                    std::string_view assignment,
                                    std::string_view reference) {
  const auto found = std::ranges::find_if(baseline.checks, [&](const compliance::Check& check) {
    return check.assignment == assignment && check.reference == reference;
  });
  return found == baseline.checks.end() ? nullptr : &*found;
}

/// What was asked for is known of the checks that the store was judged by only.
core::Status check_is_judged_by(const compliance::Baseline& configured, core::Snapshot& snapshot) {
  const auto rows = snapshot.checks();
  if (!rows) {
    return rows.error();
  }
  for (const auto& check : configured.checks) {
    if (std::ranges::none_of(*rows, [&](const core::CheckRow& row) {
          return row.assignment == check.assignment && row.reference == check.reference &&
                 row.definition_hash == check.definition_hash &&
                 row.parameters_hash == check.parameters_hash;
        })) {
      return core::Error{
          core::Errc::kInvalidArgument,
          fmt::format("the store was judged by another baseline than the configuration names now "
                      "({} of {} differs): let the daemon take that over first",
                      check.reference,
                      check.assignment)};
    }
  }
  return core::Status::ok();
}

/// Types of Resource Graph that only the other baseline has asked for. Evidence is kept by table
/// and subscription, so nothing in a store tells that they are missing.
std::vector<std::string> unasked_types(const compliance::Baseline& configured,
                                       const compliance::Baseline& other,
                                       bool everything) {
  const auto asked = compliance::make_plan(configured, everything);
  std::vector<std::string> types;
  for (const auto& table : compliance::make_plan(other, everything).tables) {
    const auto same = std::ranges::find(asked.tables, table.table, &core::TablePlan::table);
    if (same != asked.tables.end() && same->types.empty()) {
      continue;  // all of it
    }
    for (const auto& type : table.types) {
      if (same == asked.tables.end() || std::ranges::find(same->types, type) == same->types.end()) {
        types.push_back(type);
      }
    }
  }
  return types;
}

Result<WhatIf> compare(const config::Settings& settings, const PastOptions& options) {
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  const auto cycle = report_cycle(**snapshot, options.at);
  if (!cycle) {
    return cycle.error();
  }
  const auto committed_at = (*snapshot)->committed_at(*cycle);
  if (!committed_at) {
    return committed_at.error();
  }
  auto aliases = known_aliases(**snapshot);
  auto other_settings = changed_settings(settings, options);
  for (const Error* const error :
       {aliases ? nullptr : &aliases.error(), other_settings ? nullptr : &other_settings.error()}) {
    if (error != nullptr) {
      return *error;
    }
  }
  const auto initiatives = known_initiatives(**snapshot, settings);
  const auto other_initiatives = known_initiatives(**snapshot, *other_settings);
  if (!initiatives || !other_initiatives) {
    return !initiatives ? initiatives.error() : other_initiatives.error();
  }
  const auto configured = load_baseline(settings, **aliases, *initiatives);
  if (!configured) {
    return configured.error();
  }
  const auto other = load_baseline(*other_settings, **aliases, *other_initiatives);
  if (!other) {
    return other.error();
  }
  const auto checks = (*snapshot)->checks();
  if (!checks) {
    return checks.error();
  }
  WhatIf out;
  out.cycle = *cycle;
  out.committed_at = committed_at->value_or(core::Time{});
  out.is_past = !options.at.empty();
  compliance::Comparison comparison(*checks, **other);
  auto read = each_verdict(**snapshot,
                           out.is_past ? cycle.value() : std::optional<std::int64_t>(),
                           [&](const core::VerdictRow& row) { comparison.add_before(row); });
  if (!read) {
    return read.error();
  }
  if (auto judged_by = check_is_judged_by(**configured, **snapshot); !judged_by) {
    return judged_by.error();
  }
  auto copy = judge_copy(**snapshot, *cycle, out.committed_at, **other);
  if (!copy) {
    return copy.error();
  }
  auto judged = (*copy)->snapshot();
  if (!judged) {
    return judged.error();
  }
  out.unasked = unasked_types(**configured, **other, settings.inventory_all);
  std::set<std::string> undecided;  // references of checks that read what nobody asked for
  const auto readers = compliance::readers_of_types(**other);
  for (const auto& type : out.unasked) {
    if (const auto found = readers.find(type); found != readers.end()) {
      undecided.insert(found->second.begin(), found->second.end());
    }
  }
  read = each_verdict(**judged, std::nullopt, [&](core::VerdictRow row) {
    const bool is_open = row.verdict.state != core::ComplianceState::kExempt &&
                         row.verdict.state != core::ComplianceState::kError;
    const auto* was = find_check(**configured, row.assignment, row.reference);
    const auto* is = find_check(**other, row.assignment, row.reference);
    const bool was_asked = was != nullptr && is != nullptr &&
                           was->definition_hash == is->definition_hash &&
                           was->parameters_hash == is->parameters_hash;
    if (is_open && !was_asked && undecided.contains(row.reference)) {
      row.verdict.state = core::ComplianceState::kNoEvidence;
      row.verdict.reason = "not_collected";
    }
    comparison.add_after(row);
  });
  if (!read) {
    return read.error();
  }
  const auto before = compliance::tally_past(**configured, comparison.counts_before());
  const auto after = compliance::tally_past(**other, comparison.counts_after());
  out.before = compliance::overall(before.assignments);
  out.after = compliance::overall(after.assignments);
  out.left_out = before.left_out;
  add_controls(out, before.assignments, after.assignments);
  out.verdicts = comparison.verdicts();
  out.checks = comparison.checks();
  out.checks_in_all = (*other)->checks.size();
  if (!options.baseline.empty()) {
    out.changed = "baseline " + options.baseline;
  }
  if (!options.exemptions.empty()) {
    out.changed += (out.changed.empty() ? "" : ", ") + ("exemptions " + options.exemptions);
  }
  return out;
}

std::int64_t count(const WhatIf& what_if, Difference what) {
  return std::ranges::count(what_if.checks, what, &compliance::CheckDifference::what);
}

std::int64_t changed_checks(const WhatIf& what_if) {
  return static_cast<std::int64_t>(what_if.checks.size()) - count(what_if, Difference::kNewCheck) -
         count(what_if, Difference::kCheckGone);
}

std::string_view state_text(std::optional<core::ComplianceState> state) {
  return state ? core::to_string(*state) : std::string_view("-");
}

std::string arrow(std::optional<double> before, std::optional<double> after) {
  return percent_text(before) == percent_text(after)
             ? percent_text(before)
             : fmt::format("{} -> {}", percent_text(before), percent_text(after));
}

constexpr std::string_view kPastEvidence =
    "Of evidence the store keeps only the last: a source that cannot be read today counts as not\n"
    "read then, and one that could not be read then counts as read.\n";

std::string table(const WhatIf& what_if) {
  std::string out = fmt::format("What if: {}, at cycle {}, committed {}\n",
                                what_if.changed,
                                what_if.cycle,
                                core::to_rfc3339(what_if.committed_at));
  if (what_if.is_past) {
    out += kPastEvidence;
  }
  if (!what_if.unasked.empty()) {
    out += fmt::format("Not asked for so far, so that what reads them has no evidence: {}\n",
                       fmt::join(what_if.unasked, ", "));
  }
  out += fmt::format("Score {}   coverage {}\n",
                     arrow(what_if.before.score(), what_if.after.score()),
                     arrow(what_if.before.coverage(), what_if.after.coverage()));
  out += fmt::format("Checks: {} added, {} removed, {} changed, {} in all\n\n",
                     count(what_if, Difference::kNewCheck),
                     count(what_if, Difference::kCheckGone),
                     changed_checks(what_if),
                     what_if.checks_in_all);
  out += fmt::format("  {:<16} {:>20} {:>20} {:>16} {:>16}\n",
                     "CONTROL",
                     "SCORE",
                     "COVERAGE",
                     "COMPLIANT",
                     "NONCOMPLIANT");
  const auto counts = [](const auto& tallies, core::ComplianceState state) {
    const auto before = tallies.first.of(state);
    const auto after = tallies.second.of(state);
    return before == after ? fmt::format("{}", before) : fmt::format("{} -> {}", before, after);
  };
  for (const auto& [control, tallies] : what_if.by_control) {
    out += fmt::format("  {:<16} {:>20} {:>20} {:>16} {:>16}\n",
                       control,
                       arrow(tallies.first.score(), tallies.second.score()),
                       arrow(tallies.first.coverage(), tallies.second.coverage()),
                       counts(tallies, core::ComplianceState::kCompliant),
                       counts(tallies, core::ComplianceState::kNonCompliant));
  }
  if (what_if.left_out > 0) {
    out += fmt::format("\n{} verdicts of checks that are no longer configured are not counted.\n",
                       what_if.left_out);
  }
  if (!what_if.checks.empty()) {
    out += fmt::format("\nCHECKS ({})\n", what_if.checks.size());
    for (const auto& check : what_if.checks) {
      out += fmt::format("  {:<11} {}\n", compliance::to_string(check.what), check.reference);
    }
  }
  out += fmt::format("\nVERDICTS THAT DIFFER ({})\n", what_if.verdicts.size());
  for (const auto& row : what_if.verdicts) {
    out += fmt::format("  {} -> {}  {}  {}  [{}]{}\n",
                       state_text(row.from),
                       state_text(row.to),
                       row.reference,
                       row.resource_id,
                       compliance::to_string(row.cause),
                       row.reason.empty() ? "" : "  (" + row.reason + ")");
  }
  return out;
}

std::string csv(const WhatIf& what_if) {
  std::string out = "assignment,reference,resource_id,resource_type,from,to,reason,cause\r\n";
  for (const auto& row : what_if.verdicts) {
    out += fmt::format("{},{},{},{},{},{},{},{}\r\n",
                       csv_cell(row.assignment),
                       csv_cell(row.reference),
                       csv_cell(row.resource_id),
                       csv_cell(row.resource_type),
                       row.from ? core::to_string(*row.from) : "",
                       row.to ? core::to_string(*row.to) : "",
                       csv_cell(row.reason),
                       compliance::to_string(row.cause));
  }
  return out;
}

std::string pair_json(std::optional<double> before, std::optional<double> after) {
  const auto number = [](std::optional<double> value) {
    return value ? fmt::format("{}", *value) : std::string("null");
  };
  return fmt::format(R"({{"before":{},"after":{}}})", number(before), number(after));
}

std::string json(const WhatIf& what_if) {
  std::string out = fmt::format(
      R"({{"cycle":{},"committed_at":"{}","evidence":"{}","score":{},"coverage":{},"not_counted":{},)",
      what_if.cycle,
      core::to_rfc3339(what_if.committed_at),
      what_if.is_past ? "last" : "committed",
      pair_json(what_if.before.score(), what_if.after.score()),
      pair_json(what_if.before.coverage(), what_if.after.coverage()),
      what_if.left_out);
  out +=
      fmt::format(R"("counts":{{"added":{},"removed":{},"changed":{},"checks":{}}},"controls":[)",
                  count(what_if, Difference::kNewCheck),
                  count(what_if, Difference::kCheckGone),
                  changed_checks(what_if),
                  what_if.checks_in_all);
  std::string_view separator = "\n";
  for (const auto& [control, tallies] : what_if.by_control) {
    out += fmt::format(R"({}{{"control":{},"score":{},"coverage":{}}})",
                       std::exchange(separator, ",\n"),
                       core::json_quote(control),
                       pair_json(tallies.first.score(), tallies.second.score()),
                       pair_json(tallies.first.coverage(), tallies.second.coverage()));
  }
  out += "\n],\"not_asked_for\":[";
  separator = "";
  for (const auto& type : what_if.unasked) {
    out += std::exchange(separator, ",");
    core::append_json_quoted(out, type);
  }
  out += "],\"checks\":[";
  separator = "\n";
  for (const auto& check : what_if.checks) {
    out += fmt::format(R"({}{{"assignment":{},"reference":{},"what":"{}"}})",
                       std::exchange(separator, ",\n"),
                       core::json_quote(check.assignment),
                       core::json_quote(check.reference),
                       compliance::to_string(check.what));
  }
  out += "\n],\"verdicts\":[";
  separator = "\n";
  const auto state = [](std::optional<core::ComplianceState> value) {
    return value ? core::json_quote(core::to_string(*value)) : std::string("null");
  };
  for (const auto& row : what_if.verdicts) {
    out += fmt::format(
        R"({}{{"assignment":{},"reference":{},"resource_id":{},"resource_type":{},"from":{},"to":{},"reason":{},"cause":"{}"}})",
        std::exchange(separator, ",\n"),
        core::json_quote(row.assignment),
        core::json_quote(row.reference),
        core::json_quote(row.resource_id),
        core::json_quote(row.resource_type),
        state(row.from),
        state(row.to),
        core::json_quote(row.reason),
        compliance::to_string(row.cause));
  }
  return out + "\n]}\n";
}

}  // namespace

Result<std::string> render_what_if(const config::Settings& settings,
                                   const PastOptions& options,
                                   Format format) {
  if (format == Format::kHtml) {
    return Error{Errc::kInvalidArgument,
                 "--format html shows the last committed state, nothing that might be"};
  }
  const auto what_if = compare(settings, options);
  if (!what_if) {
    return what_if.error();
  }
  return format == Format::kJson  ? json(*what_if)
         : format == Format::kCsv ? csv(*what_if)
                                  : table(*what_if);
}

}  // namespace plumbline::daemon
