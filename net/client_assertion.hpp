// Signed assertions (RFC 7523) by which an application with a certificate shows who it is, and what
// those who check them need. Pure functions over OpenSSL, any thread.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::net {

enum class AssertionAlgorithm { kPs256, kRs256 };

struct ClientAssertion {
  std::string jwt;
  core::Time not_before;  // of the certificate
  core::Time not_after;
};

/// A JWT for `token_url`, good for ten minutes. `pem` holds an RSA key, not encrypted, and its
/// certificate, in any order and among others. PS256 names the certificate by its SHA-256, RS256 by
/// its SHA-1. Fails with kParse; the message holds nothing of `pem`.
[[nodiscard]] core::Result<ClientAssertion> make_client_assertion(std::string_view pem,
                                                                  std::string_view token_url,
                                                                  std::string_view client_id,
                                                                  core::Time now,
                                                                  AssertionAlgorithm algorithm);

/// What an assertion may say of a certificate.
struct CertificateFacts {
  std::string x5t;       // base64url of the SHA-1 of its DER
  std::string x5t_s256;  // and of the SHA-256
  core::Time not_before;
  core::Time not_after;
};

[[nodiscard]] core::Result<CertificateFacts> read_certificate(std::string_view pem);

/// Whether the first certificate of `pem` made `signature` over `text`.
[[nodiscard]] bool is_signed_by(std::string_view pem,
                                AssertionAlgorithm algorithm,
                                std::string_view text,
                                std::string_view signature);

[[nodiscard]] std::string base64url_encode(std::string_view bytes);
/// Nullopt on anything but base64url without padding.
[[nodiscard]] std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace plumbline::net
