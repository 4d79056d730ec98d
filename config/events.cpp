#include "config/events.hpp"

#include "config/secret_place.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace plumbline::config {

namespace {

constexpr std::size_t kLongestName = 60;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

struct Authority {
  std::string_view host;  // with brackets where it has some
  std::optional<std::string_view> port;
};

/// Of a URL with a scheme.
Authority authority_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const auto bracket = url.starts_with('[') ? url.find(']') : std::string_view::npos;
  const auto host_end = bracket == std::string_view::npos ? url.find(':') : bracket + 1;
  Authority out{.host = url.substr(0, host_end), .port = std::nullopt};
  if (out.host.size() < url.size()) {
    // What follows a bracket and is no colon makes no port.
    const auto rest = url.substr(out.host.size());
    out.port = rest.starts_with(':') ? rest.substr(1) : rest;
  }
  return out;
}

bool is_host(std::string_view host) {
  const bool is_bracketed = host.starts_with('[');
  const auto inner = is_bracketed ? host.substr(1, host.find(']') - 1) : host;
  return !inner.empty() && std::ranges::all_of(inner, [&](char c) {
    const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return is_bracketed ? is_hex || c == ':' || c == '.'
                        : is_hex || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' ||
                              c == '_' || c == '.';
  });
}

bool is_port(std::string_view text) {
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port <= 65535;
}

/// Equal for two URLs that are the same service.
std::string same_service(std::string_view url) {
  while (url.ends_with('/')) {
    url.remove_suffix(1);
  }
  const bool is_plain = url.starts_with("http://");
  const auto [host, port] = authority_of(url);
  const auto path = url.substr(std::min(url.find('/', url.find("://") + 3), url.size()));
  return fmt::format("{}://{}:{}{}",
                     is_plain ? "http" : "https",
                     core::to_lower(host),
                     port.value_or(is_plain ? "80" : "443"),
                     path);
}

bool is_this_machine(std::string_view host) {
  return host == "127.0.0.1" || host == "localhost" || host == "[::1]";
}

/// Nothing, or what is wrong with it; never with the URL itself, whose path is often a secret.
std::string wrong_with(std::string_view url, bool may_be_plain) {
  if (url.find_first_of(" \t\r\n") != std::string_view::npos) {
    return "a URL has no blanks";
  }
  const bool is_plain = url.starts_with("http://");
  if (!is_plain && !url.starts_with("https://")) {
    return "a URL begins with https:// or http://";
  }
  const auto authority_end = url.find_first_of("/?#", url.find("://") + 3);
  if (url.substr(0, authority_end).contains('@')) {
    return "a URL must not hold a login";
  }
  const auto [host, port] = authority_of(url);
  if (!is_host(host)) {
    return "a URL needs the name or address of a host";
  }
  if (port && !is_port(*port)) {
    return "the port of a URL is a number from 1 to 65535";
  }
  if (url.contains('#')) {
    return "what follows a `#` would never be sent";
  }
  if (is_plain && !may_be_plain && !is_this_machine(host)) {
    return "events go to other machines by https:// only, unless `insecure` says that they may be "
           "read on the way";
  }
  return {};
}

void read_webhook(YamlReader& webhook,
                  const std::filesystem::path& base,
                  Webhook& out,
                  std::vector<ReferencedFile>& named) {
  webhook.allow(
      {"name", "url", "secret", "types", "min_severity", "ca_file", "give_up_after", "insecure"});
  webhook.text("name", out.name);
  if (!is_name(out.name)) {
    webhook.fail("name", "a webhook needs a `name` of letters, digits, `-`, `_` and `.`");
  }
  bool insecure = false;
  webhook.boolean("insecure", insecure);
  webhook.text("url", out.url);
  if (const auto wrong = wrong_with(out.url, insecure); !wrong.empty()) {
    webhook.fail("url", fmt::format("`url`: {}", wrong));
  }
  read_secret_place(webhook, "secret", base, out.secret, named);
  if (out.secret == SecretPlace{}) {
    webhook.fail("", "a webhook needs a `secret`, with which its events are signed");
  }
  if (webhook.has("types")) {
    out.drift = out.compliance = false;
    webhook.items("types", [&](std::string_view type) -> std::string {
      if (type != "drift" && type != "compliance") {
        return fmt::format("`{}` must be one of drift, compliance", type);
      }
      (type == "drift" ? out.drift : out.compliance) = true;
      return {};
    });
    if (!out.drift && !out.compliance) {
      webhook.fail("types", "`types` needs at least one of drift, compliance");
    }
  }
  std::string severity(core::to_string(out.min_severity));
  webhook.choice("min_severity", {"low", "medium", "high", "critical"}, severity);
  out.min_severity = core::parse_severity(severity).value_or(out.min_severity);
  read_certificates(webhook, "ca_file", base, out.ca_file, named);
  webhook.duration("give_up_after", std::chrono::seconds(1), out.give_up_after);
}

void read_alertmanager(YamlReader& alertmanager,
                       const std::filesystem::path& base,
                       Alertmanager& out,
                       std::vector<ReferencedFile>& named) {
  alertmanager.allow({"urls", "min_severity", "resend", "ca_file"});
  alertmanager.items("urls", [&](std::string_view url) -> std::string {
    auto wrong = wrong_with(url, /*may_be_plain=*/true);
    if (wrong.empty() && url.contains('?')) {
      wrong = "the path of Alertmanager's API is put behind it: there can be no `?`";
    }
    if (wrong.empty() && std::ranges::any_of(out.urls, [&](const std::string& other) {
          return same_service(other) == same_service(url);
        })) {
      wrong = "this Alertmanager is named twice";
    }
    out.urls.emplace_back(url);
    return wrong;
  });
  if (out.urls.empty()) {
    alertmanager.fail("", "`alertmanager` needs `urls`, a list of at least one");
  }
  std::string severity(core::to_string(out.min_severity));
  alertmanager.choice("min_severity", {"low", "medium", "high", "critical"}, severity);
  out.min_severity = core::parse_severity(severity).value_or(out.min_severity);
  alertmanager.duration("resend", std::chrono::seconds(1), out.resend);
  read_certificates(alertmanager, "ca_file", base, out.ca_file, named);
}

}  // namespace

void read_events(YamlReader& events,
                 const std::filesystem::path& base,
                 Events& out,
                 std::vector<ReferencedFile>& named) {
  events.allow({"webhooks", "log", "alertmanager"});
  events.sequence("webhooks", [&](YamlReader& reader) {
    Webhook webhook;
    read_webhook(reader, base, webhook, named);
    if (std::ranges::find(out.webhooks, webhook.name, &Webhook::name) != out.webhooks.end()) {
      reader.fail("name", fmt::format("`{}` is the name of another webhook, too", webhook.name));
    }
    out.webhooks.push_back(std::move(webhook));
  });
  events.boolean("log", out.log);
  events.mapping("alertmanager", [&](YamlReader& reader) {
    read_alertmanager(reader, base, out.alertmanager, named);
  });
}

}  // namespace plumbline::config
