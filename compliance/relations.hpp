// Relations: how resources point at each other, so that rules can speak of the resource at the
// other end (ARCHITECTURE.md, "Relations").
#pragma once

#include "core/result.hpp"

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// One relation of relations.json. Immutable.
struct Relation {
  std::string name;
  std::string source_type;  // lower case
  std::string target_type;  // lower case
  /// Path of the target's id in a source's body, `[*]` for every element; segments ignore case.
  std::vector<std::string> path;
  /// Set for an inverse: the name of the relation it turns round. `path` is then empty, and
  /// source_type and target_type are those of the relation read in this direction.
  std::string inverse_of;
  /// Of an inverse, once the baseline is compiled: the relation it turns round.
  const Relation* forward = nullptr;

  [[nodiscard]] bool is_inverse() const { return !inverse_of.empty(); }
};

/// Reads relations.json. Errors name `source` and the relation.
[[nodiscard]] core::Result<std::vector<Relation>> parse_relations(std::string_view json,
                                                                  std::string_view source);

[[nodiscard]] const Relation* find_relation(const std::vector<Relation>& relations,
                                            std::string_view name);

/// Keys of the resources that `resource` points at through a forward relation, sorted, without
/// repetition; empty strings and values that are no ids are left out.
[[nodiscard]] std::vector<std::string> relation_targets(const Relation& relation,
                                                        simdjson::dom::element resource);

/// What a body holds of the relation's source type: the elements of a detail document's `value`, or
/// the body itself.
[[nodiscard]] std::vector<simdjson::dom::element> source_elements(simdjson::dom::element body,
                                                                  bool is_detail);

}  // namespace plumbline::compliance
