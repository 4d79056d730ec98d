// The section `events` of the configuration. Private to config/.
#pragma once

#include "config/settings.hpp"
#include "config/yaml_reader.hpp"

#include <filesystem>
#include <vector>

namespace plumbline::config {

void read_events(YamlReader& events,
                 const std::filesystem::path& base,
                 Events& out,
                 std::vector<ReferencedFile>& named);

}  // namespace plumbline::config
