// Replays cases written as JSON lines: whole policies against a resource, single functions, and
// texts that must or must not parse. What `plumbline policy test` runs. Pure: files come from a
// loader.
//
// A policy case names its rule (`definition`, `policy_rule`, or `definition_file` relative to the
// case file), `parameters`, `resource`, and what is expected: `want_effect` / `want_undefined` (the
// rule alone, without modes and applicability), `want_parse_error` / `want_compile_error`, or
// `want_state` (the verdict: Compliant, NonCompliant, NotApplicable, NoEvidence, Error,
// NotEvaluated; optionally with `want_reason`).
#pragma once

#include "core/result.hpp"
#include "policy/engine.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plumbline::policy {

/// The content of a file; called with paths built from those given to the runner.
using FileLoader = std::function<core::Result<std::string>(const std::string& path)>;

struct CaseOptions {
  /// Files with provider metadata, or directories that hold `<name>.json`: where a case's `aliases`
  /// is looked for. After them, the directory `aliases` beside the case file.
  std::vector<std::string> alias_paths;
  /// Only cases of these classes (all where empty), and none of those.
  std::vector<std::string> classes;
  std::vector<std::string> exclude_classes;
  /// Only cases whose id holds this text.
  std::string filter;
  /// A line for every case, not only for failures.
  bool verbose = false;
  /// Cases that are expected to fail, `id <tab> reason` a line (`id@17` where an id is repeated:
  /// that of line 17), `#` for comments. One that passes all the same is reported as a failure, so
  /// that the list stays true.
  std::string divergences;
};

struct CaseReport {
  std::size_t passed = 0;
  std::size_t failed = 0;
  std::size_t skipped = 0;
  /// Of the skipped ones: listed as divergences, and failing as expected.
  std::size_t diverged = 0;
  std::vector<std::string> failures;  // `file:line: id: message`
  std::vector<std::string> log;       // verbose only

  /// `N passed, M failed, K skipped`.
  [[nodiscard]] std::string summary() const;
};

/// Replays files one after the other; keeps alias catalogues and compiled definitions between them.
class CaseRunner {
 public:
  CaseRunner(CaseOptions options, FileLoader loader);
  ~CaseRunner();
  CaseRunner(const CaseRunner&) = delete;
  CaseRunner& operator=(const CaseRunner&) = delete;
  CaseRunner(CaseRunner&&) = delete;
  CaseRunner& operator=(CaseRunner&&) = delete;

  /// Adds the cases of a file to the report. A line that is no case counts as failed.
  void run(std::string_view path, std::string_view content);
  [[nodiscard]] const CaseReport& report() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace plumbline::policy
