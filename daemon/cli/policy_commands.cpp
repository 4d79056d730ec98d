#include "config/text_file.hpp"
#include "core/json_limits.hpp"
#include "core/text.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/explanation.hpp"
#include "policy/case_runner.hpp"
#include "policy/lint.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

namespace plumbline::daemon {

namespace {

constexpr std::size_t kMaxCaseFile = std::size_t{512} << 20U;

core::Result<std::string> load(const std::string& path) {
  return config::read_text_file(path, kMaxCaseFile);
}

/// Files as given; a directory stands for every file below it with one of `extensions`, sorted. A
/// baseline's directory stands for its initiative and definitions.
core::Result<std::vector<std::string>> expand(const std::vector<std::string>& paths,
                                              std::initializer_list<std::string_view> extensions) {
  std::vector<std::string> files;
  for (const auto& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    std::string below = path;
    if (std::filesystem::exists(path + "/initiative.json", error)) {
      files.push_back(path + "/initiative.json");
      below += "/definitions";
    }
    for (std::filesystem::recursive_directory_iterator at(below, error), end; !error && at != end;
         at.increment(error)) {
      const std::string extension = at->path().extension().string();
      if (at->is_regular_file() && std::ranges::find(extensions, extension) != extensions.end()) {
        found.push_back(at->path().string());
      }
    }
    if (error) {
      return core::Error{core::Errc::kIo, fmt::format("{}: {}", path, error.message())};
    }
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

/// A JSON file that stays parsed as long as this lives.
struct Document {
  simdjson::dom::parser parser;
  policy::Json root;
};

core::Result<std::unique_ptr<Document>> load_json(const std::string& path) {
  auto text = load(path);
  if (!text) {
    return text.error();
  }
  if (auto limits = core::check_json_limits(*text); !limits) {
    return limits.error().with_context(path);
  }
  auto document = std::make_unique<Document>();
  if (const auto error = document->parser.parse(*text).get(document->root);
      error != simdjson::SUCCESS) {
    return core::Error{core::Errc::kParse,
                       fmt::format("{}: {}", path, simdjson::error_message(error))};
  }
  return document;
}

/// Resources of a file as the surroundings of the evaluated one; without a file nothing is known.
class ListedResources final : public policy::RelatedResources {
 public:
  explicit ListedResources(const Document& document) {
    simdjson::dom::array items;
    if (document.root.get(items) == simdjson::SUCCESS) {
      all_.assign(items.begin(), items.end());
    }
  }

  policy::RelatedAnswer find(const policy::ExistenceQuery& query) override {
    policy::RelatedAnswer answer;
    for (const auto& item : all_) {
      std::string_view type;
      if (item["type"].get(type) == simdjson::SUCCESS && core::iequals(type, query.type)) {
        answer.candidates.push_back(item);
      }
    }
    return answer;
  }

 private:
  std::vector<policy::Json> all_;
};

std::string render_evaluation(const policy::Evaluation& evaluation, Format format) {
  const auto outcome = policy::to_string(evaluation.outcome);
  if (format == Format::kJson) {
    const nlohmann::json out = {
        {"state", outcome},
        {"effect", evaluation.effect},
        {"reason", evaluation.reason},
        {"explanation",
         evaluation.explanation ? explanation_json(*evaluation.explanation) : nlohmann::json()}};
    return out.dump(2) + "\n";
  }
  return fmt::format("{}{}\n{}",
                     outcome,
                     evaluation.reason.empty() ? "" : fmt::format(" ({})", evaluation.reason),
                     evaluation.explanation ? explanation_text(*evaluation.explanation) : "");
}

/// Prints what was found.
core::Result<policy::Evaluation> explain_files(const PolicyExplainOptions& options) {
  const auto aliases = policy::AliasCatalogue::shipped();
  const auto text = load(options.definition);
  const auto resource = load_json(options.resource);
  const auto parameters =
      options.parameters.empty() ? core::Result<std::string>("{}") : load(options.parameters);
  for (const core::Error* const error : {aliases ? nullptr : &aliases.error(),
                                         text ? nullptr : &text.error(),
                                         resource ? nullptr : &resource.error(),
                                         parameters ? nullptr : &parameters.error()}) {
    if (error != nullptr) {
      return *error;
    }
  }
  policy::EvaluationContext context;
  context.now = core::SystemClock().now();
  if (!options.at.empty()) {
    const auto at = core::parse_rfc3339(options.at);
    if (!at) {
      return core::Error{core::Errc::kInvalidArgument,
                         fmt::format("--at: `{}` is no RFC 3339 time", options.at)};
    }
    context.now = *at;
  }
  std::unique_ptr<Document> related;
  std::optional<ListedResources> listed;
  if (!options.related.empty()) {
    auto loaded = load_json(options.related);
    if (!loaded) {
      return loaded.error();
    }
    related = *std::move(loaded);
    if (!related->root.is_array()) {
      return core::Error{core::Errc::kParse,
                         fmt::format("{}: expected an array of resources", options.related)};
    }
    context.related = &listed.emplace(*related);
  }
  auto compiled = policy::compile_definition(*text, options.definition, **aliases);
  if (!compiled) {
    return compiled.error();
  }
  auto bound = policy::bind_parameters(*compiled, *parameters);
  if (!bound) {
    return bound.error().with_context(options.definition);
  }
  policy::Evaluation evaluation = policy::evaluate(**bound, (*resource)->root, context, true);
  fmt::print("{}", render_evaluation(evaluation, options.format));
  return evaluation;
}

}  // namespace

int run_policy_explain(const PolicyExplainOptions& options) {
  const auto evaluation = explain_files(options);
  if (!evaluation) {
    fmt::print(stderr, "plumbline: {}\n", evaluation.error().message);
    return kExitError;
  }
  switch (evaluation->outcome) {
    case policy::Outcome::kNonCompliant:
      return kExitNonCompliant;
    case policy::Outcome::kNoEvidence:
      return kExitIncomplete;
    case policy::Outcome::kError:
      return kExitError;
    default:
      return kExitOk;
  }
}

int run_policy_lint(const std::vector<std::string>& paths) {
  auto files = expand(paths, {".json"});
  if (!files) {
    fmt::print(stderr, "plumbline: {}\n", files.error().message);
    return kExitError;
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    fmt::print(stderr, "plumbline: {}\n", aliases.error().message);
    return kExitError;
  }
  policy::Linter linter(*aliases);
  std::size_t printed = 0;
  for (const auto& file : *files) {
    auto content = load(file);
    if (!content) {
      fmt::print(stderr, "plumbline: {}\n", content.error().message);
      return kExitError;
    }
    linter.check(file, *content);
    for (; printed < linter.report().messages.size(); ++printed) {
      fmt::print("{}\n", linter.report().messages[printed]);
    }
  }
  fmt::print("{}\n", linter.report().summary());
  return linter.report().rejected == 0 ? kExitOk : kExitNonCompliant;
}

int run_policy_test(const PolicyTestOptions& options) {
  auto files = expand(options.files, {".jsonl"});
  if (!files) {
    fmt::print(stderr, "plumbline: {}\n", files.error().message);
    return kExitError;
  }
  policy::CaseOptions cases;
  cases.alias_paths = options.aliases;
  cases.classes = options.classes;
  cases.exclude_classes = options.exclude_classes;
  cases.filter = options.filter;
  cases.verbose = options.verbose;
  if (!options.divergences.empty()) {
    auto list = load(options.divergences);
    if (!list) {
      fmt::print(stderr, "plumbline: {}\n", list.error().message);
      return kExitError;
    }
    cases.divergences = *std::move(list);
  }
  policy::CaseRunner runner(std::move(cases), load);
  auto progress = std::make_optional<Progress>("case files", false);
  for (const auto& file : *files) {
    auto content = load(file);
    if (!content) {
      progress.reset();
      fmt::print(stderr, "plumbline: {}\n", content.error().message);
      return kExitError;
    }
    runner.run(file, *content);
    progress->step();
  }
  progress.reset();
  const auto& report = runner.report();
  for (const auto& line : report.log) {
    fmt::print("{}\n", line);
  }
  for (const auto& line : report.failures) {
    fmt::print("{}\n", line);
  }
  fmt::print("{} passed, {} failed, {} skipped\n", report.passed, report.failed, report.skipped);
  return report.failed == 0 ? kExitOk : kExitNonCompliant;
}

}  // namespace plumbline::daemon
