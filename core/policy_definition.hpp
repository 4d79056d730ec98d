// Ids and versions of policy definitions and initiatives as Azure writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::core {

enum class DefinitionKind : std::uint8_t { kInitiative, kDefinition };

/// What an id is of: `policySetDefinitions` or `policyDefinitions`, of the tenant (built in), a
/// management group or a subscription. Nullopt for any other text.
[[nodiscard]] std::optional<DefinitionKind> definition_kind(std::string_view id);

/// A definition or initiative that something names, in whatever case.
struct DefinitionReference {
  std::string id;
  std::string version;  // as Azure's `definitionVersion`; empty: whatever is current
};

/// Equal for references that mean the same.
[[nodiscard]] std::string key_of(const DefinitionReference& reference);

/// Azure's `definitionVersion`: three parts, of which trailing ones may be `*`, and for preview
/// versions a suffix (`1.*.*`, `2.1.*-preview`, `1.2.3`).
[[nodiscard]] bool is_version_pattern(std::string_view text);

/// Whether a version is one of the pattern's. A pattern with a suffix takes releases, too; previews
/// are only those of patterns with their suffix.
[[nodiscard]] bool is_version_of(std::string_view version, std::string_view pattern);

/// The newest of these that is of the pattern; nullopt: none is.
[[nodiscard]] std::optional<std::string> newest_version(const std::vector<std::string>& versions,
                                                        std::string_view pattern);

}  // namespace plumbline::core
