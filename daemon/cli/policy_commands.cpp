#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "policy/case_runner.hpp"
#include "policy/lint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace plumbline::daemon {

namespace {

constexpr std::size_t kMaxCaseFile = std::size_t{512} << 20U;

core::Result<std::string> load(const std::string& path) {
  return read_file(path, kMaxCaseFile);
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

}  // namespace

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
  for (const auto& file : *files) {
    auto content = load(file);
    if (!content) {
      fmt::print(stderr, "plumbline: {}\n", content.error().message);
      return kExitError;
    }
    runner.run(file, *content);
  }
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
