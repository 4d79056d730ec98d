#include "config/settings.hpp"

#include "config/drift.hpp"
#include "config/events.hpp"
#include "config/secret_place.hpp"
#include "config/text_file.hpp"
#include "config/yaml_reader.hpp"
#include "core/policy_definition.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <span>

namespace plumbline::config {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxDropIns = 200;

struct KnownCloud {
  std::string_view name;
  std::string_view authority;
  std::string_view resource_manager;
  std::string_view audience;
};

// contracts 4: origins and ARM audiences of the three clouds.
constexpr std::array kClouds = {
    KnownCloud{"AzurePublic",
               "https://login.microsoftonline.com",
               "https://management.azure.com",
               "https://management.azure.com/"},
    KnownCloud{"AzureUSGovernment",
               "https://login.microsoftonline.us",
               "https://management.usgovcloudapi.net",
               "https://management.core.usgovcloudapi.net"},
    KnownCloud{"AzureChina",
               "https://login.chinacloudapi.cn",
               "https://management.chinacloudapi.cn",
               "https://management.core.chinacloudapi.cn"},
};

void use_cloud(const KnownCloud& known, Cloud& out) {
  out.name = known.name;
  out.authority = known.authority;
  out.resource_manager = known.resource_manager;
  out.audience = known.audience;
}

void read_custom_cloud(YamlReader& cloud,
                       const std::filesystem::path& base,
                       Cloud& out,
                       std::vector<ReferencedFile>& named) {
  cloud.allow({"custom"});
  cloud.mapping("custom", [&](YamlReader& custom) {
    custom.allow({"authority", "resource_manager", "audience", "ca_file"});
    out = {};
    out.name = "custom";
    custom.text("authority", out.authority);
    custom.text("resource_manager", out.resource_manager);
    custom.text("audience", out.audience);
    read_certificates(custom, "ca_file", base, out.ca_file, named);
    if (!out.authority.empty() && !out.authority.starts_with("https://")) {
      custom.fail("authority", "`authority` must be an https:// origin: secrets go there");
    }
    if (!out.resource_manager.starts_with("https://")) {
      custom.fail("resource_manager",
                  "`resource_manager` must be an https:// origin: bearer tokens go there");
    }
    while (out.resource_manager.ends_with('/')) {
      out.resource_manager.pop_back();
    }
    if (out.audience.empty()) {
      out.audience = out.resource_manager + "/";
    }
  });
}

/// Keys that a type of credential takes beside `type`; the first `needed` of them are required.
struct CredentialKeys {
  std::string_view type;
  std::size_t needed;
  std::vector<std::string_view> keys;
};

const std::vector<CredentialKeys>& credential_keys() {
  static const std::vector<CredentialKeys> known = {
      {"default", 0, {}},
      {"managed_identity", 0, {"client_id", "object_id", "resource_id"}},
      {"workload_identity", 0, {"tenant_id", "client_id", "token_file"}},
      {"client_secret", 3, {"tenant_id", "client_id", "secret"}},
      {"client_certificate", 3, {"tenant_id", "client_id", "certificate", "algorithm"}},
      {"azure_cli", 0, {"tenant_id"}},
  };
  return known;
}

/// Those that are no GUID and no domain would end up in the path of a URL.
bool is_tenant(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.';
  });
}

void read_credential(YamlReader& credential,
                     const std::filesystem::path& base,
                     Credential& out,
                     std::vector<ReferencedFile>& named) {
  credential.allow({"type",
                    "tenant_id",
                    "client_id",
                    "object_id",
                    "resource_id",
                    "secret",
                    "certificate",
                    "algorithm",
                    "token_file"});
  credential.choice("type",
                    {"managed_identity",
                     "workload_identity",
                     "client_secret",
                     "client_certificate",
                     "azure_cli",
                     "default"},
                    out.type);
  credential.text("tenant_id", out.tenant_id);
  credential.text("client_id", out.client_id);
  credential.text("object_id", out.object_id);
  credential.text("resource_id", out.resource_id);
  read_secret_place(credential, "secret", base, out.secret, named);
  read_secret_place(credential, "certificate", base, out.certificate, named);
  credential.choice("algorithm", {"PS256", "RS256"}, out.algorithm);
  credential.path("token_file", base, out.token_file);
  if (!is_tenant(out.tenant_id)) {
    credential.fail("tenant_id", "`tenant_id` is a GUID or the name of a domain");
  }
  const auto known = std::ranges::find(credential_keys(), out.type, &CredentialKeys::type);
  if (known == credential_keys().end()) {
    return;  // told by choice()
  }
  for (const std::string_view key : {"tenant_id",
                                     "client_id",
                                     "object_id",
                                     "resource_id",
                                     "secret",
                                     "certificate",
                                     "algorithm",
                                     "token_file"}) {
    if (credential.has(key) && std::ranges::find(known->keys, key) == known->keys.end()) {
      credential.fail(
          key,
          fmt::format("`{}` means nothing to the credential type {}, which takes {}",
                      key,
                      out.type,
                      known->keys.empty() ? "nothing else"
                                          : fmt::format("{}", fmt::join(known->keys, ", "))));
    }
  }
  const auto has_value = [&](std::string_view key) {
    return key == "tenant_id"     ? !out.tenant_id.empty()
           : key == "client_id"   ? !out.client_id.empty()
           : key == "secret"      ? out.secret != SecretPlace{}
           : key == "certificate" ? out.certificate != SecretPlace{}
                                  : true;
  };
  const std::span needed(known->keys.data(), known->needed);
  for (const std::string_view key : needed) {
    if (!has_value(key)) {
      credential.fail("",
                      fmt::format("the credential type {} needs {}; `{}` is missing",
                                  out.type,
                                  fmt::join(needed, ", "),
                                  key));
    }
  }
  const int chosen =
      int{!out.client_id.empty()} + int{!out.object_id.empty()} + int{!out.resource_id.empty()};
  if (chosen > 1) {
    credential.fail("", "at most one of client_id, object_id and resource_id chooses an identity");
  }
}

void read_proxy(YamlReader& proxy,
                const std::filesystem::path& base,
                Proxy& out,
                std::vector<ReferencedFile>& named) {
  proxy.allow({"url", "login", "no_proxy"});
  proxy.text("url", out.url);
  const bool is_url = out.url.starts_with("http://") || out.url.starts_with("https://");
  if (!is_url && out.url != "environment" && out.url != "none") {
    proxy.fail("url", "`url` must be environment, none, or the http:// or https:// URL of a proxy");
  } else if (out.url.contains('@')) {
    // Without the value: it holds a password.
    proxy.fail("url", "`url` must not hold a login; `login` says where that is");
  }
  read_secret_place(proxy, "login", base, out.login, named);
  if (out.login != SecretPlace{} && !is_url) {
    proxy.fail("login", "`login` needs the `url` of the proxy that it is for");
  }
  if (proxy.has("no_proxy")) {
    out.no_proxy.emplace();
    proxy.texts("no_proxy", *out.no_proxy);
  }
}

/// Entra must be known to those who ask it; AZURE_AUTHORITY_HOST may tell a workload.
void check_authority(YamlReader& azure, const Settings& out) {
  const bool asks =
      out.credential.type == "client_secret" || out.credential.type == "client_certificate";
  if (asks && out.cloud.authority.empty()) {
    azure.fail(
        "credential",
        fmt::format("the credential type {} asks Entra: a custom cloud needs its `authority`",
                    out.credential.type));
  }
}

void read_azure(YamlReader& azure, const std::filesystem::path& base, Settings& out) {
  azure.allow({"cloud", "credential", "proxy", "scope", "quota_percent", "confirmations"});
  azure.integer("quota_percent", 1, 100, out.quota_percent);
  azure.integer("confirmations", 1, 100'000, out.confirmations);
  if (azure.is_scalar("cloud")) {
    std::string cloud(kClouds[0].name);
    azure.choice("cloud", {"AzurePublic", "AzureUSGovernment", "AzureChina"}, cloud);
    for (const auto& known : kClouds) {
      if (known.name == cloud) {
        use_cloud(known, out.cloud);
      }
    }
  } else {
    azure.mapping("cloud", [&](YamlReader& custom) {
      read_custom_cloud(custom, base, out.cloud, out.referenced_files);
    });
  }
  azure.mapping("credential", [&](YamlReader& credential) {
    read_credential(credential, base, out.credential, out.referenced_files);
  });
  check_authority(azure, out);
  azure.mapping("proxy", [&](YamlReader& proxy) {
    read_proxy(proxy, base, out.proxy, out.referenced_files);
  });
  azure.mapping("scope", [&](YamlReader& scope) {
    scope.allow({"management_groups", "subscriptions"});
    scope.texts("management_groups", out.management_groups);
    for (const auto& group : out.management_groups) {
      if (group.empty() || group.contains('/')) {
        scope.fail("management_groups",
                   fmt::format("`{}` is not the name of a management group", group));
      }
    }
    scope.texts("subscriptions", out.subscriptions);
    for (auto& subscription : out.subscriptions) {
      subscription = core::to_lower(subscription);
      if (subscription.empty() || subscription.contains('/')) {
        scope.fail("subscriptions", fmt::format("`{}` is not a subscription id", subscription));
      }
    }
  });
}

void read_assignment(YamlReader& reader, const std::filesystem::path& base, Settings& out) {
  reader.allow({"name",
                "id",
                "scope",
                "initiative",
                "definition_version",
                "parameters",
                "not_scopes",
                "resource_selectors",
                "overrides",
                "enforcement_mode"});
  AssignmentConfig assignment;
  reader.text("name", assignment.name);
  if (assignment.name.empty()) {
    reader.fail("name", "an assignment needs a `name`");
  }
  reader.text("id", assignment.id);
  if (!assignment.id.empty() &&
      !core::to_lower(assignment.id)
           .contains("/providers/microsoft.authorization/policyassignments/")) {
    reader.fail("id", fmt::format("`{}` is not the id of a policy assignment", assignment.id));
  }
  reader.text("scope", assignment.scope);
  const auto is_scope = [](const std::string& scope) {
    const auto id = core::parse_resource_id(scope);
    return id && id->type.starts_with("microsoft.resources/subscriptions");
  };
  if (assignment.scope != "/" && !is_scope(assignment.scope)) {
    reader.fail(
        "scope",
        fmt::format("`scope` must be / (everything collected), a subscription's or a resource "
                    "group's id, not `{}`",
                    assignment.scope));
  }
  reader.texts("not_scopes", assignment.not_scopes);
  for (const auto& scope : assignment.not_scopes) {
    if (!core::parse_resource_id(scope)) {
      reader.fail("not_scopes", fmt::format("`{}` is not a resource id", scope));
    }
  }
  reader.text("initiative", assignment.initiative);
  if (assignment.initiative.empty()) {
    reader.fail("initiative",
                "an assignment needs an `initiative`: a directory with initiative.json, or the "
                "Azure id of an initiative or a definition");
  }
  const bool is_azures = core::definition_kind(assignment.initiative).has_value();
  if (!is_azures) {
    reader.path("initiative", base, assignment.initiative);
  }
  reader.text("definition_version", assignment.definition_version);
  if (!assignment.definition_version.empty() &&
      !core::is_version_pattern(assignment.definition_version)) {
    reader.fail("definition_version",
                fmt::format("`{}` is no version such as 1.*.*, 1.2.* or 1.2.3-preview",
                            assignment.definition_version));
  }
  if (!assignment.definition_version.empty() && !is_azures) {
    reader.fail("definition_version",
                "`definition_version` chooses among the versions that Azure keeps: a directory "
                "holds one");
  }
  std::string mode = "Default";
  // Plumbline evaluates either way; Azure's DoNotEnforce concerns denials only.
  reader.choice("enforcement_mode", {"Default", "DoNotEnforce"}, mode);
  reader.json("parameters", assignment.parameters_json);
  if (!assignment.parameters_json.starts_with('{')) {
    reader.fail("parameters", "`parameters` must be a mapping");
  }
  for (const auto& [key, text] :
       {std::pair("resource_selectors", &assignment.resource_selectors_json),
        std::pair("overrides", &assignment.overrides_json)}) {
    reader.json(key, *text);
    if (!text->starts_with('[')) {
      reader.fail(key, fmt::format("`{}` must be a list", key));
    }
  }
  out.assignments.push_back(std::move(assignment));
}

void read_backup(YamlReader& backup, const std::filesystem::path& base, Backup& out) {
  backup.allow({"directory", "interval", "keep", "after", "restore"});
  backup.path("directory", base, out.directory);
  backup.duration("interval", std::chrono::seconds(5), out.interval);
  backup.integer("keep", 1, 10'000, out.keep);
  backup.text("after", out.after);
  if (!out.after.empty() && !out.after.starts_with('/')) {
    backup.fail("after", "`after` must be the absolute path of a program; no shell reads it");
  }
  backup.boolean("restore", out.restore);
  if (out.restore && out.directory.empty()) {
    backup.fail("restore", "`restore` needs a `directory` to restore from");
  }
}

void read_drift(YamlReader& drift, const std::filesystem::path& base, Drift& out) {
  drift.allow({"acceptances",
               "first_pass",
               "socket",
               "noise",
               "include",
               "owner_tags",
               "expected",
               "flapping"});
  drift.path("noise", base, out.noise_file);
  read_drift_rules(drift, out.rules);
  drift.path("acceptances", base, out.acceptances_file);
  std::string first_pass = "report";
  drift.choice("first_pass", {"report", "accept"}, first_pass);
  out.accept_first_pass = first_pass == "accept";
  drift.path("socket", base, out.socket);
}

void read_document(YamlReader& root, const std::filesystem::path& base, Settings& out) {
  root.allow({"azure",
              "inventory",
              "baseline",
              "drift",
              "events",
              "schedule",
              "storage",
              "privacy",
              "web",
              "log"});
  root.mapping("azure", [&](YamlReader& azure) { read_azure(azure, base, out); });
  std::string inventory = "baseline";
  root.choice("inventory", {"baseline", "all"}, inventory);
  out.inventory_all = inventory == "all";
  root.mapping("baseline", [&](YamlReader& baseline) {
    baseline.allow({"assignments", "exemptions", "refresh"});
    baseline.duration("refresh", std::chrono::seconds(5), out.initiative_refresh);
    baseline.path("exemptions", base, out.exemptions_file);
    baseline.sequence("assignments", [&](YamlReader& item) { read_assignment(item, base, out); });
  });
  if (out.assignments.empty()) {
    root.fail("baseline",
              "`baseline.assignments` needs at least one assignment: nothing would be evaluated");
  }
  root.mapping("drift", [&](YamlReader& drift) { read_drift(drift, base, out.drift); });
  std::string told;  // where `events.log` is, if it is on
  root.mapping("events", [&](YamlReader& events) {
    read_events(events, base, out.events, out.referenced_files);
    told = out.events.log ? events.place("log") : std::string();
  });
  root.mapping("schedule", [&](YamlReader& schedule) {
    schedule.allow({"sweep", "changes", "activity", "details"});
    schedule.duration("sweep", std::chrono::seconds(5), out.schedule.sweep);
    schedule.duration_or_off("changes", std::chrono::seconds(1), out.schedule.changes);
    schedule.duration_or_off("activity", std::chrono::seconds(1), out.schedule.activity);
    schedule.duration("details", std::chrono::seconds(5), out.schedule.details);
  });
  root.mapping("storage", [&](YamlReader& storage) {
    storage.allow({"path", "key_file", "retention", "max_size", "backup"});
    storage.path("path", base, out.storage_path);
    storage.path("key_file", base, out.key_file);
    if (out.storage_path.empty()) {
      storage.fail("path", "`path` must not be empty");
    }
    storage.duration("retention", std::chrono::days(1), out.retention);
    storage.size("max_size", std::int64_t{16} << 20U, out.max_size);
    storage.mapping("backup", [&](YamlReader& backup) { read_backup(backup, base, out.backup); });
  });
  root.mapping("privacy", [&](YamlReader& privacy) {
    privacy.allow({"actors"});
    std::string actors = "full";
    privacy.choice("actors", {"full", "pseudonym", "off"}, actors);
    out.actors = actors == "full"        ? core::ActorPrivacy::kFull
                 : actors == "pseudonym" ? core::ActorPrivacy::kPseudonym
                                         : core::ActorPrivacy::kOff;
  });
  root.mapping("web", [&](YamlReader& web) {
    web.allow({"listen", "config_file"});
    std::string listen = "127.0.0.1:9837";
    web.text("listen", listen);
    auto address = parse_listen_address(listen);
    if (address) {
      out.listen_address = address->address;
      out.listen_port = address->port;
    } else {
      web.fail("listen", address.error().message);
    }
    web.path("config_file", base, out.web_config_file);
  });
  root.mapping("log", [&](YamlReader& log) {
    log.allow({"level", "format"});
    log.choice("level", {"debug", "info", "warn", "error"}, out.log_level);
    log.choice("format", {"logfmt", "json"}, out.log_format);
  });
  if (!told.empty() && (out.log_level == "warn" || out.log_level == "error")) {
    out.warnings.push_back(fmt::format(
        "{}: `log` writes lines of level info, which `log.level: {}` hides", told, out.log_level));
  }
}

struct DropIns {
  std::vector<std::string> files;
  std::vector<std::string> ignored;
};

/// Nothing where there is no such directory.
Result<DropIns> find_drop_ins(const std::string& directory) {
  DropIns found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const auto& path = at->path();
    // Hidden ones are those of editors, and of the way in which Kubernetes mounts files.
    if (!path.filename().string().starts_with('.')) {
      (path.extension() == ".yaml" ? found.files : found.ignored).push_back(path.string());
    }
    if (found.files.size() + found.ignored.size() > kMaxDropIns) {
      return Error{Errc::kLimit, fmt::format("{}: more than {} files", directory, kMaxDropIns)};
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Error{Errc::kIo, fmt::format("{}: {}", directory, error.message())};
  }
  std::ranges::sort(found.files);
  std::ranges::sort(found.ignored);
  return found;
}

/// The first layer is the configuration.
Result<Settings> read_layers(std::vector<YamlLayer> layers) {
  Settings settings;
  use_cloud(kClouds[0], settings.cloud);
  const auto base = std::filesystem::path(layers.front().file).parent_path();
  Status status = Status::ok();
  YamlReader root(std::move(layers), "", status);
  if (status) {
    read_document(root, base, settings);
  }
  if (!status) {
    return status.error();
  }
  return settings;
}

}  // namespace

std::vector<std::string> keys_needing_restart(const Settings& running, const Settings& wanted) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, bool same) {
    if (!same) {
      keys.emplace_back(key);
    }
  };
  compare("azure.cloud", running.cloud == wanted.cloud);
  compare("azure.credential", running.credential == wanted.credential);
  compare("azure.proxy", running.proxy == wanted.proxy);
  compare("storage.path", running.storage_path == wanted.storage_path);
  compare("storage.key_file", running.key_file == wanted.key_file);
  compare("storage.retention",
          running.retention == wanted.retention && running.max_size == wanted.max_size);
  compare("drift.socket", running.drift.socket == wanted.drift.socket);
  compare("events", running.events == wanted.events);
  compare("privacy.actors", running.actors == wanted.actors);
  compare("storage.backup", running.backup == wanted.backup);
  compare(
      "web.listen",
      running.listen_address == wanted.listen_address && running.listen_port == wanted.listen_port);
  compare("web.config_file", running.web_config_file == wanted.web_config_file);
  compare("log.level", running.log_level == wanted.log_level);
  compare("log.format", running.log_format == wanted.log_format);
  return keys;
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  ListenAddress out;
  std::uint32_t port = 0;
  bool valid = colon != std::string_view::npos;
  if (valid) {
    const auto digits = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    valid = error == std::errc() && end == digits.data() + digits.size() && port <= 65535;
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
      host = host.substr(1, host.size() - 2);
    } else if (host.contains(':')) {
      valid = false;
    }
    out.address = host.empty() ? "0.0.0.0" : std::string(host);
    out.port = static_cast<std::uint16_t>(port);
  }
  if (!valid) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is not an address:port to listen on", text)};
  }
  return out;
}

Result<Settings> parse_settings(const std::string& text, const std::string& path) {
  auto document = parse_yaml(text, path);
  if (!document) {
    return document.error();
  }
  return read_layers({{path, *document}});
}

Result<Settings> load_settings(const std::string& path) {
  auto found = find_drop_ins(path + ".d");
  if (!found) {
    return found.error();
  }
  found->files.insert(found->files.begin(), path);
  std::vector<YamlLayer> layers;
  for (const auto& file : found->files) {
    auto text = read_text_file(file, kMaxConfigBytes);
    if (!text) {
      return text.error();
    }
    auto document = parse_yaml(*text, file);
    if (!document) {
      return document.error();
    }
    // A drop-in of nothing but comments is no mistake.
    if (layers.empty() || !document->IsNull()) {
      layers.push_back({file, *std::move(document)});
    }
  }
  auto settings = read_layers(std::move(layers));
  if (settings) {
    settings->files = std::move(found->files);
    settings->ignored = std::move(found->ignored);
  }
  return settings;
}

}  // namespace plumbline::config
