// ARM resource ids (contracts 3.6, 3.8): case-insensitive, returned in varying case, sometimes
// without the leading slash.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::core {

/// The parts of an id, all lower-cased. Parts an id does not have are empty.
struct ResourceId {
  /// Lower-cased with one leading slash and no trailing one: the key under which everything is
  /// kept.
  std::string key;
  std::string subscription;
  std::string resource_group;
  /// `microsoft.compute/virtualmachines/extensions`; `microsoft.resources/subscriptions` and
  /// `microsoft.resources/subscriptions/resourcegroups` for the containers themselves;
  /// `microsoft.management/managementgroups` for a management group.
  std::string type;
  /// All name segments, joined with `/`: `vm1/ext1`.
  std::string full_name;
  /// Key of the resource one level up in the same type (`.../virtualmachines/vm1`), or, for an
  /// extension resource, of the resource it extends. Empty for a top-level resource.
  std::string parent;

  /// The last segment of full_name.
  [[nodiscard]] std::string_view name() const noexcept;
  /// `/subscriptions/x/resourcegroups/y`, or empty.
  [[nodiscard]] std::string resource_group_key() const;
  /// `/subscriptions/x`, or empty.
  [[nodiscard]] std::string subscription_key() const;
};

/// The key of an id: lower-cased, leading slash, no trailing slash, no space before it.
[[nodiscard]] std::string resource_key(std::string_view id);

[[nodiscard]] std::string management_group_key(std::string_view name);
/// Whether a key is that of a management group, not of what lies in one.
[[nodiscard]] bool is_management_group_key(std::string_view key) noexcept;

/// The subscription in a key, also in one that is no resource id (a detail document's); empty for
/// tenant-level keys.
[[nodiscard]] std::string_view subscription_of_key(std::string_view key) noexcept;

/// Whether a key is `scope`, a key itself, or lies below it.
[[nodiscard]] bool is_under(std::string_view key, std::string_view scope) noexcept;

/// Nullopt when the text is no ARM id: no segments, an empty segment, or a type without a name.
[[nodiscard]] std::optional<ResourceId> parse_resource_id(std::string_view id);

}  // namespace plumbline::core
