#include "daemon/survey.hpp"

#include "collectors/collection.hpp"
#include "collectors/identity/token_cache.hpp"
#include "collectors/inventory.hpp"
#include "collectors/resource_graph/query.hpp"
#include "collectors/resource_manager/arm_list.hpp"
#include "collectors/resource_manager/permissions.hpp"
#include "compliance/plan.hpp"
#include "daemon/asking.hpp"
#include "daemon/azure_options.hpp"
#include "daemon/sign_in.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMostPages = 1000;
constexpr std::string_view kSubscriptionType = "microsoft.resources/subscriptions";
const std::string kDescendants = "microsoft.management/managementgroups/descendants";

bool wants_parent(const core::DetailPlan& detail, std::string_view type) {
  return detail.parent_types.empty() ||
         std::ranges::find(detail.parent_types, type) != detail.parent_types.end();
}

class Surveyor {
 public:
  Surveyor(const config::Settings& settings,
           const compliance::Baseline& baseline,
           const core::CollectionPlan& plan,
           net::HttpTransport& transport,
           collectors::Credential& credential,
           Surroundings& around,
           net::Executor io)
      : settings_(&settings),
        plan_(&plan),
        tokens_(std::move(io), credential, around.clock, around.log, around.metrics),
        azure_(transport,
               tokens_,
               around.clock,
               around.log,
               around.metrics,
               impatient_options(settings)),
        readers_(compliance::readers_of_types(baseline)) {
    for (const auto& check : baseline.checks) {
      if (!check.is_disabled()) {
        every_check_.insert(check.reference);
      }
    }
  }

  net::Task<void> run() { outcome_ = co_await ask(); }

  [[nodiscard]] Result<Survey> take() {
    if (!outcome_) {
      return outcome_.error();
    }
    for (auto& [what, scopes] : missing_) {
      const auto& [type, why] = what;
      out_.missing.push_back({type, why, {scopes.begin(), scopes.end()}, readers_of(type)});
    }
    return std::move(out_);
  }

 private:
  net::Task<Status> ask() {
    auto listed = co_await list(kSubscriptionsPath, collectors::parse_subscriptions);
    if (!listed) {
      co_return listed.error();
    }
    if (auto scoped = co_await choose(*std::move(listed)); !scoped) {
      co_return scoped;
    }
    if (out_.subscriptions.empty()) {
      miss("", "no subscription can be read", "");
      co_return Status::ok();
    }
    if (auto counted = co_await count(); !counted) {
      co_return counted;
    }
    std::size_t asked = 0;
    for (const auto& id : out_.subscriptions) {
      if (asked++ == kMostSubscriptions) {
        out_.notes.push_back(fmt::format("permissions were looked at in {} of {} subscriptions",
                                         kMostSubscriptions,
                                         out_.subscriptions.size()));
        break;
      }
      co_await look_at_permissions(id);
    }
    co_return co_await ask_examples();
  }

  template <class Parse>
  net::Task<Result<std::vector<std::string>>> list(std::string link, Parse parse) {
    std::vector<std::string> ids;
    for (std::size_t page = 0; !link.empty() && page < kMostPages; ++page) {
      ++out_.listing_requests;
      const auto answer = co_await azure_.get(link);
      if (!answer) {
        co_return answer.error();
      }
      const auto parsed = parse(answer->body);
      if (!parsed) {
        co_return parsed.error();
      }
      for (const auto& subscription : parsed->subscriptions) {
        ids.push_back(subscription.id);
      }
      link = parsed->next_link == link ? std::string() : parsed->next_link;
    }
    std::ranges::sort(ids);
    ids.erase(std::ranges::unique(ids).begin(), ids.end());
    co_return ids;
  }

  /// The subscriptions that a pass would ask for, as Inventory chooses them.
  net::Task<Status> choose(std::vector<std::string> listed) {
    std::set<std::string> wanted(settings_->subscriptions.begin(), settings_->subscriptions.end());
    std::set<std::string> found;
    bool complete = true;
    for (const auto& group : settings_->management_groups) {
      auto below =
          co_await list(collectors::descendants_path(group), collectors::parse_descendants);
      if (!below && below.error().code != Errc::kForbidden) {
        co_return below.error();
      }
      if (below) {
        found.insert(below->begin(), below->end());
      } else {
        complete = false;
        miss(kDescendants, "refused where it was tried", group);
      }
    }
    if (complete) {
      wanted.merge(found);
    }
    if (!settings_->subscriptions.empty() || !settings_->management_groups.empty()) {
      for (const auto& id : wanted) {
        if (!std::ranges::binary_search(listed, id)) {
          miss("", "the subscription cannot be read", id);
        }
      }
      std::erase_if(listed, [&](const std::string& id) { return !wanted.contains(id); });
    }
    out_.subscriptions = std::move(listed);
    co_return Status::ok();
  }

  net::Task<Status> count() {
    const auto chunk = collectors::InventoryOptions().subscriptions_per_query;
    const auto& all = out_.subscriptions;
    for (std::size_t at = 0; at < all.size(); at += chunk) {
      const auto end = std::min(all.size(), at + chunk);
      collectors::CountedScope scope;
      scope.subscriptions.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                                 all.begin() + static_cast<std::ptrdiff_t>(end));
      for (const auto& table : plan_->tables) {
        if (auto counted = co_await count_table(table, &scope); !counted) {
          co_return counted;
        }
      }
      out_.scopes.push_back(std::move(scope));
    }
    if (const auto groups = collectors::management_group_table(*plan_)) {
      collectors::CountedScope above;
      if (auto counted = co_await count_table(*groups, &above); !counted) {
        co_return counted;
      }
      out_.scopes.push_back(std::move(above));
    }
    co_return Status::ok();
  }

  net::Task<Status> count_table(core::TablePlan table, collectors::CountedScope* scope) {
    const auto query = collectors::resource_graph_type_count_query(table);
    std::string token;
    for (std::size_t page = 0; page < kMostPages; ++page) {
      auto body = collectors::resource_graph_body(query,
                                                  scope->subscriptions,
                                                  collectors::InventoryOptions().page_size,
                                                  token,
                                                  collectors::is_inherited_table(table.table));
      const auto answer = co_await azure_.post(
          std::string(collectors::kGraphPath), std::move(body), "resource_graph");
      if (!answer) {
        if (answer.error().code != Errc::kForbidden) {
          co_return answer.error();
        }
        miss("", "queries of Resource Graph are refused", table.table);
        co_return Status::ok();
      }
      auto counts = collectors::parse_type_counts(answer->body);
      if (!counts) {
        co_return counts.error().with_context("counts of " + table.table);
      }
      for (auto& row : counts->rows) {
        // Where no subscription is asked for, only what lies in none is meant.
        if (!scope->subscriptions.empty() || row.subscription.empty()) {
          scope->rows.push_back(
              {table.table, std::move(row.type), std::move(row.subscription), row.count});
        }
      }
      if (counts->skip_token.empty() || counts->skip_token == token) {
        co_return Status::ok();
      }
      token = counts->skip_token;
    }
    co_return Error{Errc::kLimit, "counts of " + table.table + " have too many pages"};
  }

  net::Task<void> look_at_permissions(std::string id) {
    const auto scope = "/subscriptions/" + id;
    const auto answer = co_await azure_.get(collectors::permissions_path(scope));
    auto permissions = answer ? collectors::Permissions::parse(answer->body)
                              : Result<collectors::Permissions>(answer.error());
    if (permissions) {
      for (const auto& type : types_asked_for(*plan_)) {
        if (!permissions->allow(type + "/read")) {
          miss(type, kNoRole, id);
        }
      }
    } else {
      out_.notes.push_back(fmt::format(
          "what may be read in {} cannot be told: {}", id, permissions.error().message));
    }
    // A deny assignment or a lock on the way shows only to who asks.
    for (const auto& detail : plan_->details) {
      if (wants_parent(detail, kSubscriptionType) && !has_no_role(detail.type, id)) {
        co_await ask_example(scope, detail);
      }
    }
  }

  /// One list of each kind, of the first resource that has one.
  net::Task<Status> ask_examples() {
    struct Place {
      std::string table;
      const collectors::CountedScope* scope;
    };

    std::map<std::string, Place> places;  // of each type, the first
    for (const auto& scope : out_.scopes) {
      for (const auto& row : scope.rows) {
        places.try_emplace(row.type, row.table, &scope);
      }
    }
    std::map<std::string, std::string> examples;
    for (const auto& detail : plan_->details) {
      if (wants_parent(detail, kSubscriptionType)) {
        continue;  // each subscription was asked
      }
      const auto parent = std::ranges::find_if(
          detail.parent_types, [&](const std::string& type) { return places.contains(type); });
      if (parent == detail.parent_types.end()) {
        continue;
      }
      auto known = examples.find(*parent);
      if (known == examples.end()) {
        const auto& place = places.at(*parent);
        auto id = co_await first_of(place.table, *parent, place.scope->subscriptions);
        if (!id) {
          co_return id.error();
        }
        known = examples.emplace(*parent, *std::move(id)).first;
      }
      const std::string key = known->second;
      if (!key.empty() && !has_no_role(detail.type, std::string(core::subscription_of_key(key)))) {
        co_await ask_example(key, detail);
      }
    }
    co_return Status::ok();
  }

  net::Task<Result<std::string>> first_of(std::string table,
                                          std::string type,
                                          std::vector<std::string> subscriptions) {
    auto body =
        collectors::resource_graph_body(collectors::resource_graph_example_query(table, type),
                                        subscriptions,
                                        1,
                                        "",
                                        collectors::is_inherited_table(table));
    const auto answer = co_await azure_.post(
        std::string(collectors::kGraphPath), std::move(body), "resource_graph");
    if (!answer) {
      co_return answer.error();
    }
    co_return collectors::first_id(answer->body);
  }

  net::Task<void> ask_example(std::string parent, core::DetailPlan detail) {
    const auto key = core::detail_document_key(parent, detail.type);
    const auto answer = co_await azure_.get(collectors::detail_path(key, detail.api_version));
    if (!answer && answer.error().code == Errc::kForbidden) {
      miss(detail.type, "refused where it was tried", parent);
    }
  }

  void miss(const std::string& type, const std::string& why, const std::string& scope) {
    auto& scopes = missing_[{type, why}];
    if (!scope.empty()) {
      scopes.insert(scope);
    }
  }

  [[nodiscard]] bool has_no_role(const std::string& type, const std::string& subscription) const {
    const auto found = missing_.find({type, kNoRole});
    return found != missing_.end() && found->second.contains(subscription);
  }

  [[nodiscard]] std::vector<std::string> readers_of(const std::string& type) const {
    if (type.empty() || type == kDescendants || type == "microsoft.resourcegraph/resources") {
      return {every_check_.begin(), every_check_.end()};
    }
    const auto found = readers_.find(type);
    return found == readers_.end() ? std::vector<std::string>() : found->second;
  }

  inline static const std::string kNoRole = "no role allows it";

  const config::Settings* settings_;
  const core::CollectionPlan* plan_;
  collectors::TokenCache tokens_;
  collectors::AzureClient azure_;
  std::map<std::string, std::vector<std::string>> readers_;
  std::set<std::string> every_check_;
  Status outcome_ = Status::ok();
  Survey out_;
  /// Scopes by type and reason.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> missing_;
};

}  // namespace

Result<Survey> survey_azure(const config::Settings& settings,
                            const compliance::Baseline& baseline,
                            const core::CollectionPlan& plan) {
  const auto environment = collectors::process_environment();
  auto client = client_options(settings, environment);
  if (!client) {
    return client.error();
  }
  Surroundings around;
  net::Worker io("io", 1);
  auto transport = net::make_http_client(io.executor(), *std::move(client));
  if (!transport) {
    return transport.error();
  }
  auto credential = make_credential(
      settings,
      {.transport = transport->get(), .clock = &around.clock, .metrics = &around.metrics},
      environment,
      around.log);
  if (!credential) {
    return credential.error();
  }
  Surveyor surveyor(settings, baseline, plan, **transport, **credential, around, io.executor());
  net::run_blocking(io.executor(), surveyor.run());
  return surveyor.take();
}

}  // namespace plumbline::daemon
