#include "simulator/store.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

namespace plumbline::simulator {

namespace {

using core::Errc;
using core::Error;
using core::Status;

constexpr std::string_view kSubscriptionType = "microsoft.resources/subscriptions";
constexpr std::string_view kResourceGroupType = "microsoft.resources/subscriptions/resourcegroups";
constexpr std::size_t kMaxTraces = 100'000;

constexpr auto kTables = std::to_array<std::string_view>({"resources",
                                                          "resourcecontainers",
                                                          "policyresources",
                                                          "authorizationresources",
                                                          "insightsresources",
                                                          "securityresources",
                                                          "networkresources",
                                                          "kubernetesconfigurationresources",
                                                          "resourcechanges",
                                                          "resourcecontainerchanges",
                                                          "networkresourcechanges",
                                                          "healthresourcechanges",
                                                          "maintenanceresourcechanges",
                                                          "quotaresourcechanges",
                                                          "extensibilityresourcechanges",
                                                          "healthresources",
                                                          "servicehealthresources",
                                                          "alertsmanagementresources",
                                                          "advisorresources",
                                                          "guestconfigurationresources",
                                                          "patchassessmentresources",
                                                          "managedserviceresources",
                                                          "dnsresources",
                                                          "tagresources",
                                                          "featureresources",
                                                          "extensibilityresources"});

// Child types that the resources table holds beside the top-level ones.
const std::set<std::string, std::less<>>& children_in_resources() {
  static const std::set<std::string, std::less<>> kTypes = {
      "microsoft.compute/virtualmachines/extensions",
      "microsoft.compute/virtualmachines/runcommands",
      "microsoft.dashboard/grafana/integrationfabrics",
      "microsoft.dashboard/grafana/managedprivateendpoints",
      "microsoft.hybridcompute/machines/extensions",
      "microsoft.network/networkwatchers/flowlogs",
      "microsoft.network/privatednszones/virtualnetworklinks",
      "microsoft.automation/automationaccounts/runbooks",
      "microsoft.sql/servers/databases",
  };
  return kTypes;
}

bool is_network_resource(std::string_view type) {
  return type.starts_with("microsoft.network/networkmanagers/") ||
         type.starts_with("microsoft.network/networksecurityperimeters/") ||
         type == "microsoft.network/firewallpolicies/rulecollectiongroups" ||
         type == "microsoft.network/networkgroupmemberships" ||
         type == "microsoft.network/effectivesecurityadminrules";
}

bool extends_another(const core::ResourceId& id) {
  const std::size_t last = id.key.rfind("/providers/");
  if (id.full_name.empty() || last == std::string::npos || last == 0) {
    return false;
  }
  return id.key.find("/providers/") != last;
}

std::string member_path(const std::string& path, const std::string& key) {
  return path.empty() ? key : fmt::format("{}.{}", path, key);
}

/// What a change row lists: each differing leaf, by its path.
void list_changes(const Json& before, const Json& after, const std::string& path, Json& changes) {
  if (before == after) {
    return;
  }
  if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : before.items()) {
      list_changes(
          value, after.contains(key) ? after[key] : Json(), member_path(path, key), changes);
    }
    for (const auto& [key, value] : after.items()) {
      if (!before.contains(key)) {
        list_changes(Json(), value, member_path(path, key), changes);
      }
    }
    return;
  }
  if (before.is_array() && after.is_array() && before.size() == after.size()) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      list_changes(before[i], after[i], fmt::format("{}[{}]", path, i), changes);
    }
    return;
  }
  if (after.is_object() && before.is_null()) {
    for (const auto& [key, value] : after.items()) {
      list_changes(Json(), value, member_path(path, key), changes);
    }
    return;
  }
  Json change = {{"propertyChangeType",
                  before.is_null()  ? "Insert"
                  : after.is_null() ? "Remove"
                                    : "Update"},
                 {"changeCategory", "User"}};
  const auto text = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : dump(value);
  };
  if (!before.is_null()) {
    change["previousValue"] = text(before);
  }
  if (!after.is_null()) {
    change["newValue"] = text(after);
  }
  changes[path] = std::move(change);
}

std::string time_text(core::Time time) {
  // Seven digits of fraction, as the service writes them.
  std::string text = core::to_rfc3339(time);
  text.pop_back();
  const std::size_t dot = text.find('.');
  std::string fraction = dot == std::string::npos ? std::string() : text.substr(dot + 1);
  fraction.resize(7, '0');
  return text.substr(0, dot) + "." + fraction + "Z";
}

/// What can be told of an id that does not name its type where it should.
std::optional<core::ResourceId> misshapen_id(std::string_view text, std::string_view type) {
  core::ResourceId id;
  id.key = core::resource_key(core::trim(text));
  id.subscription = core::subscription_of_key(id.key);
  id.type = core::to_lower(type);
  // A type is a provider, which has a dot, and at least one name.
  const std::size_t slash = id.type.find('/');
  if (id.subscription.empty() || slash == std::string::npos ||
      id.type.substr(0, slash).find('.') == std::string::npos) {
    return std::nullopt;
  }
  return id;
}

template <class Traces>
void append_visible(const Traces& traces,
                    core::Time now,
                    std::vector<std::shared_ptr<const Json>>& out) {
  for (const auto& trace : traces) {
    if (trace.visible_from <= now) {
      out.push_back(trace.body);
    }
  }
}

bool below(std::string_view key, std::string_view scope) {
  return key.size() > scope.size() && key.starts_with(scope) && key[scope.size()] == '/';
}

}  // namespace

std::optional<core::ResourceId> id_of(std::string_view text) {
  auto id = core::parse_resource_id(core::trim(text));
  if (id && id->type == "azureresourcemanager/diagnosticsettings") {
    id->type = "microsoft.insights/diagnosticsettings";
  }
  return id;
}

bool is_graph_table(std::string_view name) {
  return std::ranges::find(kTables, name) != kTables.end();
}

std::string graph_table_of(std::string_view type, bool extends) {
  static const std::set<std::string, std::less<>> kAuthorization = {
      "microsoft.authorization/roleassignments",
      "microsoft.authorization/roledefinitions",
      "microsoft.authorization/classicadministrators"};
  if (type == kSubscriptionType || type == kResourceGroupType ||
      type == "microsoft.management/managementgroups" ||
      type == "microsoft.management/servicegroups") {
    return "resourcecontainers";
  }
  if (kAuthorization.contains(type)) {
    return "authorizationresources";
  }
  if (type.starts_with("microsoft.authorization/policy") ||
      type.starts_with("microsoft.policyinsights/policy")) {
    return "policyresources";
  }
  if (type == "microsoft.insights/datacollectionruleassociations" ||
      type == "microsoft.insights/tenantactiongroups") {
    return "insightsresources";
  }
  if (type.starts_with("microsoft.security/")) {
    return "securityresources";
  }
  if (is_network_resource(type)) {
    return "networkresources";
  }
  if (type == "microsoft.kubernetesconfiguration/extensions" ||
      type == "microsoft.kubernetesconfiguration/fluxconfigurations") {
    return "kubernetesconfigurationresources";
  }
  if (type == "microsoft.guestconfiguration/guestconfigurationassignments") {
    return "guestconfigurationresources";
  }
  if (type == "microsoft.resources/changes") {
    return "resourcechanges";
  }
  if (children_in_resources().contains(type)) {
    return "resources";
  }
  if (extends || std::ranges::count(type, '/') != 1 ||
      type == "microsoft.insights/diagnosticsettings" ||
      type == "microsoft.insights/eventcategories" || type == "microsoft.insights/logprofiles" ||
      type.starts_with("microsoft.customerlockbox/") || type.starts_with("microsoft.management/")) {
    return {};
  }
  return "resources";
}

Store::Store(const core::Clock* clock)
    : clock_(clock), tenant_id_("00000000-1111-2222-3333-444444444444") {}

Status Store::set_tenant(const Json& tenant) {
  const auto invalid = [](std::string_view what) {
    return Error{Errc::kParse, fmt::format("tenant.json: {}", what)};
  };
  if (!tenant.is_object()) {
    return invalid("not an object");
  }
  tenant_id_ = string_member(tenant, "tenantId", tenant_id_);
  for (const Json& entry : tenant.value("subscriptions", Json::array())) {
    const std::string id = string_member(entry, "subscriptionId");
    if (id.empty()) {
      return invalid("a subscription without subscriptionId");
    }
    Subscription subscription;
    subscription.id = id;
    subscription.display_name = string_member(entry, "displayName", id);
    subscription.state = string_member(entry, "state", "Enabled");
    if (entry.contains("tags")) {
      subscription.tags = entry["tags"];
    }
    subscriptions_[core::to_lower(id)] = std::move(subscription);
  }
  for (const Json& entry : tenant.value("managementGroups", Json::array())) {
    ManagementGroup group;
    group.name = string_member(entry, "name");
    if (group.name.empty()) {
      return invalid("a management group without name");
    }
    group.display_name = string_member(entry, "displayName", group.name);
    group.parent = string_member(entry, "parent");
    for (const Json& subscription : entry.value("subscriptions", Json::array())) {
      if (!subscription.is_string()) {
        return invalid("a management group's subscriptions are strings");
      }
      group.subscriptions.push_back(core::to_lower(subscription.get<std::string>()));
    }
    management_groups_.push_back(std::move(group));
  }
  if (auto omitted = set_omissions(tenant.value("argOmits", Json::array())); !omitted) {
    return omitted.error().with_context("tenant.json");
  }
  const Json tables = tenant.value("argTables", Json::object());
  for (const auto& [type, table] : tables.items()) {
    tables_by_type_[core::to_lower(type)] =
        table.is_string() ? core::to_lower(table.get<std::string>()) : std::string();
  }
  ++revision_;
  return Status::ok();
}

std::string Store::table_of(const core::ResourceId& id) const {
  const auto chosen = tables_by_type_.find(id.type);
  return chosen != tables_by_type_.end() ? chosen->second
                                         : graph_table_of(id.type, extends_another(id));
}

void Store::ensure_subscription(const std::string& id) {
  if (!id.empty() && !subscriptions_.contains(id)) {
    Subscription subscription;
    subscription.id = id;
    subscription.display_name = id;
    subscriptions_[id] = std::move(subscription);
  }
}

void Store::ensure_containers(const core::ResourceId& id, const Json& body) {
  ensure_subscription(id.subscription);
  if (id.resource_group.empty() || resources_.contains(id.resource_group_key())) {
    return;
  }
  // The group's spelling and place are those of its first resource.
  const std::vector<std::string_view> segments =
      core::split(core::trim(body["id"].get_ref<const std::string&>()), '/');
  std::string name = id.resource_group;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (core::iequals(segments[i], "resourceGroups")) {
      name = segments[i + 1];
      break;
    }
  }
  const Json group = {
      {"id", fmt::format("/subscriptions/{}/resourceGroups/{}", id.subscription, name)},
      {"name", name},
      {"type", "Microsoft.Resources/resourceGroups"},
      {"location", string_member(body, "location", "westeurope")},
      {"properties", {{"provisioningState", "Succeeded"}}}};
  if (auto group_id = core::parse_resource_id(id.resource_group_key())) {
    insert(*std::move(group_id), group, true);
  }
}

Resource& Store::insert(core::ResourceId id, Json body, bool implied) {
  ++revision_;
  Resource resource;
  resource.row = make_row(id, body);
  resource.id = std::move(id);
  resource.body = std::move(body);
  resource.implied = implied;
  std::string key = resource.id.key;
  return resources_.insert_or_assign(std::move(key), std::move(resource)).first->second;
}

void Store::ensure_parents(const core::ResourceId& id, std::string_view spelling) {
  const auto parent = id.parent.empty() ? std::nullopt : core::parse_resource_id(id.parent);
  if (!parent || parent->type == kSubscriptionType || parent->type == kResourceGroupType ||
      resources_.contains(parent->key)) {
    return;
  }
  // An id and its key differ in length by a leading slash at most.
  const std::size_t without_slash = spelling.starts_with('/') ? 0 : 1;
  const std::string parent_id(spelling.substr(0, parent->key.size() - without_slash));
  insert(*parent,
         {{"id", parent_id},
          {"name", parent_id.substr(parent_id.rfind('/') + 1)},
          {"type", parent->type},
          {"location", "westeurope"},
          {"properties", Json::object()}},
         true);
  ensure_parents(*parent, parent_id);
}

Added Store::add(Json body, bool example) {
  const std::string text = string_member(body, "id");
  auto id = id_of(text);
  if (!id && example) {
    id = misshapen_id(text, string_member(body, "type"));
  }
  if (!id || id->type == kSubscriptionType) {
    return Added::kNotAnId;
  }
  const auto existing = resources_.find(id->key);
  if (existing != resources_.end() && !existing->second.implied) {
    return Added::kDuplicate;
  }
  if (id->type == kResourceGroupType) {
    ensure_subscription(id->subscription);
  } else {
    ensure_containers(*id, body);
  }
  if (example) {
    ensure_parents(*id, core::trim(text));
  }
  insert(*std::move(id), std::move(body), false);
  return Added::kNew;
}

void Store::keep_row(const core::ResourceId& id) {
  const core::Time now = clock_->now();
  std::erase_if(outdated_[id.key], [&](const Outdated& entry) { return entry.until <= now; });
  if (delays_.graph == std::chrono::milliseconds::zero()) {
    outdated_.erase(id.key);
    return;
  }
  const auto existing = resources_.find(id.key);
  outdated_[id.key].push_back({now + delays_.graph,
                               table_of(id),
                               existing == resources_.end() ? nullptr : existing->second.row});
}

const Store::Outdated* Store::outdated(const std::string& key) const {
  const auto found = outdated_.find(key);
  if (found == outdated_.end()) {
    return nullptr;
  }
  const auto shown = std::ranges::find_if(
      found->second, [&](const Outdated& entry) { return entry.until > clock_->now(); });
  return shown == found->second.end() ? nullptr : &*shown;
}

Status Store::change_subscription(const core::ResourceId& id,
                                  const Json& body,
                                  bool replace,
                                  const Cause& cause) {
  auto found = subscriptions_.find(id.subscription);
  const bool is_new = found == subscriptions_.end();
  if (found == subscriptions_.end()) {
    if (!replace) {
      return Error{Errc::kNotFound, fmt::format("{}: not found", id.key)};
    }
    ensure_subscription(id.subscription);
    found = subscriptions_.find(id.subscription);
  }
  Subscription& subscription = found->second;
  const Json before = subscription_row(subscription);
  subscription.display_name = string_member(body, "displayName", subscription.display_name);
  subscription.state = string_member(body, "state", subscription.state);
  if (body.contains("tags")) {
    subscription.tags = body["tags"];
  }
  ++revision_;
  const Json after = subscription_row(subscription);
  if (is_new || after != before) {
    trace(id, is_new ? nullptr : &before, &after, cause);
  }
  return Status::ok();
}

Status Store::put(const std::string& text, Json body, const Cause& cause) {
  auto id = id_of(text);
  if (!id || !body.is_object()) {
    return Error{Errc::kInvalidArgument, fmt::format("'{}' and its body are no resource", text)};
  }
  if (id->type == kSubscriptionType) {
    return change_subscription(*id, body, true, cause);
  }
  if (string_member(body, "id").empty()) {
    body["id"] = text;
  }
  const auto body_id = id_of(string_member(body, "id"));
  if (!body_id || body_id->key != id->key) {
    return Error{Errc::kInvalidArgument, fmt::format("the body's id is not '{}'", text)};
  }
  const auto existing = resources_.find(id->key);
  std::optional<Json> before;
  if (existing != resources_.end() && !existing->second.implied) {
    before = existing->second.body;
  }
  if (id->type == kResourceGroupType) {
    ensure_subscription(id->subscription);
  } else {
    ensure_containers(*id, body);
  }
  keep_row(*id);
  const Resource& changed = insert(*std::move(id), std::move(body), false);
  trace(changed.id, before ? &*before : nullptr, &changed.body, cause);
  return Status::ok();
}

Status Store::patch(const std::string& text, const Json& patch, const Cause& cause) {
  const auto id = id_of(text);
  if (!id || !patch.is_object()) {
    return Error{Errc::kInvalidArgument, fmt::format("'{}' and its patch are no resource", text)};
  }
  if (id->type == kSubscriptionType) {
    return change_subscription(*id, patch, false, cause);
  }
  const auto existing = resources_.find(id->key);
  if (existing == resources_.end()) {
    return Error{Errc::kNotFound, fmt::format("{}: not found", id->key)};
  }
  const Json before = existing->second.body;
  Json after = before;
  after.merge_patch(patch);
  if (!after.is_object() || !after.contains("id") || after["id"] != before["id"]) {
    return Error{Errc::kInvalidArgument, "a patch may not change the id"};
  }
  if (after != before) {
    keep_row(*id);
    const Resource& changed = insert(*id, std::move(after), false);
    trace(*id, &before, &changed.body, cause);
  }
  return Status::ok();
}

Status Store::remove(const std::string& text, const Cause& cause) {
  const auto id = id_of(text);
  if (!id) {
    return Error{Errc::kInvalidArgument, fmt::format("'{}' is no id", text)};
  }
  bool removed = id->type == kSubscriptionType && subscriptions_.erase(id->subscription) != 0;
  for (auto it = resources_.lower_bound(id->key); it != resources_.end();) {
    if (!it->first.starts_with(id->key)) {
      break;
    }
    if (it->first != id->key && !below(it->first, id->key)) {
      ++it;  // a sibling whose name begins alike
      continue;
    }
    keep_row(it->second.id);
    const Resource gone = std::move(it->second);
    it = resources_.erase(it);
    removed = true;
    if (id->type != kSubscriptionType) {  // its traces went with it
      trace(gone.id, &gone.body, nullptr, cause);
    }
  }
  if (!removed) {
    return Error{Errc::kNotFound, fmt::format("{}: not found", id->key)};
  }
  ++revision_;
  return Status::ok();
}

void Store::trace(const core::ResourceId& id,
                  const Json* before,
                  const Json* after,
                  const Cause& cause) {
  const Json& body = after != nullptr ? *after : *before;
  const std::string target = string_member(body, "id");
  const std::string now = time_text(clock_->now());
  const std::string correlation = core::random_uuid();
  const char* const kind = before == nullptr ? "Create" : after == nullptr ? "Delete" : "Update";
  const char* const verb = after == nullptr ? "delete" : "write";
  const bool is_user = cause.changed_by.find('@') != std::string::npos;

  const std::string table = table_of(id);
  std::string change_table;
  if (table == "resources") {
    change_table = "resourcechanges";
  } else if (table == "resourcecontainers") {
    change_table = "resourcecontainerchanges";
  } else if (table == "networkresources") {
    change_table = "networkresourcechanges";
  }
  auto& rows = change_rows_[change_table];
  if (!change_table.empty() && rows.size() < kMaxTraces) {
    Json changes = Json::object();
    if (before != nullptr && after != nullptr) {
      list_changes(*before, *after, "", changes);
    }
    const std::string name = core::random_uuid();
    const auto snapshot = [](const Json* state) {
      return state == nullptr ? std::string() : core::to_hex(core::sha256(dump(*state)));
    };
    Json attributes = {{"correlationId", correlation},
                       {"changedBy", cause.changed_by},
                       {"changedByType", is_user ? "User" : "Application"},
                       {"clientType", cause.client_type},
                       {"operation", fmt::format("{}/{}", id.type, verb)},
                       {"timestamp", now},
                       {"changesCount", changes.size()},
                       {"previousResourceSnapshotId", snapshot(before)},
                       {"newResourceSnapshotId", snapshot(after)}};
    Json properties = {{"targetResourceId", target},
                       {"targetResourceType", id.type},
                       {"changeType", kind},
                       {"changeAttributes", std::move(attributes)}};
    if (before != nullptr && after != nullptr) {
      properties["changes"] = std::move(changes);
    }
    const Json change = {
        {"id", fmt::format("{}/providers/Microsoft.Resources/changes/{}", target, name)},
        {"name", name},
        {"type", "microsoft.resources/changes"},
        {"properties", std::move(properties)}};
    core::ResourceId change_id = id;
    change_id.type = "microsoft.resources/changes";
    rows.push_back({clock_->now() + delays_.changes, make_row(change_id, change)});
  }

  if (events_.size() < kMaxTraces && !id.subscription.empty()) {
    const auto named = [](std::string_view value) {
      return Json{{"value", value}, {"localizedValue", value}};
    };
    const std::string event = core::random_uuid();
    const std::string provider = id.type.substr(0, id.type.find('/'));
    const std::string operation = fmt::format("{}/{}", id.type, verb);
    const Json entry = {
        {"id", fmt::format("{}/events/{}/ticks/{}", target, event, core::to_micros(clock_->now()))},
        {"eventDataId", event},
        {"correlationId", correlation},
        {"operationId", correlation},
        {"caller", cause.changed_by},
        {"authorization", {{"action", operation}, {"scope", target}}},
        {"category", named("Administrative")},
        {"eventName", named("EndRequest")},
        {"level", "Informational"},
        {"operationName", named(operation)},
        {"resourceGroupName", id.resource_group},
        {"resourceProviderName", named(provider)},
        {"resourceType", named(id.type)},
        {"resourceId", target},
        {"status", named("Succeeded")},
        {"subStatus", named(before == nullptr ? "Created" : "OK")},
        {"eventTimestamp", now},
        {"submissionTimestamp", now},
        {"subscriptionId", id.subscription},
        {"tenantId", tenant_id_}};
    events_.push_back({clock_->now() + delays_.activity, std::make_shared<const Json>(entry)});
  }
}

const Resource* Store::find(std::string_view id) const {
  const auto found = resources_.find(core::resource_key(id));
  return found == resources_.end() ? nullptr : &found->second;
}

bool Store::exists(std::string_view id) const {
  const std::string key = core::resource_key(id);
  const auto parsed = core::parse_resource_id(key);
  if (parsed && parsed->type == kSubscriptionType) {
    return subscriptions_.contains(parsed->subscription);
  }
  if (resources_.contains(key)) {
    return true;
  }
  const auto next = resources_.lower_bound(key + "/");
  return next != resources_.end() && below(next->first, key);
}

const Subscription* Store::find_subscription(std::string_view id) const {
  const auto found = subscriptions_.find(core::to_lower(id));
  return found == subscriptions_.end() ? nullptr : &found->second;
}

const ManagementGroup* Store::find_management_group(std::string_view name) const {
  const auto found = std::ranges::find_if(management_groups_, [&](const ManagementGroup& group) {
    return core::iequals(group.name, name);
  });
  return found == management_groups_.end() ? nullptr : &*found;
}

int Store::depth_of(const ManagementGroup& group) const {
  int depth = 0;
  const ManagementGroup* above = find_management_group(group.parent);
  // No deeper than there are groups: a file may have a circle.
  while (above != nullptr && depth < static_cast<int>(management_groups_.size())) {
    ++depth;
    above = find_management_group(above->parent);
  }
  return depth;
}

std::vector<std::string> Store::subscriptions_below(std::string_view group) const {
  if (core::iequals(group, tenant_id_)) {  // the root group bears the tenant's id
    std::vector<std::string> all;
    all.reserve(subscriptions_.size());
    for (const auto& [id, subscription] : subscriptions_) {
      all.push_back(id);
    }
    return all;
  }
  std::set<std::string> found;
  std::set<std::string> seen;
  std::vector<std::string> pending = {core::to_lower(group)};
  while (!pending.empty()) {
    const std::string name = std::move(pending.back());
    pending.pop_back();
    if (!seen.insert(name).second) {
      continue;
    }
    for (const ManagementGroup& candidate : management_groups_) {
      if (core::iequals(candidate.name, name)) {
        found.insert(candidate.subscriptions.begin(), candidate.subscriptions.end());
      }
      if (core::iequals(candidate.parent, name)) {
        pending.push_back(core::to_lower(candidate.name));
      }
    }
  }
  return {found.begin(), found.end()};
}

Status Store::set_omissions(const Json& omissions) {
  const auto invalid = [] {
    return Error{Errc::kParse, "omissions are an array of {id or type, path}, all strings"};
  };
  if (!omissions.is_array()) {
    return invalid();
  }
  std::vector<Omission> parsed;
  for (const Json& entry : omissions) {
    const std::string id = entry.is_object() ? string_member(entry, "id") : std::string();
    const std::string type = entry.is_object() ? string_member(entry, "type") : std::string();
    const std::string path = entry.is_object() ? string_member(entry, "path") : std::string();
    if (id.empty() == type.empty() || path.empty() || entry.size() != 2) {
      return invalid();
    }
    Omission omission;
    omission.key = id.empty() ? std::string() : core::resource_key(id);
    omission.type = core::to_lower(type);
    for (const std::string_view segment : core::split(path, '.')) {
      omission.path.emplace_back(segment);
    }
    parsed.push_back(std::move(omission));
  }
  omissions_ = std::move(parsed);
  for (auto& [key, resource] : resources_) {
    resource.row = make_row(resource.id, resource.body);
  }
  ++revision_;
  return Status::ok();
}

void Store::omit(const core::ResourceId& id, Json& row) const {
  for (const Omission& omission : omissions_) {
    if (omission.key.empty() ? omission.type != id.type : omission.key != id.key) {
      continue;
    }
    Json* at = &row;
    for (std::size_t i = 0; at != nullptr && i + 1 < omission.path.size(); ++i) {
      const auto found = at->find(omission.path[i]);
      at = found != at->end() && found->is_object() ? &*found : nullptr;
    }
    if (at == &row) {
      row[omission.path.back()] = Json();  // a column is always there
    } else if (at != nullptr) {
      at->erase(omission.path.back());
    }
  }
}

std::shared_ptr<const Json> Store::make_row(const core::ResourceId& id, const Json& body) const {
  const auto dynamic = [&](const char* name) { return body.value(name, Json()); };
  auto row = std::make_shared<Json>();
  *row = {{"id", string_member(body, "id")},
          {"name", string_member(body, "name", id.name())},
          {"type", id.type},
          {"tenantId", tenant_id_},
          {"kind", string_member(body, "kind")},
          {"location", string_member(body, "location")},
          {"resourceGroup", id.resource_group},
          {"subscriptionId", id.subscription},
          {"managedBy", string_member(body, "managedBy")},
          {"sku", dynamic("sku")},
          {"plan", dynamic("plan")},
          {"properties", dynamic("properties")},
          {"tags", dynamic("tags")},
          {"identity", dynamic("identity")},
          {"zones", dynamic("zones")},
          {"extendedLocation", dynamic("extendedLocation")}};
  omit(id, *row);
  return row;
}

Json Store::subscription_body(const Subscription& subscription) const {
  return {{"id", "/subscriptions/" + subscription.id},
          {"subscriptionId", subscription.id},
          {"tenantId", tenant_id_},
          {"displayName", subscription.display_name},
          {"state", subscription.state},
          {"subscriptionPolicies",
           {{"locationPlacementId", "Public_2014-09-01"},
            {"quotaId", "EnterpriseAgreement_2014-09-01"},
            {"spendingLimit", "Off"}}},
          {"authorizationSource", "RoleBased"},
          {"managedByTenants", Json::array()},
          {"tags", subscription.tags}};
}

Json Store::subscription_row(const Subscription& subscription) const {
  // From the nearest to the root: whatever a group holds, the one above it holds, too.
  std::vector<std::pair<std::size_t, const ManagementGroup*>> above;
  for (const ManagementGroup& group : management_groups_) {
    const auto members = subscriptions_below(group.name);
    if (std::ranges::find(members, core::to_lower(subscription.id)) != members.end()) {
      above.emplace_back(members.size(), &group);
    }
  }
  std::ranges::sort(above, {}, [this](const auto& entry) {
    return std::tuple(entry.first, -depth_of(*entry.second), entry.second);
  });
  Json chain = Json::array();
  for (const auto& [members, group] : above) {
    chain.push_back({{"name", group->name}, {"displayName", group->display_name}});
  }
  core::ResourceId id;
  id.type = kSubscriptionType;
  id.subscription = core::to_lower(subscription.id);
  const Json body = {{"id", "/subscriptions/" + subscription.id},
                     {"name", subscription.display_name},
                     {"tags", subscription.tags},
                     {"properties",
                      {{"state", subscription.state},
                       {"managedByTenants", Json::array()},
                       {"managementGroupAncestorsChain", std::move(chain)}}}};
  return *make_row(id, body);
}

Json Store::group_row(const ManagementGroup& group) const {
  core::ResourceId id;
  id.type = "microsoft.management/managementgroups";
  const std::string parent = group.parent.empty() ? tenant_id_ : group.parent;
  const Json body = {{"id", "/providers/Microsoft.Management/managementGroups/" + group.name},
                     {"name", group.name},
                     {"properties",
                      {{"tenantId", tenant_id_},
                       {"displayName", group.display_name},
                       {"details",
                        {{"parent",
                          {{"id", "/providers/Microsoft.Management/managementGroups/" + parent},
                           {"name", parent}}}}}}}};
  return *make_row(id, body);
}

std::vector<std::shared_ptr<const Json>> Store::rows(std::string_view table) const {
  std::vector<std::shared_ptr<const Json>> rows;
  for (const auto& [key, resource] : resources_) {
    if (outdated(key) == nullptr && table_of(resource.id) == table) {
      rows.push_back(resource.row);
    }
  }
  for (const auto& [key, entries] : outdated_) {
    const Outdated* const shown = outdated(key);
    if (shown != nullptr && shown->row != nullptr && shown->table == table) {
      rows.push_back(shown->row);
    }
  }
  if (table == "resourcecontainers") {
    rows.reserve(rows.size() + subscriptions_.size());
    for (const auto& [id, subscription] : subscriptions_) {
      rows.push_back(std::make_shared<Json>(subscription_row(subscription)));
    }
    for (const ManagementGroup& group : management_groups_) {
      if (find("/providers/Microsoft.Management/managementGroups/" + group.name) == nullptr) {
        rows.push_back(std::make_shared<Json>(group_row(group)));
      }
    }
  }
  const auto changes = change_rows_.find(std::string(table));
  if (changes != change_rows_.end()) {
    append_visible(changes->second, clock_->now(), rows);
  }
  return rows;
}

std::vector<std::shared_ptr<const Json>> Store::events() const {
  std::vector<std::shared_ptr<const Json>> events;
  append_visible(events_, clock_->now(), events);
  return events;
}

}  // namespace plumbline::simulator
