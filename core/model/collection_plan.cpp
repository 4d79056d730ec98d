#include "core/model/collection_plan.hpp"

#include "core/model/resource.hpp"
#include "core/resource_id.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::core {

namespace {

using Entry = std::pair<std::string_view, std::string_view>;

// Resource Graph: type or `provider/` prefix -> table; the first match decides.
constexpr std::array kTables = {
    Entry{"microsoft.resources/subscriptions", "resourcecontainers"},
    Entry{"microsoft.resources/subscriptions/resourcegroups", "resourcecontainers"},
    Entry{"microsoft.management/managementgroups", "resourcecontainers"},
    Entry{"microsoft.authorization/roleassignments", "authorizationresources"},
    Entry{"microsoft.authorization/roledefinitions", "authorizationresources"},
    Entry{"microsoft.authorization/", "policyresources"},
    Entry{"microsoft.policyinsights/", "policyresources"},
    Entry{"microsoft.security/", "securityresources"},
    Entry{"microsoft.insights/datacollectionruleassociations", "insightsresources"},
    Entry{"microsoft.guestconfiguration/", "guestconfigurationresources"},
    Entry{"microsoft.kubernetesconfiguration/", "kubernetesconfigurationresources"},
    Entry{"microsoft.network/networksecurityperimeters/", "networkresources"},
    Entry{"microsoft.managedservices/", "managedserviceresources"},
};

/// An ARM list that Resource Graph does not hold.
struct DetailType {
  std::string_view type;
  std::string_view api_version;
  std::string_view parent;  // the type whose resources are asked; empty: every resource
  /// From the parent's key to the list; empty: the last segment of the type.
  std::string_view path;
};

constexpr std::string_view kSubscription = "microsoft.resources/subscriptions";

// Versions: the operations of contracts 3.6, else the newest stable one of the provider's
// specification.
constexpr std::array kDetails = {
    DetailType{"microsoft.insights/diagnosticsettings", "2021-05-01-preview", "", ""},
    DetailType{"microsoft.authorization/locks", "2020-05-01", "", ""},
    DetailType{"microsoft.insights/privatelinkscopes/scopedresources",
               "2021-07-01-preview",
               "microsoft.insights/privatelinkscopes",
               ""},
    DetailType{"microsoft.insights/privatelinkscopes/privateendpointconnections",
               "2021-07-01-preview",
               "microsoft.insights/privatelinkscopes",
               ""},
    // protectionLevel exists from this version on.
    DetailType{"microsoft.operationalinsights/workspaces/tables",
               "2025-02-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/linkedservices",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/linkedstorageaccounts",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/dataexports",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/datasources",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/savedsearches",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/storageinsightconfigs",
               "2020-08-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/workspaces/networksecurityperimeterconfigurations",
               "2023-09-01",
               "microsoft.operationalinsights/workspaces",
               ""},
    DetailType{"microsoft.operationalinsights/querypacks/queries",
               "2019-09-01",
               "microsoft.operationalinsights/querypacks",
               ""},
    DetailType{"microsoft.operationalinsights/deletedworkspaces",
               "2023-09-01",
               kSubscription,
               "/providers/microsoft.operationalinsights/deletedworkspaces"},
    DetailType{
        "microsoft.insights/components/apikeys", "2015-05-01", "microsoft.insights/components", ""},
    DetailType{"microsoft.monitor/accounts/privateendpointconnections",
               "2023-04-03",
               "microsoft.monitor/accounts",
               ""},
    DetailType{"microsoft.eventhub/namespaces/networkrulesets",
               "2024-01-01",
               "microsoft.eventhub/namespaces",
               ""},
    DetailType{"microsoft.eventhub/namespaces/eventhubs",
               "2024-01-01",
               "microsoft.eventhub/namespaces",
               ""},
    DetailType{"microsoft.eventhub/namespaces/authorizationrules",
               "2024-01-01",
               "microsoft.eventhub/namespaces",
               ""},
    DetailType{"microsoft.eventhub/namespaces/privateendpointconnections",
               "2024-01-01",
               "microsoft.eventhub/namespaces",
               ""},
    DetailType{"microsoft.network/privateendpoints/privatednszonegroups",
               "2024-01-01",
               "microsoft.network/privateendpoints",
               ""},
    DetailType{"microsoft.storage/storageaccounts/blobservices",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.storage/storageaccounts/queueservices",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.storage/storageaccounts/tableservices",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.storage/storageaccounts/fileservices",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.storage/storageaccounts/blobservices/containers",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               "/blobservices/default/containers"},
    DetailType{"microsoft.storage/storageaccounts/privateendpointconnections",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.storage/storageaccounts/managementpolicies",
               "2023-05-01",
               "microsoft.storage/storageaccounts",
               ""},
    DetailType{"microsoft.network/networkwatchers/connectionmonitors",
               "2024-01-01",
               "microsoft.network/networkwatchers",
               ""},
    DetailType{"microsoft.keyvault/vaults/privateendpointconnections",
               "2023-07-01",
               "microsoft.keyvault/vaults",
               ""},
    DetailType{"microsoft.keyvault/vaults/keys", "2023-07-01", "microsoft.keyvault/vaults", ""},
    DetailType{"microsoft.managedidentity/userassignedidentities/federatedidentitycredentials",
               "2023-01-31",
               "microsoft.managedidentity/userassignedidentities",
               ""},
    DetailType{"microsoft.customerlockbox/requests",
               "2018-02-28-preview",
               kSubscription,
               "/providers/microsoft.customerlockbox/requests"},
    DetailType{"microsoft.eventhub/namespaces/eventhubs/consumergroups",
               "2024-01-01",
               "microsoft.eventhub/namespaces/eventhubs",
               ""},
    DetailType{"microsoft.eventhub/namespaces/eventhubs/authorizationrules",
               "2024-01-01",
               "microsoft.eventhub/namespaces/eventhubs",
               ""},
    DetailType{"microsoft.storage/storageaccounts/blobservices/containers/immutabilitypolicies",
               "2023-05-01",
               "microsoft.storage/storageaccounts/blobservices/containers",
               ""},
    DetailType{
        "microsoft.management/managementgroups/settings", "2023-04-01", kManagementGroupType, ""},
    DetailType{"microsoft.management/managementgroups/subscriptions",
               "2023-04-01",
               kManagementGroupType,
               ""},
    DetailType{"microsoft.policyinsights/attestations",
               "2022-09-01",
               kSubscription,
               "/providers/microsoft.policyinsights/attestations"},
    DetailType{"microsoft.authorization/denyassignments",
               "2022-04-01",
               kSubscription,
               "/providers/microsoft.authorization/denyassignments"},
};

const DetailType* find_detail(std::string_view type) noexcept {
  const auto* found = std::ranges::find(kDetails, type, &DetailType::type);
  return found == kDetails.end() ? nullptr : &*found;
}

// Neither Resource Graph nor a list that we ask holds these: whatever reads them has no evidence.
constexpr std::array<std::string_view, 3> kUncollectedTypes = {
    "microsoft.aadiam/diagnosticsettings",
    "microsoft.customerlockbox/tenantoptedin",
    "microsoft.insights/eventtypes/values",
};

// Children that every resource of a type has, with a fixed name, and that have settings of their
// own.
constexpr std::array kSingletons = {
    Entry{"microsoft.storage/storageaccounts", "/blobservices/default"},
    Entry{"microsoft.storage/storageaccounts", "/queueservices/default"},
    Entry{"microsoft.storage/storageaccounts", "/tableservices/default"},
    Entry{"microsoft.storage/storageaccounts", "/fileservices/default"},
};

constexpr std::array<std::string_view, 17> kOtherInventoryTypes = {
    "microsoft.authorization/policyassignments",
    "microsoft.authorization/policydefinitions",
    "microsoft.authorization/policydefinitions/versions",
    "microsoft.authorization/policyexemptions",
    "microsoft.authorization/policysetdefinitions",
    "microsoft.authorization/policysetdefinitions/versions",
    "microsoft.authorization/roleassignments",
    "microsoft.authorization/roledefinitions",
    "microsoft.guestconfiguration/guestconfigurationassignments",
    "microsoft.insights/datacollectionruleassociations",
    "microsoft.kubernetesconfiguration/extensions",
    "microsoft.kubernetesconfiguration/fluxconfigurations",
    "microsoft.managedservices/registrationassignments",
    "microsoft.managedservices/registrationdefinitions",
    "microsoft.network/networksecurityperimeters/profiles",
    "microsoft.network/networksecurityperimeters/resourceassociations",
    "microsoft.security/pricings",
};

}  // namespace

CollectionPlan united(const CollectionPlan& a, const CollectionPlan& b) {
  CollectionPlan out = a;
  // An empty list stands for everything.
  const auto unite = [](std::vector<std::string>& into, const std::vector<std::string>& more) {
    if (into.empty() || more.empty()) {
      into.clear();
      return;
    }
    into.insert(into.end(), more.begin(), more.end());
    std::ranges::sort(into);
    into.erase(std::ranges::unique(into).begin(), into.end());
  };
  for (const auto& table : b.tables) {
    const auto same = std::ranges::find(out.tables, table.table, &TablePlan::table);
    if (same == out.tables.end()) {
      out.tables.push_back(table);
    } else {
      unite(same->types, table.types);
    }
  }
  for (const auto& detail : b.details) {
    const auto same = std::ranges::find(out.details, detail.type, &DetailPlan::type);
    if (same == out.details.end()) {
      out.details.push_back(detail);
    } else {
      unite(same->parent_types, detail.parent_types);
    }
  }
  return out;
}

std::vector<std::string_view> detail_types() {
  std::vector<std::string_view> types;
  types.reserve(kDetails.size());
  for (const auto& detail : kDetails) {
    types.push_back(detail.type);
  }
  return types;
}

std::string_view detail_parent_type(std::string_view lower_type) noexcept {
  const DetailType* const detail = find_detail(lower_type);
  return detail == nullptr ? std::string_view() : detail->parent;
}

std::vector<std::string_view> other_inventory_types() {
  return {kOtherInventoryTypes.begin(), kOtherInventoryTypes.end()};
}

std::string_view detail_api_version(std::string_view lower_type) noexcept {
  const DetailType* const detail = find_detail(lower_type);
  return detail == nullptr ? std::string_view() : detail->api_version;
}

std::string_view resource_graph_table(std::string_view lower_type) noexcept {
  if (!detail_api_version(lower_type).empty() ||
      std::ranges::find(kUncollectedTypes, lower_type) != kUncollectedTypes.end()) {
    return {};
  }
  for (const auto& [prefix, table] : kTables) {
    if (prefix.ends_with('/') ? lower_type.starts_with(prefix) : lower_type == prefix) {
      return table;
    }
  }
  return "resources";
}

std::string_view change_table_of(std::string_view table) noexcept {
  return table == "resources"            ? "resourcechanges"
         : table == "resourcecontainers" ? "resourcecontainerchanges"
                                         : std::string_view();
}

std::string feed_source(std::string_view change_table) {
  return std::string("arg:").append(change_table);
}

std::string activity_source(std::string_view subscription) {
  return std::string("activity:").append(subscription);
}

std::string whole_since(std::string_view source) {
  return std::string(source).append("|whole");
}

ChangeSource change_source_of(std::string_view key, std::string_view lower_type, bool is_detail) {
  const auto table =
      is_detail ? std::string_view() : change_table_of(resource_graph_table(lower_type));
  return table.empty() ? ChangeSource{activity_source(subscription_of_key(key)), kActivityLateness}
                       : ChangeSource{feed_source(table), kFeedLateness};
}

bool is_extension_type(std::string_view lower_type) noexcept {
  return lower_type == "microsoft.insights/diagnosticsettings" ||
         lower_type == "microsoft.insights/datacollectionruleassociations" ||
         lower_type == "microsoft.authorization/locks";
}

std::vector<std::string> singleton_children(std::string_view parent_key,
                                            std::string_view parent_type) {
  std::vector<std::string> keys;
  for (const auto& [type, path] : kSingletons) {
    if (type == parent_type) {
      keys.push_back(std::string(parent_key).append(path));
    }
  }
  return keys;
}

std::string detail_document_key(std::string_view parent_key, std::string_view type) {
  if (is_extension_type(type)) {
    return detail_key(parent_key, type);
  }
  const DetailType* const detail = find_detail(type);
  if (detail != nullptr && !detail->path.empty()) {
    return std::string(parent_key).append(detail->path);
  }
  return std::string(parent_key).append(type.substr(type.rfind('/')));
}

std::string detail_parent_key(std::string_view document_key, std::string_view type) {
  const auto suffix = detail_document_key("", type);
  return std::string(document_key.ends_with(suffix)
                         ? document_key.substr(0, document_key.size() - suffix.size())
                         : document_key);
}

}  // namespace plumbline::core
