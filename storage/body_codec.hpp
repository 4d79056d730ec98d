// How a body is kept on disk: zstd, behind its size.
#pragma once

#include "core/digest.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>

namespace plumbline::storage {

[[nodiscard]] std::string compress_body(std::string_view body);
/// Fails with kCorrupt when the bytes are no compressed body or claim more than 64 MiB.
[[nodiscard]] core::Result<std::string> decompress_body(std::string_view bytes);
/// The body behind a stored one, if it has the stored checksum: SHA-256 over the body. Fails with
/// kCorrupt otherwise.
[[nodiscard]] core::Result<std::string> read_body(std::string_view bytes,
                                                  std::string_view checksum);

/// A digest as it is bound and read.
[[nodiscard]] std::string_view as_bytes(const core::Sha256& digest);

}  // namespace plumbline::storage
