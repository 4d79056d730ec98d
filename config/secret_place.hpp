// Reading where a secret is. Private to config/.
#pragma once

#include "config/settings.hpp"
#include "config/yaml_reader.hpp"

#include <filesystem>
#include <string_view>
#include <vector>

namespace plumbline::config {

/// One of `file`, `credential` and `environment`. Files are added to `named`.
void read_secret_place(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       SecretPlace& out,
                       std::vector<ReferencedFile>& named);

/// A path of a file with certificates, added to `named`.
void read_certificates(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       std::string& out,
                       std::vector<ReferencedFile>& named);

}  // namespace plumbline::config
