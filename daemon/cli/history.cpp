#include "core/json_member.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/drift_json.hpp"
#include "daemon/history_json.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::text_member;
using json = nlohmann::json;

namespace {

constexpr std::size_t kMostRows = 100'000;

std::string text_or_dash(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string("-");
}

/// Whom Azure names, or when it must have been.
std::string by_whom(const json& change) {
  if (change.is_null()) {
    return {};
  }
  if (const auto actor = text_member(change, "changed_by"); !actor.empty()) {
    const auto client = text_member(change, "client_type");
    return fmt::format("by {}{} at {}",
                       actor,
                       client.empty() ? std::string() : " with " + client,
                       text_member(change, "at"));
  }
  return change.at("not_before").is_null()
             ? fmt::format("by nobody that is known, before {}", text_member(change, "not_after"))
             : fmt::format("by nobody that is known, between {} and {}",
                           text_member(change, "not_before"),
                           text_member(change, "not_after"));
}

std::string drift_text(const json& row) {
  const auto path = text_member(row, "path");
  const auto reference = text_member(row, "reference");
  const auto value = [&row](const char* name) {
    const auto text = text_member(row, name);
    return text.empty() ? std::string("absent") : text;
  };
  std::string what = reference;
  if (reference.empty()) {
    what = path.empty() ? std::string("the resource as a whole")
                        : fmt::format("{}: {} -> {}", path, value("old"), value("new"));
  }
  auto out = fmt::format("drift {} {}, {}: {}",
                         row.at("drift").get<std::int64_t>(),
                         text_member(row, "step"),
                         text_member(row, "severity"),
                         what);
  if (const auto& acceptance = row.at("acceptance"); !acceptance.is_null()) {
    out += fmt::format("\n    acceptance {} by {}: {}{}",
                       acceptance.at("id").get<std::int64_t>(),
                       text_member(acceptance, "author"),
                       text_member(acceptance, "reason"),
                       acceptance.at("expires_at").is_null()
                           ? std::string()
                           : fmt::format(" (until {})", text_member(acceptance, "expires_at")));
  }
  return out;
}

std::string entry_text(const json& row) {
  const auto entry = text_member(row, "entry");
  if (entry == "version") {
    auto out = fmt::format("version {}, cycle {}",
                           row.at("version").get<std::int64_t>(),
                           row.at("cycle").get<std::int64_t>());
    for (const auto& change : row.at("changes")) {
      out += fmt::format("\n    {:<8} {}{}",
                         text_member(change, "op"),
                         text_member(change, "path"),
                         change.contains("value") ? " = " + change.at("value").dump() : "");
    }
    return out;
  }
  if (entry == "end") {
    return fmt::format("gone, cycle {}", row.at("cycle").get<std::int64_t>());
  }
  if (entry == "transition") {
    return fmt::format("verdict {}: {} -> {}  {} {}",
                       text_member(row, "reference"),
                       text_or_dash(row.at("from")),
                       text_or_dash(row.at("to")),
                       text_member(row, "cause"),
                       text_member(row, "reason"));
  }
  if (entry == "drift") {
    return drift_text(row);
  }
  const auto operation = text_member(row, "operation");
  const auto client = text_member(row, "client_type");
  const auto actor = text_member(row, "changed_by");
  auto out = fmt::format("Azure tells of {}: by {}{}{}",
                         text_member(row, "kind"),
                         actor.empty() ? "nobody it names" : actor,
                         client.empty() ? std::string() : " with " + client,
                         operation.empty() ? std::string() : ", " + operation);
  for (const auto& path : row.at("paths")) {
    out += "\n    " + path.get<std::string>();
  }
  return out;
}

std::string timeline_table(const json& history) {
  std::string out;
  for (const auto& row : history.at("timeline")) {
    out += fmt::format("{}  {}\n", text_member(row, "at"), entry_text(row));
    if (const auto whom = row.contains("change") ? by_whom(row.at("change")) : std::string();
        !whom.empty()) {
      out += "    " + whom + "\n";
    }
  }
  return out;
}

std::string table(const json& history) {
  std::string out = history.at("id").get<std::string>() + "\n";
  if (history.contains("at")) {
    out += fmt::format("as it was at {} (cycle {})\n\n{}\n",
                       text_or_dash(history.at("at")),
                       history.at("cycle").get<std::int64_t>(),
                       history.at("configuration").dump(2));
  } else {
    out += "\nTIMELINE, the latest first\n" + timeline_table(history);
  }
  if (history.contains("verdicts")) {
    out += "\nVERDICTS\n";
    for (const auto& row : history.at("verdicts")) {
      out += fmt::format("{:<14} {:<44} {}\n",
                         row.at("state").get<std::string>(),
                         row.at("reference").get<std::string>(),
                         row.at("reason").get<std::string>());
    }
  }
  return out;
}

Result<json> ask(const config::Settings& settings, const HistoryOptions& options) {
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  const auto key = core::resource_key(options.resource);
  if (options.at.empty()) {
    DriftRenderer renderer(**snapshot, settings.drift.rules.owner_tags);
    return history_json(**snapshot, renderer, key, kMostRows);
  }
  const auto at = core::parse_rfc3339(options.at);
  if (!at) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is no instant such as 2026-11-22T10:00:00Z", options.at)};
  }
  return past_json(**snapshot, key, *at);
}

}  // namespace

int run_history(const CommonOptions& common, const HistoryOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  const auto history = ask(*settings, options);
  if (!history) {
    fmt::print(stderr, "plumbline: {}\n", history.error().message);
    return kExitError;
  }
  fmt::print("{}", common.format == Format::kJson ? history->dump(2) + "\n" : table(*history));
  return kExitOk;
}

}  // namespace plumbline::daemon
