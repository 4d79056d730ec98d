#include "net/gzip.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace plumbline::net {

namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: largest window, gzip header and trailer
constexpr int kRawWindow = -15;       // no header, no trailer
constexpr std::size_t kChunk = std::size_t{64} << 10U;

struct InflateEnd {
  void operator()(z_stream* stream) const noexcept { inflateEnd(stream); }
};

struct DeflateEnd {
  void operator()(z_stream* stream) const noexcept { deflateEnd(stream); }
};

// zlib counts input in 32 bits; longer input is fed in pieces.
void feed(z_stream& stream, std::string_view& rest) {
  const std::size_t size = std::min<std::size_t>(rest.size(), std::numeric_limits<uInt>::max());
  // zlib never writes through next_in; its type is historical.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
  stream.avail_in = static_cast<uInt>(size);
  rest.remove_prefix(size);
}

}  // namespace

namespace {

/// Ends with `flush`: Z_FINISH, or Z_SYNC_FLUSH where more is to follow.
core::Result<std::string> compress(std::string_view bytes, int level, int window, int flush) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return core::Error{core::Errc::kInternal, "gzip: cannot start"};
  }
  const std::unique_ptr<z_stream, DeflateEnd> guard(&stream);
  std::string out;
  std::vector<char> chunk(kChunk);
  std::string_view rest = bytes;
  // A flush is done once it leaves room in the chunk.
  bool done = false;
  while (!done) {
    if (stream.avail_in == 0) {
      feed(stream, rest);
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const bool last = rest.empty();
    const int code = deflate(&stream, last ? flush : Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return core::Error{core::Errc::kInternal, "gzip: compression failed"};
    }
    out.append(chunk.data(), chunk.size() - stream.avail_out);
    done = flush == Z_FINISH ? code == Z_STREAM_END : last && stream.avail_out > 0;
  }
  return out;
}

void append_little_endian(std::string& out, std::uint32_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out += static_cast<char>((value >> shift) & 0xFFU);
  }
}

}  // namespace

core::Result<std::string> gzip_compress(std::string_view bytes, int level) {
  return compress(bytes, level, kGzipWindow, Z_FINISH);
}

core::Result<GzipPart> gzip_part(std::string_view bytes, int level) {
  auto deflated = compress(bytes, level, kRawWindow, Z_SYNC_FLUSH);
  if (!deflated) {
    return deflated.error();
  }
  const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
  return GzipPart{*std::move(deflated), crc32_z(0, data, bytes.size()), bytes.size()};
}

std::string gzip_join(const GzipPart& first, const GzipPart& second) {
  // RFC 1952 section 2.3: deflate, no flags, no time, no extra flags, unknown system.
  std::string out("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
  out.reserve(first.deflated.size() + second.deflated.size() + 20);
  out += first.deflated;
  out += second.deflated;
  out += std::string_view("\x03\x00", 2);  // an empty last block
  const auto checksum =
      crc32_combine(first.checksum, second.checksum, static_cast<z_off_t>(second.size));
  append_little_endian(out, static_cast<std::uint32_t>(checksum));
  append_little_endian(out, static_cast<std::uint32_t>(first.size + second.size));
  return out;
}

core::Result<std::string> gzip_decompress(std::string_view bytes, std::size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return core::Error{core::Errc::kInternal, "gzip: cannot start"};
  }
  const std::unique_ptr<z_stream, InflateEnd> guard(&stream);
  std::string out;
  std::vector<char> chunk(kChunk);
  std::string_view rest = bytes;
  bool complete = false;
  for (;;) {
    if (stream.avail_in == 0) {
      if (rest.empty() && (complete || stream.avail_out != 0 || stream.total_in == 0)) {
        break;
      }
      feed(stream, rest);
    }
    if (complete) {
      // Another member follows; the output goes on.
      if (inflateReset(&stream) != Z_OK) {
        return core::Error{core::Errc::kInternal, "gzip: cannot restart"};
      }
      complete = false;
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_BUF_ERROR) {
      break;
    }
    if (code != Z_OK && code != Z_STREAM_END) {
      return core::Error{core::Errc::kHttp,
                         fmt::format("gzip: {}", stream.msg != nullptr ? stream.msg : "bad data")};
    }
    const std::size_t produced = chunk.size() - stream.avail_out;
    if (produced > max_bytes - out.size()) {
      return core::Error{core::Errc::kLimit,
                         fmt::format("decompressed body exceeds {} bytes", max_bytes)};
    }
    out.append(chunk.data(), produced);
    complete = code == Z_STREAM_END;
  }
  if (!complete) {
    return core::Error{core::Errc::kTruncated, "gzip: the data end early"};
  }
  return out;
}

}  // namespace plumbline::net
