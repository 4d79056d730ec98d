// The TLS side of a server: certificate, client certificates, versions and ciphers, made once and
// used by every connection accepted while it is in force.
#pragma once

#include "core/result.hpp"

#include <memory>
#include <string>
#include <vector>

namespace plumbline::net {

/// PEM text, and what errors about it call it.
struct Pem {
  std::string text;
  std::string name;
};

struct ServerTlsOptions {
  Pem certificate;  // the chain, the server's own first
  Pem private_key;  // not encrypted
  /// Ask for a client certificate.
  bool ask_client = false;
  /// Refuse who has none.
  bool require_client = false;
  /// Refuse one that `client_ca` has not signed. Without, whatever comes is taken and means
  /// nothing.
  bool verify_client = false;
  Pem client_ca;
  /// A verified certificate must have one of these as subject alternative name (DNS name, address,
  /// e-mail or URI, compared as text); empty: any.
  std::vector<std::string> client_allowed_sans;
  bool allow_tls12 = true;
  bool allow_tls13 = true;
  // OpenSSL's lists; empty: its defaults.
  std::string ciphers_tls12;
  std::string ciphers_tls13;
  std::string groups;
  bool prefer_server_ciphers = true;
};

class ServerTls;

/// Fails with kInvalidArgument; the message begins with the name of the PEM at fault.
[[nodiscard]] core::Result<std::shared_ptr<const ServerTls>> make_server_tls(
    ServerTlsOptions options);

}  // namespace plumbline::net
