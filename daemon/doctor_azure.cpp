#include "collectors/collection.hpp"
#include "collectors/identity/token_cache.hpp"
#include "collectors/resource_manager/arm_list.hpp"
#include "collectors/resource_manager/permissions.hpp"
#include "compliance/plan.hpp"
#include "daemon/asking.hpp"
#include "daemon/azure_options.hpp"
#include "daemon/doctor.hpp"
#include "daemon/sign_in.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGraphBody = R"({"query":"resources | project id | take 1"})";
constexpr std::size_t kMostPages = 1000;

/// Subscriptions that must be readable: those that are named, and every one ever seen.
std::set<std::string> expected_subscriptions(const config::Settings& settings) {
  std::set<std::string> ids(settings.subscriptions.begin(), settings.subscriptions.end());
  if (!ids.empty()) {
    return ids;
  }
  if (const auto store = storage::read_store(settings.storage_path)) {
    // What cannot be read of the store is a finding of its own.
    static_cast<void>((*store)->for_each_of_type(
        "microsoft.resources/subscriptions", "", [&](const core::StoredResource& resource) {
          ids.insert(resource.key.substr(resource.key.rfind('/') + 1));
        }));
  }
  return ids;
}

class Examination {
 public:
  Examination(const config::Settings& settings,
              const compliance::Baseline& baseline,
              net::HttpTransport& transport,
              collectors::Credential& credential,
              Surroundings& around,
              net::Executor io)
      : settings_(&settings),
        transport_(&transport),
        clock_(&around.clock),
        tokens_(std::move(io), credential, around.clock, around.log, around.metrics),
        azure_(transport,
               tokens_,
               around.clock,
               around.log,
               around.metrics,
               impatient_options(settings)),
        readers_(compliance::readers_of_types(baseline)),
        types_(types_asked_for(compliance::make_plan(baseline, settings.inventory_all))) {}

  net::Task<void> run() {
    const bool reached = co_await reach();
    const bool signed_in = co_await sign_in();
    if (!reached || !signed_in) {
      add({.check = "permissions",
           .health = Health::kWarn,
           .detail = "not looked at: Azure cannot be asked",
           .remedy = "Mend what is said above first."});
      co_return;
    }
    co_await look_at_graph();
    const auto listed = co_await list_subscriptions();
    if (!listed) {
      add({.check = "subscriptions",
           .health = Health::kFail,
           .detail = listed.error().message,
           .remedy = "Give the identity Reader on the management group (docs/permissions.md)."});
      co_return;
    }
    co_await look_at_subscriptions(*listed);
  }

  [[nodiscard]] std::vector<Finding> take() { return std::move(findings_); }

 private:
  void add(Finding finding) { findings_.push_back(std::move(finding)); }

  /// Whether somebody answers over TLS, without saying who asks; and what time it is there.
  net::Task<bool> reach() {
    const std::string& origin = settings_->cloud.resource_manager;
    net::HttpRequest request;
    request.url = origin + kSubscriptionsPath;
    request.deadlines.connect = 10s;
    request.deadlines.headers = 20s;
    request.deadlines.total = 30s;
    const auto answer = co_await transport_->send(std::move(request));
    const bool untrusted = !answer && answer.error().code == Errc::kTls;
    if (!answer && !untrusted) {
      add({.check = "reachability",
           .health = Health::kFail,
           .detail = fmt::format("{}: {}", origin, answer.error().message),
           .remedy = "Name, firewall, route: docs/permissions.md says what must be let through."});
      for (const char* check : {"tls", "clock"}) {
        add({.check = check,
             .health = Health::kWarn,
             .detail = "not looked at: nobody answers",
             .remedy = "Mend reachability first."});
      }
      co_return false;
    }
    add({.check = "reachability", .detail = origin + " answers"});
    if (untrusted) {
      add({.check = "tls",
           .health = Health::kFail,
           .detail = answer.error().message,
           .remedy = "A certificate that has ended or is for another name is the other side's; one "
                     "that is not trusted needs ca-certificates, or azure.cloud.custom.ca_file."});
      add({.check = "clock",
           .health = Health::kWarn,
           .detail = "not looked at: the answer could come from anyone",
           .remedy = "Mend tls first."});
      co_return false;
    }
    add({.check = "tls", .detail = "the certificate is trusted and names the host"});
    const auto now = clock_->now();
    const auto text = answer->headers.get("Date");
    const auto date = text ? net::parse_http_date(*text, now) : std::nullopt;
    if (date) {
      add(judge_clock(*date - now));
    } else {
      add({.check = "clock",
           .health = Health::kWarn,
           .detail = "the answer has no date",
           .remedy = "Compare `timedatectl` by hand."});
    }
    co_return true;
  }

  net::Task<bool> sign_in() {
    const auto token = co_await tokens_.token(settings_->cloud.audience);
    if (!token) {
      add({.check = "identity",
           .health = Health::kFail,
           .detail = token.error().message,
           .remedy =
               token.error().code == Errc::kUnauthorized
                   ? "Look at azure.credential; a managed identity must be attached to this "
                     "machine "
                     "(scripts/az-setup), and with several be chosen by client_id."
                   : "For a managed identity 169.254.169.254 must be reachable, never through a "
                     "proxy; for others, Entra."});
      co_return false;
    }
    add({.check = "identity", .detail = "there is a token"});
    co_return true;
  }

  net::Task<void> look_at_graph() {
    const auto answer =
        co_await azure_.post(std::string(collectors::kGraphPath), kGraphBody, "resource_graph");
    if (answer) {
      add({.check = "resource_graph", .detail = "queries are answered"});
    } else {
      add({.check = "resource_graph",
           .health = Health::kFail,
           .detail = answer.error().message,
           .remedy = "The identity needs Reader; docs/troubleshooting.md has the error word."});
    }
  }

  net::Task<Result<std::set<std::string>>> list_subscriptions() {
    std::set<std::string> ids;
    std::string link = kSubscriptionsPath;
    for (std::size_t page = 0; !link.empty() && page < kMostPages; ++page) {
      const auto answer = co_await azure_.get(link);
      if (!answer) {
        co_return answer.error();
      }
      const auto parsed = collectors::parse_subscriptions(answer->body);
      if (!parsed) {
        co_return parsed.error();
      }
      for (const auto& subscription : parsed->subscriptions) {
        ids.insert(subscription.id);
      }
      link = parsed->next_link == link ? std::string() : parsed->next_link;
    }
    co_return ids;
  }

  /// The first page tells whether the group is there and may be read.
  net::Task<void> look_at_management_group(std::string group) {
    const auto answer = co_await azure_.get(collectors::descendants_path(group));
    if (!answer) {
      add({.check = "subscriptions",
           .health = Health::kFail,
           .detail = fmt::format("what lies below management group {} cannot be listed: {}",
                                 group,
                                 answer.error().message),
           .remedy = "Give the identity Reader on that group, or "
                     "Microsoft.Management/managementGroups/descendants/read."});
    }
  }

  net::Task<void> look_at_subscriptions(std::set<std::string> listed) {
    const auto expected = expected_subscriptions(*settings_);
    for (const auto& group : settings_->management_groups) {
      co_await look_at_management_group(group);
    }
    std::vector<std::string> lost;
    std::ranges::set_difference(expected, listed, std::back_inserter(lost));
    if (!settings_->subscriptions.empty()) {
      std::erase_if(listed, [&](const std::string& id) { return !expected.contains(id); });
    }
    if (!lost.empty()) {
      const std::string detail = fmt::format("not readable: {}", some_of(lost));
      add({.check = "subscriptions",
           .health = Health::kFail,
           .detail = detail + "; every check has NoEvidence there",
           .remedy = "Give the identity Reader there, or on the management group above.",
           .subscriptions = lost});
    } else if (listed.empty()) {
      add({.check = "subscriptions",
           .health = Health::kFail,
           .detail = "the identity can read none",
           .remedy = "Give it Reader on the management group (docs/permissions.md)."});
    } else {
      add({.check = "subscriptions", .detail = fmt::format("{} can be read", listed.size())});
    }
    for (const auto& id : listed) {
      if (asked_ == kMostSubscriptions) {
        break;
      }
      ++asked_;
      co_await look_at_permissions(id);
    }
    report_permissions(listed.size());
  }

  net::Task<void> look_at_permissions(std::string id) {
    const auto scope = "/subscriptions/" + id;
    const auto subscription = co_await azure_.get(scope + "?api-version=2022-12-01");
    if (!subscription) {
      refused_[subscription.error().message].push_back(id);
      co_return;
    }
    const auto answer = co_await azure_.get(collectors::permissions_path(scope));
    auto permissions = answer ? collectors::Permissions::parse(answer->body)
                              : Result<collectors::Permissions>(answer.error());
    if (!permissions) {
      untold_.push_back(id);
      untold_why_ = permissions.error().message;
      co_return;
    }
    for (const auto& type : types_) {
      if (!permissions->allow(type + "/read")) {
        missing_[type].push_back(id);
      }
    }
  }

  void report_permissions(std::size_t subscriptions) {
    const auto before = findings_.size();
    for (const auto& [why, ids] : refused_) {
      add({.check = "permissions",
           .health = Health::kFail,
           .detail = fmt::format("{}: {}; every check has NoEvidence there", some_of(ids), why),
           .remedy = "Give the identity Reader there (docs/permissions.md).",
           .subscriptions = ids});
    }
    for (const auto& [type, ids] : missing_) {
      const auto found = readers_.find(type);
      auto readers = found == readers_.end() ? std::vector<std::string>() : found->second;
      const std::string detail = fmt::format(
          "{}/read is missing in {}: {}",
          type,
          ids.size() == subscriptions ? "every subscription" : some_of(ids),
          readers.empty() ? "no check reads it" : "no evidence for " + some_of(readers));
      add({.check = "permissions",
           .health = Health::kFail,
           .detail = detail,
           .remedy =
               "Give the identity Reader, or bring its role up to date with scripts/az-setup.",
           .subscriptions = ids,
           .references = std::move(readers)});
    }
    if (!untold_.empty()) {
      add({.check = "permissions",
           .health = Health::kWarn,
           .detail = fmt::format("cannot be told in {}: {}", some_of(untold_), untold_why_),
           .remedy = "Resource Graph leaves out what may not be read and says nothing: compare the "
                     "identity's roles with docs/permissions.md.",
           .subscriptions = untold_});
    }
    if (asked_ < subscriptions) {
      add({.check = "permissions",
           .health = Health::kWarn,
           .detail = fmt::format("looked at in {} of {} subscriptions", asked_, subscriptions),
           .remedy = "Name others in azure.scope.subscriptions of a configuration of your own."});
    }
    if (findings_.size() == before && subscriptions > 0) {
      add({.check = "permissions",
           .detail = fmt::format(
               "{} types can be read in {} subscriptions", types_.size(), subscriptions)});
    }
  }

  const config::Settings* settings_;
  net::HttpTransport* transport_;
  const core::Clock* clock_;
  collectors::TokenCache tokens_;
  collectors::AzureClient azure_;
  std::map<std::string, std::vector<std::string>> readers_;
  std::vector<std::string> types_;
  std::size_t asked_ = 0;
  std::map<std::string, std::vector<std::string>> refused_;  // subscriptions by error
  std::map<std::string, std::vector<std::string>> missing_;  // subscriptions by type
  std::vector<std::string> untold_;
  std::string untold_why_;
  std::vector<Finding> findings_;
};

}  // namespace

Finding judge_clock(core::Microseconds ahead) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(std::chrono::abs(ahead)).count();
  Finding finding{.check = "clock", .detail = "within a minute of Azure's"};
  if (seconds >= 60) {
    // Tokens are taken a few minutes before and after their time, no more.
    finding.health = seconds >= 300 ? Health::kFail : Health::kWarn;
    finding.detail = fmt::format("this machine's clock is {} s {} Azure's",
                                 seconds,
                                 ahead > core::Microseconds(0) ? "behind" : "ahead of");
    finding.remedy = "Start systemd-timesyncd or chrony; `timedatectl` shows what it says.";
  }
  return finding;
}

std::vector<Finding> examine_azure(const config::Settings& settings,
                                   const compliance::Baseline& baseline) {
  const auto refused = [](const core::Error& error, std::string check, std::string remedy) {
    return std::vector<Finding>{{.check = std::move(check),
                                 .health = Health::kFail,
                                 .detail = error.message,
                                 .remedy = std::move(remedy)}};
  };
  const auto environment = collectors::process_environment();
  auto client = client_options(settings, environment);
  if (!client) {
    return refused(client.error(), "tls", "Correct azure.proxy, or HTTPS_PROXY.");
  }
  Surroundings around;
  net::Worker io("io", 1);
  auto transport = net::make_http_client(io.executor(), *std::move(client));
  if (!transport) {
    return refused(transport.error(), "tls", "Correct azure.cloud.custom.ca_file.");
  }
  auto credential = make_credential(
      settings,
      {.transport = transport->get(), .clock = &around.clock, .metrics = &around.metrics},
      environment,
      around.log);
  if (!credential) {
    return refused(credential.error(), "identity", "Correct azure.credential.");
  }
  Examination examination(settings, baseline, **transport, **credential, around, io.executor());
  net::run_blocking(io.executor(), examination.run());
  return examination.take();
}

}  // namespace plumbline::daemon
