// How a body is kept on disk: zstd, behind its size.
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>

namespace plumbline::storage {

[[nodiscard]] std::string compress_body(std::string_view body);
/// Fails with kCorrupt when the bytes are no compressed body or claim more than 64 MiB.
[[nodiscard]] core::Result<std::string> decompress_body(std::string_view bytes);

}  // namespace plumbline::storage
