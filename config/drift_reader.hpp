// Pieces that the documents about drift share. Private to config/.
#pragma once

#include "config/yaml_reader.hpp"
#include "core/path_pattern.hpp"

#include <string>
#include <vector>

namespace plumbline::config {

/// A list of types, with `*` for any text.
void read_types(YamlReader& reader, std::string_view key, std::vector<std::string>& out);
/// A list of paths, with `*` and `**`.
void read_paths(YamlReader& reader, std::string_view key, std::vector<core::PathPattern>& out);

}  // namespace plumbline::config
