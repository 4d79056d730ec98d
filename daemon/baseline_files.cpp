#include "daemon/baseline_files.hpp"

#include "config/acceptances.hpp"
#include "config/exemptions.hpp"
#include "config/noise.hpp"
#include "config/text_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kMaxDefinitionBytes = std::size_t{8} << 20U;
constexpr std::size_t kMaxExemptionBytes = std::size_t{4} << 20U;
constexpr std::size_t kMaxNoiseBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxDefinitions = 20'000;

Result<std::vector<core::NoiseRule>> read_noise(const std::string& path) {
  auto text = config::read_text_file(path, kMaxNoiseBytes);
  if (!text) {
    return text.error();
  }
  return config::parse_noise(*text, path);
}

}  // namespace

Result<compliance::InitiativeFiles> read_initiative(const std::string& directory) {
  compliance::InitiativeFiles files;
  files.directory = directory;
  files.initiative.path = directory + "/initiative.json";
  auto initiative = config::read_text_file(files.initiative.path, kMaxDefinitionBytes);
  if (!initiative) {
    return initiative.error();
  }
  files.initiative.text = *std::move(initiative);
  std::error_code error;
  std::vector<std::string> paths;
  for (std::filesystem::directory_iterator at(directory + "/definitions", error), end;
       !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == ".json" && paths.size() < kMaxDefinitions) {
      paths.push_back(at->path().string());
    }
  }
  if (error) {
    return Error{Errc::kIo, fmt::format("{}/definitions: {}", directory, error.message())};
  }
  std::ranges::sort(paths);
  for (auto& path : paths) {
    auto text = config::read_text_file(path, kMaxDefinitionBytes);
    if (!text) {
      return text.error();
    }
    files.definitions.push_back({std::move(path), *std::move(text)});
  }
  for (const auto& [file, name] : {std::pair(&files.relations, "/relations.json"),
                                   std::pair(&files.features, "/features.json")}) {
    file->path = directory + name;
    if (std::filesystem::exists(file->path, error)) {
      auto text = config::read_text_file(file->path, kMaxDefinitionBytes);
      if (!text) {
        return text.error();
      }
      file->text = *std::move(text);
    }
  }
  const std::string noise_path = directory + "/noise.json";
  if (std::filesystem::exists(noise_path, error)) {
    auto noise = read_noise(noise_path);
    if (!noise) {
      return noise.error();
    }
    files.noise = *std::move(noise);
  }
  return files;
}

std::string told_as_left_out(const compliance::LeftOut& item) {
  return fmt::format("assignment {}: {}{}left out: {}",
                     item.assignment,
                     item.reference,
                     item.reference.empty() ? "" : " is ",
                     item.reason);
}

Result<std::shared_ptr<const compliance::Baseline>> load_baseline(
    const config::Settings& settings,
    const policy::AliasCatalogue& aliases,
    const FetchedInitiatives& fetched) {
  std::vector<compliance::AssignmentSpec> specs;
  for (const auto& assignment : settings.assignments) {
    compliance::AssignmentSpec spec;
    if (const auto reference = azure_initiative(assignment)) {
      if (const auto kept = fetched.kept.find(core::key_of(*reference));
          kept != fetched.kept.end()) {
        spec.initiative = kept->second.files;
      } else {
        spec.unavailable = fetched.why_not(*reference);
      }
    } else {
      auto files = read_initiative(assignment.initiative);
      if (!files) {
        return files.error().with_context("assignment " + assignment.name);
      }
      spec.initiative = *std::move(files);
    }
    spec.name = assignment.name;
    spec.id = assignment.id;
    spec.scope = assignment.scope;
    spec.not_scopes = assignment.not_scopes;
    spec.parameters_json = assignment.parameters_json;
    spec.resource_selectors_json = assignment.resource_selectors_json;
    spec.overrides_json = assignment.overrides_json;
    specs.push_back(std::move(spec));
  }
  std::vector<core::ExemptionSpec> exemptions;
  if (!settings.exemptions_file.empty()) {
    auto text = config::read_text_file(settings.exemptions_file, kMaxExemptionBytes);
    if (!text) {
      return text.error();
    }
    auto parsed = config::parse_exemptions(*text, settings.exemptions_file);
    if (!parsed) {
      return parsed.error();
    }
    exemptions = *std::move(parsed);
  }
  std::vector<core::Acceptance> acceptances;
  if (!settings.drift.acceptances_file.empty()) {
    auto text = config::read_text_file(settings.drift.acceptances_file, kMaxExemptionBytes);
    if (!text) {
      return text.error();
    }
    auto parsed = config::parse_acceptances(*text, settings.drift.acceptances_file);
    if (!parsed) {
      return parsed.error();
    }
    acceptances = *std::move(parsed);
  }
  auto rules = settings.drift.rules;
  if (!settings.drift.noise_file.empty()) {
    auto noise = read_noise(settings.drift.noise_file);
    if (!noise) {
      return noise.error();
    }
    rules.noise = *std::move(noise);
  }
  return compliance::compile_baseline(specs, exemptions, aliases, rules, std::move(acceptances));
}

}  // namespace plumbline::daemon
