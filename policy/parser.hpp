// From JSON to the syntax tree: shapes, keys and operators are checked here, names are not.
#pragma once

#include "core/result.hpp"
#include "policy/ast.hpp"
#include "policy/json_tree.hpp"

namespace plumbline::policy {

/// Logical operators and counts may nest this deep; azure's own limit is far lower.
inline constexpr std::size_t kMaxConstraintDepth = 64;

/// `root` must outlive what is returned.
[[nodiscard]] core::Result<Definition> parse_definition(const JsonNode& root,
                                                        const SourceText& source);
[[nodiscard]] core::Result<Constraint> parse_constraint(const JsonNode& node,
                                                        const SourceText& source);
/// Whether the mode names a provider's components (`Microsoft.Kubernetes.Data`).
[[nodiscard]] bool is_provider_mode(std::string_view mode) noexcept;

}  // namespace plumbline::policy
