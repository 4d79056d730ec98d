#include "collectors/resource_manager/arm_list.hpp"

#include "collectors/json_answer.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using simdjson::dom::element;

namespace {

using Entry = std::pair<std::string_view, std::string_view>;

// contracts 3.6.
constexpr std::array kApiVersions = {
    Entry{"microsoft.resources/subscriptions", "2022-12-01"},
    Entry{"microsoft.resources/subscriptions/resourcegroups", "2021-04-01"},
    Entry{"microsoft.insights/privatelinkscopes", "2021-07-01-preview"},
    Entry{"microsoft.insights/actiongroups", "2023-01-01"},
    Entry{"microsoft.insights/activitylogalerts", "2020-10-01"},
    Entry{"microsoft.insights/components", "2020-02-02"},
    Entry{"microsoft.insights/datacollectionrules", "2023-03-11"},
    Entry{"microsoft.insights/datacollectionendpoints", "2023-03-11"},
    Entry{"microsoft.insights/metricalerts", "2018-03-01"},
    Entry{"microsoft.insights/scheduledqueryrules", "2023-12-01"},
    Entry{"microsoft.insights/webtests", "2022-06-15"},
    Entry{"microsoft.operationalinsights/workspaces", "2023-09-01"},
    Entry{"microsoft.operationalinsights/clusters", "2022-10-01"},
    Entry{"microsoft.operationalinsights/querypacks", "2019-09-01"},
    Entry{"microsoft.compute/virtualmachines", "2024-03-01"},
    Entry{"microsoft.compute/virtualmachines/extensions", "2024-03-01"},
    Entry{"microsoft.monitor/accounts", "2023-04-03"},
    Entry{"microsoft.dashboard/grafana", "2023-09-01"},
    Entry{"microsoft.containerservice/managedclusters", "2024-02-01"},
    Entry{"microsoft.storage/storageaccounts", "2023-05-01"},
    Entry{"microsoft.keyvault/vaults", "2023-07-01"},
    Entry{"microsoft.eventhub/namespaces", "2024-01-01"},
};

}  // namespace

Result<SubscriptionPage> parse_subscriptions(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "value", "the list of subscriptions");
  if (!answer) {
    return answer.error();
  }
  const auto& [root, values] = *answer;
  SubscriptionPage page;
  page.next_link = text_member(root, "nextLink");
  for (const element item : values) {
    SubscriptionInfo info;
    info.id = core::to_lower(text_member(item, "subscriptionId"));
    info.name = text_member(item, "displayName");
    info.state = text_member(item, "state");
    if (!info.id.empty()) {
      page.subscriptions.push_back(std::move(info));
    }
  }
  return page;
}

std::string descendants_path(std::string_view group) {
  return fmt::format(
      "/providers/Microsoft.Management/managementGroups/{}/descendants"
      "?api-version=2023-04-01",
      core::percent_encode(group));
}

Result<SubscriptionPage> parse_descendants(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "value", "the list");
  if (!answer) {
    return answer.error();
  }
  const auto& [root, values] = *answer;
  SubscriptionPage page;
  // Lists of management groups spell it with an `@` (contracts 3.2).
  page.next_link = text_member(root, "nextLink");
  if (page.next_link.empty()) {
    page.next_link = text_member(root, "@nextLink");
  }
  for (const element item : values) {
    if (!core::to_lower(text_member(item, "type")).ends_with("/subscriptions")) {
      continue;
    }
    SubscriptionInfo info;
    info.id = core::to_lower(text_member(item, "name"));
    if (element properties; item["properties"].get(properties) == simdjson::SUCCESS) {
      info.name = text_member(properties, "displayName");
    }
    if (!info.id.empty()) {
      page.subscriptions.push_back(std::move(info));
    }
  }
  return page;
}

Result<core::Observation> parse_detail(std::string_view body,
                                       const std::string& key,
                                       const std::string& type,
                                       core::Time sent_at,
                                       const core::Normaliser& normaliser) {
  simdjson::dom::parser parser;
  auto root = parse_answer(parser, body);
  if (!root) {
    return root.error();
  }
  simdjson::dom::array values;
  if (root->get(values) != simdjson::SUCCESS && (*root)["value"].get(values) != simdjson::SUCCESS) {
    return Error{Errc::kParse, "the list has no `value` array"};
  }
  if (root->is_object() && !text_member(*root, "nextLink").empty()) {
    return Error{Errc::kTruncated, "the list goes on at a nextLink, which is not followed"};
  }
  const std::string document = fmt::format(R"({{"id":{},"type":{},"value":{}}})",
                                           core::json_quote(key),
                                           core::json_quote(type),
                                           simdjson::minify(values));
  simdjson::dom::parser again;
  auto wrapped = parse_answer(again, document);
  if (!wrapped) {
    return wrapped.error();
  }
  core::Observation observation;
  observation.key = key;
  observation.id = key;
  observation.type = type;
  observation.is_detail = true;
  observation.source = core::detail_evidence_key(key);
  observation.observed_at = sent_at;
  auto normalised = normaliser.normalise(*wrapped);
  observation.body = std::move(normalised.body);
  observation.fingerprint = normalised.fingerprint;
  return observation;
}

std::string detail_path(const std::string& document_key, const std::string& api_version) {
  // Names in ids may hold spaces and other characters that a request line must not.
  std::string path;
  for (const auto segment : core::split(std::string_view(document_key).substr(1), '/')) {
    path += '/';
    path += core::percent_encode(segment);
  }
  return fmt::format("{}?api-version={}", path, api_version);
}

std::string provider_path(std::string_view provider) {
  return fmt::format("/providers/{}?$expand=resourceTypes/aliases&api-version=2024-03-01",
                     provider);
}

std::string_view resource_api_version(std::string_view lower_type) noexcept {
  const auto* found = std::ranges::find(kApiVersions, lower_type, &Entry::first);
  return found == kApiVersions.end() ? std::string_view("2021-04-01") : found->second;
}

std::string supported_api_version(std::string_view message) {
  const auto marker = message.find("api-versions are '");
  if (marker == std::string_view::npos) {
    return {};
  }
  auto list = message.substr(marker + std::string_view("api-versions are '").size());
  list = list.substr(0, list.find('\''));
  std::string newest;
  for (const auto part : core::split(list, ',')) {
    const auto version = core::trim(part);
    if (version.size() >= 10 && version > newest &&
        version.find_first_not_of("0123456789-abcdefghijklmnopqrstuvwxyz") ==
            std::string_view::npos) {
      newest = version;
    }
  }
  return newest;
}

}  // namespace plumbline::collectors
