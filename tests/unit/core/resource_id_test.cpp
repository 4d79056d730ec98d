#include "core/resource_id.hpp"

#include <doctest/doctest.h>

using namespace plumbline::core;

TEST_CASE("ids are taken apart as ARM means them") {
  struct Case {
    const char* name;
    const char* id;
    const char* type;  // nullptr: no id
    const char* full_name;
    const char* parent;
  };

  const Case cases[] = {
      {"subscription", "/subscriptions/ABC", "microsoft.resources/subscriptions", "abc", ""},
      {"resource group",
       "/subscriptions/abc/resourceGroups/RG1/",
       "microsoft.resources/subscriptions/resourcegroups",
       "rg1",
       ""},
      {"top-level resource",
       "/subscriptions/abc/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/W",
       "microsoft.operationalinsights/workspaces",
       "w",
       ""},
      {"no leading slash",
       "subscriptions/abc/resourcegroups/rg/providers/microsoft.storage/storageaccounts/s",
       "microsoft.storage/storageaccounts",
       "s",
       ""},
      {"space before it",
       " /subscriptions/abc/resourcegroups/rg/providers/microsoft.storage/storageaccounts/s",
       "microsoft.storage/storageaccounts",
       "s",
       ""},
      {"child",
       "/subscriptions/abc/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm/"
       "extensions/e",
       "microsoft.compute/virtualmachines/extensions",
       "vm/e",
       "/subscriptions/abc/resourcegroups/rg/providers/microsoft.compute/virtualmachines/vm"},
      {"extension",
       "/subscriptions/abc/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v/providers/"
       "Microsoft.Insights/diagnosticSettings/d",
       "microsoft.insights/diagnosticsettings",
       "d",
       "/subscriptions/abc/resourcegroups/rg/providers/microsoft.keyvault/vaults/v"},
      {"extension of a subscription",
       "/subscriptions/abc/providers/Microsoft.Insights/diagnosticSettings/d",
       "microsoft.insights/diagnosticsettings",
       "d",
       ""},
      {"tenant level",
       "/providers/Microsoft.Management/managementGroups/contoso",
       "microsoft.management/managementgroups",
       "contoso",
       ""},
      {"empty", "", nullptr, "", ""},
      {"a word", "abc", nullptr, "", ""},
      {"double slash", "/subscriptions//resourceGroups/rg", nullptr, "", ""},
      {"type without a name", "/subscriptions/a/resourceGroups/r/providers/M.X/t", nullptr, "", ""},
      {"changes id lacking providers",
       "/subscriptions/a/resourceGroups/r/M.X/t/n",
       nullptr,
       "",
       ""},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto id = parse_resource_id(c.id);
      REQUIRE(id.has_value() == (c.type != nullptr));
      if (id) {
        CHECK(id->type == c.type);
        CHECK(id->full_name == c.full_name);
        CHECK(id->parent == c.parent);
        CHECK(id->key.front() == '/');
      }
    }
  }
}
