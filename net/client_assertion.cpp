#include "net/client_assertion.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <ctime>
#include <memory>
#include <vector>

namespace plumbline::net {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Memory = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Context = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

constexpr auto kLifetime = 10min;
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Memory reader(std::string_view text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// OpenSSL would ask the terminal for a password.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string digest_of(X509* certificate, const EVP_MD* kind) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, kind, digest.data(), &size) != 1) {
    return {};
  }
  return base64url_encode(std::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

core::Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return {};
  }
  return core::Time(std::chrono::seconds(::timegm(&parts)));
}

CertificateFacts facts_of(X509* certificate) {
  CertificateFacts facts;
  facts.x5t = digest_of(certificate, EVP_sha1());
  facts.x5t_s256 = digest_of(certificate, EVP_sha256());
  facts.not_before = time_of(X509_get0_notBefore(certificate));
  facts.not_after = time_of(X509_get0_notAfter(certificate));
  return facts;
}

/// PKCS#1 v1.5, or PSS with a salt as long as the hash (RFC 7518 section 3.5).
bool set_padding(EVP_PKEY_CTX* key, AssertionAlgorithm algorithm) {
  return algorithm == AssertionAlgorithm::kRs256 ||
         (EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(key, RSA_PSS_SALTLEN_DIGEST) == 1);
}

std::optional<std::string> sign(EVP_PKEY* key,
                                AssertionAlgorithm algorithm,
                                std::string_view text) {
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), &parameters, EVP_sha256(), nullptr, key) != 1 ||
      !set_padding(parameters, algorithm) ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes_of(text), text.size()) != 1) {
    return std::nullopt;
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(),
                     reinterpret_cast<unsigned char*>(signature.data()),
                     &size,
                     bytes_of(text),
                     text.size()) != 1) {
    return std::nullopt;
  }
  signature.resize(size);
  return signature;
}

Result<Key> read_key(std::string_view pem) {
  bool encrypted = false;
  const Memory memory = reader(pem);
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_password, &encrypted));
  ERR_clear_error();
  if (encrypted) {
    return Error{Errc::kParse,
                 "the private key is encrypted; store it in the clear, readable by "
                 "the daemon alone"};
  }
  if (!key) {
    return Error{Errc::kParse, "there is no private key in PEM form"};
  }
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return Error{Errc::kParse, "the private key is not an RSA key, and Entra takes no other"};
  }
  return key;
}

/// The certificate that belongs to the key.
Result<Certificate> find_certificate(std::string_view pem, EVP_PKEY* key) {
  const Memory memory = reader(pem);
  bool any = false;
  for (;;) {
    Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    if (!certificate) {
      ERR_clear_error();
      return Error{Errc::kParse,
                   any ? "no certificate belongs to the private key"
                       : "there is no certificate in PEM form"};
    }
    any = true;
    if (X509_check_private_key(certificate.get(), key) == 1) {
      return certificate;
    }
    ERR_clear_error();
  }
}

std::int64_t unix_seconds(core::Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t window = 0;
  int bits = 0;
  for (const char byte : bytes) {
    window = (window << 8U) | static_cast<unsigned char>(byte);
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out += kDigits[(window >> static_cast<unsigned>(bits)) & 0x3fU];
    }
  }
  if (bits > 0) {
    out += kDigits[(window << static_cast<unsigned>(6 - bits)) & 0x3fU];
  }
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string out;
  std::uint32_t window = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    window = (window << 6U) | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((window >> static_cast<unsigned>(bits)) & 0xffU);
    }
  }
  return out;
}

Result<ClientAssertion> make_client_assertion(std::string_view pem,
                                              std::string_view token_url,
                                              std::string_view client_id,
                                              core::Time now,
                                              AssertionAlgorithm algorithm) {
  auto key = read_key(pem);
  if (!key) {
    return key.error();
  }
  auto certificate = find_certificate(pem, key->get());
  if (!certificate) {
    return certificate.error();
  }
  const CertificateFacts facts = facts_of(certificate->get());
  const std::string header =
      algorithm == AssertionAlgorithm::kPs256
          ? fmt::format(R"({{"alg":"PS256","typ":"JWT","x5t#S256":"{}"}})", facts.x5t_s256)
          : fmt::format(R"({{"alg":"RS256","typ":"JWT","x5t":"{}"}})", facts.x5t);
  const std::int64_t issued = unix_seconds(now);
  const std::string id = core::json_quote(client_id);
  const std::string claims =
      fmt::format(R"({{"aud":{},"iss":{},"sub":{},"jti":"{}","nbf":{},"iat":{},"exp":{}}})",
                  core::json_quote(token_url),
                  id,
                  id,
                  core::random_uuid(),
                  issued,
                  issued,
                  unix_seconds(now + kLifetime));
  std::string text = base64url_encode(header) + "." + base64url_encode(claims);
  const auto signature = sign(key->get(), algorithm, text);
  ERR_clear_error();
  if (!signature) {
    return Error{Errc::kParse, "the private key cannot sign"};
  }
  text += "." + base64url_encode(*signature);
  return ClientAssertion{std::move(text), facts.not_before, facts.not_after};
}

Result<CertificateFacts> read_certificate(std::string_view pem) {
  const Memory memory = reader(pem);
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) {
    return Error{Errc::kParse, "there is no certificate in PEM form"};
  }
  return facts_of(certificate.get());
}

bool is_signed_by(std::string_view pem,
                  AssertionAlgorithm algorithm,
                  std::string_view text,
                  std::string_view signature) {
  const Memory memory = reader(pem);
  const Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  const bool good =
      certificate && context &&
      EVP_DigestVerifyInit(
          context.get(), &parameters, EVP_sha256(), nullptr, X509_get0_pubkey(certificate.get())) ==
          1 &&
      set_padding(parameters, algorithm) &&
      EVP_DigestVerify(
          context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace plumbline::net
