#include "simulator/loader.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace plumbline::simulator {

namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::Error;

core::Result<std::vector<std::string>> json_files(const std::string& directory, bool recursive) {
  std::vector<std::string> paths;
  std::error_code error;
  const auto take = [&](const fs::directory_entry& entry) {
    if (entry.is_regular_file(error) && entry.path().extension() == ".json") {
      paths.push_back(entry.path().string());
    }
  };
  if (recursive) {
    for (auto it = fs::recursive_directory_iterator(directory, error);
         !error && it != fs::recursive_directory_iterator();
         it.increment(error)) {
      take(*it);
    }
  } else {
    for (auto it = fs::directory_iterator(directory, error);
         !error && it != fs::directory_iterator();
         it.increment(error)) {
      take(*it);
    }
  }
  if (error) {
    return Error{Errc::kIo, fmt::format("{}: {}", directory, error.message())};
  }
  std::ranges::sort(paths);
  return paths;
}

/// A member of `directory` that may be absent.
core::Result<Json> optional_json(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return Json::array();
  }
  core::Result<Json> document = read_json_file(path);
  if (document && !document->is_array()) {
    return Error{Errc::kParse, fmt::format("{}: not an array", path)};
  }
  return document;
}

bool tells_its_type(const Json& object) {
  const auto id = id_of(string_member(object, "id"));
  return id && id->type != "microsoft.resources/subscriptions";
}

void collect(const Json& value, bool in_place, std::vector<Json>& found) {
  if (value.is_array()) {
    for (const Json& element : value) {
      collect(element, in_place, found);
    }
    return;
  }
  if (!value.is_object()) {
    return;
  }
  const auto id = value.find("id");
  if (id != value.end() && id->is_string()) {
    const auto type = value.find("type");
    const bool typed = type != value.end() && type->is_string();
    // A lone {id} in the place of a resource is a reference, not a body.
    if (typed || (in_place && value.size() > 1 && tells_its_type(value))) {
      found.push_back(value);
    }
  }
  for (const auto& [key, member] : value.items()) {
    collect(member, key == "value", found);
  }
}

}  // namespace

std::vector<Json> find_resources(const Json& document) {
  std::vector<Json> found;
  const auto responses = document.is_object() ? document.find("responses") : document.end();
  if (!document.is_object() || responses == document.end() || !responses->is_object()) {
    collect(document, true, found);
    return found;
  }
  for (const auto& [status, response] : responses->items()) {
    if (response.is_object() && response.contains("body")) {
      collect(response["body"], true, found);
    }
  }
  return found;
}

core::Result<Scenario> load_scenario(const std::string& directory,
                                     Store& store,
                                     LoadCounts& counts) {
  const core::Result<Json> tenant = read_json_file(directory + "/tenant.json");
  if (!tenant) {
    return tenant.error();
  }
  if (const core::Status taken = store.set_tenant(*tenant); !taken) {
    return taken.error().with_context(directory);
  }
  const auto paths = json_files(directory + "/resources", false);
  if (!paths) {
    return paths.error();
  }
  for (const std::string& path : *paths) {
    ++counts.files;
    const core::Result<Json> document = read_json_file(path);
    if (!document) {
      return document.error();
    }
    const Json entries = document->is_array() ? *document : Json::array({*document});
    for (const Json& entry : entries) {
      const std::string id = string_member(entry, "id");
      switch (store.add(entry)) {
        case Added::kNew:
          ++counts.resources;
          break;
        case Added::kDuplicate:
          return Error{Errc::kParse, fmt::format("{}: '{}' is there twice", path, id)};
        case Added::kNotAnId:
          return Error{Errc::kParse, fmt::format("{}: '{}' is no resource id", path, id)};
      }
    }
  }
  Scenario scenario;
  const auto read_into = [&](const char* name, Json& target) -> core::Status {
    core::Result<Json> document = optional_json(directory + "/" + name);
    if (!document) {
      return document.error();
    }
    target = *std::move(document);
    return core::Status::ok();
  };
  for (auto& [name, target] :
       {std::pair<const char*, Json*>("timeline.json", &scenario.timeline),
        std::pair<const char*, Json*>("faults.json", &scenario.faults),
        std::pair<const char*, Json*>("providers.json", &scenario.providers)}) {
    if (const core::Status read = read_into(name, *target); !read) {
      return read.error();
    }
  }
  return scenario;
}

core::Result<LoadCounts> load_data(const std::string& directory, Store& store) {
  const auto paths = json_files(directory, true);
  if (!paths) {
    return paths.error();
  }
  LoadCounts counts;
  for (const std::string& path : *paths) {
    ++counts.files;
    const core::Result<Json> document = read_json_file(path);
    if (!document) {
      ++counts.unreadable_files;
      continue;
    }
    for (Json& resource : find_resources(*document)) {
      switch (store.add(std::move(resource), true)) {
        case Added::kNew:
          ++counts.resources;
          break;
        case Added::kDuplicate:
          ++counts.duplicates;
          break;
        case Added::kNotAnId:
          ++counts.rejected;
          break;
      }
    }
  }
  return counts;
}

}  // namespace plumbline::simulator
