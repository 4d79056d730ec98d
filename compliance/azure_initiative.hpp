// Initiatives as Azure has them: what its answers name, and the document that stands for an
// initiative with all of its definitions once they have been fetched.
#pragma once

#include "compliance/baseline.hpp"
#include "core/policy_definition.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// A definition or initiative as Azure answered.
struct AzureDefinition {
  std::string text;     // id, name and properties alone, in a fixed order: equal for equal content
  std::string version;  // empty: it has none
  std::vector<std::string> versions;  // all there are; empty: Azure does not tell
};

/// Fails with kParse where `body` is no definition.
[[nodiscard]] core::Result<AzureDefinition> read_azure_definition(std::string_view body);

/// What an initiative consists of, each once; of a single definition, itself alone.
[[nodiscard]] core::Result<std::vector<core::DefinitionReference>> members_of(
    const AzureDefinition& definition, const core::DefinitionReference& reference);

/// One of an initiative's definitions: its text, or why there is none.
struct FetchedMember {
  core::DefinitionReference reference;
  std::string text;
  std::string error;
};

/// The document to keep.
[[nodiscard]] std::string initiative_document(const AzureDefinition& definition,
                                              const std::vector<FetchedMember>& members);

/// The initiative of such a document; a single definition becomes an initiative of one, which
/// passes its parameters through.
[[nodiscard]] core::Result<InitiativeFiles> read_initiative_document(
    std::string_view document, const core::DefinitionReference& reference);

}  // namespace plumbline::compliance
