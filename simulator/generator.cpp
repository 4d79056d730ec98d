#include "simulator/generator.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <iterator>
#include <regex>

namespace plumbline::simulator {

namespace {

struct Kind {
  const char* spelling;
  const char* lower;
  const char* prefix;
};

// In the order of their names, so that ids of a group grow from type to type.
constexpr std::array kKinds = {
    Kind{"Microsoft.Insights/actionGroups", "microsoft.insights/actiongroups", "ag"},
    Kind{"Microsoft.Insights/components", "microsoft.insights/components", "appi"},
    Kind{"Microsoft.KeyVault/vaults", "microsoft.keyvault/vaults", "kv"},
    Kind{"Microsoft.OperationalInsights/workspaces",
         "microsoft.operationalinsights/workspaces",
         "law"},
    Kind{"Microsoft.Storage/storageAccounts", "microsoft.storage/storageaccounts", "st"},
};

constexpr std::size_t kGroupSize = 100;
constexpr int kPolicies = 10;  // fill a row up to 2 KB

/// SplitMix64: every index has numbers of its own, whatever was asked before.
std::uint64_t mixed(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t value = seed + (index + 1) * 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

std::string uuid_of(std::uint64_t first, std::uint64_t second) {
  return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
                     first >> 32U,
                     (first >> 16U) & 0xffffU,
                     first & 0xfffU,
                     second >> 52U,
                     second & 0xffffffffffffU);
}

/// Of a list of KQL's string literals, in lower case.
std::vector<std::string> literals(std::string_view list) {
  std::vector<std::string> out;
  for (const auto part : core::split(list, ',')) {
    const auto trimmed = core::trim(part);
    if (trimmed.size() > 2) {
      out.push_back(core::to_lower(trimmed.substr(1, trimmed.size() - 2)));
    }
  }
  return out;
}

}  // namespace

std::string Generator::subscription_id(std::size_t number) const {
  const auto random = mixed(options_.seed, number);
  return uuid_of((static_cast<std::uint64_t>(number) << 32U) | (random & 0xffffffffU),
                 mixed(options_.seed + 1, number));
}

Json Generator::tenant() const {
  Json subscriptions = Json::array();
  for (std::size_t i = 0; i < options_.subscriptions; ++i) {
    subscriptions.push_back({{"subscriptionId", subscription_id(i)},
                             {"displayName", fmt::format("generated-{:04}", i)},
                             {"state", "Enabled"}});
  }
  return {{"tenantId", uuid_of(mixed(options_.seed, 1U << 20U), options_.seed)},
          {"subscriptions", std::move(subscriptions)}};
}

Generator::Place Generator::place(std::size_t index) const {
  const std::size_t each =
      (options_.resources + options_.subscriptions - 1) / options_.subscriptions;
  const std::size_t local = index % each;
  return {index / each, local / kGroupSize, local % kGroupSize * kKinds.size() / kGroupSize};
}

std::string Generator::id(std::size_t index) const {
  const Place at = place(index);
  const Kind& kind = kKinds.at(at.type);
  return fmt::format("/subscriptions/{}/resourceGroups/rg-{:06}/providers/{}/{}-{:07}",
                     subscription_id(at.subscription),
                     at.group,
                     kind.spelling,
                     kind.prefix,
                     index);
}

std::string_view Generator::type(std::size_t index) const {
  return kKinds.at(place(index).type).lower;
}

std::string Generator::subscription(std::size_t index) const {
  return subscription_id(place(index).subscription);
}

std::optional<std::size_t> Generator::index_of(std::string_view id) const {
  const auto digits = id.substr(id.rfind('-') + 1);
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (error != std::errc() || end != digits.data() + digits.size() || index >= size() ||
      !core::iequals(this->id(index), id)) {
    return std::nullopt;
  }
  return index;
}

void Generator::patch(std::size_t index, const Json& patch) {
  std::string text;
  append_row(index, text);
  Json row = Json::parse(text);
  row.merge_patch(patch);
  patched_[index] = dump(row);
}

void Generator::append_row(std::size_t index, std::string& out) const {
  if (const auto patched = patched_.find(index); patched != patched_.end()) {
    out += patched->second;
    return;
  }
  const Place at = place(index);
  const Kind& kind = kKinds.at(at.type);
  const auto random = mixed(options_.seed, index + (std::size_t{1} << 32U));
  auto to = std::back_inserter(out);
  fmt::format_to(
      to,
      R"({{"id":"{}","name":"{}-{:07}","type":"{}","tenantId":"","kind":"","location":"{}",)"
      R"("resourceGroup":"rg-{:06}","subscriptionId":"{}","managedBy":"","sku":{{"name":"standard"}},)"
      R"("plan":null,"tags":{{"owner":"team-{}","cost":"{}"}},"identity":null,"zones":null,)"
      R"("extendedLocation":null,"properties":{{"provisioningState":"Succeeded",)"
      R"("publicNetworkAccess":"{}","publicNetworkAccessForQuery":"{}","enabled":{},)"
      R"("minimumTlsVersion":"TLS1_{}","retentionInDays":{},"accessPolicies":[)",
      id(index),
      kind.prefix,
      index,
      kind.lower,
      random % 3 == 0 ? "westeurope" : "northeurope",
      at.group,
      subscription_id(at.subscription),
      random % 97,
      random % 10'000,
      random % 4 == 0 ? "Enabled" : "Disabled",
      random % 5 == 0 ? "Enabled" : "Disabled",
      random % 7 != 0,
      random % 6 == 0 ? 0 : 2,
      30 + random % 700);
  for (int i = 0; i < kPolicies; ++i) {
    const auto more = mixed(random, static_cast<std::uint64_t>(i));
    fmt::format_to(to,
                   R"({}{{"objectId":"{}","permissions":{{"keys":["get","list"],)"
                   R"("secrets":["get","list","{}"]}},"number":{}}})",
                   i == 0 ? "" : ",",
                   uuid_of(more, random),
                   more % 2 == 0 ? "set" : "delete",
                   more % 1'000'000);
  }
  out += "]}}";
}

std::optional<GeneratedQuery> parse_generated_query(const std::string& text) {
  // A list of ids is too long for a regular expression.
  constexpr std::string_view kById = "resources | where id in~ (";
  constexpr std::string_view kByIdEnd = ") | order by id asc";
  if (text.starts_with(kById) && text.ends_with(kByIdEnd)) {
    GeneratedQuery query;
    query.ids = literals(
        std::string_view(text).substr(kById.size(), text.size() - kById.size() - kByIdEnd.size()));
    return query;
  }
  static const std::regex pattern(R"(resources(?: \| where type in~ \(([^)]*)\))?)"
                                  R"((?: \| where hash\(tolower\(id\), (\d{1,4})\) == (\d{1,4}))?)"
                                  R"( \| (order by id asc|summarize count\(\) by subscriptionId))");
  std::smatch match;
  if (!std::regex_match(text, match, pattern)) {
    return std::nullopt;
  }
  GeneratedQuery query;
  query.types = literals(match[1].str());
  if (match[2].matched) {
    query.pieces = std::max(1UL, std::stoul(match[2]));
    query.piece = std::stoul(match[3]);
  }
  query.count_by_subscription = match[4].str().starts_with("summarize");
  return query;
}

bool is_in_piece(std::string_view id, const GeneratedQuery& query) {
  if (query.pieces == 1) {
    return true;
  }
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : core::to_lower(id)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return (hash >> 1U) % query.pieces == query.piece;
}

}  // namespace plumbline::simulator
