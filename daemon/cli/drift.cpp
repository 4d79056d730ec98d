#include "config/acceptances.hpp"
#include "config/text_file.hpp"
#include "core/json_member.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/drift_json.hpp"
#include "daemon/history_json.hpp"
#include "net/local_server.hpp"
#include "policy/engine.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::text_member;
using json = nlohmann::json;

namespace {

constexpr std::size_t kRowsAtOnce = 1000;
constexpr std::chrono::seconds kPatience{90};
constexpr std::size_t kMaxFile = std::size_t{4} << 20U;

int fail(const Error& error) {
  fmt::print(stderr, "plumbline: {}\n", error.message);
  return kExitError;
}

std::string what_of(const json& row) {
  if (text_member(row, "kind") == "baseline") {
    return text_member(row, "reference");
  }
  const auto path = text_member(row, "path");
  const auto old_value = text_member(row, "old");
  const auto new_value = text_member(row, "new");
  if (path.empty()) {
    return old_value.empty() ? "the resource was added" : "the resource was removed";
  }
  return fmt::format("{}: {} -> {}",
                     path,
                     old_value.empty() ? "absent" : old_value,
                     new_value.empty() ? "absent" : new_value);
}

void print_table(const json& rows) {
  if (rows.empty()) {
    fmt::print("No drift.\n");
    return;
  }
  for (const auto& row : rows) {
    fmt::print("{:>6}  {:<8} {:<8} {}  {}\n        {}\n",
               row.at("id").get<std::int64_t>(),
               text_member(row, "state"),
               text_member(row, "severity"),
               text_member(row, "opened_at"),
               what_of(row),
               text_member(row, "resource_id"));
    if (const auto& change = row.at("change"); !change.is_null() && change.contains("changed_by")) {
      fmt::print("        by {} with {} at {}\n",
                 text_member(change, "changed_by"),
                 text_member(change, "client_type"),
                 text_member(change, "at"));
    }
    if (!text_member(row, "owner").empty()) {
      fmt::print("        owner {}\n", text_member(row, "owner"));
    }
    if (const auto& acceptance = row.at("acceptance"); !acceptance.is_null()) {
      fmt::print("        accepted ({}) by {}: {}{}\n",
                 acceptance.at("id").get<std::int64_t>(),
                 text_member(acceptance, "author"),
                 text_member(acceptance, "reason"),
                 acceptance.at("expires_at").is_null()
                     ? std::string()
                     : fmt::format(" (until {})", text_member(acceptance, "expires_at")));
    }
  }
}

void print_csv(const json& rows) {
  constexpr std::array kColumns = {"id",
                                   "identity",
                                   "state",
                                   "kind",
                                   "severity",
                                   "assignment",
                                   "reference",
                                   "resource_id",
                                   "type",
                                   "path",
                                   "old",
                                   "new",
                                   "owner",
                                   "opened_at",
                                   "resolved_at"};
  fmt::print("{}\n", fmt::join(kColumns, ","));
  for (const auto& row : rows) {
    std::string line;
    for (const auto* column : kColumns) {
      const auto& value = row.at(column);
      line += line.empty() ? "" : ",";
      line += csv_cell(value.is_string() ? value.get<std::string>()
                       : value.is_null() ? std::string()
                                         : value.dump());
    }
    fmt::print("{}\n", line);
  }
}

/// The store keeps which checks there are, not what they read and where they belong.
Result<std::shared_ptr<const compliance::Baseline>> read_baseline(
    const config::Settings& settings) {
  auto aliases = policy::AliasCatalogue::shipped();
  return aliases ? load_baseline(settings, **aliases, kept_initiatives(settings))
                 : Result<std::shared_ptr<const compliance::Baseline>>(aliases.error());
}

/// The control as the baseline spells it. A misspelt one must not look like a control without
/// drift.
Result<std::string> control_of(const compliance::Baseline& baseline, std::string_view wanted) {
  std::set<std::string> known;
  for (const auto& check : baseline.checks) {
    known.insert(check.controls.begin(), check.controls.end());
  }
  for (const auto& assignment : baseline.assignments) {
    for (const auto& control : assignment.controls) {
      known.insert(control.name);
    }
  }
  const auto found = std::ranges::find_if(
      known, [&](const std::string& name) { return core::iequals(name, wanted); });
  if (found == known.end()) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("the baseline has no control {}; it has {}",
                             wanted,
                             known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")))};
  }
  return *found;
}

Result<json> list_drift(const config::Settings& settings, const DriftListOptions& options) {
  auto filter = drift_filter([&](std::string_view name) -> std::string {
    const std::pair<std::string_view, const std::string*> given[] = {
        {"state", &options.state},
        {"kind", &options.choice.kind},
        {"severity", &options.severity},
        {"type", &options.choice.type},
        {"scope", &options.choice.scope},
        {"subscription", &options.subscription},
        {"assignment", &options.choice.assignment},
        {"reference", &options.choice.reference}};
    for (const auto& [known, value] : given) {
      if (known == name) {
        return *value;
      }
    }
    return {};
  });
  if (!filter) {
    return filter.error();
  }
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  DriftRenderer renderer(**snapshot, settings.drift.rules.owner_tags);
  DriftWish wish{.owner = options.owner, .actor = options.actor, .control = nullptr};
  std::shared_ptr<const compliance::Baseline> baseline;
  std::optional<compliance::ConcernedChecks> of_control;
  if (!options.control.empty()) {
    auto read = read_baseline(settings);
    if (!read) {
      return read.error();
    }
    baseline = *std::move(read);
    const auto control = control_of(*baseline, options.control);
    if (!control) {
      return control.error();
    }
    wish.control = &of_control.emplace(*baseline, *control);
  }
  filter->limit = kRowsAtOnce;
  json rows = json::array();
  for (;;) {
    auto page = read_drift(**snapshot, renderer, *filter, wish, kRowsAtOnce);
    if (!page) {
      return page.error();
    }
    for (auto& row : page->rows) {
      rows.push_back(std::move(row));
    }
    if (page->next == 0) {
      return rows;
    }
    filter->before = page->next;
  }
}

/// The user that runs the command, where he does not say who he is.
std::string login_name() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->pw_name;
  }
  return "unknown";
}

Result<json> tell_daemon(const config::Settings& settings, const json& request) {
  const auto answer = net::ask_local(settings.drift.socket_beside(settings.storage_path),
                                     request.dump(-1, ' ', false, json::error_handler_t::replace),
                                     kPatience);
  if (!answer) {
    return answer.error();
  }
  auto parsed = json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) {
    return Error{Errc::kParse, "the daemon's answer is no JSON object"};
  }
  if (parsed.contains("error")) {
    return Error{Errc::kInvalidArgument, text_member(parsed, "error")};
  }
  return parsed;
}

json request_of(const core::Acceptance& acceptance) {
  return {{"kind", acceptance.kind ? core::to_string(*acceptance.kind) : ""},
          {"scope", acceptance.scope.empty() ? "/" : acceptance.scope},
          {"type", acceptance.type},
          {"path", acceptance.path},
          {"assignment", acceptance.assignment},
          {"reference", acceptance.reference},
          {"snooze", acceptance.snooze},
          {"standing", true},
          {"reason", acceptance.reason},
          {"author", acceptance.author},
          {"expires_on", acceptance.expires_at ? core::to_rfc3339(*acceptance.expires_at) : ""}};
}

Result<std::int64_t> cycle_of(core::Snapshot& snapshot, const std::string& text) {
  const auto at = core::parse_rfc3339(text);
  if (!at) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is no instant such as 2026-11-22T10:00:00Z", text)};
  }
  const auto cycle = snapshot.cycle_at(*at);
  if (!cycle) {
    return cycle.error();
  }
  return cycle->value_or(0);
}

Result<json> differences(const config::Settings& settings, const DriftDiffOptions& options) {
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  const auto from = cycle_of(**snapshot, options.from);
  const auto to = from ? cycle_of(**snapshot, options.to) : from;
  if (!to) {
    return to.error();
  }
  const auto scope = options.scope.empty() || options.scope == "/"
                         ? std::string()
                         : core::resource_key(options.scope);
  const auto keys = (*snapshot)->changed_keys(*from, *to, scope);
  if (!keys) {
    return keys.error();
  }
  json out = json::array();
  for (const auto& key : *keys) {
    auto before = (*snapshot)->find_at(key, *from);
    auto after = (*snapshot)->find_at(key, *to);
    if (!before || !after) {
      return !before ? before.error() : after.error();
    }
    auto patch =
        patch_json(*before ? &(*before)->body : nullptr, *after ? &(*after)->body : nullptr);
    if (!patch.empty()) {
      out.push_back({{"key", key}, {"patch", std::move(patch)}});
    }
  }
  return out;
}

void print_differences(const json& changed) {
  if (changed.empty()) {
    fmt::print("No difference.\n");
  }
  for (const auto& row : changed) {
    fmt::print("{}\n", text_member(row, "key"));
    for (const auto& step : row.at("patch")) {
      const auto path = text_member(step, "path");
      fmt::print("    {:<8} {}{}\n",
                 text_member(step, "op"),
                 path.empty() ? "(the resource)" : path,
                 step.contains("value") && !path.empty() ? " = " + step.at("value").dump() : "");
    }
  }
}

}  // namespace

int run_drift_list(const CommonOptions& common, const DriftListOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  const auto rows = list_drift(*settings, options);
  if (!rows) {
    return fail(rows.error());
  }
  if (common.format == Format::kJson) {
    fmt::print("{}\n", rows->dump(2, ' ', false, json::error_handler_t::replace));
  } else if (common.format == Format::kCsv) {
    print_csv(*rows);
  } else {
    print_table(*rows);
  }
  return kExitOk;
}

int run_drift_accept(const CommonOptions& common, const DriftAcceptOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  if (options.ids.empty() == options.choice.scope.empty()) {
    return fail({Errc::kInvalidArgument,
                 "say what is accepted: either drift items by their ids, or --scope (`/` for the "
                 "whole tenant)"});
  }
  const auto answer =
      tell_daemon(*settings,
                  {{"ids", options.ids},
                   {"kind", options.choice.kind},
                   {"scope", options.choice.scope},
                   {"type", options.choice.type},
                   {"path", options.path},
                   {"assignment", options.choice.assignment},
                   {"reference", options.choice.reference},
                   {"standing", options.standing},
                   {"snooze", options.snooze},
                   {"reason", options.reason},
                   {"author", options.author.empty() ? login_name() : options.author},
                   {"expires_on", options.expires_on}});
  if (!answer) {
    return fail(answer.error());
  }
  std::vector<std::int64_t> made = answer->at("acceptances").get<std::vector<std::int64_t>>();
  fmt::print("Acceptance {} covers {} drift items.\n",
             fmt::join(made, ", "),
             answer->at("covered").get<std::int64_t>());
  return kExitOk;
}

int run_drift_withdraw(const CommonOptions& common, std::int64_t acceptance) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  const auto answer = tell_daemon(*settings, {{"withdraw", acceptance}, {"author", login_name()}});
  if (!answer) {
    return fail(answer.error());
  }
  fmt::print("Acceptance {} is withdrawn.\n", acceptance);
  return kExitOk;
}

int run_drift_diff(const CommonOptions& common, const DriftDiffOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  const auto changed = differences(*settings, options);
  if (!changed) {
    return fail(changed.error());
  }
  if (common.format == Format::kJson) {
    fmt::print("{}\n", changed->dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    print_differences(*changed);
  }
  return kExitOk;
}

int run_drift_export(const CommonOptions& common) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  auto snapshot = storage::read_store(settings->storage_path);
  if (!snapshot) {
    return fail(snapshot.error());
  }
  auto acceptances = (*snapshot)->acceptances(/*in_force_only=*/true);
  if (!acceptances) {
    return fail(acceptances.error());
  }
  // An entry of a file stands for what comes, too: nobody has agreed to that in these.
  const auto bounded = std::erase_if(*acceptances, [](const core::Acceptance& acceptance) {
    return acceptance.up_to_cycle.has_value();
  });
  fmt::print("{}", config::write_acceptances(*acceptances));
  if (bounded > 0) {
    fmt::print(stderr,
               "{} acceptances are of what was open at the time, not standing, and left out\n",
               bounded);
  }
  return kExitOk;
}

int run_drift_import(const CommonOptions& common, const std::string& file) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    return fail(settings.error());
  }
  const auto text = config::read_text_file(file, kMaxFile);
  const auto acceptances = text ? config::parse_acceptances(*text, file)
                                : Result<std::vector<core::Acceptance>>(text.error());
  if (!acceptances) {
    return fail(acceptances.error());
  }
  for (const auto& acceptance : *acceptances) {
    const auto answer = tell_daemon(*settings, request_of(acceptance));
    if (!answer) {
      return fail(answer.error().with_context(acceptance.name));
    }
    fmt::print("{}: acceptance {} covers {} drift items.\n",
               acceptance.name,
               fmt::join(answer->at("acceptances").get<std::vector<std::int64_t>>(), ", "),
               answer->at("covered").get<std::int64_t>());
  }
  return kExitOk;
}

}  // namespace plumbline::daemon
