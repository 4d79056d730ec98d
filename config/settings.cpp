#include "config/settings.hpp"

#include "config/text_file.hpp"
#include "config/yaml_reader.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <filesystem>

namespace plumbline::config {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20U;

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

std::string resolve(const std::filesystem::path& base, const std::string& path) {
  return path.empty() ? path : (base / path).lexically_normal().string();
}

void read_custom_cloud(YamlReader& cloud, const std::filesystem::path& base, Cloud& out) {
  cloud.allow({"custom"});
  cloud.mapping("custom", [&](YamlReader& custom) {
    custom.allow({"authority", "resource_manager", "audience", "ca_file"});
    out = {};
    out.name = "custom";
    custom.text("authority", out.authority);
    custom.text("resource_manager", out.resource_manager);
    custom.text("audience", out.audience);
    custom.text("ca_file", out.ca_file);
    out.ca_file = resolve(base, out.ca_file);
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

void read_azure(YamlReader& azure, const std::filesystem::path& base, Settings& out) {
  azure.allow({"cloud", "credential", "scope", "quota_percent"});
  azure.integer("quota_percent", 1, 100, out.quota_percent);
  if (azure.is_scalar("cloud")) {
    std::string cloud(kClouds[0].name);
    azure.choice("cloud", {"AzurePublic", "AzureUSGovernment", "AzureChina"}, cloud);
    for (const auto& known : kClouds) {
      if (known.name == cloud) {
        use_cloud(known, out.cloud);
      }
    }
  } else {
    azure.mapping("cloud", [&](YamlReader& custom) { read_custom_cloud(custom, base, out.cloud); });
  }
  azure.mapping("credential", [&](YamlReader& credential) {
    credential.allow({"type", "client_id", "object_id", "resource_id"});
    credential.choice("type", {"managed_identity"}, out.credential.type);
    credential.text("client_id", out.credential.client_id);
    credential.text("object_id", out.credential.object_id);
    credential.text("resource_id", out.credential.resource_id);
    const int chosen = int{!out.credential.client_id.empty()} +
                       int{!out.credential.object_id.empty()} +
                       int{!out.credential.resource_id.empty()};
    if (chosen > 1) {
      credential.fail("",
                      "at most one of client_id, object_id and resource_id chooses an identity");
    }
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
                "an assignment needs an `initiative`: a directory with initiative.json");
  }
  assignment.initiative = resolve(base, assignment.initiative);
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
  backup.text("directory", out.directory);
  out.directory = resolve(base, out.directory);
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

void read_document(YamlReader& root, const std::filesystem::path& base, Settings& out) {
  root.allow({"azure", "inventory", "baseline", "schedule", "storage", "web", "log"});
  root.mapping("azure", [&](YamlReader& azure) { read_azure(azure, base, out); });
  std::string inventory = "baseline";
  root.choice("inventory", {"baseline", "all"}, inventory);
  out.inventory_all = inventory == "all";
  root.mapping("baseline", [&](YamlReader& baseline) {
    baseline.allow({"assignments", "exemptions"});
    baseline.text("exemptions", out.exemptions_file);
    out.exemptions_file = resolve(base, out.exemptions_file);
    baseline.sequence("assignments", [&](YamlReader& item) { read_assignment(item, base, out); });
  });
  if (out.assignments.empty()) {
    root.fail("baseline",
              "`baseline.assignments` needs at least one assignment: nothing would be evaluated");
  }
  root.mapping("schedule", [&](YamlReader& schedule) {
    schedule.allow({"sweep", "changes", "activity", "details"});
    schedule.duration("sweep", std::chrono::seconds(5), out.schedule.sweep);
    schedule.duration_or_off("changes", std::chrono::seconds(1), out.schedule.changes);
    schedule.duration_or_off("activity", std::chrono::seconds(1), out.schedule.activity);
    schedule.duration("details", std::chrono::seconds(5), out.schedule.details);
  });
  root.mapping("storage", [&](YamlReader& storage) {
    storage.allow({"path", "key_file", "retention", "max_size", "backup"});
    storage.text("path", out.storage_path);
    storage.text("key_file", out.key_file);
    out.storage_path = resolve(base, out.storage_path);
    out.key_file = resolve(base, out.key_file);
    if (out.storage_path.empty()) {
      storage.fail("path", "`path` must not be empty");
    }
    storage.duration("retention", std::chrono::days(1), out.retention);
    storage.size("max_size", std::int64_t{16} << 20U, out.max_size);
    storage.mapping("backup", [&](YamlReader& backup) { read_backup(backup, base, out.backup); });
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
    web.text("config_file", out.web_config_file);
    out.web_config_file = resolve(base, out.web_config_file);
  });
  root.mapping("log", [&](YamlReader& log) {
    log.allow({"level", "format"});
    log.choice("level", {"debug", "info", "warn", "error"}, out.log_level);
    log.choice("format", {"logfmt", "json"}, out.log_format);
  });
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
  compare("storage.path", running.storage_path == wanted.storage_path);
  compare("storage.key_file", running.key_file == wanted.key_file);
  compare("storage.retention",
          running.retention == wanted.retention && running.max_size == wanted.max_size);
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
  Settings settings;
  use_cloud(kClouds[0], settings.cloud);
  Status status = Status::ok();
  YamlReader root(path, "", *document, status);
  if (status) {
    read_document(root, std::filesystem::path(path).parent_path(), settings);
  }
  if (!status) {
    return status.error();
  }
  return settings;
}

Result<Settings> load_settings(const std::string& path) {
  auto text = read_text_file(path, kMaxConfigBytes);
  if (!text) {
    return text.error();
  }
  return parse_settings(*text, path);
}

}  // namespace plumbline::config
