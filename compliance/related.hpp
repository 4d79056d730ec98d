// What a verdict reads besides its own resource, taken from a snapshot, and the record of what was
// read: the verdict's dependencies. Private to compliance/.
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/collection_plan.hpp"
#include "core/ports/snapshot.hpp"
#include "core/resource_id.hpp"
#include "policy/engine.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace plumbline::compliance {

// Dependency targets, as the store indexes them.
[[nodiscard]] std::string target_of_key(std::string_view key);
[[nodiscard]] std::string target_of_type(std::string_view type, std::string_view scope_key);
[[nodiscard]] std::string target_of_relation(std::string_view relation, std::string_view key);
[[nodiscard]] std::string target_of_relation_sources(std::string_view relation);
[[nodiscard]] std::string target_of_evidence(std::string_view evidence_key);

/// One evaluated resource's surroundings. Parsed documents live as long as it does.
class Surroundings final : public policy::RelatedResources {
 public:
  /// `snapshot` must outlive it. `key`: the evaluated resource's.
  Surroundings(core::Snapshot& snapshot, std::string_view key);

  policy::RelatedAnswer find(const policy::ExistenceQuery& query) override;

  /// The JSON object for kRelationsProperty: every relation's related resources, or markers where
  /// evidence is missing.
  [[nodiscard]] std::string relations_json(const std::vector<const Relation*>& relations,
                                           policy::Json resource);

  /// The container objects that rules read with subscription() and resourceGroup().
  [[nodiscard]] std::optional<policy::Json> subscription();
  [[nodiscard]] std::optional<policy::Json> resource_group();

  /// Everything read so far.
  [[nodiscard]] std::vector<std::string> dependencies() const;

  /// The first failure of the snapshot itself; the evaluation is void then.
  [[nodiscard]] const std::optional<core::Error>& failure() const { return failure_; }

 private:
  /// Parses a copy that stays valid; nullopt and `failure_` when it does not parse.
  std::optional<policy::Json> keep(const std::string& body);
  std::optional<core::StoredResource> load(std::string_view key);
  /// The reason why evidence is missing; nullopt when it is complete.
  std::optional<std::string> missing(const std::string& evidence_key);
  /// The reason why what is stored of a resource may no longer be so.
  std::optional<std::string> lost(const core::StoredResource& resource);
  void add_related(std::string& out, std::string_view target);
  /// The elements whose forward relation points at the evaluated resource.
  void add_sources(std::string& out, const Relation& forward);
  std::optional<std::string> sources_missing(const Relation& relation);

  core::Snapshot* snapshot_;
  core::ResourceId id_;
  std::vector<std::unique_ptr<simdjson::dom::parser>> documents_;
  std::set<std::string> dependencies_;
  std::optional<core::Error> failure_;
};

}  // namespace plumbline::compliance
