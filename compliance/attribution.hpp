// Who changed it, and whose it is: what change records and tags say of a piece of drift.
#pragma once

#include "core/clock.hpp"
#include "core/model/change.hpp"
#include "core/ports/snapshot.hpp"

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// A difference between two observations of a resource or detail document.
struct ObservedChange {
  enum class Kind : std::uint8_t { kAppeared, kChanged, kWent };

  std::string key;
  bool is_detail = false;
  Kind kind = Kind::kChanged;
  std::string path;       // of drift, as diff_json writes it; empty: the resource as a whole
  core::Time not_before;  // the observation before; of the first one, the beginning of time
  core::Time not_after;   // the observation that shows it
};

/// What Azure says of a change, or, where that is not certain, the interval in which it happened.
struct Attribution {
  /// Told by a change record that can only mean this change. Otherwise nobody is named.
  bool is_exact = false;
  /// What Azure tells of changes was read until no record of this one can be missing by what Azure
  /// promises. Before, one may come that names somebody, or somebody else.
  bool is_complete = false;
  std::string changed_by;
  std::string changed_by_type;
  std::string client_type;
  std::string operation;
  std::string correlation_id;
  std::optional<core::Time> at;  // by Azure's clock
  core::Time not_before;
  core::Time not_after;
  auto operator<=>(const Attribution&) const = default;
};

/// Joins a change to the records of its key, and for a detail document to those of what it lists
/// (keys below its own). Only records later than the observation before, and not later than the one
/// that shows the change, are taken into account; both are by Azure's clock. Exact is:
///  * that a resource appeared or went, by the only creation or deletion;
///  * a changed property, by the only actor of all updates that name it, what it lies in or
///    something in it, if no other act leaves open what it changed;
///  * an element of a detail document, by the only actor of the records of that element, unless
///    they name other properties.
/// Records of one actor, or of one correlation id, are one act; the last that names a client, or
/// else the last, is told.
[[nodiscard]] Attribution attribute(const ObservedChange& change,
                                    std::span<const core::ChangeRecord> records);

/// Of a drift item (or one about to be opened, with key, type, path, kind and `opened_cycle`), by
/// what is stored of versions and records. nullopt: the resource itself did not change then, such
/// as where a related one did.
[[nodiscard]] core::Result<std::optional<Attribution>> attribution_of(core::Snapshot& snapshot,
                                                                      const core::DriftRow& row);

/// Of what came with a cycle: of a version over the one before it, of a resource that appeared
/// (`before` is null), or that went (`after` is). Exact where one actor is known to have made all
/// that differs, apart from what the platform counts with every write.
[[nodiscard]] core::Result<Attribution> attribution_of(core::Snapshot& snapshot,
                                                       std::string_view key,
                                                       const core::VersionRow* before,
                                                       const core::VersionRow* after,
                                                       core::Time committed_at);

/// Whether a path of a change record (`properties.vms[5].sku`, `tags.a.b`) and one of drift
/// (`/properties/vms/name/sku`) name the same property, or one of them what the other lies in. An
/// element of an array is named in different ways, so that any is taken for any.
[[nodiscard]] bool is_about(std::string_view record_path, std::string_view drift_path);

/// The key of the entry of a list (a detail document) that a path of drift is about; empty where it
/// is about the list as a whole.
[[nodiscard]] std::string list_entry_key(std::string_view list_key, std::string_view drift_path);

/// The value of the first of `names` that is a tag with a value on the resource; else on its group;
/// else on its subscription. Each is a body, or nothing where it is not known. Names in any
/// letters. Empty: nobody.
[[nodiscard]] std::string owner_of(std::span<const std::string> names,
                                   std::optional<simdjson::dom::element> resource,
                                   std::optional<simdjson::dom::element> group,
                                   std::optional<simdjson::dom::element> subscription);

}  // namespace plumbline::compliance
