// gzip (RFC 1952), bounded. Pure functions, any thread.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace plumbline::net {

/// `level` as in zlib: 1 fastest to 9 smallest.
[[nodiscard]] core::Result<std::string> gzip_compress(std::string_view bytes, int level = 6);

/// Bytes that are compressed already and wait to be joined.
struct GzipPart {
  std::string deflated;
  unsigned long checksum = 0;  // CRC-32
  std::size_t size = 0;
};

[[nodiscard]] core::Result<GzipPart> gzip_part(std::string_view bytes, int level);
/// One gzip member of both: browsers read no second one. Nothing is compressed again.
[[nodiscard]] std::string gzip_join(const GzipPart& first, const GzipPart& second);

/// Inflates one or more gzip members. Fails with kLimit as soon as the output would exceed
/// `max_bytes`, with kTruncated when the input ends early and with kHttp when it is no gzip.
[[nodiscard]] core::Result<std::string> gzip_decompress(std::string_view bytes,
                                                        std::size_t max_bytes);

}  // namespace plumbline::net
