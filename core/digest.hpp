// SHA-256, keyed and plain, and random bytes, over OpenSSL's libcrypto.
#pragma once

#include "core/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace plumbline::core {

using Sha256 = std::array<std::uint8_t, 32>;

[[nodiscard]] Sha256 sha256(std::string_view bytes);
/// HMAC-SHA-256 (RFC 2104).
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view bytes);
[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::string to_hex(const Sha256& digest);

/// `count` bytes from the system's generator; fails only when the system has none.
[[nodiscard]] Result<std::string> random_bytes(std::size_t count);
/// A random UUID (RFC 9562 version 4), lower case.
[[nodiscard]] std::string random_uuid();

}  // namespace plumbline::core
