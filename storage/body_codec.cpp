#include "storage/body_codec.hpp"

#include "core/json_limits.hpp"

#include <zstd.h>

#include <memory>
#include <stdexcept>

extern "C" {
// body_dict.S
extern const char plumbline_body_dict[];
extern const char plumbline_body_dict_end[];
}

namespace plumbline::storage {

namespace {

constexpr int kLevel = 6;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

std::string_view dictionary() {
  return {plumbline_body_dict, plumbline_body_dict_end};
}

/// Ready for use, once: both are read-only then, from any thread.
const ZSTD_CDict* compression_dictionary() {
  static const std::unique_ptr<ZSTD_CDict, Freed<ZSTD_freeCDict>> made(
      ZSTD_createCDict(dictionary().data(), dictionary().size(), kLevel));
  return made.get();
}

const ZSTD_DDict* decompression_dictionary() {
  static const std::unique_ptr<ZSTD_DDict, Freed<ZSTD_freeDDict>> made(
      ZSTD_createDDict(dictionary().data(), dictionary().size()));
  return made.get();
}

}  // namespace

std::string compress_body(std::string_view body) {
  thread_local const std::unique_ptr<ZSTD_CCtx, Freed<ZSTD_freeCCtx>> context(ZSTD_createCCtx());
  std::string out(ZSTD_compressBound(body.size()), '\0');
  const std::size_t size = ZSTD_compress_usingCDict(
      context.get(), out.data(), out.size(), body.data(), body.size(), compression_dictionary());
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
  // Bodies of the time before there was a dictionary name none.
  const bool plain = ZSTD_getDictID_fromFrame(bytes.data(), bytes.size()) == 0;
  thread_local const std::unique_ptr<ZSTD_DCtx, Freed<ZSTD_freeDCtx>> context(ZSTD_createDCtx());
  std::string out(size, '\0');
  const std::size_t got = ZSTD_decompress_usingDDict(context.get(),
                                                     out.data(),
                                                     out.size(),
                                                     bytes.data(),
                                                     bytes.size(),
                                                     plain ? nullptr : decompression_dictionary());
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
