#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/history_json.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using json = nlohmann::json;

namespace {

constexpr std::size_t kMostRows = 100'000;

std::string text_or_dash(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string("-");
}

std::string versions_table(const json& history) {
  std::string out;
  for (const auto& version : history.at("versions")) {
    out += fmt::format("{}  version {}, cycle {}{}\n",
                       text_or_dash(version.at("from")),
                       version.at("version").get<std::int64_t>(),
                       version.at("from_cycle").get<std::int64_t>(),
                       version.at("to").is_null()
                           ? std::string()
                           : fmt::format(", until {}", text_or_dash(version.at("to"))));
    for (const auto& change : version.at("changes")) {
      out += fmt::format("    {:<8} {}{}\n",
                         change.at("op").get<std::string>(),
                         change.at("path").get<std::string>(),
                         change.contains("value") ? " = " + change.at("value").dump() : "");
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
    out += "\nVERSIONS, the latest first, and what each changed\n" + versions_table(history);
    out += "\nTRANSITIONS, the latest first\n";
    for (const auto& row : history.at("transitions")) {
      out += fmt::format("{}  {:<44} {} -> {}  {} {}\n",
                         text_or_dash(row.at("at")),
                         row.at("reference").get<std::string>(),
                         text_or_dash(row.at("from")),
                         text_or_dash(row.at("to")),
                         row.at("cause").get<std::string>(),
                         row.at("reason").get<std::string>());
    }
    out += "\nDRIFT, the latest first\n";
    for (const auto& row : history.at("drift")) {
      out += fmt::format("{}  {:<9} {:<44} {} {} -> {}  resolved {}\n",
                         text_or_dash(row.at("opened_at")),
                         row.at("severity").get<std::string>(),
                         row.at("reference").get<std::string>(),
                         row.at("path").get<std::string>(),
                         row.at("old_value").get<std::string>(),
                         row.at("new_value").get<std::string>(),
                         text_or_dash(row.at("resolved_at")));
    }
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
    return history_json(**snapshot, key, kMostRows);
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
