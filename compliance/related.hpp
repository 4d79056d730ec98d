// What a verdict reads besides its own resource, and the record of what was read: the verdict's
// dependencies. Private to compliance/.
#pragma once

#include "compliance/baseline.hpp"
#include "compliance/shared_reads.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"
#include "policy/engine.hpp"

#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace plumbline::compliance {

/// The most elements that a relation gives a rule; there may be more then, for all a rule knows.
inline constexpr std::size_t kMaxRelated = 20'000;
/// The most JSON text of such elements, give or take the last one.
inline constexpr std::size_t kMaxRelatedBytes = std::size_t{16} << 20U;

// Dependency targets, as the store indexes them.
[[nodiscard]] std::string target_of_key(std::string_view key);
[[nodiscard]] std::string target_of_type(std::string_view type, std::string_view scope_key);
[[nodiscard]] std::string target_of_relation(std::string_view relation, std::string_view key);
[[nodiscard]] std::string target_of_relation_sources(std::string_view relation);
[[nodiscard]] std::string target_of_evidence(std::string_view evidence_key);

/// One resource's surroundings, for one check after the other. What it has given out stays valid as
/// long as it does.
class Surroundings final : public policy::RelatedResources {
 public:
  /// `reads` must outlive it.
  Surroundings(SharedReads& reads, DocumentPointer resource);

  policy::RelatedAnswer find(const policy::ExistenceQuery& query) override;

  [[nodiscard]] policy::Json resource() const { return resource_->root(); }

  /// The resource, with kRelationsProperty if there are `relations`: for each of them the related
  /// resources, or markers where evidence is missing. Valid until the next call.
  [[nodiscard]] core::Result<policy::Json> body_with(const std::vector<const Relation*>& relations);

  /// The container objects that rules read with subscription() and resourceGroup().
  [[nodiscard]] std::optional<policy::Json> subscription();
  [[nodiscard]] std::optional<policy::Json> resource_group();

  /// Everything read since the last call.
  [[nodiscard]] std::vector<std::string> take_dependencies();

  /// The first failure of the snapshot itself; the evaluation is void then.
  [[nodiscard]] const std::optional<core::Error>& failure() const { return failure_; }

 private:
  /// A resource or element of a detail document at the end of a relation.
  struct Node {
    RelationEnd end;
    std::string identity;      // tells it from others, also where it has no key
    DocumentPointer document;  // what end.body is part of
    bool resolved = false;     // the store was asked for its body
    std::string reason;        // why there is no body
    bool is_gone = false;      // known not to exist
  };

  /// What a relation leads to.
  struct Found {
    std::vector<Node> nodes;
    std::unordered_set<std::string> seen;
    std::set<std::string> missing;  // reasons why there may be more

    /// Nothing more is taken; there may be more.
    bool is_full();
    void add(Node node);
  };

  /// A relation's elements as JSON text, and what was read for them.
  struct Joined {
    std::string json;
    std::set<std::string> dependencies;
  };

  /// The value, or nullopt and `failure_`.
  template <class T>
  std::optional<T> check(core::Result<T> result);
  DocumentPointer load(std::string_view key);
  std::optional<std::string> check_reason(core::Result<std::optional<std::string>> result);
  /// The reason why evidence is missing; nullopt when it is complete.
  std::optional<std::string> missing(const std::string& evidence_key);
  /// The reason why what is stored of a resource may no longer be so. `record`: as a dependency.
  std::optional<std::string> lost(const core::StoredResource& resource, bool record);

  /// The reason why a container's own row is not known, which is a dependency; else its document.
  std::optional<std::string> container_missing(const std::string& key, DocumentPointer& document);

  const Joined& join(const Relation& relation);
  void follow(const Relation& relation, bool backwards, Node& from, Found& out);
  void follow_composition(const Relation& relation, bool backwards, const Node& from, Found& out);
  void add_targets(const Relation& forward, Node& from, Found& out);
  void add_sources(const Relation& forward, const Node& from, Found& out);
  /// The reason why there may be more sources than are known.
  void add_missing_sources(const Relation& forward, const Node& target, Found& out);
  /// Whether it was there, was deleted, and everything that could tell otherwise was read.
  bool is_gone(const RelationEnd& end);
  /// Looks for the body of a node that is known by its key.
  void resolve(Node& node);
  void resolve_element(Node& node);

  SharedReads* reads_;
  DocumentPointer resource_;
  core::ResourceId id_;
  simdjson::dom::parser parser_;
  Documents held_;
  std::vector<std::shared_ptr<const Documents>> held_lists_;
  std::map<const Relation*, Joined> joined_;
  std::set<std::string> dependencies_;
  std::optional<core::Error> failure_;
};

}  // namespace plumbline::compliance
