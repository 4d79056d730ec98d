// Reading where a secret is. Private to config/.
#pragma once

#include "config/settings.hpp"
#include "config/yaml_reader.hpp"

#include <filesystem>
#include <string_view>

namespace plumbline::config {

/// One of `file`, `credential` and `environment`.
void read_secret_place(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       SecretPlace& out);

}  // namespace plumbline::config
