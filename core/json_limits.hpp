// What a JSON document from outside may be at most. Parsers here accept more than they can walk
// (recursion), so each document is checked before it is parsed.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <string_view>

namespace plumbline::core {

inline constexpr std::size_t kMaxJsonDepth = 100;
/// One ARG page is at most 16 MiB; provider metadata is streamed elsewhere.
inline constexpr std::size_t kMaxJsonBytes = std::size_t{64} << 20U;

/// Fails with kLimit when `text` is larger than `max_bytes` or nests deeper than `max_depth`. One
/// pass over the bytes; says nothing about validity otherwise.
[[nodiscard]] Status check_json_limits(std::string_view text,
                                       std::size_t max_bytes = kMaxJsonBytes,
                                       std::size_t max_depth = kMaxJsonDepth);

}  // namespace plumbline::core
