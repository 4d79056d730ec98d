#include "compliance/plan.hpp"
#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/web/web_config_file.hpp"

#include <fmt/format.h>

#include <span>

namespace plumbline::daemon {

int run_check_config(const CommonOptions& options, bool online) {
  auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    fmt::print(stderr, "{}\n", aliases.error().message);
    return kExitError;
  }
  auto baseline = load_baseline(
      *settings, **aliases, online ? fetch_initiatives(*settings) : FetchedInitiatives{});
  if (!baseline) {
    fmt::print(stderr, "{}\n", baseline.error().message);
    return kExitError;
  }
  if (!settings->web_config_file.empty()) {
    auto web = load_web_state(settings->web_config_file);
    if (!web) {
      fmt::print(stderr, "{}\n", web.error().message);
      return kExitError;
    }
    if ((*web)->config.has_http2) {
      fmt::print("{}: `http2` has no effect: the daemon speaks HTTP/1.1\n",
                 settings->web_config_file);
    }
  }
  const auto problems = config::problems_of_referenced_files(*settings);
  for (const auto& problem : problems) {
    fmt::print(stderr, "{}\n", problem);
  }
  if (!problems.empty()) {
    return kExitError;
  }
  for (const auto& warning : settings->warnings) {
    fmt::print("{}\n", warning);
  }
  const auto plan = compliance::make_plan(**baseline, settings->inventory_all);
  fmt::print("{}: ok: {} assignments, {} checks\n",
             options.config_file,
             (*baseline)->assignments.size(),
             (*baseline)->checks.size());
  for (const auto& file : std::span(settings->files).subspan(1)) {
    fmt::print("  with {}\n", file);
  }
  for (const auto& file : settings->ignored) {
    fmt::print("  without {}: its name does not end in .yaml\n", file);
  }
  for (const auto& [key, reference] : azure_initiatives(*settings)) {
    if (!online) {
      fmt::print("  without {}: not fetched from Azure; --online does\n", reference.id);
    }
  }
  bool left_out = false;  // all of an assignment
  for (const auto& item : (*baseline)->left_out) {
    if (online) {
      fmt::print(stderr, "{}\n", told_as_left_out(item));
      left_out = left_out || item.reference.empty();
    }
  }
  for (const auto& table : plan.tables) {
    fmt::print("  collects {} from Resource Graph table {}\n",
               table.types.empty() ? "everything" : fmt::format("{} types", table.types.size()),
               table.table);
  }
  for (const auto& detail : plan.details) {
    fmt::print("  collects {} from Resource Manager, one list for each of {}\n",
               detail.type,
               detail.parent_types.empty()
                   ? "all resources"
                   : fmt::format("{} types of resource", detail.parent_types.size()));
  }
  const int checked = online ? check_online(*settings, **baseline) : kExitOk;
  return left_out && checked == kExitOk ? kExitNonCompliant : checked;
}

}  // namespace plumbline::daemon
