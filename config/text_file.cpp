#include "config/text_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace plumbline::config {

using core::Errc;
using core::Error;

core::Result<std::string> read_text_file(const std::string& path, std::size_t max_bytes) {
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

}  // namespace plumbline::config
