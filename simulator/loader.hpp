// Fills a store: from a scenario directory, or from JSON files of official REST examples.
#pragma once

#include "core/result.hpp"
#include "simulator/json.hpp"
#include "simulator/store.hpp"

#include <string>
#include <vector>

namespace plumbline::simulator {

struct LoadCounts {
  std::size_t files = 0;
  std::size_t unreadable_files = 0;  // not JSON
  std::size_t resources = 0;
  std::size_t duplicates = 0;  // the id was there before, in whatever casing
  std::size_t rejected = 0;    // looked like a resource, but its id is none
};

/// The documents of a scenario that are not resources.
struct Scenario {
  Json timeline = Json::array();
  Json faults = Json::array();
  Json providers = Json::array();  // provider metadata, from providers.json
};

/// Reads tenant.json, resources/*.json and, where present, timeline.json, faults.json and
/// providers.json. Strict: anything malformed is an error that names the file.
[[nodiscard]] core::Result<Scenario> load_scenario(const std::string& directory,
                                                   Store& store,
                                                   LoadCounts& counts);

/// Reads every .json file below `directory`, in order of path, and adds what is a resource in it:
/// each object, at any depth of a response body, whose `id` and `type` are strings, and each object
/// in the place of a resource (a body, an element of `value` or of a bare array) whose type its id
/// tells. Examples show children without the resources that they belong to; those come into being
/// with them, with nothing but an id. Lenient: what is no resource is counted and left out.
[[nodiscard]] core::Result<LoadCounts> load_data(const std::string& directory, Store& store);

/// The resources in one document, as load_data finds them.
[[nodiscard]] std::vector<Json> find_resources(const Json& document);

}  // namespace plumbline::simulator
