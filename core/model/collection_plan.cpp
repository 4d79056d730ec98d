#include "core/model/collection_plan.hpp"

#include "core/model/resource.hpp"

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
};

// ARM lists that Resource Graph does not hold -> api-version.
constexpr std::array kDetails = {
    Entry{"microsoft.insights/diagnosticsettings", "2021-05-01-preview"},
    Entry{"microsoft.insights/privatelinkscopes/scopedresources", "2021-07-01-preview"},
    Entry{"microsoft.operationalinsights/workspaces/tables", "2022-10-01"},
    Entry{"microsoft.operationalinsights/workspaces/linkedservices", "2020-08-01"},
    Entry{"microsoft.operationalinsights/workspaces/linkedstorageaccounts", "2020-08-01"},
    Entry{"microsoft.operationalinsights/workspaces/dataexports", "2020-08-01"},
    Entry{"microsoft.operationalinsights/workspaces/datasources", "2020-08-01"},
    Entry{"microsoft.operationalinsights/workspaces/savedsearches", "2020-08-01"},
    Entry{"microsoft.operationalinsights/workspaces/storageinsightconfigs", "2020-08-01"},
    Entry{"microsoft.operationalinsights/querypacks/queries", "2019-09-01"},
    Entry{"microsoft.eventhub/namespaces/networkrulesets", "2024-01-01"},
    Entry{"microsoft.network/privateendpoints/privatednszonegroups", "2024-01-01"},
    Entry{"microsoft.authorization/locks", "2020-05-01"},
};

constexpr std::array<std::string_view, 15> kOtherInventoryTypes = {
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
    "microsoft.network/networksecurityperimeters/profiles",
    "microsoft.network/networksecurityperimeters/resourceassociations",
    "microsoft.security/pricings",
};

}  // namespace

std::vector<std::string_view> detail_types() {
  std::vector<std::string_view> types;
  types.reserve(kDetails.size());
  for (const auto& [type, version] : kDetails) {
    types.push_back(type);
  }
  return types;
}

std::vector<std::string_view> other_inventory_types() {
  return {kOtherInventoryTypes.begin(), kOtherInventoryTypes.end()};
}

std::string_view detail_api_version(std::string_view lower_type) noexcept {
  for (const auto& [type, version] : kDetails) {
    if (type == lower_type) {
      return version;
    }
  }
  return {};
}

std::string_view resource_graph_table(std::string_view lower_type) noexcept {
  if (!detail_api_version(lower_type).empty()) {
    return {};
  }
  for (const auto& [prefix, table] : kTables) {
    if (prefix.ends_with('/') ? lower_type.starts_with(prefix) : lower_type == prefix) {
      return table;
    }
  }
  return "resources";
}

bool is_extension_type(std::string_view lower_type) noexcept {
  return lower_type == "microsoft.insights/diagnosticsettings" ||
         lower_type == "microsoft.insights/datacollectionruleassociations" ||
         lower_type == "microsoft.authorization/locks";
}

std::string detail_document_key(std::string_view parent_key, std::string_view type) {
  if (is_extension_type(type)) {
    return detail_key(parent_key, type);
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
