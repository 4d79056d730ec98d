// The configuration file as immutable, validated values. config/plumbline.yaml documents every key.
#pragma once

#include "core/actors.hpp"
#include "core/model/drift_rules.hpp"
#include "core/model/verdict.hpp"
#include "core/result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::config {

/// Where Azure's services are. Of the three known clouds, or custom.
struct Cloud {
  std::string name;
  std::string authority;         // Entra, https origin
  std::string resource_manager;  // ARM, https origin
  std::string audience;          // of ARM tokens
  std::string ca_file;           // custom only: PEM file to trust instead of the system's
  bool operator==(const Cloud&) const = default;
};

/// Where a secret is, never the secret. One of the three is set, where there is a secret at all.
struct SecretPlace {
  std::string file;
  std::string credential;   // of systemd
  std::string environment;  // name of a variable
  bool operator==(const SecretPlace&) const = default;
};

/// How the daemon signs in. What a type has no use for is empty.
struct Credential {
  std::string type = "managed_identity";
  std::string tenant_id;
  // Of a managed identity at most one of these is set, and chooses among several.
  std::string client_id;
  std::string object_id;
  std::string resource_id;
  SecretPlace secret;
  SecretPlace certificate;
  std::string algorithm = "PS256";
  std::string token_file;
  bool operator==(const Credential&) const = default;
};

/// How Azure is reached where there is no direct way.
struct Proxy {
  std::string url = "environment";  // or `none`, or an http or https origin
  SecretPlace login;                // `user:password`
  /// What is reached without it; nullopt: as the environment says.
  std::optional<std::vector<std::string>> no_proxy;
  bool operator==(const Proxy&) const = default;
};

struct AssignmentConfig {
  std::string name;
  std::string id;  // Azure's; empty: made of scope and name
  std::string scope = "/";
  std::vector<std::string> not_scopes;
  std::string initiative;          // a directory, or the Azure id of an initiative or a definition
  std::string definition_version;  // of one with an Azure id; empty: whatever is current
  std::string parameters_json = "{}";
  std::string resource_selectors_json = "[]";
  std::string overrides_json = "[]";
};

struct Schedule {
  std::chrono::seconds sweep{3600};
  std::chrono::seconds changes{60};    // 0: the change feed is not read
  std::chrono::seconds activity{300};  // 0: the activity log is not read
  std::chrono::seconds details{21600};
};

/// Copies of the store. None are scheduled where `directory` is empty.
struct Backup {
  std::string directory;
  std::chrono::seconds interval{86400};
  std::int64_t keep = 7;
  std::string after;     // a program that is given the path of each new copy; empty: none
  bool restore = false;  // whether a damaged store is replaced by the newest sound copy
  bool operator==(const Backup&) const = default;
};

/// What is done about drift.
struct Drift {
  std::string noise_file;          // empty: what the baselines bring
  core::DriftSettings rules;       // without the contents of noise_file
  std::string acceptances_file;    // empty: none
  bool accept_first_pass = false;  // whether what the first pass finds counts as accepted
  std::string
      socket;  // where `plumbline drift accept` reaches the daemon; empty: beside the database

  [[nodiscard]] std::string socket_beside(const std::string& storage_path) const {
    return socket.empty() ? storage_path + ".sock" : socket;
  }
};

/// Who is told of drift and verdicts, and signed with what.
struct Webhook {
  std::string name;
  std::string url;
  SecretPlace secret;
  bool drift = true;
  bool compliance = true;
  core::Severity min_severity = core::Severity::kLow;
  std::string ca_file;  // PEM file to trust instead of the system's
  std::chrono::seconds give_up_after{std::chrono::hours(72)};
  bool operator==(const Webhook&) const = default;
};

struct Alertmanager {
  std::vector<std::string> urls;  // empty: none
  core::Severity min_severity = core::Severity::kHigh;
  std::chrono::seconds resend{60};
  std::string ca_file;
  bool operator==(const Alertmanager&) const = default;
};

struct Events {
  std::vector<Webhook> webhooks;
  bool log = false;
  Alertmanager alertmanager;
  bool operator==(const Events&) const = default;
};

/// A file that is read later than the configuration, and where it is named.
struct ReferencedFile {
  std::string place;  // `file:line:col`
  std::string key;
  std::string path;
  bool holds_certificates = false;
};

struct Settings {
  std::vector<std::string> files;    // what was read: the configuration, then its drop-ins
  std::vector<std::string> ignored;  // files beside the drop-ins whose names do not end in .yaml
  std::vector<ReferencedFile> referenced_files;
  std::vector<std::string> warnings;  // `file:line:col: message`: allowed, and hardly meant
  Cloud cloud;
  Credential credential;
  Proxy proxy;
  std::vector<std::string> subscriptions;
  std::vector<std::string> management_groups;  // names; both empty: whatever the identity can read
  std::int64_t quota_percent = 80;             // of Azure's quotas; the rest is for other tools
  std::int64_t confirmations = 500;  // resources asked for one by one after a pass or poll
  bool inventory_all = false;
  std::vector<AssignmentConfig> assignments;
  std::string exemptions_file;                                      // empty: none
  std::chrono::seconds initiative_refresh{std::chrono::hours(24)};  // of those with an Azure id
  Drift drift;
  Events events;
  Schedule schedule;
  std::string storage_path = "/var/lib/plumbline/plumbline.db";
  std::string key_file;  // empty: `<storage path>.key`
  std::chrono::seconds retention{std::chrono::days(400)};
  std::int64_t max_size = 0;  // bytes; 0: no limit
  Backup backup;
  core::ActorPrivacy actors = core::ActorPrivacy::kFull;
  std::string listen_address = "127.0.0.1";
  std::uint16_t listen_port = 9837;
  std::string web_config_file;  // empty: plain HTTP, no users
  std::string external_url;     // of the command line: where people see the page; empty: unknown
  std::string log_level = "info";
  std::string log_format = "logfmt";
};

/// Reads a configuration and its drop-ins, `<path>.d/*.yaml`, in the order of their names: what a
/// later one says goes before what an earlier one says, mappings are put together, anything else
/// replaces. Every error reads `file:line:col: message` with the file concerned; the first one
/// found is given. Relative paths are resolved against the directory of `path`, in drop-ins too.
[[nodiscard]] core::Result<Settings> load_settings(const std::string& path);
/// The same from text, for tests; `path` is what errors name.
[[nodiscard]] core::Result<Settings> parse_settings(const std::string& text,
                                                    const std::string& path);

/// What is wrong with the files that the configuration names: `file:line:col: message`. For whoever
/// checks; a daemon that runs reads them when it needs them, and goes on without.
[[nodiscard]] std::vector<std::string> problems_of_referenced_files(const Settings& settings);

/// The keys that differ and that a running daemon cannot change: `storage.path`, ...
[[nodiscard]] std::vector<std::string> keys_needing_restart(const Settings& running,
                                                            const Settings& wanted);

/// `host:port`, `[v6]:port` or `:port` (all addresses).
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};

[[nodiscard]] core::Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace plumbline::config
