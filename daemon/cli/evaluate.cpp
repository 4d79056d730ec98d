#include "collectors/resource_graph/rows.hpp"
#include "compliance/offline.hpp"
#include "compliance/summary.hpp"
#include "core/digest.hpp"
#include "core/json_limits.hpp"
#include "core/model/collection_plan.hpp"
#include "core/text.hpp"
#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/pipeline_reports.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <unordered_map>

namespace plumbline::daemon {

using core::ComplianceState;
using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxDocumentBytes = std::size_t{512} << 20U;
constexpr std::size_t kFlushAt = std::size_t{64} << 10U;

/// Assignments as configured, or one of `--baseline` alone.
Result<config::Settings> settings_of(const CommonOptions& common, const EvaluateOptions& options) {
  config::Settings settings;
  if (options.baseline.empty() || options.has_config) {
    auto loaded = load_settings_with(common);
    if (!loaded) {
      return loaded.error();
    }
    settings = *std::move(loaded);
  }
  // Verdicts do not depend on what drift is accepted.
  settings.drift.acceptances_file.clear();
  if (!options.exemptions.empty()) {
    settings.exemptions_file = options.exemptions;
  }
  auto& assignments = settings.assignments;
  if (!options.assignment.empty()) {
    std::erase_if(assignments, [&](const auto& entry) { return entry.name != options.assignment; });
    if (assignments.empty()) {
      return Error{Errc::kNotFound,
                   fmt::format("no assignment named `{}` is configured", options.assignment)};
    }
  }
  if (options.baseline.empty()) {
    return settings;
  }
  if (assignments.empty()) {
    const auto path = std::filesystem::path(options.baseline).lexically_normal();
    const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
    assignments.emplace_back().name = name.string();
  }
  if (assignments.size() != 1) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("{} assignments are configured: say with --assignment which of them "
                             "--baseline is for",
                             assignments.size())};
  }
  assignments.front().initiative = options.baseline;
  return settings;
}

/// Takes verdicts as they come and writes what the format shows of them.
class Writer {
 public:
  Writer(std::shared_ptr<const compliance::Baseline> baseline, const EvaluateOptions& options)
      : baseline_(std::move(baseline)), options_(&options) {
    const bool is_one = baseline_->assignments.size() == 1;
    for (const auto& check : baseline_->checks) {
      rule_of_.emplace(&check, report_.rules.size());
      PipelineRule rule;
      rule.id = is_one ? check.reference : check.assignment + "/" + check.reference;
      rule.assignment = check.assignment;
      rule.reference = check.reference;
      rule.title = check.title;
      rule.description = check.description;
      rule.remediation = check.remediation;
      rule.documentation = check.documentation;
      rule.severity = check.severity;
      rule.controls = check.controls;
      report_.rules.push_back(std::move(rule));
    }
    report_.version = PLUMBLINE_VERSION;
    report_.file = options.file == "-" ? "" : options.file;
    if (options.format == EvaluateFormat::kCsv) {
      out_ = "assignment,reference,severity,state,reason,resource_id,resource_type,line\r\n";
    }
  }

  void take(const compliance::OfflineVerdict& verdict) {
    const auto& check = *verdict.check;
    tally_.add(verdict.state, 1, check.severity);
    if (verdict.state == ComplianceState::kNonCompliant) {
      ++noncompliant_[check.severity];
    }
    switch (options_->format) {
      case EvaluateFormat::kText:
        add_text(verdict);
        break;
      case EvaluateFormat::kJson:
        add_json(verdict);
        break;
      case EvaluateFormat::kCsv:
        add_csv(verdict);
        break;
      case EvaluateFormat::kSarif:
      case EvaluateFormat::kJunit:
        keep(verdict);
        break;
    }
    if (out_.size() > kFlushAt) {
      flush();
    }
  }

  /// Input that was left out.
  void take_problem(const std::string& problem) {
    fmt::print(stderr, "plumbline: {}\n", problem);
    report_.problems.push_back(problem);
  }

  /// Everything is there. False: it could not be written.
  bool finish(std::size_t resources, std::size_t unjudged) {
    if (options_->format == EvaluateFormat::kText) {
      add_summary(resources, unjudged);
    } else if (options_->format == EvaluateFormat::kSarif) {
      out_ = write_sarif(report_);
    } else if (options_->format == EvaluateFormat::kJunit) {
      out_ = write_junit(report_);
    }
    flush();
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  }

  [[nodiscard]] int exit_code() const {
    if (!report_.problems.empty() || tally_.of(ComplianceState::kError) > 0) {
      return kExitError;
    }
    const auto at_least = core::parse_severity(options_->fail_on);
    const bool fails = at_least && std::ranges::any_of(noncompliant_, [&](const auto& entry) {
                         return entry.first >= *at_least && entry.second > 0;
                       });
    if (fails) {
      return kExitNonCompliant;
    }
    // Where the input need not be whole, verdicts that need more of it say nothing against it.
    return options_->complete && tally_.of(ComplianceState::kNoEvidence) > 0 ? kExitIncomplete
                                                                             : kExitOk;
  }

 private:
  void add_text(const compliance::OfflineVerdict& verdict) {
    if (verdict.state != ComplianceState::kNonCompliant &&
        verdict.state != ComplianceState::kError) {
      return;
    }
    fmt::format_to(std::back_inserter(out_),
                   "{:<12} {:<8} {}  {}{}\n",
                   core::to_string(verdict.state),
                   core::to_string(verdict.check->severity),
                   verdict.check->reference,
                   verdict.resource_id,
                   verdict.reason.empty() ? "" : fmt::format("  ({})", verdict.reason));
  }

  void add_json(const compliance::OfflineVerdict& verdict) {
    out_ += R"({"assignment":)";
    core::append_json_quoted(out_, verdict.check->assignment);
    out_ += R"(,"reference":)";
    core::append_json_quoted(out_, verdict.check->reference);
    fmt::format_to(std::back_inserter(out_),
                   R"(,"severity":"{}","state":"{}","reason":)",
                   core::to_string(verdict.check->severity),
                   core::to_string(verdict.state));
    core::append_json_quoted(out_, verdict.reason);
    out_ += R"(,"resource_id":)";
    core::append_json_quoted(out_, verdict.resource_id);
    out_ += R"(,"resource_type":)";
    core::append_json_quoted(out_, verdict.resource_type);
    fmt::format_to(std::back_inserter(out_), ",\"line\":{}}}\n", line_text(verdict, "null"));
  }

  void add_csv(const compliance::OfflineVerdict& verdict) {
    fmt::format_to(std::back_inserter(out_),
                   "{},{},{},{},{},{},{},{}\r\n",
                   csv_cell(verdict.check->assignment),
                   csv_cell(verdict.check->reference),
                   core::to_string(verdict.check->severity),
                   core::to_string(verdict.state),
                   csv_cell(verdict.reason),
                   csv_cell(verdict.resource_id),
                   csv_cell(verdict.resource_type),
                   line_text(verdict, ""));
  }

  static std::string line_text(const compliance::OfflineVerdict& verdict, const char* unknown) {
    return verdict.place > 0 ? fmt::format("{}", verdict.place) : std::string(unknown);
  }

  void keep(const compliance::OfflineVerdict& verdict) {
    const auto rule = rule_of_.at(verdict.check);
    if (verdict.state == ComplianceState::kCompliant) {
      ++report_.rules[rule].compliant;
      return;
    }
    report_.findings.push_back({rule,
                                std::string(verdict.resource_key),
                                std::string(verdict.resource_id),
                                std::string(verdict.resource_type),
                                verdict.state,
                                std::string(verdict.reason),
                                verdict.place});
  }

  void add_summary(std::size_t resources, std::size_t unjudged) {
    out_ += fmt::format("{}Score {}   coverage {}   {} resources, {} of them no check is about\n",
                        out_.empty() && !has_written_ ? "" : "\n",
                        percent_text(tally_.score()),
                        percent_text(tally_.coverage()),
                        resources,
                        unjudged);
    for (const auto state : core::kComplianceStates) {
      if (const auto count = tally_.of(state); count > 0) {
        out_ += fmt::format("  {:<16} {:>8}\n", core::to_string(state), count);
      }
    }
    if (!options_->complete && tally_.of(ComplianceState::kNoEvidence) > 0) {
      out_ +=
          "What is not in the input was not asked for. If it is all there is, say --complete.\n";
    }
  }

  void flush() {
    has_written_ = has_written_ || !out_.empty();
    std::fwrite(out_.data(), 1, out_.size(), stdout);
    out_.clear();
  }

  std::shared_ptr<const compliance::Baseline> baseline_;
  const EvaluateOptions* options_;
  PipelineReport report_;
  std::unordered_map<const compliance::Check*, std::size_t> rule_of_;
  compliance::Tally tally_;
  std::map<core::Severity, std::int64_t> noncompliant_;
  std::string out_;
  bool has_written_ = false;
};

/// Reads resources: one object a line, lists among them, or one document of any layout.
class Reader {
 public:
  Reader(const EvaluateOptions& options,
         compliance::OfflineJudge& judge,
         Writer& writer,
         Progress& progress)
      : options_(&options),
        name_(options.file == "-" ? "standard input" : options.file),
        judge_(&judge),
        writer_(&writer),
        progress_(&progress),
        // Fingerprints of secrets are compared with nothing here.
        normaliser_(std::string(core::random_bytes(32).value_or("plumbline"))),
        now_(core::SystemClock().now()) {}

  Status run() {
    std::ifstream file;
    if (options_->file != "-") {
      std::error_code error;
      if (std::filesystem::is_directory(options_->file, error)) {
        return Error{Errc::kIo, fmt::format("{}: is a directory", options_->file)};
      }
      file.open(options_->file, std::ios::binary);
      if (!file) {
        return Error{Errc::kIo,
                     fmt::format("{}: {}",
                                 options_->file,
                                 std::error_code(errno, std::generic_category()).message())};
      }
    }
    std::istream& in = options_->file == "-" ? std::cin : file;
    std::ios::sync_with_stdio(false);
    std::string line;
    for (std::uint64_t number = 1; std::getline(in, line); ++number) {
      const auto text = core::trim(line);
      if (text.empty()) {
        continue;
      }
      if (auto done = add_line(line, number, in); !done) {
        return done;
      }
    }
    return in.bad() ? Status(Error{Errc::kIo, fmt::format("{}: cannot be read", name_)})
                    : judge_->finish();
  }

  [[nodiscard]] std::size_t resources() const { return resources_; }

 private:
  Status add_line(std::string& line, std::uint64_t number, std::istream& in) {
    auto parsed = parse(line, core::kMaxJsonBytes);
    if (parsed) {
      return add_value(*parsed, number);
    }
    if (is_first_ && !options_->keep_going) {
      // A document that is laid out over many lines.
      is_first_ = false;
      std::string document = line + "\n";
      document.append(std::istreambuf_iterator<char>(in), {});
      if (auto whole = parse(document, kMaxDocumentBytes)) {
        return add_value(*whole, 0);
      }
    }
    is_first_ = false;
    return leave_out(number, parsed.error().message);
  }

  Result<simdjson::dom::element> parse(const std::string& text, std::size_t most) {
    if (auto limits = core::check_json_limits(text, most); !limits) {
      return limits.error();
    }
    simdjson::dom::element root;
    if (const auto error = parser_.parse(text).get(root); error != simdjson::SUCCESS) {
      return Error{Errc::kParse, simdjson::error_message(error)};
    }
    return root;
  }

  Status add_value(simdjson::dom::element value, std::uint64_t number) {
    is_first_ = false;
    simdjson::dom::array items;
    const bool is_list = value.get(items) == simdjson::SUCCESS ||
                         (value.is_object() && value["id"].error() != simdjson::SUCCESS &&
                          (value["value"].get(items) == simdjson::SUCCESS ||
                           value["data"].get(items) == simdjson::SUCCESS));
    if (!is_list) {
      return add_resource(value, number);
    }
    if (options_->complete && value.is_object() && is_page(value)) {
      return Error{Errc::kInvalidArgument,
                   fmt::format("{}: a page of a longer list, and --complete says that there is no "
                               "more",
                               name_)};
    }
    for (const auto item : items) {
      if (auto done = add_resource(item, number); !done) {
        return done;
      }
    }
    return Status::ok();
  }

  /// Whether a list says that it goes on elsewhere.
  static bool is_page(simdjson::dom::element list) {
    for (const char* name : {"nextLink", "@nextLink", "$skipToken", "skip_token"}) {
      std::string_view text;
      if (list[name].get(text) == simdjson::SUCCESS && !text.empty()) {
        return true;
      }
    }
    std::string_view truncated;
    return list["resultTruncated"].get(truncated) == simdjson::SUCCESS && truncated == "true";
  }

  Status add_resource(simdjson::dom::element resource, std::uint64_t number) {
    auto observation = collectors::observe_resource(resource, "", now_, normaliser_);
    if (!observation) {
      return leave_out(number, "no resource: it has no `id`, or no `type`");
    }
    observation->source.clear();
    if (auto added = judge_->add(*std::move(observation), number); !added) {
      return leave_out(number, added.error().message);
    }
    ++resources_;
    progress_->step();
    return Status::ok();
  }

  Status leave_out(std::uint64_t number, const std::string& why) {
    const std::string problem = number > 0 ? fmt::format("{}:{}: {}", name_, number, why)
                                           : fmt::format("{}: {}", name_, why);
    if (!options_->keep_going) {
      return Error{Errc::kParse, problem};
    }
    writer_->take_problem(problem);
    return Status::ok();
  }

  const EvaluateOptions* options_;
  std::string name_;
  compliance::OfflineJudge* judge_;
  Writer* writer_;
  Progress* progress_;
  core::Normaliser normaliser_;
  core::Time now_;
  simdjson::dom::parser parser_;
  std::size_t resources_ = 0;
  bool is_first_ = true;
};

Result<int> evaluate(const CommonOptions& common, const EvaluateOptions& options) {
  const auto settings = settings_of(common, options);
  if (!settings) {
    return settings.error();
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return aliases.error();
  }
  const auto baseline = load_baseline(*settings, **aliases, kept_initiatives(*settings));
  if (!baseline) {
    return baseline.error();
  }
  Writer writer(*baseline, options);
  const auto judge = compliance::OfflineJudge::make(
      *baseline,
      core::SystemClock().now(),
      options.complete,
      [&](const compliance::OfflineVerdict& verdict) { writer.take(verdict); });
  auto progress = std::make_optional<Progress>("resources", true);
  Reader reader(options, *judge, writer, *progress);
  auto read = reader.run();
  progress.reset();
  if (!read) {
    return read.error();
  }
  if (!writer.finish(reader.resources(), judge->unjudged())) {
    return Error{Errc::kIo, "the results are cut short"};
  }
  return writer.exit_code();
}

}  // namespace

int run_evaluate(const CommonOptions& common, const EvaluateOptions& options) {
  const auto code = evaluate(common, options);
  if (!code) {
    fmt::print(stderr, "plumbline: {}\n", code.error().message);
    return kExitError;
  }
  return *code;
}

}  // namespace plumbline::daemon
