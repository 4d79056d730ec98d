#include "net/http_client.hpp"

#include "core/text.hpp"
#include "net/gzip.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

namespace plumbline::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using core::Errc;
using core::Error;
using SteadyTime = std::chrono::steady_clock::time_point;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kMaxHeaderBytes = 64 * 1024;
constexpr int kMaxInformational = 8;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
// Through a proxy that is reached by TLS. Asio's own streams: Beast's does not go over itself.
using ProxyTlsStream = ssl::stream<beast::tcp_stream>;
using TlsInTlsStream = ssl::stream<ProxyTlsStream>;

/// What one attempt over one connection came to.
struct Attempt {
  core::Result<HttpResponse> result;
  /// The connection was closed before the first byte of an answer.
  bool closed_unanswered = false;
  /// The connection can carry another request.
  bool reusable = false;
};

/// A request made ready to send. One for all attempts.
struct Outgoing {
  http::request<http::string_body> message;
  std::string origin;
  std::size_t max_body_bytes = 0;
  std::string pool;  // of connections: those through a proxy are kept apart
  std::chrono::milliseconds headers_within{};
  std::chrono::milliseconds body_within{};
  SteadyTime deadline;
};

bool closed_by_peer(const boost::system::error_code& error) {
  return error == asio::error::eof || error == asio::error::connection_reset ||
         error == asio::error::connection_aborted || error == asio::error::broken_pipe ||
         error == http::error::end_of_stream || error == ssl::error::stream_truncated;
}

/// Errors before the answer's header is complete.
Error exchange_error(const std::string& origin,
                     const char* phase,
                     const boost::system::error_code& error) {
  Errc code = Errc::kNetwork;
  if (error == beast::error::timeout) {
    code = Errc::kTimeout;
  } else if (error == http::error::header_limit || error == http::error::body_limit ||
             error == http::error::buffer_overflow) {
    code = Errc::kLimit;
  } else if (error.category() == asio::error::get_ssl_category()) {
    code = Errc::kTls;
  } else if (error == http::error::partial_message || closed_by_peer(error)) {
    return Error{Errc::kNetwork,
                 fmt::format("{}: {}: connection closed before an answer", origin, phase)};
  } else if (error.category() == http::make_error_code(http::error::bad_version).category()) {
    code = Errc::kHttp;
  }
  return Error{code, fmt::format("{}: {}: {}", origin, phase, error.message())};
}

/// Errors while the body is read: all but time and size mean that part of it is missing.
Error body_error(const std::string& origin, const boost::system::error_code& error) {
  Errc code = Errc::kTruncated;
  if (error == beast::error::timeout) {
    code = Errc::kTimeout;
  } else if (error == http::error::body_limit || error == http::error::buffer_overflow) {
    code = Errc::kLimit;
  } else if (error.category() == http::make_error_code(http::error::bad_version).category() &&
             error != http::error::partial_message && error != http::error::end_of_stream) {
    code = Errc::kHttp;  // a malformed chunk
  }
  return Error{code, fmt::format("{}: reading the body: {}", origin, error.message())};
}

Error handshake_error(SSL* handle,
                      const std::string& origin,
                      const boost::system::error_code& error) {
  if (error == beast::error::timeout) {
    return Error{Errc::kTimeout, fmt::format("{}: TLS handshake timed out", origin)};
  }
  if (error.category() != asio::error::get_ssl_category()) {
    return Error{Errc::kNetwork, fmt::format("{}: TLS handshake: {}", origin, error.message())};
  }
  const long verified = SSL_get_verify_result(handle);
  return Error{Errc::kTls,
               fmt::format("{}: TLS handshake: {}",
                           origin,
                           verified == X509_V_OK ? error.message()
                                                 : X509_verify_cert_error_string(verified))};
}

/// A connection to one origin. Used by one coroutine at a time.
class Connection {
 public:
  Connection() = default;
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual beast::tcp_stream& transport() = 0;
  /// TLS handshake; nothing for plain connections.
  virtual Task<core::Status> handshake(SteadyTime deadline, std::string origin) = 0;
  virtual Task<Attempt> exchange(std::shared_ptr<Outgoing> outgoing) = 0;

  /// False when the peer has closed, or sent something unasked.
  bool is_quiet() {
    char byte = 0;
    const auto received =
        ::recv(transport().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  SteadyTime idle_since;
};

template <class Stream>
class BasicConnection final : public Connection {
 public:
  template <class... Args>
  explicit BasicConnection(Args&&... args) : stream_(std::forward<Args>(args)...) {}

  beast::tcp_stream& transport() override { return beast::get_lowest_layer(stream_); }

  Stream& stream() { return stream_; }

  Task<core::Status> handshake(SteadyTime deadline, std::string origin) override {
    if constexpr (!std::is_same_v<Stream, PlainStream>) {
      transport().expires_at(deadline);
      const auto [error] = co_await stream_.async_handshake(ssl::stream_base::client, kToken);
      if (error) {
        co_return handshake_error(stream_.native_handle(), origin, error);
      }
    }
    co_return core::Status::ok();
  }

  Task<Attempt> exchange(std::shared_ptr<Outgoing> outgoing) override {
    Attempt attempt;
    transport().expires_at(outgoing->deadline);
    const auto [write_error, written] =
        co_await http::async_write(stream_, outgoing->message, kToken);
    if (write_error) {
      attempt.closed_unanswered = closed_by_peer(write_error);
      attempt.result = exchange_error(outgoing->origin, "sending", write_error);
      co_return attempt;
    }

    std::optional<http::response_parser<http::string_body>> parser;
    const SteadyTime headers_by =
        std::min(std::chrono::steady_clock::now() + outgoing->headers_within, outgoing->deadline);
    transport().expires_at(headers_by);
    int informational = 0;
    do {  // 1xx answers precede the real one
      if (++informational > kMaxInformational) {
        attempt.result =
            Error{Errc::kHttp, fmt::format("{}: too many 1xx answers", outgoing->origin)};
        co_return attempt;
      }
      parser.emplace();
      parser->header_limit(kMaxHeaderBytes);
      parser->body_limit(outgoing->max_body_bytes);
      parser->skip(outgoing->message.method() == http::verb::head);
      const auto [error, read] =
          co_await http::async_read_header(stream_, buffer_, *parser, kToken);
      if (error) {
        attempt.closed_unanswered = closed_by_peer(error) && !parser->got_some();
        attempt.result = exchange_error(outgoing->origin, "reading the header", error);
        co_return attempt;
      }
    } while (parser->get().result_int() >= 100 && parser->get().result_int() < 200);

    transport().expires_at(
        std::min(std::chrono::steady_clock::now() + outgoing->body_within, outgoing->deadline));
    if (!parser->is_done()) {
      const auto [error, read] = co_await http::async_read(stream_, buffer_, *parser, kToken);
      if (error) {
        attempt.result = body_error(outgoing->origin, error);
        co_return attempt;
      }
    }
    attempt.reusable = parser->keep_alive() && buffer_.size() == 0;
    transport().expires_never();
    attempt.result = take_response(*parser, *outgoing);
    co_return attempt;
  }

 private:
  static core::Result<HttpResponse> take_response(http::response_parser<http::string_body>& parser,
                                                  const Outgoing& outgoing) {
    HttpResponse response;
    auto& message = parser.get();
    response.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      response.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    response.body = std::move(message.body());
    const auto encoding = response.headers.get("Content-Encoding");
    if (!encoding || response.body.empty() || core::iequals(core::trim(*encoding), "identity")) {
      return response;
    }
    const std::string_view name = core::trim(*encoding);
    if (!core::iequals(name, "gzip") && !core::iequals(name, "x-gzip")) {
      return Error{Errc::kHttp,
                   fmt::format("{}: unknown content encoding '{}'", outgoing.origin, name)};
    }
    auto body = gzip_decompress(response.body, outgoing.max_body_bytes);
    if (!body) {
      return body.error().with_context(outgoing.origin);
    }
    response.body = *std::move(body);
    response.headers.remove("Content-Encoding");
    response.headers.remove("Content-Length");
    return response;
  }

  Stream stream_;
  beast::flat_buffer buffer_;
};

/// An idempotent method can be sent again when a kept connection turns out to be closed
/// (RFC 9110 section 9.2.2).
bool is_idempotent(http::verb method) {
  switch (method) {
    case http::verb::get:
    case http::verb::head:
    case http::verb::put:
    case http::verb::delete_:
    case http::verb::options:
      return true;
    default:
      return false;
  }
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOther.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

core::Result<std::shared_ptr<Outgoing>> make_outgoing(HttpRequest request,
                                                      const Url& url,
                                                      const std::string& user_agent) {
  auto outgoing = std::make_shared<Outgoing>();
  outgoing->origin = url.origin();
  outgoing->max_body_bytes = request.max_body_bytes;
  outgoing->headers_within = request.deadlines.headers;
  outgoing->body_within = request.deadlines.body;
  outgoing->deadline = std::chrono::steady_clock::now() + request.deadlines.total;

  auto& message = outgoing->message;
  if (!is_token(request.method)) {
    return Error{Errc::kInvalidArgument, "the request's method is no token"};
  }
  message.version(11);
  message.method_string(request.method);
  message.target(url.target);
  const bool ipv6 = url.host.find(':') != std::string::npos;
  std::string host = ipv6 ? fmt::format("[{}]", url.host) : url.host;
  if (url.port != (url.scheme == "https" ? "443" : "80")) {
    host += ":" + url.port;
  }
  message.set(http::field::host, host);
  message.set(http::field::user_agent, user_agent);
  message.set(http::field::accept_encoding, "gzip");
  for (const auto& [name, value] : request.headers.fields()) {
    // A line break in a value would be another field, or another request.
    if (!is_token(name) || !is_field_value(value)) {
      return Error{Errc::kInvalidArgument, "a request header's name or value is malformed"};
    }
    if (core::iequals(name, "Accept-Encoding") || core::iequals(name, "User-Agent") ||
        core::iequals(name, "Host")) {
      message.set(name, value);
    } else if (!core::iequals(name, "Content-Length") &&
               !core::iequals(name, "Transfer-Encoding")) {
      message.insert(name, value);
    }
  }
  message.body() = std::move(request.body);
  const bool expects_body = message.method() == http::verb::post ||
                            message.method() == http::verb::put ||
                            message.method() == http::verb::patch;
  if (expects_body || !message.body().empty()) {
    message.content_length(message.body().size());
  }
  return outgoing;
}

struct ResolveState {
  explicit ResolveState(const Executor& executor) : resolver(executor), timer(executor) {}

  tcp::resolver resolver;
  asio::steady_timer timer;
  bool done = false;
  boost::system::error_code error;
  std::vector<tcp::endpoint> endpoints;
};

/// Looks a name up within the deadline. The look-up itself can't be interrupted, so it is left
/// behind when time is up.
Task<core::Result<std::vector<tcp::endpoint>>> resolve(Url url, SteadyTime deadline) {
  boost::system::error_code not_literal;
  const auto address = asio::ip::make_address(url.host, not_literal);
  std::vector<tcp::endpoint> endpoints;
  if (!not_literal) {
    endpoints.emplace_back(address, static_cast<std::uint16_t>(std::stoi(url.port)));
    co_return endpoints;
  }
  const Executor executor = co_await asio::this_coro::executor;
  auto state = std::make_shared<ResolveState>(executor);
  state->resolver.async_resolve(
      url.host,
      url.port,
      tcp::resolver::numeric_service,
      [state](boost::system::error_code error, const tcp::resolver::results_type& results) {
        state->done = true;
        state->error = error;
        for (const auto& entry : results) {
          state->endpoints.push_back(entry.endpoint());
        }
        state->timer.cancel();
      });
  state->timer.expires_at(deadline);
  co_await state->timer.async_wait(kToken);
  if (!state->done) {
    state->resolver.cancel();
    co_return Error{Errc::kTimeout, fmt::format("{}: name lookup timed out", url.origin())};
  }
  if (state->error || state->endpoints.empty()) {
    co_return Error{Errc::kNetwork,
                    fmt::format("{}: name lookup: {}", url.origin(), state->error.message())};
  }
  endpoints = std::move(state->endpoints);
  co_return endpoints;
}

struct ClientState {
  ClientState(Executor on, ClientOptions chosen)
      : executor(std::move(on)), options(std::move(chosen)), tls(ssl::context::tls_client) {}

  /// A kept connection that still looks usable, or null.
  std::unique_ptr<Connection> take_idle(const std::string& origin) {
    const auto found = idle.find(origin);
    if (found == idle.end()) {
      return nullptr;
    }
    const SteadyTime oldest = std::chrono::steady_clock::now() - options.idle_timeout;
    auto& connections = found->second;
    while (!connections.empty()) {
      std::unique_ptr<Connection> connection = std::move(connections.back());  // newest first
      connections.pop_back();
      if (connection->idle_since >= oldest && connection->is_quiet()) {
        return connection;
      }
    }
    return nullptr;
  }

  void keep(const std::string& origin, std::unique_ptr<Connection> connection) {
    const SteadyTime now = std::chrono::steady_clock::now();
    for (auto it = idle.begin(); it != idle.end();) {
      std::erase_if(it->second, [&](const auto& kept) {
        return kept->idle_since < now - options.idle_timeout;
      });
      it = it->second.empty() ? idle.erase(it) : std::next(it);
    }
    auto& connections = idle[origin];
    if (connections.size() < options.max_idle_connections_per_origin) {
      connection->idle_since = now;
      connections.push_back(std::move(connection));
    }
  }

  Executor executor;
  ClientOptions options;
  ssl::context tls;
  std::map<std::string, std::vector<std::unique_ptr<Connection>>> idle;
};

core::Status expect_host(SSL* handle, const Url& url) {
  X509_VERIFY_PARAM* const expected = SSL_get0_param(handle);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  boost::system::error_code not_literal;
  const auto address = asio::ip::make_address(url.host, not_literal);
  const bool prepared =
      not_literal ? X509_VERIFY_PARAM_set1_host(expected, url.host.data(), url.host.size()) == 1 &&
                        SSL_set_tlsext_host_name(handle, url.host.c_str()) == 1
                  : X509_VERIFY_PARAM_set1_ip_asc(expected, address.to_string().c_str()) == 1;
  if (!prepared) {
    return Error{Errc::kTls, fmt::format("{}: cannot prepare host verification", url.origin())};
  }
  return core::Status::ok();
}

using MadeConnection = core::Result<std::unique_ptr<Connection>>;

/// TLS with `url` over whatever leads there; the handshake is still to come.
template <class Below>
MadeConnection make_tls(ClientState& client, Below below, const Url& url) {
  using Stream = std::conditional_t<std::is_same_v<Below, PlainStream>, TlsStream, TlsInTlsStream>;
  auto connection = std::make_unique<BasicConnection<Stream>>(std::move(below), client.tls);
  if (auto expected = expect_host(connection->stream().native_handle(), url); !expected) {
    return expected.error();
  }
  return std::unique_ptr<Connection>(std::move(connection));
}

Task<core::Status> connect_tcp(beast::tcp_stream& transport, Url url, SteadyTime deadline) {
  const core::Result<std::vector<tcp::endpoint>> endpoints = co_await resolve(url, deadline);
  if (!endpoints) {
    co_return endpoints.error();
  }
  transport.expires_at(deadline);
  const auto [error, endpoint] = co_await transport.async_connect(*endpoints, kToken);
  if (error == beast::error::timeout) {
    co_return Error{Errc::kTimeout, fmt::format("{}: connecting timed out", url.origin())};
  }
  if (error) {
    co_return Error{Errc::kNetwork,
                    fmt::format("{}: connecting: {}", url.origin(), error.message())};
  }
  boost::system::error_code ignored;
  transport.socket().set_option(tcp::no_delay(true), ignored);
  co_return core::Status::ok();
}

/// What a proxy's answer to CONNECT means, other than 2xx.
Error tunnel_refused(const std::string& proxy, int status) {
  // A gateway's 5xx is about the way, which may be open again soon.
  const Errc code = status >= 500 ? Errc::kNetwork : Errc::kHttp;
  return Error{
      code,
      fmt::format(
          "proxy {}: status {}{}", proxy, status, status == 407 ? ": it wants another login" : "")};
}

template <class Stream>
Task<core::Status> open_tunnel(Stream& stream,
                               std::shared_ptr<http::request<http::empty_body>> message,
                               std::string proxy) {
  const auto [write_error, written] = co_await http::async_write(stream, *message, kToken);
  if (write_error) {
    co_return exchange_error("proxy " + proxy, "sending", write_error);
  }
  beast::flat_buffer buffer(kMaxHeaderBytes);
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.skip(true);
  const auto [error, read] = co_await http::async_read_header(stream, buffer, parser, kToken);
  if (error) {
    co_return exchange_error("proxy " + proxy, "reading the header", error);
  }
  const int status = static_cast<int>(parser.get().result_int());
  if (status < 200 || status >= 300) {
    co_return tunnel_refused(proxy, status);
  }
  if (buffer.size() != 0) {  // whatever this is, it is not the origin: that one waits for us
    co_return Error{Errc::kHttp, fmt::format("proxy {}: sent more than its answer", proxy)};
  }
  co_return core::Status::ok();
}

core::Result<std::shared_ptr<http::request<http::empty_body>>> make_connect(
    const ClientState& client, const Url& url) {
  const bool ipv6 = url.host.find(':') != std::string::npos;
  const std::string target =
      ipv6 ? fmt::format("[{}]:{}", url.host, url.port) : fmt::format("{}:{}", url.host, url.port);
  auto message = std::make_shared<http::request<http::empty_body>>();
  message->version(11);
  message->method(http::verb::connect);
  message->target(target);
  message->set(http::field::host, target);
  message->set(http::field::user_agent, client.options.user_agent);
  if (client.options.proxy->login) {
    const auto login = client.options.proxy->login();
    if (!login) {
      return login.error().with_context("login of the proxy");
    }
    message->set(http::field::proxy_authorization, basic_authorization(*login));
  }
  return message;
}

/// A connection to the origin through a tunnel; the handshake with the origin is still to come.
Task<MadeConnection> connect_by_proxy(std::shared_ptr<ClientState> client,
                                      Url url,
                                      SteadyTime deadline) {
  const core::Result<Url> proxy = parse_url(client->options.proxy->url);
  if (!proxy) {
    co_return proxy.error();
  }
  const auto message = make_connect(*client, url);
  if (!message) {
    co_return message.error();
  }
  const std::string name = proxy->origin();
  beast::tcp_stream transport(client->executor);
  const core::Status reached = co_await connect_tcp(transport, *proxy, deadline);
  if (!reached) {
    co_return reached.error().with_context("proxy");
  }
  if (proxy->scheme == "http") {
    const core::Status opened = co_await open_tunnel(transport, *message, name);
    if (!opened) {
      co_return opened.error();
    }
    co_return make_tls(*client, std::move(transport), url);
  }
  ProxyTlsStream outer(std::move(transport), client->tls);
  if (auto expected = expect_host(outer.native_handle(), *proxy); !expected) {
    co_return expected.error();
  }
  const auto [error] = co_await outer.async_handshake(ssl::stream_base::client, kToken);
  if (error) {
    co_return handshake_error(outer.native_handle(), "proxy " + name, error);
  }
  const core::Status opened = co_await open_tunnel(outer, *message, name);
  if (!opened) {
    co_return opened.error();
  }
  co_return make_tls(*client, std::move(outer), url);
}

Task<MadeConnection> connect_directly(std::shared_ptr<ClientState> client,
                                      Url url,
                                      SteadyTime deadline) {
  beast::tcp_stream transport(client->executor);
  const core::Status reached = co_await connect_tcp(transport, url, deadline);
  if (!reached) {
    co_return reached.error();
  }
  if (url.scheme == "https") {
    co_return make_tls(*client, std::move(transport), url);
  }
  co_return std::unique_ptr<Connection>(
      std::make_unique<BasicConnection<PlainStream>>(std::move(transport)));
}

Task<MadeConnection> connect(std::shared_ptr<ClientState> client,
                             Url url,
                             bool by_proxy,
                             SteadyTime deadline) {
  MadeConnection connection;
  if (by_proxy) {
    connection = co_await connect_by_proxy(client, url, deadline);
  } else {
    connection = co_await connect_directly(client, url, deadline);
  }
  if (!connection) {
    co_return connection;
  }
  const core::Status shaken = co_await (*connection)->handshake(deadline, url.origin());
  if (!shaken) {
    co_return shaken.error();
  }
  co_return connection;
}

// Holds the client's state, not the client, so that a request under way may outlive it.
Task<core::Result<HttpResponse>> send_with(std::shared_ptr<ClientState> client,
                                           HttpRequest request) {
  const core::Result<Url> url = parse_url(request.url);
  if (!url) {
    co_return url.error();
  }
  const std::optional<ProxyOptions>& proxy = client->options.proxy;
  const bool by_proxy =
      proxy && url->scheme == "https" && !request.direct && !bypasses_proxy(proxy->no_proxy, *url);
  const std::chrono::milliseconds connect_within = request.deadlines.connect;
  const auto prepared = make_outgoing(std::move(request), *url, client->options.user_agent);
  if (!prepared) {
    co_return prepared.error();
  }
  const std::shared_ptr<Outgoing>& outgoing = *prepared;
  outgoing->pool = by_proxy ? "proxy " + outgoing->origin : outgoing->origin;

  if (std::unique_ptr<Connection> kept = client->take_idle(outgoing->pool)) {
    Attempt attempt = co_await kept->exchange(outgoing);
    if (attempt.reusable) {
      client->keep(outgoing->pool, std::move(kept));
    }
    if (!attempt.closed_unanswered || !is_idempotent(outgoing->message.method())) {
      co_return std::move(attempt.result);
    }
  }

  const SteadyTime connect_by =
      std::min(std::chrono::steady_clock::now() + connect_within, outgoing->deadline);
  core::Result<std::unique_ptr<Connection>> connection =
      co_await connect(client, *url, by_proxy, connect_by);
  if (!connection) {
    co_return connection.error();
  }
  Attempt attempt = co_await (*connection)->exchange(outgoing);
  if (attempt.reusable) {
    client->keep(outgoing->pool, *std::move(connection));
  }
  co_return std::move(attempt.result);
}

class SocketTransport final : public HttpTransport {
 public:
  explicit SocketTransport(std::shared_ptr<ClientState> state) : state_(std::move(state)) {}

  Task<core::Result<HttpResponse>> send(HttpRequest request) override {
    return send_with(state_, std::move(request));
  }

 private:
  std::shared_ptr<ClientState> state_;
};

}  // namespace

core::Result<std::unique_ptr<HttpTransport>> make_http_client(Executor executor,
                                                              ClientOptions options) {
  auto state = std::make_shared<ClientState>(std::move(executor), std::move(options));
  SSL_CTX_set_min_proto_version(state->tls.native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  state->tls.set_verify_mode(state->options.verify_peer ? ssl::verify_peer : ssl::verify_none,
                             error);
  if (state->options.ca_file.empty()) {
    state->tls.set_default_verify_paths(error);
  } else {
    state->tls.load_verify_file(state->options.ca_file, error);
  }
  if (error) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format("certificate authorities {}: {}",
                    state->options.ca_file.empty() ? "of the system" : state->options.ca_file,
                    error.message())};
  }
  return std::unique_ptr<HttpTransport>(std::make_unique<SocketTransport>(std::move(state)));
}

}  // namespace plumbline::net
