#include "config/settings.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace plumbline;

namespace {

const std::string kMinimal = R"(baseline:
  assignments:
    - {name: prod, initiative: baselines/azure-monitor}
)";

}  // namespace

TEST_CASE("defaults and relative paths") {
  const auto settings = config::parse_settings(kMinimal, "/etc/plumbline/plumbline.yaml");
  REQUIRE(settings);
  CHECK(settings->cloud.resource_manager == "https://management.azure.com");
  CHECK(settings->assignments.at(0).initiative == "/etc/plumbline/baselines/azure-monitor");
  CHECK(settings->assignments.at(0).scope == "/");
  CHECK(settings->schedule.sweep == std::chrono::hours(1));
  CHECK(settings->schedule.changes == std::chrono::minutes(1));
  CHECK(settings->schedule.activity == std::chrono::minutes(5));
  CHECK(settings->listen_port == 9837);
  CHECK(settings->actors == core::ActorPrivacy::kFull);
}

TEST_CASE("everything can be set") {
  const auto settings = config::parse_settings(R"(
azure:
  cloud: {custom: {authority: "https://login.example", resource_manager: "https://127.0.0.1:8443/", ca_file: ca.pem}}
  credential: {type: managed_identity, client_id: abc}
  scope: {subscriptions: [AAA, bbb]}
inventory: all
baseline:
  assignments:
    - name: prod
      scope: /subscriptions/x/resourceGroups/Y
      not_scopes: [/subscriptions/x/resourceGroups/y/providers/M.N/t/n]
      initiative: /srv/base
      enforcement_mode: DoNotEnforce
      parameters: {effect: Disabled, days: 90, quoted: "90", on: true, list: [a, 1.5]}
schedule: {sweep: 90s, changes: 2s, activity: off, details: 2h}
storage: {path: /tmp/p.db, key_file: /tmp/p.key}
web: {listen: "[::1]:0", config_file: web.yml}
log: {level: debug, format: json}
)",
                                               "conf.yaml");
  REQUIRE(settings);
  CHECK(settings->cloud.resource_manager == "https://127.0.0.1:8443");
  CHECK(settings->cloud.audience == "https://127.0.0.1:8443/");
  CHECK(settings->cloud.ca_file == "ca.pem");
  CHECK(settings->subscriptions == std::vector<std::string>{"aaa", "bbb"});
  CHECK(settings->inventory_all);
  CHECK(settings->assignments.at(0).parameters_json ==
        R"({"effect":"Disabled","days":90,"quoted":"90","on":true,"list":["a",1.5]})");
  CHECK(settings->schedule.sweep == std::chrono::seconds(90));
  CHECK(settings->schedule.changes == std::chrono::seconds(2));
  CHECK(settings->schedule.activity == std::chrono::seconds::zero());
  CHECK(settings->listen_address == "::1");
  CHECK(settings->web_config_file == "web.yml");
}

TEST_CASE("the known clouds are known by name") {
  struct Case {
    const char* name;
    const char* resource_manager;
  };

  for (const auto& c : {Case{"AzurePublic", "https://management.azure.com"},
                        Case{"AzureUSGovernment", "https://management.usgovcloudapi.net"},
                        Case{"AzureChina", "https://management.chinacloudapi.cn"}}) {
    const auto settings =
        config::parse_settings(kMinimal + "azure: {cloud: " + c.name + "}\n", "c.yaml");
    REQUIRE(settings);
    CHECK(settings->cloud.resource_manager == c.resource_manager);
  }
}

TEST_CASE("bad configuration names file, line and column") {
  struct Case {
    const char* name;
    std::string text;
    const char* want;
  };

  const Case cases[] = {
      {"unknown key",
       "web: {lisen: x}\n" + kMinimal,
       "c.yaml:1:7: unknown key `lisen`; known here: listen"},
      {"unknown cloud",
       kMinimal + "azure: {cloud: AzureMoon}\n",
       "c.yaml:4:16: `cloud` must be one of"},
      {"cloud of a wrong type",
       kMinimal + "azure: {cloud: [x]}\n",
       "azure.cloud must be a mapping"},
      {"unknown top key", kMinimal + "colour: red\n", "c.yaml:4:1: unknown key `colour`"},
      {"duplicate key",
       kMinimal + "log: {level: info}\nlog: {level: info}\n",
       "c.yaml:5:1: the key `log` is given twice"},
      {"wrong type", kMinimal + "log: [info]\n", "c.yaml:4:6: log must be a mapping"},
      {"not a string", kMinimal + "storage: {path: [a]}\n", "c.yaml:4:17: `path` must be a string"},
      {"bad choice",
       kMinimal + "log: {level: loud}\n",
       "c.yaml:4:14: `level` must be one of debug, info, warn, error, not `loud`"},
      {"bad duration",
       kMinimal + "schedule: {sweep: 10}\n",
       "c.yaml:4:19: `sweep` must be a duration"},
      {"octal-looking duration",
       kMinimal + "schedule: {sweep: 1s}\n",
       "c.yaml:4:19: `sweep` must be at least 5s"},
      {"overflowing duration",
       kMinimal + "schedule: {sweep: 999999999999d}\n",
       "c.yaml:4:19: `sweep` must be a duration"},
      {"feed without a unit",
       kMinimal + "schedule: {changes: 0}\n",
       "c.yaml:4:21: `changes` must be a duration such as 90s, 5m, 1h or 30d, not `0`"},
      {"bad feed switch",
       kMinimal + "schedule: {activity: never}\n",
       "c.yaml:4:22: `activity` must be a duration"},
      {"bad listen",
       kMinimal + "web: {listen: localhost}\n",
       "c.yaml:4:15: `localhost` is not an address:port"},
      {"port too large",
       kMinimal + "web: {listen: 'x:99999'}\n",
       "c.yaml:4:15: `x:99999` is not an address:port"},
      {"plain http for tokens",
       kMinimal + "azure: {cloud: {custom: {resource_manager: 'http://x'}}}\n",
       "`resource_manager` must be an https:// origin"},
      {"no assignment", "log: {level: info}\n", "needs at least one assignment"},
      {"no name",
       "baseline: {assignments: [{initiative: x}]}\n",
       "c.yaml:1:26: an assignment needs a `name`"},
      {"management groups",
       kMinimal + "azure: {scope: {management_groups: [/providers/x]}}\n",
       "`/providers/x` is not the name of a management group"},
      {"confirmations", kMinimal + "azure: {confirmations: 0}\n", "confirmations"},
      {"quota", kMinimal + "azure: {quota_percent: 0}\n", "quota_percent"},
      {"two identities",
       kMinimal + "azure: {credential: {client_id: a, object_id: b}}\n",
       "at most one of client_id"},
      {"other credential",
       kMinimal + "azure: {credential: {type: magic}}\n",
       "`type` must be one of managed_identity, workload_identity, client_secret, "
       "client_certificate, azure_cli, default, not `magic`"},
      {"a login in the clear",
       kMinimal + "azure: {proxy: {url: 'http://u:hunter2@proxy'}}\n",
       "c.yaml:4:22: `url` must not hold a login; `login` says where that is"},
      {"a proxy of another kind",
       kMinimal + "azure: {proxy: {url: 'socks5://proxy'}}\n",
       "c.yaml:4:22: `url` must be environment, none, or the http:// or https:// URL of a proxy"},
      {"a secret in the clear",
       kMinimal + "azure: {credential: {type: client_secret, secret: hunter2}}\n",
       "c.yaml:4:51: `secret` says where it is: one of file, credential and environment; it never "
       "stands here itself"},
      {"a key of another type",
       kMinimal + "azure: {credential: {token_file: x}}\n",
       "c.yaml:4:34: `token_file` means nothing to the credential type managed_identity, which "
       "takes client_id, object_id, resource_id"},
      {"a missing key",
       kMinimal + "azure: {credential: {type: client_secret, client_id: c, secret: {file: f}}}\n",
       "c.yaml:4:21: the credential type client_secret needs tenant_id, client_id, secret; "
       "`tenant_id` is missing"},
      {"two places of a secret",
       kMinimal + "azure: {credential: {type: client_secret, tenant_id: t, client_id: c, secret: "
                  "{file: f, environment: E}}}\n",
       "exactly one of file, credential and environment says where it is"},
      {"nobody to show the secret to",
       kMinimal + "azure: {cloud: {custom: {resource_manager: 'https://x'}}, credential: {type: "
                  "client_secret, tenant_id: t, client_id: c, secret: {file: f}}}\n",
       "the credential type client_secret asks Entra: a custom cloud needs its `authority`"},
      {"bad scope",
       "baseline: {assignments: [{name: a, initiative: x, scope: prod}]}\n",
       "`scope` must be / (everything collected)"},
      {"version of a directory",
       "baseline: {assignments: [{name: a, initiative: x, definition_version: 1.2.*}]}\n",
       "`definition_version` chooses among the versions that Azure keeps"},
      {"no version",
       "baseline: {assignments: [{name: a, initiative: "
       "/providers/Microsoft.Authorization/policySetDefinitions/s, definition_version: latest}]}\n",
       "`latest` is no version such as 1.*.*"},
      {"refresh too often",
       "baseline: {refresh: 1s, assignments: [{name: a, initiative: x}]}\n",
       "refresh"},
      {"syntax", "a: [1\nb: 2\n", "c.yaml:2:"},
      {"empty", "", "the document must be a mapping"},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto settings = config::parse_settings(c.text, "c.yaml");
      REQUIRE_FALSE(settings);
      CAPTURE(settings.error().message);
      CHECK(settings.error().message.contains(c.want));
      CHECK(settings.error().message.starts_with("c.yaml:"));
    }
  }
}

TEST_CASE("a few lines of aliases that stand for any amount are refused at once") {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += fmt::format("a{0}: &a{0} [", i);
    for (int j = 0; j < 10; ++j) {
      text += fmt::format("{}*a{}", j == 0 ? "" : ", ", i - 1);
    }
    text += "]\n";
  }
  const auto settings = config::parse_settings(text, "bomb.yaml");
  REQUIRE_FALSE(settings);
  CHECK(settings.error().message == "bomb.yaml:1:1: holds more than 200000 values");
}

TEST_CASE("an initiative is a directory or an Azure id") {
  const auto settings = config::parse_settings(
      "baseline:\n"
      "  refresh: 12h\n"
      "  assignments:\n"
      "    - {name: a, initiative: sets/mine}\n"
      "    - {name: b, initiative: /providers/Microsoft.Authorization/policySetDefinitions/s,\n"
      "       definition_version: 1.2.*}\n"
      "    - {name: c, initiative: /srv/policySetDefinitions/s}\n",
      "/etc/plumbline/c.yaml");
  REQUIRE(settings);
  CHECK(settings->initiative_refresh == std::chrono::hours(12));
  CHECK(settings->assignments.at(0).initiative == "/etc/plumbline/sets/mine");
  CHECK(settings->assignments.at(1).initiative ==
        "/providers/Microsoft.Authorization/policySetDefinitions/s");
  CHECK(settings->assignments.at(1).definition_version == "1.2.*");
  CHECK(settings->assignments.at(2).initiative == "/srv/policySetDefinitions/s");
}
