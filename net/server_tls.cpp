#include "net/server_tls.hpp"

#include "core/text.hpp"
#include "net/server_tls_context.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::net {

namespace ssl = boost::asio::ssl;
using core::Errc;
using core::Error;
using core::Status;

namespace {

Error bad(const Pem& pem, std::string_view why) {
  return {Errc::kInvalidArgument, fmt::format("{}: {}", pem.name, why)};
}

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  const bool valid = ASN1_STRING_length(bytes) == 4 || ASN1_STRING_length(bytes) == 16;
  const bool written =
      valid &&
      ::inet_ntop(family, ASN1_STRING_get0_data(bytes), text.data(), text.size()) != nullptr;
  return written ? std::string(text.data()) : std::string();
}

bool is_name(const GENERAL_NAME* name, std::string_view allowed) {
  switch (name->type) {
    case GEN_DNS:
      return core::iequals(text_of(name->d.dNSName), allowed);
    case GEN_EMAIL:
      return text_of(name->d.rfc822Name) == allowed;
    case GEN_URI:
      return text_of(name->d.uniformResourceIdentifier) == allowed;
    case GEN_IPADD:
      return !allowed.empty() && address_of(name->d.iPAddress) == allowed;
    default:
      return false;
  }
}

bool has_allowed_name(X509* certificate, const std::vector<std::string>& allowed) {
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    found = found || std::ranges::any_of(
                         allowed, [name](const std::string& one) { return is_name(name, one); });
  }
  GENERAL_NAMES_free(names);
  return found;
}

}  // namespace

ServerTls::ServerTls(ServerTlsOptions options)
    : options_(std::move(options)), context_(ssl::context::tls_server) {}

Status ServerTls::prepare() {
  for (const auto step : {&ServerTls::use_certificate,
                          &ServerTls::use_versions_and_ciphers,
                          &ServerTls::use_client_certificates}) {
    if (Status done = (this->*step)(); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status ServerTls::use_certificate() {
  SSL_CTX* const handle = context_.native_handle();
  // OpenSSL would ask for the password of an encrypted key on the terminal.
  SSL_CTX_set_default_passwd_cb(handle, [](char*, int, int, void*) { return 0; });
  boost::system::error_code error;
  context_.use_certificate_chain(boost::asio::buffer(options_.certificate.text), error);
  if (error) {
    return bad(options_.certificate, "holds no certificate in PEM that can be used");
  }
  context_.use_private_key(
      boost::asio::buffer(options_.private_key.text), ssl::context::pem, error);
  if (error) {
    const bool other =
        ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH;
    return bad(options_.private_key,
               other ? "is not the key of the certificate"
                     : "holds no private key in PEM that can be used (an encrypted one cannot)");
  }
  if (SSL_CTX_check_private_key(handle) != 1) {
    return bad(options_.private_key, "is not the key of the certificate");
  }
  return Status::ok();
}

Status ServerTls::use_versions_and_ciphers() {
  SSL_CTX* const handle = context_.native_handle();
  SSL_CTX_set_min_proto_version(handle, options_.allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(handle, options_.allow_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // No sessions are kept: a client certificate is looked at with every connection.
  SSL_CTX_set_session_cache_mode(handle, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(handle, 0);
  SSL_CTX_set_options(handle, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  if (options_.prefer_server_ciphers) {
    SSL_CTX_set_options(handle, SSL_OP_CIPHER_SERVER_PREFERENCE);
  }
  const bool usable =
      (options_.ciphers_tls12.empty() ||
       SSL_CTX_set_cipher_list(handle, options_.ciphers_tls12.c_str()) == 1) &&
      (options_.ciphers_tls13.empty() ||
       SSL_CTX_set_ciphersuites(handle, options_.ciphers_tls13.c_str()) == 1) &&
      (options_.groups.empty() || SSL_CTX_set1_groups_list(handle, options_.groups.c_str()) == 1);
  if (!usable) {
    return Error{Errc::kInvalidArgument, "OpenSSL offers none of the cipher suites or curves"};
  }
  return Status::ok();
}

Status ServerTls::use_client_certificates() {
  if (!options_.ask_client) {
    return Status::ok();
  }
  SSL_CTX* const handle = context_.native_handle();
  SSL_CTX_set_verify(
      handle,
      SSL_VERIFY_PEER | (options_.require_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
      nullptr);
  SSL_CTX_set_cert_verify_callback(handle, &ServerTls::verify, this);
  if (!options_.verify_client) {
    return Status::ok();
  }
  boost::system::error_code error;
  context_.add_certificate_authority(boost::asio::buffer(options_.client_ca.text), error);
  if (error) {
    return bad(options_.client_ca, "holds no certificate in PEM that can be used");
  }
  // The names that the server sends along, for clients that choose among their certificates.
  BIO* const memory = BIO_new_mem_buf(options_.client_ca.text.data(),
                                      static_cast<int>(options_.client_ca.text.size()));
  while (X509* const authority = PEM_read_bio_X509(memory, nullptr, nullptr, nullptr)) {
    SSL_CTX_add_client_CA(handle, authority);
    X509_free(authority);
  }
  BIO_free(memory);
  ERR_clear_error();  // the end of the text is one
  return Status::ok();
}

int ServerTls::verify(X509_STORE_CTX* store, void* self) {
  const ServerTlsOptions& options = static_cast<const ServerTls*>(self)->options_;
  if (!options.verify_client) {
    return 1;
  }
  if (X509_verify_cert(store) != 1) {
    return 0;
  }
  if (!options.client_allowed_sans.empty() &&
      !has_allowed_name(X509_STORE_CTX_get0_cert(store), options.client_allowed_sans)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }
  return 1;
}

bool ServerTls::has_verified_peer(SSL* connection) const {
  return options_.verify_client && SSL_get0_peer_certificate(connection) != nullptr &&
         SSL_get_verify_result(connection) == X509_V_OK;
}

core::Result<std::shared_ptr<const ServerTls>> make_server_tls(ServerTlsOptions options) {
  auto tls = std::make_shared<ServerTls>(std::move(options));
  if (const Status prepared = tls->prepare(); !prepared) {
    return prepared.error();
  }
  return std::shared_ptr<const ServerTls>(std::move(tls));
}

}  // namespace plumbline::net
