#include "daemon/baseline_files.hpp"

#include "config/exemptions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kMaxDefinitionBytes = std::size_t{8} << 20U;
constexpr std::size_t kMaxExemptionBytes = std::size_t{4} << 20U;
constexpr std::size_t kMaxDefinitions = 20'000;

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    return Error{Errc::kIo, fmt::format("{}: {}", path, error.message())};
  }
  if (size > max_bytes) {
    return Error{Errc::kLimit, fmt::format("{}: larger than {} bytes", path, max_bytes)};
  }
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return Error{Errc::kIo, fmt::format("{}: cannot be read", path)};
  }
  return text.str();
}

Result<compliance::InitiativeFiles> read_initiative(const std::string& directory) {
  compliance::InitiativeFiles files;
  files.directory = directory;
  files.initiative.path = directory + "/initiative.json";
  auto initiative = read_file(files.initiative.path, kMaxDefinitionBytes);
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
    auto text = read_file(path, kMaxDefinitionBytes);
    if (!text) {
      return text.error();
    }
    files.definitions.push_back({std::move(path), *std::move(text)});
  }
  for (const auto& [file, name] : {std::pair(&files.relations, "/relations.json"),
                                   std::pair(&files.features, "/features.json")}) {
    file->path = directory + name;
    if (std::filesystem::exists(file->path, error)) {
      auto text = read_file(file->path, kMaxDefinitionBytes);
      if (!text) {
        return text.error();
      }
      file->text = *std::move(text);
    }
  }
  return files;
}

Result<std::shared_ptr<const compliance::Baseline>> load_baseline(
    const config::Settings& settings, const policy::AliasCatalogue& aliases) {
  std::vector<compliance::AssignmentSpec> specs;
  for (const auto& assignment : settings.assignments) {
    auto files = read_initiative(assignment.initiative);
    if (!files) {
      return files.error().with_context("assignment " + assignment.name);
    }
    compliance::AssignmentSpec spec;
    spec.name = assignment.name;
    spec.id = assignment.id;
    spec.scope = assignment.scope;
    spec.not_scopes = assignment.not_scopes;
    spec.parameters_json = assignment.parameters_json;
    spec.resource_selectors_json = assignment.resource_selectors_json;
    spec.overrides_json = assignment.overrides_json;
    spec.initiative = *std::move(files);
    specs.push_back(std::move(spec));
  }
  std::vector<core::ExemptionSpec> exemptions;
  if (!settings.exemptions_file.empty()) {
    auto text = read_file(settings.exemptions_file, kMaxExemptionBytes);
    if (!text) {
      return text.error();
    }
    auto parsed = config::parse_exemptions(*text, settings.exemptions_file);
    if (!parsed) {
      return parsed.error();
    }
    exemptions = *std::move(parsed);
  }
  return compliance::compile_baseline(specs, exemptions, aliases);
}

}  // namespace plumbline::daemon
