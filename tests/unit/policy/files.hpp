#pragma once

#include "core/result.hpp"

#include <fstream>
#include <iterator>
#include <string>

/// The content of a file; kNotFound where there is none.
inline plumbline::core::Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return plumbline::core::Error{plumbline::core::Errc::kNotFound, path + ": no such file"};
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}
