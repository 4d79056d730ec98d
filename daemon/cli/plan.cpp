#include "compliance/plan.hpp"

#include "collectors/forecast.hpp"
#include "daemon/asking.hpp"
#include "daemon/azure_options.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/survey.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

namespace plumbline::daemon {

namespace {

using json = nlohmann::json;

std::string duration(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  return seconds < 120    ? fmt::format("{} s", seconds)
         : seconds < 7200 ? fmt::format("{} min", (seconds + 59) / 60)
                          : fmt::format("{:.1f} h", static_cast<double>(seconds) / 3600);
}

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

/// What of the lists only the pass itself finds, in words; empty: nothing.
std::vector<std::string> unforeseen(const collectors::Forecast& forecast) {
  std::vector<std::string> out;
  for (const auto& list : forecast.lists) {
    if (!list.each_of.empty()) {
      out.push_back(fmt::format("{} of each {}", list.type, list.each_of));
    }
  }
  return out;
}

std::string as_table(const Survey& survey,
                     const collectors::Forecast& forecast,
                     const config::Settings& settings) {
  std::string out = fmt::format("{} subscriptions, {} resources to keep\n\n",
                                survey.subscriptions.size(),
                                forecast.resources);
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:>10}  TYPE\n", "RESOURCES");
  for (const auto& type : forecast.types) {
    fmt::format_to(to, "{:>10}  {}\n", type.count, type.type);
  }
  fmt::format_to(to, "\n{:>10}{:>10}  RESOURCE GRAPH\n", "REQUESTS", "ROWS");
  for (const auto& table : forecast.tables) {
    fmt::format_to(to, "{:>10}{:>10}  {}\n", table.requests, table.rows, table.table);
  }
  fmt::format_to(to, "{:>10}{:>10}  together\n", forecast.graph_requests, forecast.resources);
  fmt::format_to(to, "\n{:>10}  RESOURCE MANAGER\n", "REQUESTS");
  std::int64_t lists = 0;
  for (const auto& list : forecast.lists) {
    lists += list.requests;
    if (!list.each_of.empty()) {
      fmt::format_to(to, "{:>10}  {}: one for each of {}\n", "?", list.type, list.each_of);
    } else if (list.requests > 0) {
      fmt::format_to(to, "{:>10}  {}\n", list.requests, list.type);
    }
  }
  fmt::format_to(
      to, "{:>10}  subscriptions, management groups, aliases\n", forecast.manager_requests - lists);
  const bool open = !unforeseen(forecast).empty();
  fmt::format_to(to, "{:>10}  together{}\n", forecast.manager_requests, open ? ", at least" : "");
  const auto waiting = forecast.graph_time + forecast.manager_time;
  fmt::format_to(
      to,
      "\nFirst pass: {} % of the quotas make it last {}{}. Azure's answers take their time "
      "besides.\n",
      settings.quota_percent,
      waiting.count() == 0
          ? "no longer"
          : fmt::format("at least {} ({} for Resource Graph, {} for Resource Manager)",
                        duration(waiting),
                        duration(forecast.graph_time),
                        duration(forecast.manager_time)),
      open ? ", without what is marked ?" : "");
  fmt::format_to(
      to,
      "Besides, one request to Resource Manager for each resource with a finding that it "
      "is to confirm, {} after a pass at most: how many cannot be foretold.\n",
      settings.confirmations);
  fmt::format_to(
      to,
      "Later: the same queries every {}, the same lists every {}; in between {:.1f} "
      "requests a minute to Resource Graph and {:.1f} to Resource Manager for changes.\n",
      duration(settings.schedule.sweep),
      duration(settings.schedule.details),
      forecast.graph_per_minute,
      forecast.manager_per_minute);
  fmt::format_to(to,
                 "Disk: about {} for the database after it, by what was measured elsewhere "
                 "(docs/sizing.md), and for a while as much again.\n",
                 mebibytes(forecast.disk_bytes));
  for (const auto& note : survey.notes) {
    fmt::format_to(to, "Note: {}.\n", note);
  }
  if (survey.missing.empty()) {
    return out + (survey.notes.empty() ? "\nNo permission is missing.\n" : "");
  }
  out += "\nMISSING\n";
  for (const auto& missing : survey.missing) {
    fmt::format_to(to,
                   "{}: {}{}{}\n",
                   missing.type.empty() ? "everything" : missing.type + "/read",
                   missing.why,
                   missing.scopes.empty() ? "" : ": ",
                   some_of(missing.scopes));
    if (missing.checks.empty()) {
      out += "  no check reads it\n";
    } else {
      fmt::format_to(
          to,
          "  {} without evidence there:\n",
          missing.checks.size() == 1 ? "1 check" : fmt::format("{} checks", missing.checks.size()));
      for (const auto& reference : missing.checks) {
        fmt::format_to(to, "    {}\n", reference);
      }
    }
  }
  return out;
}

json rounded(double number) {
  return std::round(number * 1000) / 1000;
}

json seconds(std::chrono::milliseconds time) {
  return rounded(static_cast<double>(time.count()) / 1000);
}

std::string as_json(const Survey& survey,
                    const collectors::Forecast& forecast,
                    const config::Settings& settings) {
  json types = json::array();
  for (const auto& type : forecast.types) {
    types.push_back({{"type", type.type}, {"count", type.count}});
  }
  json tables = json::array();
  for (const auto& table : forecast.tables) {
    tables.push_back({{"table", table.table}, {"rows", table.rows}, {"requests", table.requests}});
  }
  json lists = json::array();
  for (const auto& list : forecast.lists) {
    json item = {{"type", list.type}, {"requests", list.requests}};
    if (!list.each_of.empty()) {
      item["requests"] = nullptr;
      item["one_for_each"] = list.each_of;
    }
    lists.push_back(std::move(item));
  }
  json missing = json::array();
  for (const auto& item : survey.missing) {
    missing.push_back({{"type", item.type.empty() ? json(nullptr) : json(item.type)},
                       {"reason", item.why},
                       {"scopes", item.scopes},
                       {"checks", item.checks}});
  }
  const json document = {
      {"subscriptions", survey.subscriptions},
      {"resources", {{"total", forecast.resources}, {"types", std::move(types)}}},
      {"resource_graph",
       {{"requests", forecast.graph_requests},
        {"tables", std::move(tables)},
        {"seconds", seconds(forecast.graph_time)},
        {"requests_per_minute", rounded(forecast.graph_per_minute)}}},
      {"resource_manager",
       {{"requests", forecast.manager_requests},
        {"lists", std::move(lists)},
        {"complete", unforeseen(forecast).empty()},
        {"seconds", seconds(forecast.manager_time)},
        {"requests_per_minute", rounded(forecast.manager_per_minute)}}},
      {"quota_percent", settings.quota_percent},
      {"seconds", seconds(forecast.graph_time + forecast.manager_time)},
      {"disk_bytes", forecast.disk_bytes},
      {"missing", std::move(missing)},
      {"notes", survey.notes}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

collectors::ForecastOptions forecast_options(const config::Settings& settings,
                                             const compliance::Baseline& baseline,
                                             const Survey& survey) {
  std::set<std::string> providers;  // whose aliases are asked for
  for (const auto& check : baseline.checks) {
    const auto& named = check.definition->info().alias_providers;
    providers.insert(named.begin(), named.end());
  }
  collectors::ForecastOptions options;
  options.quota_share = quota_share(settings);
  options.other_requests = survey.listing_requests + static_cast<std::int64_t>(providers.size());
  options.changes = settings.schedule.changes;
  options.activity = settings.schedule.activity;
  return options;
}

}  // namespace

int run_plan(const CommonOptions& options) {
  const auto fail = [](const core::Error& error) {
    fmt::print(stderr, "plumbline: {}\n", error.message);
    return kExitError;
  };
  auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return fail(aliases.error());
  }
  auto baseline = load_baseline(*settings, **aliases, fetch_initiatives(*settings));
  if (!baseline) {
    return fail(baseline.error());
  }
  const auto plan = compliance::make_plan(**baseline, settings->inventory_all);
  auto survey = survey_azure(*settings, **baseline, plan);
  if (!survey) {
    return fail(survey.error());
  }
  const auto forecast = collectors::forecast_pass(
      plan, survey->scopes, forecast_options(*settings, **baseline, *survey));
  fmt::print("{}",
             options.format == Format::kJson ? as_json(*survey, forecast, *settings)
                                             : as_table(*survey, forecast, *settings));
  return survey->missing.empty() ? kExitOk : kExitNonCompliant;
}

}  // namespace plumbline::daemon
