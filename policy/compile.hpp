// From the syntax tree to a Program.
#pragma once

#include "core/result.hpp"
#include "policy/aliases.hpp"
#include "policy/ast.hpp"
#include "policy/json_tree.hpp"
#include "policy/program.hpp"

#include <memory>

namespace plumbline::policy {

struct CompileOptions {
  /// Parameters that are used but not declared are taken as undefined rather than as errors.
  bool allow_undeclared_parameters = false;
  /// The line at which the text begins in its file.
  std::size_t first_line = 1;
};

[[nodiscard]] core::Result<std::shared_ptr<const Program>> compile_program(
    const Definition& definition,
    const SourceText& source,
    const AliasSource& aliases,
    const CompileOptions& options);

/// Parses and compiles; what compile_definition does, with options.
[[nodiscard]] core::Result<std::shared_ptr<const Program>> compile_text(
    std::string_view json,
    std::string_view source,
    const AliasCatalogue& aliases,
    const CompileOptions& options);

}  // namespace plumbline::policy
