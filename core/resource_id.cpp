#include "core/resource_id.hpp"

#include "core/text.hpp"

#include <vector>

namespace plumbline::core {

namespace {

constexpr std::string_view kManagementGroupPrefix =
    "/providers/microsoft.management/managementgroups/";

}  // namespace

std::string_view ResourceId::name() const noexcept {
  const auto slash = full_name.rfind('/');
  return slash == std::string::npos ? std::string_view(full_name)
                                    : std::string_view(full_name).substr(slash + 1);
}

std::string ResourceId::subscription_key() const {
  return subscription.empty() ? std::string() : "/subscriptions/" + subscription;
}

std::string ResourceId::resource_group_key() const {
  return resource_group.empty() ? std::string()
                                : subscription_key() + "/resourcegroups/" + resource_group;
}

std::string resource_key(std::string_view id) {
  while (!id.empty() && id.front() == ' ') {
    id.remove_prefix(1);
  }
  while (!id.empty() && id.back() == '/') {
    id.remove_suffix(1);
  }
  std::string key = to_lower(id);
  if (key.empty() || key.front() != '/') {
    key.insert(key.begin(), '/');
  }
  return key;
}

std::string management_group_key(std::string_view name) {
  return std::string(kManagementGroupPrefix).append(to_lower(name));
}

bool is_management_group_key(std::string_view key) noexcept {
  return key.starts_with(kManagementGroupPrefix) &&
         key.find('/', kManagementGroupPrefix.size()) == std::string_view::npos;
}

std::string_view subscription_of_key(std::string_view key) noexcept {
  constexpr std::string_view kPrefix = "/subscriptions/";
  if (!key.starts_with(kPrefix)) {
    return {};
  }
  const auto rest = key.substr(kPrefix.size());
  return rest.substr(0, rest.find('/'));
}

namespace {

struct Scope {
  std::size_t end = 0;  // first segment after the scope
  std::string type;
};

/// Consumes `/subscriptions/x[/resourcegroups/y]` from the front.
Scope parse_container(const std::vector<std::string_view>& segments, ResourceId& id) {
  Scope scope;
  if (segments.size() >= 2 && segments[0] == "subscriptions") {
    id.subscription = segments[1];
    id.full_name = segments[1];
    scope = {2, "microsoft.resources/subscriptions"};
    if (segments.size() >= 4 && segments[2] == "resourcegroups") {
      id.resource_group = segments[3];
      id.full_name = segments[3];
      scope = {4, "microsoft.resources/subscriptions/resourcegroups"};
    }
  }
  return scope;
}

std::string join_key(const std::vector<std::string_view>& segments, std::size_t end) {
  std::string key;
  for (std::size_t i = 0; i < end; ++i) {
    key += '/';
    key += segments[i];
  }
  return key;
}

}  // namespace

bool is_under(std::string_view key, std::string_view scope) noexcept {
  return key.starts_with(scope) && (key.size() == scope.size() || key[scope.size()] == '/');
}

std::optional<ResourceId> parse_resource_id(std::string_view text) {
  ResourceId id;
  id.key = resource_key(text);
  const auto segments = split(std::string_view(id.key).substr(1), '/');
  for (const auto segment : segments) {
    if (segment.empty()) {
      return std::nullopt;
    }
  }
  const Scope scope = parse_container(segments, id);
  id.type = scope.type;
  std::size_t at = scope.end;
  if (at == segments.size()) {
    return id.type.empty() ? std::nullopt : std::optional(id);
  }
  bool extends = false;
  while (at < segments.size()) {
    if (segments[at] != "providers" || at + 3 >= segments.size()) {
      return std::nullopt;
    }
    const std::size_t before = at;
    std::string type(segments[at + 1]);
    std::string name;
    std::size_t pair = at + 2;
    std::size_t last_pair = pair;
    while (pair + 1 < segments.size() && segments[pair] != "providers") {
      type += '/';
      type += segments[pair];
      if (!name.empty()) {
        name += '/';
      }
      name += segments[pair + 1];
      last_pair = pair;
      pair += 2;
    }
    if (name.empty() || (pair < segments.size() && segments[pair] != "providers")) {
      return std::nullopt;
    }
    if (last_pair > before + 2) {
      id.parent = join_key(segments, last_pair);
    } else if (extends) {
      id.parent = join_key(segments, before);
    } else {
      id.parent.clear();
    }
    id.type = std::move(type);
    id.full_name = std::move(name);
    extends = true;
    at = pair;
  }
  return id;
}

}  // namespace plumbline::core
