// Checks definitions and initiatives without evaluating them: what `plumbline policy lint` prints.
#pragma once

#include "policy/engine.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

struct LintReport {
  std::size_t definitions = 0;
  std::size_t initiatives = 0;
  /// Definitions and initiatives with at least one message.
  std::size_t rejected = 0;
  /// Valid definitions whose mode or effects leave the evaluation to others.
  std::size_t not_evaluated = 0;
  std::vector<std::string> messages;  // `path:line:col: message`

  /// `N definitions, M rejected, K not evaluated here`.
  [[nodiscard]] std::string summary() const;
};

class Linter {
 public:
  explicit Linter(std::shared_ptr<const AliasCatalogue> aliases) : aliases_(std::move(aliases)) {}

  /// Adds a file to the report: one document, or a document a line where the path ends in `.jsonl`.
  void check(std::string_view path, std::string_view content);

  [[nodiscard]] const LintReport& report() const { return report_; }

 private:
  void check_document(std::string_view path, std::string_view text, std::size_t first_line);

  std::shared_ptr<const AliasCatalogue> aliases_;
  LintReport report_;
};

}  // namespace plumbline::policy
