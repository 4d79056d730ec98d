// What the evaluations of one state read in common: documents, containers, gaps in the evidence.
// Each is read and parsed once. Private to compliance/.
#pragma once

#include "compliance/bounded_cache.hpp"
#include "core/ports/snapshot.hpp"
#include "policy/engine.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// A resource or detail document, parsed. Immutable.
struct Document {
  core::StoredResource stored;
  simdjson::dom::document parsed;

  [[nodiscard]] policy::Json root() const { return parsed.root(); }
};

using DocumentPointer = std::shared_ptr<const Document>;
using Documents = std::vector<DocumentPointer>;

/// Memory is bounded, but for one entry for each subscription and each gap in the evidence. Used by
/// one thread. What it has read must not change while it lives, so a judge makes one for each
/// commit once references and bodies are written.
class SharedReads {
 public:
  /// `snapshot` must outlive it.
  explicit SharedReads(core::Snapshot& snapshot) : snapshot_(&snapshot) {}

  [[nodiscard]] core::Snapshot& snapshot() { return *snapshot_; }

  /// Null: there is none. kCorrupt: the stored body does not parse.
  [[nodiscard]] core::Result<DocumentPointer> find(std::string_view key);
  [[nodiscard]] core::Result<DocumentPointer> find_row(std::int64_t row);
  /// Every live resource of a type under a scope, in the order of keys.
  [[nodiscard]] core::Result<std::shared_ptr<const Documents>> find_type(std::string_view type,
                                                                         std::string_view scope);
  /// The object that subscription() gives; `id` lower case.
  [[nodiscard]] core::Result<policy::Json> subscription(const std::string& id);

  /// Why the source of an evidence key could not be asked; nullopt: it could, or nobody tried.
  [[nodiscard]] core::Result<std::optional<std::string>> incomplete(
      const std::string& evidence_key);
  /// Why what is known of a type's resources under `scope` (a subscription's key; empty:
  /// everywhere) may not be all there is; `not_collected` where nobody asked.
  [[nodiscard]] core::Result<std::optional<std::string>> type_incomplete(const std::string& type,
                                                                         const std::string& scope);

 private:
  using Gaps = std::map<std::string, std::string, std::less<>>;

  [[nodiscard]] core::Result<DocumentPointer> parse(core::StoredResource stored);
  [[nodiscard]] core::Status load_gaps();
  [[nodiscard]] core::Result<std::optional<std::string>> lists_incomplete(const std::string& type,
                                                                          const std::string& scope);
  [[nodiscard]] core::Result<std::optional<std::string>> partitions_incomplete(
      const std::string& type, const std::string& scope);
  [[nodiscard]] core::Result<std::optional<std::string>> unless_asked(std::string_view prefix,
                                                                      std::string_view suffix);

  core::Snapshot* snapshot_;
  simdjson::dom::parser parser_;
  BoundedCache<Document> documents_{std::size_t{48} << 20U};
  BoundedCache<Documents> types_{std::size_t{48} << 20U};
  std::map<std::string, simdjson::dom::document> subscriptions_;
  std::optional<Gaps> gaps_;  // evidence key to reason
  std::map<std::pair<std::string, std::string>, std::optional<std::string>> type_gaps_;
};

}  // namespace plumbline::compliance
