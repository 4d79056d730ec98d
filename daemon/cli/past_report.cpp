#include "compliance/summary.hpp"
#include "core/text.hpp"
#include "daemon/alias_refresh.hpp"
#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/cli/what_if.hpp"
#include "policy/engine.hpp"
#include "storage/past.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace plumbline::daemon {

using core::ComplianceState;
using core::Errc;
using core::Error;
using core::Result;

namespace {

struct Reported {
  storage::PastState past;
  compliance::Tally overall;
  std::map<std::string, compliance::Tally> by_control;
  std::int64_t of_other_checks = 0;  // verdicts of checks that the baseline no longer has
};

/// Severities and controls are those of the baseline as it is configured now: the store keeps what
/// was concluded, not how much it weighs.
Result<Reported> collect(const config::Settings& settings, const std::string& instant) {
  const auto at = core::parse_rfc3339(instant);
  if (!at) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is no instant such as 2026-11-22T10:00:00Z", instant)};
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return aliases.error();
  }
  const auto baseline = load_baseline(settings, **aliases, kept_initiatives(settings));
  if (!baseline) {
    return baseline.error();
  }
  auto past = storage::state_at(settings.storage_path, *at);
  if (!past) {
    return past.error();
  }
  Reported out;
  out.past = *std::move(past);
  for (const auto& count : out.past.counts) {
    const auto check = std::ranges::find_if((*baseline)->checks, [&](const auto& candidate) {
      return candidate.assignment == count.assignment && candidate.reference == count.reference;
    });
    if (check == (*baseline)->checks.end()) {
      out.of_other_checks += count.count;
      continue;
    }
    out.overall.add(count.state, count.count, check->severity);
    for (const auto& control : check->controls) {
      out.by_control[control].add(count.state, count.count, check->severity);
    }
  }
  return out;
}

std::string table(const Reported& report) {
  std::string out = fmt::format(
      "At cycle {}, committed {}\nScore {}   coverage {}   {} resources in {} subscriptions\n\n",
      report.past.cycle,
      core::to_rfc3339(report.past.committed_at),
      percent_text(report.overall.score()),
      percent_text(report.overall.coverage()),
      report.past.resources,
      report.past.subscriptions);
  for (const auto state : core::kComplianceStates) {
    if (const auto count = report.overall.of(state); count > 0) {
      out += fmt::format("  {:<16} {:>8}\n", core::to_string(state), count);
    }
  }
  out += fmt::format("\n  {:<16} {:>8} {:>9} {:>10} {:>14} {:>12}\n",
                     "CONTROL",
                     "SCORE",
                     "COVERAGE",
                     "COMPLIANT",
                     "NONCOMPLIANT",
                     "NOEVIDENCE");
  for (const auto& [control, tally] : report.by_control) {
    out += fmt::format("  {:<16} {:>8} {:>9} {:>10} {:>14} {:>12}\n",
                       control,
                       percent_text(tally.score()),
                       percent_text(tally.coverage()),
                       tally.of(ComplianceState::kCompliant),
                       tally.of(ComplianceState::kNonCompliant),
                       tally.of(ComplianceState::kNoEvidence));
  }
  if (report.of_other_checks > 0) {
    out += fmt::format("\n{} verdicts of checks that the baseline no longer has are not counted.\n",
                       report.of_other_checks);
  }
  return out;
}

std::string json(const Reported& report) {
  const auto number = [](std::optional<double> value) {
    return value ? fmt::format("{}", *value) : std::string("null");
  };
  std::string out = fmt::format(
      R"({{"cycle":{},"committed_at":"{}","score":{},"coverage":{},"resources":{},"subscriptions":{},"not_counted":{},"counts":[)",
      report.past.cycle,
      core::to_rfc3339(report.past.committed_at),
      number(report.overall.score()),
      number(report.overall.coverage()),
      report.past.resources,
      report.past.subscriptions,
      report.of_other_checks);
  for (const auto& count : report.past.counts) {
    out += &count == &report.past.counts.front() ? "\n" : ",\n";
    out += fmt::format(R"({{"assignment":{},"reference":{},"state":"{}","count":{}}})",
                       core::json_quote(count.assignment),
                       core::json_quote(count.reference),
                       core::to_string(count.state),
                       count.count);
  }
  return out + "\n]}\n";
}

/// The state that was committed last, as `once` shows it.
Result<std::string> last_report(const config::Settings& settings, Format format) {
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  const auto aliases = known_aliases(**snapshot);
  if (!aliases) {
    return aliases.error();
  }
  const auto initiatives = known_initiatives(**snapshot, settings);
  if (!initiatives) {
    return initiatives.error();
  }
  auto baseline = load_baseline(settings, **aliases, *initiatives);
  if (!baseline) {
    return baseline.error();
  }
  const auto now = core::SystemClock().now();
  const auto summary = compliance::summarise(*std::move(baseline), **snapshot, now);
  if (!summary) {
    return summary.error();
  }
  return render_report(**summary, **snapshot, now, format);
}

Result<std::string> render(const config::Settings& settings,
                           const PastOptions& options,
                           Format format) {
  if (!options.baseline.empty() || !options.exemptions.empty()) {
    return render_what_if(settings, options, format);
  }
  if (!options.assignment.empty()) {
    return Error{Errc::kInvalidArgument, "--assignment says what --baseline is for"};
  }
  if (options.at.empty()) {
    return last_report(settings, format);
  }
  if (format != Format::kTable && format != Format::kJson) {
    return Error{Errc::kInvalidArgument, "--at is shown as a table or JSON"};
  }
  const auto report = collect(settings, options.at);
  if (!report) {
    return report.error();
  }
  return format == Format::kJson ? json(*report) : table(*report);
}

}  // namespace

int run_report(const CommonOptions& common, const PastOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  auto progress = std::make_optional<Progress>("reading " + settings->storage_path, false);
  const auto report = render(*settings, options, common.format);
  progress.reset();
  if (!report) {
    fmt::print(stderr, "plumbline: {}\n", report.error().message);
    return kExitError;
  }
  fmt::print("{}", *report);
  return kExitOk;
}

}  // namespace plumbline::daemon
