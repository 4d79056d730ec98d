// What http_server.cpp needs to know of ServerTls. Private to net/.
#pragma once

#include "net/server_tls.hpp"

#include <boost/asio/ssl/context.hpp>

#include <string>
#include <vector>

namespace plumbline::net {

class ServerTls {
 public:
  explicit ServerTls(ServerTlsOptions options);
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;

  [[nodiscard]] core::Status prepare();

  /// OpenSSL counts references in it also for reading; Asio's streams take it non-const.
  [[nodiscard]] boost::asio::ssl::context& context() const { return context_; }

  /// Whether the connection's peer has shown a certificate that was verified.
  [[nodiscard]] bool has_verified_peer(SSL* connection) const;

 private:
  core::Status use_certificate();
  core::Status use_versions_and_ciphers();
  core::Status use_client_certificates();
  static int verify(X509_STORE_CTX* store, void* self);

  ServerTlsOptions options_;
  mutable boost::asio::ssl::context context_;
};

}  // namespace plumbline::net
