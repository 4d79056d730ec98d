// Ed25519 signatures (RFC 8032) with keys in PEM files, and SHA-256 over what comes in parts.
#pragma once

#include "core/digest.hpp"
#include "core/result.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace plumbline::core {

/// The signature, 64 bytes, of `bytes` with a private key (PEM, PKCS #8, without a passphrase).
[[nodiscard]] Result<std::string> sign_ed25519(std::string_view private_pem,
                                               std::string_view bytes);
/// The public key (PEM) that belongs to a private one.
[[nodiscard]] Result<std::string> public_key_of(std::string_view private_pem);
/// Whether `signature` over `bytes` was made with the private key of this public one (PEM).
[[nodiscard]] Result<bool> verify_ed25519(std::string_view public_pem,
                                          std::string_view bytes,
                                          std::string_view signature);
/// SHA-256 over the key itself (SubjectPublicKeyInfo, DER), in hex: by which people compare keys.
[[nodiscard]] Result<std::string> key_fingerprint(std::string_view public_pem);

class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) = delete;

  void add(std::string_view bytes);
  /// Once, at the end.
  [[nodiscard]] Sha256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumbline::core
