// What the simulated tenant holds: subscriptions, management groups and resources, with the traces
// that changes leave (Resource Graph's change tables and the activity log). One thread.
#pragma once

#include "core/clock.hpp"
#include "core/resource_id.hpp"
#include "core/result.hpp"
#include "simulator/json.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::simulator {

struct Subscription {
  std::string id;  // as first seen
  std::string display_name;
  std::string state = "Enabled";
  Json tags = Json::object();
};

struct ManagementGroup {
  std::string name;
  std::string display_name;
  std::string parent;                      // a name; empty: below the root
  std::vector<std::string> subscriptions;  // lower-cased ids, direct or below
};

struct Resource {
  core::ResourceId id;
  Json body;
  /// A group or parent that only the ids of other resources speak of.
  bool implied = false;
  /// The body as a Resource Graph row.
  std::shared_ptr<const Json> row;
};

/// Who changed something, for the traces.
struct Cause {
  std::string changed_by = "simulator@contoso.example";
  std::string client_type = "Simulator";
};

/// How long after a change each of its traces can be seen. Resource Manager shows it at once.
struct Delays {
  std::chrono::milliseconds changes{0};   // rows of Resource Graph's change tables
  std::chrono::milliseconds activity{0};  // events of the activity log
  std::chrono::milliseconds graph{0};     // the resource's own row in Resource Graph
};

enum class Added { kNew, kDuplicate, kNotAnId };

/// The Resource Graph table that holds a type (contracts 2.8), empty when none does. `type` is
/// lower-case; `extends` says that the resource extends another.
[[nodiscard]] std::string graph_table_of(std::string_view type, bool extends);

/// Every table name that a query may begin with.
[[nodiscard]] bool is_graph_table(std::string_view name);

class Store {
 public:
  /// `clock` must outlive the store.
  explicit Store(const core::Clock* clock);

  /// Takes tenant.json: tenant, subscriptions, management groups, argTables.
  [[nodiscard]] core::Status set_tenant(const Json& tenant);

  /// While loading: leaves no trace. A subscription or resource group that the id speaks of comes
  /// into being with it.
  /// `example`: so does every resource that it is a child or an extension of, and an id below a
  /// subscription that is none by its form (documents have such) is taken with the body's type.
  Added add(Json body, bool example = false);

  /// Creates or replaces. `/subscriptions/x` is a subscription. kInvalidArgument: `id` is none.
  [[nodiscard]] core::Status put(const std::string& id, Json body, const Cause& cause);
  /// RFC 7396. kNotFound when there is nothing to patch.
  [[nodiscard]] core::Status patch(const std::string& id, const Json& patch, const Cause& cause);
  /// Removes the resource, group or subscription with everything below it.
  [[nodiscard]] core::Status remove(const std::string& id, const Cause& cause);

  /// What Resource Graph does not show although Resource Manager does, in place of what was: an
  /// array of `{"id" or "type", "path"}`. kParse changes nothing.
  [[nodiscard]] core::Status set_omissions(const Json& omissions);

  [[nodiscard]] const Resource* find(std::string_view id) const;
  /// Whether there is such a resource, group or subscription, or anything below it: data made from
  /// examples hold children without their parents.
  [[nodiscard]] bool exists(std::string_view id) const;
  [[nodiscard]] const Subscription* find_subscription(std::string_view id) const;
  /// Nullptr for an unknown name; otherwise the lower-cased ids of all subscriptions below it.
  [[nodiscard]] const ManagementGroup* find_management_group(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> subscriptions_below(std::string_view group) const;
  [[nodiscard]] int depth_of(const ManagementGroup& group) const;

  [[nodiscard]] const std::string& tenant_id() const { return tenant_id_; }

  [[nodiscard]] const std::map<std::string, Subscription>& subscriptions() const {
    return subscriptions_;
  }

  [[nodiscard]] const std::vector<ManagementGroup>& management_groups() const {
    return management_groups_;
  }

  /// By key.
  [[nodiscard]] const std::map<std::string, Resource>& resources() const { return resources_; }

  /// For changes from now on.
  void set_delays(const Delays& delays) { delays_ = delays; }

  [[nodiscard]] const Delays& delays() const { return delays_; }

  /// Rows of a Resource Graph table as they can be seen now, in no promised order.
  [[nodiscard]] std::vector<std::shared_ptr<const Json>> rows(std::string_view table) const;

  /// Activity log events that can be seen now, oldest first.
  [[nodiscard]] std::vector<std::shared_ptr<const Json>> events() const;

  /// Grows with every change.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  [[nodiscard]] Json subscription_body(const Subscription& subscription) const;

 private:
  Resource& insert(core::ResourceId id, Json body, bool implied);
  void ensure_containers(const core::ResourceId& id, const Json& body);
  void ensure_parents(const core::ResourceId& id, std::string_view spelling);
  void ensure_subscription(const std::string& id);
  [[nodiscard]] std::string table_of(const core::ResourceId& id) const;
  [[nodiscard]] std::shared_ptr<const Json> make_row(const core::ResourceId& id,
                                                     const Json& body) const;

  /// A property that Resource Graph does not show.
  struct Omission {
    std::string key;   // of one resource; empty: of all of the type
    std::string type;  // lower-cased
    std::vector<std::string> path;
  };

  void omit(const core::ResourceId& id, Json& row) const;
  [[nodiscard]] Json subscription_row(const Subscription& subscription) const;
  [[nodiscard]] Json group_row(const ManagementGroup& group) const;
  void trace(const core::ResourceId& id, const Json* before, const Json* after, const Cause& cause);
  core::Status change_subscription(const core::ResourceId& id,
                                   const Json& body,
                                   bool replace,
                                   const Cause& cause);
  /// Resource Graph goes on showing what is there now, for as long as it lags behind.
  void keep_row(const core::ResourceId& id);

  /// A change row or event, and since when it can be seen.
  struct Trace {
    core::Time visible_from;
    std::shared_ptr<const Json> body;
  };

  /// What Resource Graph shows of a resource although it has changed since.
  struct Outdated {
    core::Time until;
    std::string table;
    std::shared_ptr<const Json> row;  // nullptr: the resource was not there
  };

  [[nodiscard]] const Outdated* outdated(const std::string& key) const;

  const core::Clock* clock_;
  std::string tenant_id_;
  std::map<std::string, std::string> tables_by_type_;  // from tenant.json
  std::map<std::string, Subscription> subscriptions_;  // by lower-cased id
  std::vector<ManagementGroup> management_groups_;
  std::map<std::string, Resource> resources_;
  std::map<std::string, std::vector<Outdated>> outdated_;  // by key, oldest first
  std::map<std::string, std::vector<Trace>> change_rows_;  // by table
  std::vector<Trace> events_;
  Delays delays_;
  std::vector<Omission> omissions_;
  std::uint64_t revision_ = 1;
};

/// The id of a body in the form that keys are made of: trimmed, with its leading slash, and with
/// the provider that some sub-scope diagnostic settings lack (contracts 3.8).
[[nodiscard]] std::optional<core::ResourceId> id_of(std::string_view id);

}  // namespace plumbline::simulator
