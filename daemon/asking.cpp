#include "daemon/asking.hpp"

#include "daemon/azure_options.hpp"

#include <set>

namespace plumbline::daemon {

using namespace std::chrono_literals;

collectors::AzureClientOptions impatient_options(const config::Settings& settings) {
  auto options = azure_options(settings);
  options.max_retries = 1;
  options.base_delay = 500ms;
  options.max_delay = 5s;
  return options;
}

std::vector<std::string> types_asked_for(const core::CollectionPlan& plan) {
  std::set<std::string> types = {"microsoft.resourcegraph/resources"};
  for (const auto& table : plan.tables) {
    types.insert(table.types.begin(), table.types.end());
  }
  for (const auto& detail : plan.details) {
    types.insert(detail.type);
  }
  return {types.begin(), types.end()};
}

}  // namespace plumbline::daemon
