#include "core/signature.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdexcept>

namespace plumbline::core {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// Nobody sits at a terminal: a key with a passphrase is an error, not a question.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) {
  return -1;
}

Result<Key> read_key(std::string_view pem, bool is_private) {
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  Key key(is_private ? PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr)
                     : PEM_read_bio_PUBKEY(memory.get(), nullptr, nullptr, nullptr),
          EVP_PKEY_free);
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return Error{Errc::kInvalidArgument,
                 is_private ? "no Ed25519 private key in PEM, without a passphrase: make one with "
                              "`openssl genpkey -algorithm ed25519`"
                            : "no Ed25519 public key in PEM: `openssl pkey -pubout` gives it"};
  }
  return key;
}

}  // namespace

Result<std::string> sign_ed25519(std::string_view private_pem, std::string_view bytes) {
  auto key = read_key(private_pem, true);
  if (!key) {
    return key.error();
  }
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::size_t size = 64;
  std::string signature(size, '\0');
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key->get()) != 1 ||
      EVP_DigestSign(context.get(),
                     reinterpret_cast<unsigned char*>(signature.data()),
                     &size,
                     bytes_of(bytes),
                     bytes.size()) != 1) {
    return Error{Errc::kInternal, "libcrypto cannot sign with Ed25519"};
  }
  signature.resize(size);
  return signature;
}

Result<std::string> public_key_of(std::string_view private_pem) {
  auto key = read_key(private_pem, true);
  if (!key) {
    return key.error();
  }
  const Memory memory(BIO_new(BIO_s_mem()), BIO_free);
  char* text = nullptr;
  if (PEM_write_bio_PUBKEY(memory.get(), key->get()) != 1) {
    return Error{Errc::kInternal, "libcrypto cannot write a public key"};
  }
  const auto size = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

Result<bool> verify_ed25519(std::string_view public_pem,
                            std::string_view bytes,
                            std::string_view signature) {
  auto key = read_key(public_pem, false);
  if (!key) {
    return key.error();
  }
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key->get()) != 1) {
    return Error{Errc::kInternal, "libcrypto cannot verify Ed25519"};
  }
  return EVP_DigestVerify(
             context.get(), bytes_of(signature), signature.size(), bytes_of(bytes), bytes.size()) ==
         1;
}

Result<std::string> key_fingerprint(std::string_view public_pem) {
  auto key = read_key(public_pem, false);
  if (!key) {
    return key.error();
  }
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key->get(), &der);
  if (size <= 0) {
    return Error{Errc::kInternal, "libcrypto cannot encode a public key"};
  }
  const std::string bytes(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return to_hex(sha256(bytes));
}

struct Sha256Stream::State {
  Context context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("libcrypto offers no SHA-256");
  }
}

Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;

void Sha256Stream::add(std::string_view bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
}

Sha256 Sha256Stream::finish() {
  Sha256 out{};
  EVP_DigestFinal_ex(state_->context.get(), out.data(), nullptr);
  return out;
}

}  // namespace plumbline::core
