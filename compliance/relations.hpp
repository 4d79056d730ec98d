// Relations: how resources point at each other, so that rules can speak of the resource at the
// other end (ARCHITECTURE.md, "Relations").
#pragma once

#include "core/result.hpp"
#include "policy/field_path.hpp"

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Where a forward relation finds the ids of its targets.
struct RelationPath {
  enum class Kind : std::uint8_t {
    kBody,
    kParent,
    kSubscription,
    kResourceGroup,
    kManagementGroups,
  };

  Kind kind = Kind::kBody;
  policy::Path steps;  // from the root of the source's body; none: the body is not read
};

/// One relation of relations.json. Immutable.
struct Relation {
  enum class Kind : std::uint8_t { kForward, kInverse, kUnion, kComposition };

  std::string name;
  Kind kind = Kind::kForward;
  /// Lower case, sorted: the types it can start at and lead to. Empty: any.
  std::vector<std::string> source_types;
  std::vector<std::string> target_types;
  /// What a forward relation reads. An id found there that is of none of target_types is no
  /// target; with `ancestor` its nearest ancestor of such a type is.
  std::vector<RelationPath> paths;
  bool ancestor = false;
  /// What the other kinds are made of: one relation for an inverse.
  std::vector<std::shared_ptr<const Relation>> parts;
  /// How deep relations are nested in it: 0 for a forward one.
  std::size_t nesting = 0;
  /// Digest of what it says, that of its parts included; equal ones mean the same.
  std::string definition;

  [[nodiscard]] bool is_forward() const { return kind == Kind::kForward; }

  [[nodiscard]] bool starts_at(std::string_view type) const;
  [[nodiscard]] bool leads_to(std::string_view type) const;
  /// False for a forward relation that needs no more of its source than the id.
  [[nodiscard]] bool reads_body() const;
};

/// Reads relations.json. The order of declarations does not matter; a relation comes after those it
/// is made of. Every error reads `source:line:col: message` and names the relation.
[[nodiscard]] core::Result<std::vector<std::shared_ptr<const Relation>>> parse_relations(
    std::string_view json, std::string_view source);

/// The forward relations that `relation` is made of, itself if it is one.
[[nodiscard]] std::vector<const Relation*> forward_relations(const Relation& relation);

/// What relations lead from and to: a resource, or one element of a detail document.
struct RelationEnd {
  std::string key;     // empty: an element without an id
  std::string type;    // lower case
  std::string parent;  // key of what it sits on or belongs to; empty: nothing
  std::optional<simdjson::dom::element> body;  // none: known by its id only
};

/// What is known of a resource by its key alone.
[[nodiscard]] RelationEnd end_of_key(std::string_view key);

/// What a stored body holds: the elements of a detail document's `value`, or the resource itself.
[[nodiscard]] std::vector<RelationEnd> ends_of(std::string_view key,
                                               std::string_view type,
                                               simdjson::dom::element body);

/// Keys of the resources that `source` points at through a forward relation, sorted, without
/// repetition; empty strings and values that are no ids are left out. Paths into a body that is not
/// known give nothing.
[[nodiscard]] std::vector<std::string> relation_targets(const Relation& relation,
                                                        const RelationEnd& source);

}  // namespace plumbline::compliance
