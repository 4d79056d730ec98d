#include "storage/body_codec.hpp"

#include "core/json_limits.hpp"

#include <zstd.h>

#include <stdexcept>

namespace plumbline::storage {

std::string compress_body(std::string_view body) {
  std::string out(ZSTD_compressBound(body.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), body.data(), body.size(), 3);
  if (ZSTD_isError(size) != 0) {
    throw std::runtime_error(ZSTD_getErrorName(size));
  }
  out.resize(size);
  return out;
}

core::Result<std::string> decompress_body(std::string_view bytes) {
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > core::kMaxJsonBytes) {
    return core::Error{core::Errc::kCorrupt, "a stored body is damaged: bad frame header"};
  }
  std::string out(size, '\0');
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0 || got != size) {
    return core::Error{core::Errc::kCorrupt, "a stored body is damaged: it does not decompress"};
  }
  return out;
}

core::Result<std::string> read_body(std::string_view bytes, std::string_view checksum) {
  auto body = decompress_body(bytes);
  if (body && as_bytes(core::sha256(*body)) != checksum) {
    return core::Error{core::Errc::kCorrupt, "the stored body fails its checksum"};
  }
  return body;
}

std::string_view as_bytes(const core::Sha256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace plumbline::storage
