// What the evaluations of one state read in common: documents, containers, gaps in the evidence.
// Each is read and parsed once. Private to compliance/.
#pragma once

#include "compliance/bounded_cache.hpp"
#include "core/ports/store.hpp"
#include "policy/engine.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// When and how Resource Manager was asked about a body.
struct Confirmation {
  core::Time observed_at;
  std::string api_version;
};

/// A resource or detail document, parsed. Immutable. Where Resource Manager has confirmed the body,
/// what it said is laid over it.
struct Document {
  core::StoredResource stored;
  simdjson::dom::document parsed;
  std::optional<Confirmation> confirmation;

  [[nodiscard]] policy::Json root() const { return parsed.root(); }
};

using DocumentPointer = std::shared_ptr<const Document>;
using Documents = std::vector<DocumentPointer>;

/// The evidence keys of everything that holds resources of a type.
struct Sources {
  std::string prefix;
  std::string suffix;

  [[nodiscard]] bool contain(std::string_view evidence_key) const;
};

/// `within`: only lists of what lies under that key; empty: everywhere.
[[nodiscard]] Sources sources_of(const std::string& type, const std::string& within);

/// Memory is bounded, but for one entry for each subscription and each gap in the evidence. Used by
/// one thread. What it has read must not change while it lives, so a judge makes one for each
/// commit once references and bodies are written.
class SharedReads {
 public:
  enum class Confirmations : std::uint8_t { kApplied, kIgnored };

  /// `snapshot` must outlive it.
  explicit SharedReads(core::ResourceReads& snapshot,
                       Confirmations confirmations = Confirmations::kApplied)
      : snapshot_(&snapshot), confirmations_(confirmations) {}

  [[nodiscard]] core::ResourceReads& snapshot() { return *snapshot_; }

  /// Null: there is none. kCorrupt: the stored body does not parse.
  [[nodiscard]] core::Result<DocumentPointer> find(std::string_view key);
  [[nodiscard]] core::Result<DocumentPointer> find_row(std::int64_t row);
  /// Every live resource of a type under a scope, in the order of keys.
  [[nodiscard]] core::Result<std::shared_ptr<const Documents>> find_type(std::string_view type,
                                                                         std::string_view scope);
  /// The object that subscription() gives; `id` lower case. `missing`: why nothing but its id is
  /// known.
  [[nodiscard]] core::Result<policy::Json> subscription(const std::string& id,
                                                        const std::optional<std::string>& missing);
  /// The object that resourceGroup() gives for one of which only the key is known.
  [[nodiscard]] core::Result<policy::Json> unknown_group(const std::string& key,
                                                         const std::string& missing);

  /// Why the source of an evidence key could not be asked; nullopt: it could, or nobody tried.
  [[nodiscard]] core::Result<std::optional<std::string>> incomplete(
      const std::string& evidence_key);
  /// Why what is known of a type's resources may not be all there is; `not_collected` where nobody
  /// asked. `within`: only lists of what lies under that key; empty: everywhere.
  [[nodiscard]] core::Result<std::optional<std::string>> type_incomplete(const std::string& type,
                                                                         const std::string& within);
  /// What type_incomplete(type, "") was before a cycle's `changes`, which are the same at each
  /// call.
  [[nodiscard]] core::Result<std::optional<std::string>> type_was_incomplete(
      const std::string& type, const std::vector<core::EvidenceChange>& changes);

 private:
  using Gaps = std::map<std::string, std::string, std::less<>>;

  [[nodiscard]] core::Result<DocumentPointer> parse(core::StoredResource stored);
  core::Result<policy::Json> keep_container(std::string name, const std::string& text);
  /// Parses what was found and remembers it.
  core::Result<DocumentPointer> keep(const std::string& name,
                                     core::Result<std::optional<core::StoredResource>> stored);
  [[nodiscard]] core::Status load_gaps();
  /// `not_counted`: so many of the sources do not count as asked.
  [[nodiscard]] core::Result<std::optional<std::string>> first_gap(const Gaps& gaps,
                                                                   const Sources& sources,
                                                                   std::int64_t not_counted);

  /// Lays what Resource Manager said over a body, if that is what it spoke of.
  [[nodiscard]] core::Status confirm(Document& document);

  core::ResourceReads* snapshot_;
  Confirmations confirmations_;
  simdjson::dom::parser parser_;
  BoundedCache<Document> documents_{std::size_t{48} << 20U};
  BoundedCache<Documents> types_{std::size_t{48} << 20U};
  std::map<std::string, simdjson::dom::document> containers_;  // by id or key, and what is missing
  std::optional<Gaps> gaps_;                                   // evidence key to reason
  std::optional<Gaps> gaps_before_;
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> type_gaps_;
};

}  // namespace plumbline::compliance
