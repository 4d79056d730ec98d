#include "daemon/asking.hpp"

#include "daemon/azure_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <span>

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

std::string some_of(const std::vector<std::string>& items) {
  constexpr std::size_t kMostNamed = 5;
  const auto shown = std::min(items.size(), kMostNamed);
  const std::span<const std::string> first(items.data(), shown);
  return fmt::format("{}{}",
                     fmt::join(first, ", "),
                     items.size() > shown ? fmt::format(" and {} more", items.size() - shown) : "");
}

}  // namespace plumbline::daemon
