// The HTTP server behind the daemon's endpoints and the simulator's.
#pragma once

#include "core/result.hpp"
#include "net/http.hpp"
#include "net/server_tls.hpp"
#include "net/task.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace plumbline::net {

struct ServerRequest {
  std::string method;  // HEAD arrives as GET: the server leaves the body out of the answer
  std::string path;    // percent-decoded, without the query
  std::string query;   // raw
  Headers headers;
  std::string body;
  std::string remote_address;
  std::string local_address;
  bool is_tls = false;
  /// The peer has shown a certificate that the server's TLS has verified.
  bool has_client_certificate = false;

  /// The first query parameter of that name, decoded.
  [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
};

/// Content-Length, Date, Connection and Content-Type are the server's; fields of these names in
/// `headers` are ignored. `truncate_body_at` cuts the answer short after that many bytes and
/// closes, `drop_connection` closes without any answer: both for simulators.
struct ServerResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  Headers headers;
  std::string body;
  std::optional<std::size_t> truncate_body_at;
  bool drop_connection = false;
};

using Handler = std::function<Task<ServerResponse>(ServerRequest)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free port
  /// Both set: HTTPS (TLS 1.2 or newer). PEM text, not paths.
  std::string certificate_pem;
  std::string private_key_pem;
  /// Set: asked for each connection, in place of the two above; gives null for plain HTTP.
  std::function<std::shared_ptr<const ServerTls>()> tls;
  /// Set: sees every answer before it is sent, those of the server itself included.
  std::function<void(ServerResponse&)> decorate;
  /// Set: told of each connection that the server ends for its own good: `displaced`, `refused`,
  /// `slow` or `malformed`.
  std::function<void(std::string_view reason)> on_cut;
  /// False: bodies are read, counted and dropped, for a handler that wants none.
  bool keep_bodies = true;
  /// A connection beyond one of these takes the place of the one that has waited longest for a
  /// request to come or to be complete: of the same client, or of all. Where every one is being
  /// answered, the new one is closed. A client is an IPv4 address or the first half of an IPv6 one.
  std::size_t max_connections = 512;
  std::size_t max_connections_per_client = 512;
  std::size_t max_header_bytes = std::size_t{16} << 10U;
  std::size_t max_request_line_bytes = std::size_t{8} << 10U;
  std::size_t max_body_bytes = std::size_t{1} << 20U;
  std::chrono::seconds header_timeout{10};  // a whole request must arrive within this
  std::chrono::seconds idle_timeout{60};
  std::chrono::seconds write_timeout{30};
};

/// Serves HTTP/1.1 with keep-alive. Errors of one connection end that connection only; running out
/// of file descriptors pauses accepting, never ends it. A handler's exception becomes a 500 without
/// detail. All work happens on `executor`, which must be that of a single thread.
class HttpServer {
 public:
  /// Binds and listens; fails with kIo (address in use, no permission: the message names the
  /// address) or kInvalidArgument (certificate or key unusable).
  [[nodiscard]] static core::Result<std::unique_ptr<HttpServer>> listen(Executor executor,
                                                                        ServerOptions options,
                                                                        Handler handler);
  virtual ~HttpServer() = default;

  /// The port in use.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// Closes the listener and every connection; thread-safe, idempotent.
  virtual void stop() = 0;
};

/// A self-signed certificate for localhost and 127.0.0.1, for simulators and tests.
struct SelfSigned {
  std::string certificate_pem;
  std::string private_key_pem;
};

[[nodiscard]] core::Result<SelfSigned> make_self_signed_certificate(std::chrono::hours lifetime);

/// The reason phrase of a status code; "Unknown" for others.
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace plumbline::net
