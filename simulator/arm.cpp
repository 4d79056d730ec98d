#include "simulator/arm.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>
#include <set>
#include <vector>

namespace plumbline::simulator {

namespace {

using Segments = std::vector<std::string_view>;

/// Lists that come whole (contracts 3.6, "single page").
bool is_single_page(std::string_view type) {
  static const std::set<std::string, std::less<>> kTypes = {
      "microsoft.insights/diagnosticsettings",
      "microsoft.insights/actiongroups",
      "microsoft.insights/metricalerts",
      "microsoft.operationalinsights/workspaces",
      "microsoft.operationalinsights/workspaces/tables",
      "microsoft.operationalinsights/workspaces/linkedservices",
      "microsoft.operationalinsights/workspaces/dataexports",
      "microsoft.operationalinsights/workspaces/savedsearches",
      "microsoft.compute/virtualmachines/extensions",
      "microsoft.security/pricings",
  };
  return kTypes.contains(type);
}

std::string join(const Segments& segments, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    text += '/';
    text += segments[i];
  }
  return text;
}

Reply not_found(std::string_view code, std::string_view what) {
  return arm_error(404, code, fmt::format("{} was not found.", what));
}

/// The error when a container that the id names is not there.
std::optional<Reply> missing_container(const Store& store, const Segments& segments) {
  if (segments.size() < 2 || segments[0] != "subscriptions") {
    return std::nullopt;
  }
  if (store.find_subscription(segments[1]) == nullptr) {
    return not_found("SubscriptionNotFound", fmt::format("Subscription '{}'", segments[1]));
  }
  if (segments.size() >= 4 && segments[2] == "resourcegroups" &&
      !store.exists(join(segments, 0, 4))) {
    return not_found("ResourceGroupNotFound", fmt::format("Resource group '{}'", segments[3]));
  }
  return std::nullopt;
}

std::optional<std::size_t> number(const std::optional<std::string>& text) {
  std::size_t value = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc{} && end == text->data() + text->size() ? std::optional(value)
                                                                    : std::nullopt;
}

class Handler {
 public:
  Handler(const Store& store, const ArmOptions& options, const net::ServerRequest& request)
      : store_(store), options_(options), request_(request), path_(core::to_lower(request.path)) {
    while (path_.size() > 1 && path_.back() == '/') {
      path_.pop_back();
    }
    for (const std::string_view segment : core::split(path_, '/')) {
      if (!segment.empty()) {
        segments_.push_back(segment);
      }
    }
  }

  ArmAnswer answer() {
    Reply reply = dispatch();
    return {route_, std::move(reply)};
  }

 private:
  Reply dispatch() {
    if (segments_.empty()) {
      return not_found("NotFound", "The path");
    }
    if (!query("api-version")) {
      return arm_error(400,
                       "MissingApiVersionParameter",
                       "Requests to the resource manager name an api-version in their query.");
    }
    constexpr std::string_view kStates =
        "/providers/microsoft.policyinsights/policystates/latest/queryresults";
    // Microsoft's client asks for the first page by POST and for the others by GET.
    const bool by_method = request_.method == "POST" || query("$skiptoken");
    if (by_method && segments_[0] == "subscriptions" && segments_.size() > 2 &&
        path_.ends_with(kStates)) {
      return policy_states();
    }
    if (request_.method != "GET") {
      return arm_error(405, "MethodNotAllowed", "The simulator's resource manager is read-only.");
    }
    if (segments_[0] == "subscriptions") {
      return below_subscription();
    }
    if (segments_[0] == "providers") {
      return below_tenant();
    }
    return not_found("NotFound", "The path");
  }

  /// What the scenario says that Azure Policy found; the rows are those of `policyresources`.
  Reply policy_states() {
    if (store_.find_subscription(segments_[1]) == nullptr) {
      route_ = "arm.missing";
      return arm_error(404, "SubscriptionNotFound", "The subscription could not be found.");
    }
    route_ = "arm.policystates";
    Json items = Json::array();
    for (const auto& [key, resource] : store_.resources()) {
      if (resource.id.type == "microsoft.policyinsights/policystates" &&
          resource.id.subscription == segments_[1]) {
        const auto properties = resource.body.find("properties");
        items.push_back(properties == resource.body.end() ? Json::object() : *properties);
      }
    }
    const std::size_t count = items.size();
    Reply reply = page(std::move(items), false, "@odata.nextLink");
    reply.body["@odata.count"] = count;
    return reply;
  }

  Reply below_subscription() {
    if (segments_.size() == 1) {
      return subscriptions();
    }
    if (auto missing = missing_container(store_, segments_)) {
      route_ = "arm.missing";
      return *std::move(missing);
    }
    if (segments_.size() == 2) {
      route_ = "arm.subscription";
      return ok(store_.subscription_body(*store_.find_subscription(segments_[1])));
    }
    if (segments_.size() == 3 && segments_[2] == "resourcegroups") {
      return list("arm.resourcegroups", "", [&](const Resource& resource) {
        return resource.id.type == "microsoft.resources/subscriptions/resourcegroups" &&
               resource.id.subscription == segments_[1];
      });
    }
    if (segments_.size() == 3 && segments_[2] == "resources") {
      return resources("");
    }
    if (segments_.size() == 3 && segments_[2] == "providers") {
      return providers();
    }
    if (segments_.size() == 4 && segments_[2] == "providers") {
      return provider(segments_[3]);
    }
    if (segments_[2] == "resourcegroups" && segments_.size() == 4) {
      return get();
    }
    if (segments_[2] == "resourcegroups" && segments_.size() == 5 && segments_[4] == "resources") {
      return resources(std::string(segments_[3]));
    }
    if (path_.ends_with("/providers/microsoft.insights/eventtypes/management/values")) {
      return activity_log();
    }
    if (segments_.size() == 5 &&
        path_.ends_with("/providers/microsoft.authorization/permissions")) {
      route_ = "arm.permissions";
      return page(Json::array({{{"actions", {"*/read"}},
                                {"notActions", Json::array()},
                                {"dataActions", Json::array()},
                                {"notDataActions", Json::array()}}}),
                  false);
    }
    return resource_or_list();
  }

  Reply below_tenant() {
    if (segments_.size() == 1) {
      return providers();
    }
    if (segments_.size() == 2) {
      return provider(segments_[1]);
    }
    if (segments_.size() >= 3 && segments_[1] == "microsoft.management" &&
        segments_[2] == "managementgroups") {
      if (segments_.size() == 3) {
        return management_groups();
      }
      const ManagementGroup* const group = store_.find_management_group(segments_[3]);
      const bool is_root = core::iequals(segments_[3], store_.tenant_id());
      if (group == nullptr && !is_root && !store_.exists(join(segments_, 0, 4))) {
        route_ = "arm.missing";
        return not_found("ManagementGroupNotFound",
                         fmt::format("Management group '{}'", segments_[3]));
      }
      if (segments_.size() == 5 && segments_[4] == "descendants") {
        return descendants();
      }
      if (segments_.size() == 4 && (group != nullptr || is_root)) {
        route_ = "arm.managementgroup";
        return ok(group != nullptr ? group_body(*group) : group_body(root_group()));
      }
    }
    return resource_or_list();
  }

  [[nodiscard]] std::optional<std::string> query(std::string_view name) const {
    // Parameter names ignore case in the resource manager.
    for (auto& [key, value] : net::parse_query(request_.query)) {
      if (core::iequals(key, name)) {
        return std::move(value);
      }
    }
    return std::nullopt;
  }

  static Reply ok(Json body) {
    Reply reply;
    reply.body = std::move(body);
    return reply;
  }

  /// One page of `items`, with a nextLink to the rest unless `whole`.
  Reply page(Json items, bool whole, const char* next_name = "nextLink") {
    Reply reply;
    const std::size_t top = number(query("$top")).value_or(options_.page_size);
    const std::size_t size = std::max<std::size_t>(1, std::min(top, options_.page_size));
    const auto token = query("$skiptoken");
    const auto skip = number(token);
    if (token && !skip) {
      return arm_error(400, "InvalidSkipToken", "The skip token is not one of this list.");
    }
    const std::size_t begin = std::min(skip.value_or(0), items.size());
    if (whole || (begin == 0 && items.size() <= size)) {
      reply.body = {{"value", std::move(items)}};
      return reply;
    }
    const std::size_t end = std::min(begin + size, items.size());
    Json value = Json::array();
    for (std::size_t i = begin; i < end; ++i) {
      value.push_back(std::move(items[i]));
    }
    reply.body = {{"value", std::move(value)}};
    if (end < items.size()) {
      std::string link = options_.endpoint;
      for (const std::string_view segment : core::split(request_.path, '/')) {
        if (!segment.empty()) {
          link += "/" + core::percent_encode(segment);
        }
      }
      link += '?';
      for (const auto& [key, parameter] : net::parse_query(request_.query)) {
        if (!core::iequals(key, "$skiptoken")) {
          link += fmt::format("{}={}&", core::percent_encode(key), core::percent_encode(parameter));
        }
      }
      reply.body[next_name] = fmt::format("{}%24skiptoken={}", link, end);
    }
    return reply;
  }

  Reply list(const char* route,
             std::string_view type,
             const std::function<bool(const Resource&)>& belongs) {
    route_ = route;
    Json items = Json::array();
    for (const auto& [key, resource] : store_.resources()) {
      if (belongs(resource)) {
        items.push_back(resource.body);
      }
    }
    return page(std::move(items), is_single_page(type));
  }

  Reply subscriptions() {
    route_ = "arm.subscriptions";
    Json items = Json::array();
    for (const auto& [id, subscription] : store_.subscriptions()) {
      items.push_back(store_.subscription_body(subscription));
    }
    return page(std::move(items), false);
  }

  Reply resources(const std::string& group) {
    // Of a resource, the list holds its envelope only; the body takes a GET.
    route_ = "arm.resources";
    static constexpr std::string_view kFilter = "resourcetype eq '";
    std::string wanted = core::to_lower(query("$filter").value_or(""));
    if (wanted.starts_with(kFilter) && wanted.ends_with('\'')) {
      wanted = wanted.substr(kFilter.size(), wanted.size() - kFilter.size() - 1);
    } else if (!wanted.empty()) {
      return arm_error(400, "InvalidFilterInQueryString", "Only resourceType eq is understood.");
    }
    Json items = Json::array();
    for (const auto& [key, resource] : store_.resources()) {
      const core::ResourceId& id = resource.id;
      if (id.subscription != segments_[1] || (!group.empty() && id.resource_group != group) ||
          graph_table_of(id.type, false) != "resources" ||
          key.find("/providers/") == std::string::npos || (!wanted.empty() && id.type != wanted)) {
        continue;
      }
      Json item = Json::object();
      for (const char* const name : {"id",
                                     "name",
                                     "type",
                                     "location",
                                     "tags",
                                     "kind",
                                     "sku",
                                     "managedBy",
                                     "identity",
                                     "plan",
                                     "zones",
                                     "extendedLocation"}) {
        if (resource.body.contains(name)) {
          item[name] = resource.body[name];
        }
      }
      items.push_back(std::move(item));
    }
    return page(std::move(items), false);
  }

  Reply providers() {
    route_ = "arm.providers";
    Json listed = options_.providers;
    for (Json& provider : listed) {
      leave_out_aliases(provider);
    }
    return page(std::move(listed), false);
  }

  /// Metadata of one provider: what the scenario says, or an empty list of types where it has
  /// resources of that provider.
  Reply provider(std::string_view name) {
    route_ = "arm.provider";
    for (Json provider : options_.providers) {
      if (core::iequals(provider.value("namespace", ""), name)) {
        leave_out_aliases(provider);
        return ok(std::move(provider));
      }
    }
    return ok({{"id", fmt::format("/providers/{}", name)},
               {"namespace", name},
               {"registrationState", "Registered"},
               {"resourceTypes", Json::array()}});
  }

  /// Aliases are sent to those who ask for them.
  void leave_out_aliases(Json& provider) const {
    if (core::iequals(query("$expand").value_or(""), "resourceTypes/aliases") ||
        !provider.contains("resourceTypes")) {
      return;
    }
    for (Json& type : provider["resourceTypes"]) {
      type.erase("aliases");
    }
  }

  [[nodiscard]] ManagementGroup root_group() const {
    ManagementGroup root;
    root.name = store_.tenant_id();
    root.display_name = "Tenant Root Group";
    return root;
  }

  [[nodiscard]] Json group_body(const ManagementGroup& group) const {
    const bool is_root = group.name == store_.tenant_id();
    const std::string parent = group.parent.empty() ? store_.tenant_id() : group.parent;
    Json properties = {{"tenantId", store_.tenant_id()}, {"displayName", group.display_name}};
    if (!is_root) {
      properties["details"]["parent"] = {
          {"id", "/providers/Microsoft.Management/managementGroups/" + parent}, {"name", parent}};
    }
    return {{"id", "/providers/Microsoft.Management/managementGroups/" + group.name},
            {"type", "Microsoft.Management/managementGroups"},
            {"name", group.name},
            {"properties", std::move(properties)}};
  }

  Reply management_groups() {
    route_ = "arm.managementgroups";
    Json items = Json::array({group_body(root_group())});
    for (const ManagementGroup& group : store_.management_groups()) {
      items.push_back(group_body(group));
    }
    return page(std::move(items), false, "@nextLink");
  }

  Reply descendants() {
    route_ = "arm.descendants";
    Json items = Json::array();
    const bool is_root = core::iequals(segments_[3], store_.tenant_id());
    const std::string name(segments_[3]);
    const auto entry =
        [&](std::string id, std::string type, std::string item, std::string display) {
          Json properties = {{"displayName", std::move(display)}};
          properties["parent"]["id"] = "/providers/Microsoft.Management/managementGroups/" + name;
          items.push_back({{"id", std::move(id)},
                           {"type", std::move(type)},
                           {"name", std::move(item)},
                           {"properties", std::move(properties)}});
        };
    for (const ManagementGroup& group : store_.management_groups()) {
      if (is_root || core::iequals(group.parent, name)) {
        entry("/providers/Microsoft.Management/managementGroups/" + group.name,
              "Microsoft.Management/managementGroups",
              group.name,
              group.display_name);
      }
    }
    for (const std::string& id : store_.subscriptions_below(name)) {
      if (const Subscription* const subscription = store_.find_subscription(id)) {
        entry("/subscriptions/" + subscription->id,
              "/subscriptions",
              subscription->id,
              subscription->display_name);
      }
    }
    return page(std::move(items), false);
  }

  Reply get() {
    route_ = "arm.get";
    if (const Resource* const resource = store_.find(path_)) {
      return ok(resource->body);
    }
    return not_found("ResourceNotFound", fmt::format("The resource '{}'", request_.path));
  }

  /// After the last `providers` come the namespace and pairs of type and name: an odd one out is
  /// the type of a list.
  Reply resource_or_list() {
    const auto last = std::find(segments_.rbegin(), segments_.rend(), "providers");
    if (last == segments_.rend()) {
      return not_found("NotFound", "The path");
    }
    const auto providers = static_cast<std::size_t>(segments_.rend() - last) - 1;
    const std::size_t after = segments_.size() - providers - 1;  // namespace and the rest
    if (after < 2) {
      return not_found("InvalidResourceType", "The type");
    }
    if (after % 2 == 1) {
      return get();
    }
    std::string type(segments_[providers + 1]);
    for (std::size_t i = providers + 2; i < segments_.size(); i += 2) {
      type += '/';
      type += segments_[i];
    }
    if (after > 2) {
      return children(type);
    }
    return of_scope(join(segments_, 0, providers), type);
  }

  Reply children(const std::string& type) {
    const std::string parent = join(segments_, 0, segments_.size() - 1);
    if (!exists(parent)) {
      route_ = "arm.missing";
      return not_found("ResourceNotFound", fmt::format("The resource '{}'", parent));
    }
    // The associations of a rule or endpoint live on the resources they associate.
    const char* const reference =
        type == "microsoft.insights/datacollectionrules/associations" ? "dataCollectionRuleId"
        : type == "microsoft.insights/datacollectionendpoints/associations"
            ? "dataCollectionEndpointId"
            : nullptr;
    if (reference != nullptr) {
      return list("arm.list", type, [&](const Resource& resource) {
        return resource.id.type == "microsoft.insights/datacollectionruleassociations" &&
               resource.body.contains("properties") &&
               core::resource_key(string_member(resource.body["properties"], reference)) == parent;
      });
    }
    const std::string_view earlier = earlier_name(type);
    Reply reply = list("arm.list", type, [&](const Resource& resource) {
      return (resource.id.type == type || resource.id.type == earlier) &&
             resource.id.parent == parent;
    });
    if (is_storage_service(type) && reply.body["value"].empty()) {
      reply.body["value"].push_back(
          {{"id", parent + "/" + std::string(segments_.back()) + "/default"},
           {"name", "default"},
           {"type", type},
           {"properties", Json::object()}});
    }
    return reply;
  }

  /// What ids in the answer of a list call its type.
  static std::string_view earlier_name(std::string_view type) {
    if (type == "microsoft.operationalinsights/workspaces/dataexports") {
      return "microsoft.operationalinsights/workspaces/export";
    }
    if (type == "microsoft.eventhub/namespaces/networkrulesets") {
      return "microsoft.eventhub/namespaces/networkruleset";
    }
    return type;
  }

  static bool is_storage_service(std::string_view type) {
    constexpr std::string_view kAccounts = "microsoft.storage/storageaccounts/";
    return type.starts_with(kAccounts) && type.ends_with("services") &&
           !type.substr(kAccounts.size()).contains('/');
  }

  /// What the data hold, and the services that every storage account has.
  [[nodiscard]] bool exists(std::string_view key) const {
    constexpr std::string_view kDefault = "services/default";
    if (!key.ends_with(kDefault)) {
      return store_.exists(key);
    }
    const auto account = key.substr(0, key.rfind('/', key.size() - kDefault.size()));
    return store_.exists(account) || store_.exists(key);
  }

  Reply of_scope(const std::string& scope, const std::string& type) {
    const bool is_subscription = segments_[0] == "subscriptions" && scope == join(segments_, 0, 2);
    const bool is_group = !is_subscription && segments_[0] == "subscriptions" &&
                          scope == join(segments_, 0, 4) && segments_[2] == "resourcegroups";
    if (!scope.empty() && !is_subscription && !is_group && !exists(scope) &&
        !is_known_group(scope)) {
      route_ = "arm.missing";
      return not_found("ResourceNotFound", fmt::format("The resource '{}'", scope));
    }
    const char* const route =
        type == "microsoft.insights/diagnosticsettings" ? "arm.diagnosticsettings" : "arm.list";
    // Settings and associations belong to their scope alone; other lists reach below it.
    const bool exact = type == "microsoft.insights/diagnosticsettings" ||
                       (!is_subscription && !is_group) ||
                       (query("$filter").value_or("").find("atExactScope()") != std::string::npos);
    return list(route, type, [&](const Resource& resource) {
      if (resource.id.type != type) {
        return false;
      }
      const std::string& key = resource.id.key;
      if (!exact) {
        return key.starts_with(scope) && key[scope.size()] == '/';
      }
      const std::size_t own = key.rfind("/providers/");
      return std::string_view(key).substr(0, own) == scope;
    });
  }

  [[nodiscard]] bool is_known_group(std::string_view scope) const {
    constexpr std::string_view kGroups = "/providers/microsoft.management/managementgroups/";
    return scope.starts_with(kGroups) &&
           (store_.find_management_group(scope.substr(kGroups.size())) != nullptr ||
            core::iequals(scope.substr(kGroups.size()), store_.tenant_id()));
  }

  /// `$filter=eventTimestamp ge '..' and eventTimestamp le '..' and resourceProvider eq '..'`
  Reply activity_log() {
    route_ = "arm.activitylog";
    std::optional<core::Time> from;
    std::optional<core::Time> to;
    std::string provider;
    std::string group;
    std::string resource;
    const std::string filter = query("$filter").value_or("");
    std::string_view rest = filter;
    while (!rest.empty()) {
      const std::size_t next = core::to_lower(rest).find(" and ");
      const std::string_view term = core::trim(rest.substr(0, next));
      rest = next == std::string_view::npos ? std::string_view() : rest.substr(next + 5);
      const std::size_t open = term.find('\'');
      const std::string name = core::to_lower(core::trim(term.substr(0, open)));
      if (open == std::string_view::npos || term.size() < open + 2 || term.back() != '\'') {
        return arm_error(400, "BadRequest", "The filter is not understood.");
      }
      const std::string value(term.substr(open + 1, term.size() - open - 2));
      if (name == "eventtimestamp ge") {
        from = core::parse_rfc3339(value);
      } else if (name == "eventtimestamp le") {
        to = core::parse_rfc3339(value);
      } else if (name == "resourceprovider eq" || name == "resourceprovidername eq") {
        provider = value;
      } else if (name == "resourcegroupname eq") {
        group = value;
      } else if (name == "resourceuri eq" || name == "resourceid eq") {
        resource = core::resource_key(value);
      } else {
        return arm_error(400, "BadRequest", "The filter is not understood.");
      }
    }
    if (!from) {
      return arm_error(400, "BadRequest", "The filter has no start: eventTimestamp ge '...'.");
    }
    Json items = Json::array();
    const auto events = store_.events();
    for (auto at = events.rbegin(); at != events.rend(); ++at) {  // newest first
      const auto& event = *at;
      const auto time = core::parse_rfc3339(string_member(*event, "eventTimestamp"));
      if (string_member(*event, "subscriptionId") != segments_[1] || !time || *time < *from ||
          (to && *time > *to) ||
          (!provider.empty() &&
           !core::iequals(string_member((*event)["resourceProviderName"], "value"), provider)) ||
          (!group.empty() && !core::iequals(string_member(*event, "resourceGroupName"), group)) ||
          (!resource.empty() &&
           core::resource_key(string_member(*event, "resourceId")) != resource)) {
        continue;
      }
      items.push_back(*event);
    }
    return page(std::move(items), false);
  }

  const Store& store_;
  const ArmOptions& options_;
  const net::ServerRequest& request_;
  std::string path_;   // lower-cased
  Segments segments_;  // of path_
  std::string route_ = "arm.other";
};

}  // namespace

Reply arm_error(int status, std::string_view code, std::string_view message) {
  Reply reply;
  reply.status = status;
  reply.body = {{"error", {{"code", code}, {"message", message}}}};
  return reply;
}

ArmAnswer answer_arm(const Store& store,
                     const ArmOptions& options,
                     const net::ServerRequest& request) {
  return Handler(store, options, request).answer();
}

}  // namespace plumbline::simulator
