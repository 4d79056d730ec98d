#include "net/http_server.hpp"

#include "core/text.hpp"
#include "net/server_tls_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <exception>
#include <unordered_set>
#include <utility>

namespace plumbline::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using core::Errc;
using core::Error;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kLinger{1};
constexpr std::size_t kLingerBytes = std::size_t{1} << 20U;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using Parser = http::request_parser<http::string_body>;

struct ServerState {
  ServerState(Executor on, ServerOptions chosen, Handler handles)
      : executor(std::move(on)),
        options(std::move(chosen)),
        handler(std::move(handles)),
        acceptor(executor) {}

  void stop() {
    stopped = true;
    boost::system::error_code ignored;
    acceptor.close(ignored);
    for (beast::tcp_stream* const connection : connections) {
      connection->close();
    }
  }

  Executor executor;
  ServerOptions options;
  Handler handler;
  tcp::acceptor acceptor;
  bool stopped = false;
  /// Open connections; each takes itself off when its session ends.
  std::unordered_set<beast::tcp_stream*> connections;
};

/// A connection's entry in the server's list.
class Listed {
 public:
  Listed(std::shared_ptr<ServerState> server, beast::tcp_stream* connection)
      : server_(std::move(server)), connection_(connection) {
    server_->connections.insert(connection_);
  }

  ~Listed() { server_->connections.erase(connection_); }

  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  std::shared_ptr<ServerState> server_;
  beast::tcp_stream* connection_;
};

std::string http_date() {
  // strftime would use the locale's names.
  static constexpr std::array<const char*, 7> kDays = {
      "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays.at(static_cast<std::size_t>(parts.tm_wday)),
                     parts.tm_mday,
                     kMonths.at(static_cast<std::size_t>(parts.tm_mon)),
                     parts.tm_year + 1900,
                     parts.tm_hour,
                     parts.tm_min,
                     parts.tm_sec);
}

bool is_servers_own(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kOwn = {
      "Content-Length", "Transfer-Encoding", "Connection", "Date", "Content-Type"};
  return std::ranges::any_of(kOwn,
                             [name](std::string_view own) { return core::iequals(own, name); });
}

/// A line break in a value would start another field.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; }, ' ');
  return line;
}

std::string header_text(const ServerResponse& response, bool keep_alive) {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  text += fmt::format("Date: {}\r\n", http_date());
  const bool has_body = response.status >= 200 && response.status != 204 && response.status != 304;
  if (has_body) {
    if (!response.content_type.empty()) {
      text += fmt::format("Content-Type: {}\r\n", one_line(response.content_type));
    }
    text += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  for (const auto& [name, value] : response.headers.fields()) {
    if (!is_servers_own(name)) {
      text += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
    }
  }
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

/// What is known of a connection besides its bytes.
struct Peer {
  std::string remote_address;
  std::string local_address;
  std::shared_ptr<const ServerTls> tls;  // null: plain HTTP
  bool has_client_certificate = false;
};

ServerRequest take_request(Parser& parser, const Peer& peer) {
  auto& message = parser.get();
  ServerRequest request;
  request.method = std::string(message.method_string());
  if (message.method() == http::verb::head) {
    request.method = "GET";
  }
  std::string_view target(message.target().data(), message.target().size());
  if (!target.empty() && target.front() != '/') {
    // The absolute form, as sent to proxies (RFC 9112 section 3.2.2).
    const std::size_t scheme = target.find("://");
    const std::size_t path =
        scheme == std::string_view::npos ? scheme : target.find('/', scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  const std::size_t question = target.find('?');
  request.path = core::percent_decode(target.substr(0, question));
  if (question != std::string_view::npos) {
    request.query = target.substr(question + 1);
  }
  for (const auto& field : message) {
    request.headers.add(std::string(field.name_string()), std::string(field.value()));
  }
  request.body = std::move(message.body());
  request.remote_address = peer.remote_address;
  request.local_address = peer.local_address;
  request.is_tls = peer.tls != nullptr;
  request.has_client_certificate = peer.has_client_certificate;
  return request;
}

ServerResponse plain_error(int status) {
  ServerResponse response;
  response.status = status;
  response.body = fmt::format("{}\n", reason_phrase(status));
  return response;
}

/// The status that tells a client why its request was not understood; 0 when nobody is there to
/// be told.
int status_of(const boost::system::error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return 431;
  }
  if (error == http::error::body_limit) {
    return 413;
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error.category() != http::make_error_code(http::error::bad_version).category()) {
    return 0;
  }
  return 400;
}

Task<ServerResponse> answer(std::shared_ptr<ServerState> server, ServerRequest request) {
  try {
    co_return co_await server->handler(std::move(request));
  } catch (...) {
    // The handler's bug is not the client's to know. A handler that wants it logged catches it.
    co_return plain_error(500);
  }
}

template <class Stream>
class Session {
 public:
  template <class... Args>
  explicit Session(std::shared_ptr<ServerState> server, Peer peer, Args&&... args)
      : server_(std::move(server)), peer_(std::move(peer)), stream_(std::forward<Args>(args)...) {}

  beast::tcp_stream& transport() { return beast::get_lowest_layer(stream_); }

  Task<void> run() {
    const Listed listed(server_, &transport());
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      transport().expires_after(server_->options.header_timeout);
      const auto [error] = co_await stream_.async_handshake(ssl::stream_base::server, kToken);
      if (error) {
        co_return;
      }
      peer_.has_client_certificate = peer_.tls->has_verified_peer(stream_.native_handle());
    }
    bool again = true;
    for (bool first = true; again && !server_->stopped; first = false) {
      again = co_await serve_one(first);
    }
    co_await close();
  }

 private:
  /// One request and its answer. False when the connection ends with it.
  Task<bool> serve_one(bool first) {
    if (!first && buffer_.size() == 0) {
      // Between requests the connection may idle; from the first byte on the clock runs.
      transport().expires_after(server_->options.idle_timeout);
      const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kToken);
      if (error) {
        co_return false;
      }
      buffer_.commit(size);
    }
    transport().expires_after(server_->options.header_timeout);
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(server_->options.max_header_bytes));
    parser.body_limit(server_->options.max_body_bytes);
    boost::system::error_code error = co_await read_request(&parser);
    if (error) {
      const int status = status_of(error);
      if (status != 0) {
        co_await write(plain_error(status), false, false);
        co_await drain();
      }
      co_return false;
    }

    const bool head = parser.get().method() == http::verb::head;
    const bool keep_alive = parser.keep_alive();
    transport().expires_never();  // the handler has deadlines of its own
    ServerResponse response = co_await answer(server_, take_request(parser, peer_));
    if (response.drop_connection || server_->stopped) {
      transport().close();
      co_return false;
    }
    const bool truncated = response.truncate_body_at.has_value();
    const bool written = co_await write(std::move(response), keep_alive, head);
    if (truncated) {
      transport().close();
    }
    co_return written&& keep_alive && !truncated;
  }

  // `parser` belongs to the caller, which waits.
  Task<boost::system::error_code> read_request(Parser* parser) {
    const auto [header_error, header_size] =
        co_await http::async_read_header(stream_, buffer_, *parser, kToken);
    if (header_error) {
      co_return header_error;
    }
    const auto expect = parser->get().find(http::field::expect);
    if (expect != parser->get().end() && !parser->is_done() &&
        core::iequals(std::string_view(expect->value().data(), expect->value().size()),
                      "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto bytes = asio::buffer(kContinue);
      const auto [write_error, written] = co_await asio::async_write(stream_, bytes, kToken);
      if (write_error) {
        co_return write_error;
      }
    }
    if (!parser->is_done()) {
      const auto [error, size] = co_await http::async_read(stream_, buffer_, *parser, kToken);
      co_return error;
    }
    co_return header_error;
  }

  Task<bool> write(ServerResponse response, bool keep_alive, bool head) {
    if (server_->options.decorate) {
      server_->options.decorate(response);
    }
    std::string text = header_text(response, keep_alive);
    if (!head && response.status != 204 && response.status != 304) {
      text.append(response.body, 0, response.truncate_body_at.value_or(std::string::npos));
    }
    response.body = std::string();
    transport().expires_after(server_->options.write_timeout);
    const auto bytes = asio::buffer(text);
    const auto [error, size] = co_await asio::async_write(stream_, bytes, kToken);
    co_return !error;
  }

  /// Reads on for a moment after an early refusal: closing with unread input would reset the
  /// connection and could take the answer with it.
  Task<void> drain() {
    boost::system::error_code ignored;
    transport().socket().shutdown(tcp::socket::shutdown_send, ignored);
    transport().expires_after(kLinger);
    buffer_.clear();
    std::array<char, 4096> sink;
    const auto bytes = asio::buffer(sink);
    for (std::size_t total = 0; total < kLingerBytes;) {
      const auto [error, size] = co_await transport().async_read_some(bytes, kToken);
      if (error) {
        co_return;
      }
      total += size;
    }
  }

  Task<void> close() {
    if (!transport().socket().is_open()) {
      co_return;
    }
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      transport().expires_after(kLinger);
      co_await stream_.async_shutdown(kToken);
    }
    boost::system::error_code ignored;
    transport().socket().shutdown(tcp::socket::shutdown_both, ignored);
    transport().close();
  }

  std::shared_ptr<ServerState> server_;
  Peer peer_;  // before the stream, which uses its TLS
  Stream stream_;
  beast::flat_buffer buffer_;
};

template <class Stream>
Task<void> run_session(std::unique_ptr<Session<Stream>> session) {
  co_await session->run();
}

/// An IPv4 address that came over an IPv6 socket is an IPv4 address.
std::string address_text(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

void start_session(const std::shared_ptr<ServerState>& server, tcp::socket socket) {
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  Peer peer;
  peer.remote_address = address_text(socket.remote_endpoint(error));
  peer.local_address = address_text(socket.local_endpoint(error));
  peer.tls = server->options.tls ? server->options.tls() : nullptr;
  if (peer.tls == nullptr) {
    spawn(server->executor,
          run_session(
              std::make_unique<Session<PlainStream>>(server, std::move(peer), std::move(socket))));
  } else {
    ssl::context& context = peer.tls->context();
    spawn(server->executor,
          run_session(std::make_unique<Session<TlsStream>>(
              server, std::move(peer), std::move(socket), context)));
  }
}

Task<void> accept_loop(std::shared_ptr<ServerState> server) {
  while (!server->stopped) {
    auto [error, socket] = co_await server->acceptor.async_accept(kToken);
    if (server->stopped) {
      co_return;
    }
    if (error) {
      // Out of descriptors or memory, or a connection that died in the queue: none of them ends
      // the server. Without the pause the first two would spin.
      co_await sleep_for(kAcceptPause);
      continue;
    }
    if (server->connections.size() >= server->options.max_connections) {
      boost::system::error_code ignored;
      socket.close(ignored);
      continue;
    }
    start_session(server, std::move(socket));
  }
}

class SocketServer final : public HttpServer {
 public:
  SocketServer(std::shared_ptr<ServerState> state, std::uint16_t port)
      : state_(std::move(state)), port_(port) {}

  ~SocketServer() override { SocketServer::stop(); }

  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  [[nodiscard]] std::uint16_t port() const override { return port_; }

  void stop() override {
    asio::post(state_->executor, [state = state_] { state->stop(); });
  }

 private:
  std::shared_ptr<ServerState> state_;
  std::uint16_t port_;
};

}  // namespace

core::Result<std::unique_ptr<HttpServer>> HttpServer::listen(Executor executor,
                                                             ServerOptions options,
                                                             Handler handler) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("listen address '{}' is no IP address", options.address)};
  }
  if (options.certificate_pem.empty() != options.private_key_pem.empty()) {
    return Error{Errc::kInvalidArgument, "TLS needs both a certificate and its private key"};
  }
  if (!options.certificate_pem.empty()) {
    ServerTlsOptions fixed;
    fixed.certificate = {options.certificate_pem, "the server's certificate"};
    fixed.private_key = {options.private_key_pem, "the server's private key"};
    auto tls = make_server_tls(std::move(fixed));
    if (!tls) {
      return tls.error();
    }
    options.tls = [made = *tls]() { return made; };
  }
  auto state =
      std::make_shared<ServerState>(std::move(executor), std::move(options), std::move(handler));
  const tcp::endpoint endpoint(address, state->options.port);
  const auto step = [&](auto&& action) {
    if (!error) {
      action();
    }
  };
  step([&] { state->acceptor.open(endpoint.protocol(), error); });
  step([&] { state->acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  step([&] { state->acceptor.bind(endpoint, error); });
  step([&] { state->acceptor.listen(asio::socket_base::max_listen_connections, error); });
  if (error) {
    return Error{Errc::kIo,
                 fmt::format("cannot listen on {} port {}: {}",
                             state->options.address,
                             state->options.port,
                             error.message())};
  }
  const std::uint16_t port = state->acceptor.local_endpoint(error).port();
  spawn(state->executor, accept_loop(state));
  return std::unique_ptr<HttpServer>(std::make_unique<SocketServer>(std::move(state), port));
}

}  // namespace plumbline::net
