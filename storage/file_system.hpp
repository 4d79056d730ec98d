// Which file systems may hold a store.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>

namespace plumbline::storage {

/// The type of the file system that holds `path`, as statfs(2) names it.
[[nodiscard]] core::Result<std::uint64_t> file_system_of(const std::string& path);

/// Refuses, with kInvalidArgument, a type whose locks or writes SQLite cannot rely on: network and
/// user-space file systems. `path` is what the message names.
[[nodiscard]] core::Status check_file_system(const std::string& path, std::uint64_t type);

}  // namespace plumbline::storage
