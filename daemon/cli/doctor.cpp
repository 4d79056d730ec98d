#include "daemon/doctor.hpp"

#include "daemon/asking.hpp"
#include "daemon/baseline_files.hpp"
#include "daemon/cli/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

namespace plumbline::daemon {

namespace {

using json = nlohmann::json;

const char* name_of(Health health) {
  switch (health) {
    case Health::kOk:
      return "OK";
    case Health::kWarn:
      return "WARN";
    case Health::kFail:
      return "FAIL";
  }
  return "FAIL";
}

std::string as_table(const std::vector<Finding>& findings) {
  std::string out;
  for (const auto& finding : findings) {
    out +=
        fmt::format("{:<4}  {:<14}  {}\n", name_of(finding.health), finding.check, finding.detail);
    if (!finding.remedy.empty()) {
      out += fmt::format("{:>22}{}\n", "-> ", finding.remedy);
    }
  }
  return out;
}

std::string as_json(const std::vector<Finding>& findings) {
  json list = json::array();
  for (const auto& finding : findings) {
    json item = {
        {"check", finding.check}, {"health", name_of(finding.health)}, {"detail", finding.detail}};
    if (!finding.remedy.empty()) {
      item["remedy"] = finding.remedy;
    }
    if (!finding.subscriptions.empty()) {
      item["subscriptions"] = finding.subscriptions;
    }
    if (!finding.references.empty()) {
      item["references"] = finding.references;
    }
    list.push_back(std::move(item));
  }
  // An error's text may hold bytes of somebody else's: they are shown, not refused.
  return json{{"findings", std::move(list)}}.dump(2, ' ', false, json::error_handler_t::replace) +
         "\n";
}

/// The settings with what they name, or a finding that says why not.
struct Configured {
  config::Settings settings;
  std::shared_ptr<const compliance::Baseline> baseline;
};

core::Result<Configured> configure(const CommonOptions& options, bool online) {
  auto settings = load_settings_with(options);
  if (!settings) {
    return settings.error();
  }
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return aliases.error();
  }
  auto baseline = load_baseline(
      *settings, **aliases, online ? fetch_initiatives(*settings) : kept_initiatives(*settings));
  if (!baseline) {
    return baseline.error();
  }
  return Configured{*std::move(settings), *std::move(baseline)};
}

Finding examine_config(const Configured& configured) {
  const auto& settings = configured.settings;
  Finding finding{
      .check = "config",
      .detail = fmt::format(
          "{}: {} checks", fmt::join(settings.files, ", "), configured.baseline->checks.size())};
  if (const auto problems = config::problems_of_referenced_files(settings); !problems.empty()) {
    finding.health = Health::kFail;
    finding.detail = problems.front();
    finding.remedy = "Put the file there, readable for the daemon's user, or name another.";
  } else if (!settings.warnings.empty()) {
    finding.health = Health::kWarn;
    finding.detail = settings.warnings.front();
    finding.remedy = "Change one of the two.";
  } else if (!configured.baseline->left_out.empty()) {
    const auto& first = configured.baseline->left_out.front();
    finding.health = Health::kWarn;
    finding.detail = fmt::format("{} of Azure's initiatives are not evaluated: {}",
                                 configured.baseline->left_out.size(),
                                 told_as_left_out(first));
    finding.remedy = "See `definition_left_out` and `assignment_left_out` in the documentation.";
  }
  return finding;
}

bool any_failed(const std::vector<Finding>& findings) {
  return std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.health == Health::kFail; });
}

}  // namespace

int run_doctor(const CommonOptions& options, bool online) {
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> more) {
    std::ranges::move(more, std::back_inserter(findings));
  };
  const auto configured = configure(options, online);
  if (configured) {
    findings.push_back(examine_config(*configured));
    add(examine_machine(configured->settings));
    if (online) {
      add(examine_azure(configured->settings, *configured->baseline));
    }
  } else {
    findings.push_back({.check = "config",
                        .health = Health::kFail,
                        .detail = configured.error().message,
                        .remedy = "Correct it; nothing else can be looked at before."});
  }
  fmt::print("{}", options.format == Format::kJson ? as_json(findings) : as_table(findings));
  return any_failed(findings) ? kExitNonCompliant : kExitOk;
}

int check_online(const config::Settings& settings, const compliance::Baseline& baseline) {
  const auto findings = examine_azure(settings, baseline);
  fmt::print("{}", as_table(findings));
  return any_failed(findings) ? kExitNonCompliant : kExitOk;
}

}  // namespace plumbline::daemon
