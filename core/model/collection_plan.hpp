// What a baseline needs to be collected. Compliance derives it, collectors carry it out.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::core {

/// They have no subscription: a sweep asks for them apart.
inline constexpr std::string_view kManagementGroupType = "microsoft.management/managementgroups";

/// Resource Graph rows: the types to ask one table for. An empty list of types means all of them.
struct TablePlan {
  std::string table;               // `resources`, `resourcecontainers`, ...
  std::vector<std::string> types;  // lower case, sorted
};

/// An ARM list that Resource Graph does not hold, asked once per parent resource.
struct DetailPlan {
  std::string type;  // lower case: `microsoft.insights/diagnosticsettings`
  std::string api_version;
  std::vector<std::string> parent_types;  // lower case, sorted; empty: every collected resource
};

struct CollectionPlan {
  std::vector<TablePlan> tables;
  std::vector<DetailPlan> details;
};

/// What either plan needs.
[[nodiscard]] CollectionPlan united(const CollectionPlan& a, const CollectionPlan& b);

/// The Resource Graph table that holds a type ("Azure Resource Graph table and resource type
/// reference"); empty when Resource Graph does not hold it, whether or not ARM lists it.
[[nodiscard]] std::string_view resource_graph_table(std::string_view lower_type) noexcept;

/// The Resource Graph table that tells of changes in a table of resources; empty where none does.
[[nodiscard]] std::string_view change_table_of(std::string_view table) noexcept;

/// Where Azure tells of the changes of a resource or detail document, by the name under which is
/// kept how far it was read, and how much later than a change its record may appear (contracts 2.9
/// and 4.3).
struct ChangeSource {
  std::string name;
  std::chrono::minutes lateness;
};

[[nodiscard]] ChangeSource change_source_of(std::string_view key,
                                            std::string_view lower_type,
                                            bool is_detail);

inline constexpr std::chrono::minutes kFeedLateness{5};
inline constexpr std::chrono::minutes kActivityLateness{20};

/// The name under which is kept how far a change table, or a subscription's activity log, was read.
[[nodiscard]] std::string feed_source(std::string_view change_table);
[[nodiscard]] std::string activity_source(std::string_view subscription);
/// The name under which is kept since when every record of a source was read: a gap moves it.
[[nodiscard]] std::string whole_since(std::string_view source);

/// The api-version for an ARM list that Resource Graph does not hold; empty for other types.
[[nodiscard]] std::string_view detail_api_version(std::string_view lower_type) noexcept;

/// Every type that detail_api_version knows.
[[nodiscard]] std::vector<std::string_view> detail_types();

/// The type of the resources that a list of `lower_type` is asked of; empty: any resource. It may
/// be a listed type itself: event hubs have consumer groups.
[[nodiscard]] std::string_view detail_parent_type(std::string_view lower_type) noexcept;

/// Types outside `resources` and `resourcecontainers` that belong to an inventory of everything:
/// configuration, not the states and assessments that share their tables.
[[nodiscard]] std::vector<std::string_view> other_inventory_types();

/// Keys of the children with a fixed name that a resource of that type always has, and that carry
/// extension resources of their own: a storage account's services.
[[nodiscard]] std::vector<std::string> singleton_children(std::string_view parent_key,
                                                          std::string_view parent_type);

/// The key of the document that lists a parent's details of one type. Who collects and who looks up
/// must agree on it, or what was collected counts as missing.
[[nodiscard]] std::string detail_document_key(std::string_view parent_key, std::string_view type);

/// The resource whose details a document of that key and type lists.
[[nodiscard]] std::string detail_parent_key(std::string_view document_key, std::string_view type);

/// True for types whose id is a resource's id + `/providers/<type>/<name>`.
[[nodiscard]] bool is_extension_type(std::string_view lower_type) noexcept;

}  // namespace plumbline::core
