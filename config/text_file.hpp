// Reading a small file whole: configuration, definitions, cases.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <string>

namespace plumbline::config {

/// kIo with the system's reason, or kLimit; both name the path.
[[nodiscard]] core::Result<std::string> read_text_file(const std::string& path,
                                                       std::size_t max_bytes);

}  // namespace plumbline::config
