// gzip (RFC 1952), bounded. Pure functions, any thread.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace plumbline::net {

/// `level` as in zlib: 1 fastest to 9 smallest.
[[nodiscard]] core::Result<std::string> gzip_compress(std::string_view bytes, int level = 6);

/// Inflates one or more gzip members. Fails with kLimit as soon as the output would exceed
/// `max_bytes`, with kTruncated when the input ends early and with kHttp when it is no gzip.
[[nodiscard]] core::Result<std::string> gzip_decompress(std::string_view bytes,
                                                        std::size_t max_bytes);

}  // namespace plumbline::net
