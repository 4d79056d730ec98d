#include "config/events.hpp"

#include "config/secret_place.hpp"

#include <fmt/format.h>

#include <algorithm>
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

/// The host of an http URL, with brackets where it has some.
std::string_view host_of(std::string_view url) {
  url.remove_prefix(std::string_view("http://").size());
  url = url.substr(0, url.find_first_of("/?#"));
  return url.starts_with('[') ? url.substr(0, url.find(']') + 1) : url.substr(0, url.find(':'));
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
  if (is_plain && !may_be_plain && !is_this_machine(host_of(url))) {
    return "events go to other machines by https:// only, unless `insecure` says that they may be "
           "read on the way";
  }
  return {};
}

void read_webhook(YamlReader& webhook, const std::filesystem::path& base, Webhook& out) {
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
  read_secret_place(webhook, "secret", base, out.secret);
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
  }
  std::string severity(core::to_string(out.min_severity));
  webhook.choice("min_severity", {"low", "medium", "high", "critical"}, severity);
  out.min_severity = core::parse_severity(severity).value_or(out.min_severity);
  webhook.path("ca_file", base, out.ca_file);
  webhook.duration("give_up_after", std::chrono::seconds(1), out.give_up_after);
}

void read_alertmanager(YamlReader& alertmanager,
                       const std::filesystem::path& base,
                       Alertmanager& out) {
  alertmanager.allow({"urls", "min_severity", "resend", "ca_file"});
  alertmanager.items("urls", [&](std::string_view url) -> std::string {
    out.urls.emplace_back(url);
    return wrong_with(url, /*may_be_plain=*/true);
  });
  if (out.urls.empty()) {
    alertmanager.fail("", "`alertmanager` needs `urls`, a list of at least one");
  }
  std::string severity(core::to_string(out.min_severity));
  alertmanager.choice("min_severity", {"low", "medium", "high", "critical"}, severity);
  out.min_severity = core::parse_severity(severity).value_or(out.min_severity);
  alertmanager.duration("resend", std::chrono::seconds(1), out.resend);
  alertmanager.path("ca_file", base, out.ca_file);
}

}  // namespace

void read_events(YamlReader& events, const std::filesystem::path& base, Events& out) {
  events.allow({"webhooks", "log", "alertmanager"});
  events.sequence("webhooks", [&](YamlReader& reader) {
    Webhook webhook;
    read_webhook(reader, base, webhook);
    if (std::ranges::find(out.webhooks, webhook.name, &Webhook::name) != out.webhooks.end()) {
      reader.fail("name", fmt::format("`{}` is the name of another webhook, too", webhook.name));
    }
    out.webhooks.push_back(std::move(webhook));
  });
  events.boolean("log", out.log);
  events.mapping("alertmanager",
                 [&](YamlReader& reader) { read_alertmanager(reader, base, out.alertmanager); });
}

}  // namespace plumbline::config
