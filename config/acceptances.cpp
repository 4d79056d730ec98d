#include "config/acceptances.hpp"

#include "config/yaml_reader.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace plumbline::config {

using core::Acceptance;
using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxText = 1000;

void read_acceptance(YamlReader& reader, Acceptance& out) {
  reader.allow({"name",
                "kind",
                "scope",
                "type",
                "path",
                "assignment",
                "reference",
                "snooze",
                "reason",
                "author",
                "expires_on"});
  for (const auto& [key, value] : {std::pair("name", &out.name),
                                   std::pair("scope", &out.scope),
                                   std::pair("type", &out.type),
                                   std::pair("path", &out.path),
                                   std::pair("assignment", &out.assignment),
                                   std::pair("reference", &out.reference),
                                   std::pair("reason", &out.reason),
                                   std::pair("author", &out.author)}) {
    reader.text(key, *value);
  }
  if (out.name.empty()) {
    reader.fail("", "an acceptance needs a `name`");
  }
  std::string kind;
  reader.choice("kind", {"", "baseline", "configuration"}, kind);
  out.kind = core::parse_drift_kind(kind);
  reader.boolean("snooze", out.snooze);
  reader.instant("expires_on", out.expires_at);
  if (auto usable = check_acceptance(out); !usable) {
    reader.fail("", usable.error().message);
  }
}

void write(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) {
    return;
  }
  // A JSON string is a YAML string.
  std::string quoted;
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  out += fmt::format("    {}: \"{}\"\n", key, quoted);
}

}  // namespace

Status check_acceptance(Acceptance& acceptance) {
  const auto wrong = [](std::string message) {
    return Error{Errc::kInvalidArgument, std::move(message)};
  };
  if (acceptance.scope.empty()) {
    return wrong(
        "an acceptance needs a `scope`: `/`, or the id of a management group, subscription, group, "
        "resource or "
        "list entry");
  }
  if (acceptance.reason.empty() || acceptance.author.empty()) {
    return wrong(fmt::format("an acceptance needs {}",
                             acceptance.reason.empty() ? "a `reason`" : "an `author`"));
  }
  if (acceptance.reason.size() > kMaxText || acceptance.author.size() > kMaxText) {
    return wrong(fmt::format("`reason` and `author` have at most {} bytes", kMaxText));
  }
  if (acceptance.scope == "/") {
    acceptance.scope.clear();
  } else if (!core::parse_resource_id(acceptance.scope) &&
             !core::iequals(acceptance.scope.substr(0, 15), "/subscriptions/")) {
    return wrong(fmt::format(
        "`{}` is no `/`, and no id of a management group, subscription, group, resource or "
        "list entry",
        acceptance.scope));
  } else {
    acceptance.scope = core::resource_key(acceptance.scope);
  }
  acceptance.type = core::to_lower(acceptance.type);
  if (!acceptance.path.empty() && !acceptance.path.starts_with('/')) {
    return wrong(fmt::format("`{}` is no JSON pointer such as /properties/retentionInDays",
                             acceptance.path));
  }
  if (!acceptance.path.empty() && !acceptance.reference.empty()) {
    return wrong(
        "a `path` chooses configuration drift, a `reference` drift from the baseline: one of them");
  }
  if (acceptance.snooze && !acceptance.expires_at) {
    return wrong("to snooze needs an end, or it is to accept");
  }
  return Status::ok();
}

Result<std::vector<Acceptance>> parse_acceptances(const std::string& text,
                                                  const std::string& path) {
  auto document = parse_yaml(text, path);
  if (!document) {
    return document.error();
  }
  std::vector<Acceptance> acceptances;
  std::set<std::string> names;
  Status status = Status::ok();
  YamlReader root(path, "", *document, status);
  if (status) {
    root.allow({"acceptances"});
    if (!root.has("acceptances")) {
      root.fail("", "the document needs `acceptances`, a list; `[]` for none");
    }
    root.sequence("acceptances", [&](YamlReader& item) {
      read_acceptance(item, acceptances.emplace_back());
      if (!names.insert(acceptances.back().name).second) {
        item.fail("name", fmt::format("a second acceptance `{}`", acceptances.back().name));
      }
    });
  }
  if (!status) {
    return status.error();
  }
  return acceptances;
}

std::string write_acceptances(const std::vector<Acceptance>& acceptances) {
  std::string out = acceptances.empty() ? "acceptances: []\n" : "acceptances:\n";
  for (const auto& acceptance : acceptances) {
    const auto name =
        acceptance.name.empty() ? fmt::format("accepted-{}", acceptance.id) : acceptance.name;
    std::string entry;
    write(entry, "name", name);
    entry.replace(0, 4, "  - ");
    out += entry;
    write(out, "kind", acceptance.kind ? core::to_string(*acceptance.kind) : "");
    write(out, "scope", acceptance.scope.empty() ? "/" : acceptance.scope);
    write(out, "type", acceptance.type);
    write(out, "path", acceptance.path);
    write(out, "assignment", acceptance.assignment);
    write(out, "reference", acceptance.reference);
    out += acceptance.snooze ? "    snooze: true\n" : "";
    write(out, "reason", acceptance.reason);
    write(out, "author", acceptance.author);
    write(out,
          "expires_on",
          acceptance.expires_at ? core::to_rfc3339(*acceptance.expires_at) : std::string());
  }
  return out;
}

}  // namespace plumbline::config
