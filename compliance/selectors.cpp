#include "compliance/selectors.hpp"

#include "core/json_member.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace plumbline::compliance {

using core::Errc;
using core::Error;
using core::Result;
using core::text_member;
using nlohmann::json;

namespace {

// The limits of Azure Policy.
constexpr std::size_t kMaxResourceSelectors = 10;
constexpr std::size_t kMaxOverrides = 20;
constexpr std::size_t kMaxValues = 50;

using Kinds = std::pair<std::string_view, Selector::Kind>;
constexpr std::array kKinds = {Kinds{"resourceLocation", Selector::Kind::kLocation},
                               Kinds{"resourceType", Selector::Kind::kType},
                               Kinds{"resourceWithoutLocation", Selector::Kind::kWithoutLocation},
                               Kinds{"policyDefinitionReferenceId", Selector::Kind::kReference}};

Error fail(const std::string& place, std::string_view message) {
  return {Errc::kInvalidArgument, fmt::format("{}: {}", place, message)};
}

/// Azure writes `West Europe` and `westeurope` for the same place.
std::string canonical_location(std::string_view location) {
  std::string out = core::to_lower(location);
  std::erase(out, ' ');
  return out;
}

std::optional<std::string> only_members(const json& object,
                                        std::initializer_list<std::string_view> allowed) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(allowed, key) == allowed.end()) {
      return key;
    }
  }
  return std::nullopt;
}

Result<Selector> parse_selector(const json& item, bool of_override, const std::string& place) {
  if (!item.is_object()) {
    return fail(place, "a selector is an object with `kind` and `in` or `notIn`");
  }
  if (const auto unknown = only_members(item, {"kind", "in", "notIn"})) {
    return fail(place, fmt::format("unknown key `{}`", *unknown));
  }
  const auto kind = item.find("kind");
  if (kind == item.end() || !kind->is_string()) {
    return fail(place, "a selector needs a `kind`");
  }
  const auto name = kind->get<std::string>();
  const auto known =
      std::ranges::find_if(kKinds, [&](const Kinds& k) { return core::iequals(k.first, name); });
  if (known == kKinds.end() || (!of_override && known->second == Selector::Kind::kReference)) {
    return fail(place, fmt::format("`{}` selects nothing that can be evaluated here", name));
  }
  Selector selector;
  selector.kind = known->second;
  selector.negated = item.contains("notIn");
  if (selector.negated == item.contains("in")) {
    return fail(place, "exactly one of `in` and `notIn` is needed");
  }
  const auto& values = item.at(selector.negated ? "notIn" : "in");
  if (!values.is_array() || values.empty() || values.size() > kMaxValues ||
      !std::ranges::all_of(values, [](const json& value) { return value.is_string(); })) {
    return fail(place, fmt::format("`in` and `notIn` list 1 to {} texts", kMaxValues));
  }
  for (const auto& value : values) {
    const auto text = value.get<std::string>();
    if (selector.kind == Selector::Kind::kWithoutLocation &&
        !core::iequals(text, "subscriptionLevelResources")) {
      return fail(place, "resourceWithoutLocation knows `subscriptionLevelResources` only");
    }
    selector.values.push_back(selector.kind == Selector::Kind::kLocation ? canonical_location(text)
                                                                         : core::to_lower(text));
  }
  return selector;
}

Result<std::vector<Selector>> parse_selectors(const json& item,
                                              bool of_override,
                                              const std::string& place) {
  std::vector<Selector> out;
  const auto selectors = item.find("selectors");
  if (selectors == item.end()) {
    return out;
  }
  if (!selectors->is_array()) {
    return fail(place, "`selectors` must be an array");
  }
  for (std::size_t i = 0; i < selectors->size(); ++i) {
    const auto where = fmt::format("{}.selectors[{}]", place, i);
    auto selector = parse_selector((*selectors)[i], of_override, where);
    if (!selector) {
      return selector.error();
    }
    if (std::ranges::find(out, selector->kind, &Selector::kind) != out.end()) {
      return fail(where, "this kind is used twice");
    }
    out.push_back(*std::move(selector));
  }
  return out;
}

bool all_select(const std::vector<Selector>& selectors, const SelectedResource& resource) {
  return std::ranges::all_of(selectors,
                             [&](const Selector& selector) { return selector.selects(resource); });
}

}  // namespace

SelectedResource selected_resource(policy::Json resource) {
  SelectedResource out;
  std::string_view text;
  if (resource["type"].get(text) == simdjson::SUCCESS) {
    out.type = core::to_lower(text);
  }
  if (resource["location"].get(text) == simdjson::SUCCESS) {
    out.location = canonical_location(text);
  }
  if (resource["id"].get(text) == simdjson::SUCCESS) {
    const auto id = core::parse_resource_id(text);
    out.subscription_level = id && !id->subscription.empty() && id->resource_group_key().empty();
  }
  return out;
}

bool Selector::names(std::string_view value) const {
  return (std::ranges::find(values, value) != values.end()) != negated;
}

bool Selector::selects(const SelectedResource& resource) const {
  switch (kind) {
    case Kind::kLocation:
      return names(resource.location);
    case Kind::kType:
      return names(resource.type);
    case Kind::kWithoutLocation:
      return (resource.location.empty() && resource.subscription_level) != negated;
    case Kind::kReference:
      return true;
  }
  return true;
}

bool ResourceSelector::selects(const SelectedResource& resource) const {
  return all_select(selectors, resource);
}

bool EffectOverride::concerns(std::string_view reference) const {
  const std::string lower = core::to_lower(reference);
  return std::ranges::all_of(selectors, [&](const Selector& selector) {
    return selector.kind != Selector::Kind::kReference || selector.names(lower);
  });
}

bool EffectOverride::selects(const SelectedResource& resource) const {
  return all_select(selectors, resource);
}

bool EffectOverride::is_selective() const {
  return std::ranges::any_of(selectors, [](const Selector& selector) {
    return selector.kind != Selector::Kind::kReference;
  });
}

Result<std::vector<ResourceSelector>> parse_resource_selectors(const json& array) {
  const std::string name = "resourceSelectors";
  if (!array.is_array() || array.size() > kMaxResourceSelectors) {
    return fail(name, fmt::format("must be an array of at most {}", kMaxResourceSelectors));
  }
  std::vector<ResourceSelector> out;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const auto place = fmt::format("{}[{}]", name, i);
    const auto& item = array[i];
    if (!item.is_object()) {
      return fail(place, "a resource selector is an object with `selectors`");
    }
    if (const auto unknown = only_members(item, {"name", "selectors"})) {
      return fail(place, fmt::format("unknown key `{}`", *unknown));
    }
    auto selectors = parse_selectors(item, /*of_override=*/false, place);
    if (!selectors) {
      return selectors.error();
    }
    if (selectors->empty()) {
      return fail(place, "a resource selector needs `selectors`");
    }
    out.push_back({text_member(item, "name"), *std::move(selectors)});
  }
  return out;
}

Result<std::vector<EffectOverride>> parse_overrides(const json& array) {
  const std::string name = "overrides";
  if (!array.is_array() || array.size() > kMaxOverrides) {
    return fail(name, fmt::format("must be an array of at most {}", kMaxOverrides));
  }
  std::vector<EffectOverride> out;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const auto place = fmt::format("{}[{}]", name, i);
    const auto& item = array[i];
    if (!item.is_object()) {
      return fail(place, "an override is an object with `kind`, `value` and `selectors`");
    }
    if (const auto unknown = only_members(item, {"kind", "value", "selectors"})) {
      return fail(place, fmt::format("unknown key `{}`", *unknown));
    }
    if (!core::iequals(text_member(item, "kind"), "policyEffect")) {
      return fail(place, "only overrides of kind `policyEffect` can be evaluated here");
    }
    EffectOverride override;
    override.effect = text_member(item, "value");
    if (override.effect.empty()) {
      return fail(place, "an override needs a `value`: the effect");
    }
    auto selectors = parse_selectors(item, /*of_override=*/true, place);
    if (!selectors) {
      return selectors.error();
    }
    override.selectors = *std::move(selectors);
    out.push_back(std::move(override));
  }
  return out;
}

}  // namespace plumbline::compliance
