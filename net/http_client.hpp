// The HTTP client. `HttpTransport` is the seam: collectors take it, tests script it.
#pragma once

#include "core/result.hpp"
#include "net/http.hpp"
#include "net/proxy.hpp"
#include "net/task.hpp"

#include <memory>
#include <optional>
#include <string>

namespace plumbline::net {

/// Sends one request and gives its answer, whatever its status. Errors are those of the exchange
/// itself: kInvalidArgument (URL), kNetwork, kTls (the certificate is not trusted or does not name
/// the host), kTimeout, kLimit (body too large), kTruncated (the body ended early), kHttp
/// (malformed answer, or a proxy that refuses). Follows no redirect, retries nothing, adds no
/// credentials. Must be called on the I/O thread.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Task<core::Result<HttpResponse>> send(HttpRequest request) = 0;
};

struct ClientOptions {
  /// PEM file with the certificate authorities to trust instead of the system's; empty: system.
  std::string ca_file;
  /// False: whoever answers is believed. Only for requests that carry nothing secret and whose
  /// answers decide nothing about others.
  bool verify_peer = true;
  std::size_t max_idle_connections_per_origin = 8;
  std::chrono::seconds idle_timeout{60};
  std::string user_agent = "plumbline";
  /// For https requests that are neither `direct` nor excepted: a tunnel (CONNECT), so that TLS is
  /// with the origin and the proxy sees no more than its name. Plain http never goes there.
  std::optional<ProxyOptions> proxy;
};

/// A transport over sockets: HTTP/1.1, keep-alive pool per origin, TLS 1.2 or newer with
/// verification of chain and host name (SNI sent). A request on a reused connection that the server
/// had already closed is repeated once on a new one if it is idempotent. `executor` must be that of
/// a single thread.
/// Fails with kInvalidArgument when `ca_file` can't be read or holds no certificate.
[[nodiscard]] core::Result<std::unique_ptr<HttpTransport>> make_http_client(Executor executor,
                                                                            ClientOptions options);

}  // namespace plumbline::net
