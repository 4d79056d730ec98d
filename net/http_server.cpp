#include "net/http_server.hpp"

#include "core/text.hpp"
#include "net/request_rules.hpp"
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
#include <list>
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
/// Beyond the longest header: what the extensions of a chunk may take.
constexpr std::size_t kMaxBuffered = std::size_t{256} << 10U;

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

/// A body in memory, or one of which nothing is kept.
struct ServedBody {
  struct value_type {  // NOLINT(readability-identifier-naming): Beast's name
    std::string text;
    bool keep = true;
  };

  class reader {  // NOLINT(readability-identifier-naming): Beast's name
   public:
    template <bool IsRequest, class Fields>
    reader(http::header<IsRequest, Fields>& /*header*/, value_type& body) : body_(&body) {}

    void init(const boost::optional<std::uint64_t>& /*length*/, boost::system::error_code& error) {
      error = {};
    }

    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      if (body_->keep) {
        body_->text += beast::buffers_to_string(buffers);
      }
      return beast::buffer_bytes(buffers);
    }

    static void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type* body_;
  };
};

using Parser = http::request_parser<ServedBody>;
using SteadyTime = std::chrono::steady_clock::time_point;

/// An open connection.
struct Connection {
  beast::tcp_stream* stream = nullptr;
  std::string client;
  bool waiting = true;     // for a request or the rest of one
  bool displaced = false;  // closed, and about to go
  SteadyTime since = std::chrono::steady_clock::now();
};

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
    for (const Connection& connection : connections) {
      connection.stream->close();
    }
  }

  void cut(std::string_view reason) const {
    if (options.on_cut) {
      options.on_cut(reason);
    }
  }

  /// Ends the connection that has waited longest, of one client or of all; false when none waits.
  bool displace(const std::string* client) {
    auto longest = connections.end();
    for (auto it = connections.begin(); it != connections.end(); ++it) {
      if (it->waiting && !it->displaced && (client == nullptr || it->client == *client) &&
          (longest == connections.end() || it->since < longest->since)) {
        longest = it;
      }
    }
    if (longest == connections.end()) {
      return false;
    }
    longest->displaced = true;
    longest->stream->close();
    cut("displaced");
    return true;
  }

  /// Makes room for a connection of `client`; false where there is none.
  bool admit(const std::string& client) {
    std::size_t all = 0;
    std::size_t of_client = 0;
    for (const Connection& connection : connections) {
      if (!connection.displaced) {
        ++all;
        of_client += connection.client == client ? 1 : 0;
      }
    }
    if (of_client >= options.max_connections_per_client) {
      return displace(&client);
    }
    return all < options.max_connections || displace(nullptr);
  }

  Executor executor;
  ServerOptions options;
  Handler handler;
  tcp::acceptor acceptor;
  bool stopped = false;
  /// Open connections; each takes itself off when its session ends.
  std::list<Connection> connections;
};

/// A connection's entry in the server's list.
class Listed {
 public:
  Listed(std::shared_ptr<ServerState> server, beast::tcp_stream* stream, std::string client)
      : server_(std::move(server)) {
    server_->connections.push_back({.stream = stream, .client = std::move(client)});
    entry_ = std::prev(server_->connections.end());
  }

  ~Listed() { server_->connections.erase(entry_); }

  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

  Connection& operator*() { return *entry_; }

 private:
  std::shared_ptr<ServerState> server_;
  std::list<Connection>::iterator entry_;
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
  std::string client;                    // what connections are counted by
  std::shared_ptr<const ServerTls> tls;  // null: plain HTTP
  bool has_client_certificate = false;
};

/// The request without its body. Taken before that is read: fields that follow a chunked body are
/// not the request's.
ServerRequest take_head(const Parser& parser, const Peer& peer) {
  const auto& message = parser.get();
  ServerRequest request;
  request.method = std::string(message.method_string());
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
  request.remote_address = peer.remote_address;
  request.local_address = peer.local_address;
  request.is_tls = peer.tls != nullptr;
  request.has_client_certificate = peer.has_client_certificate;
  return request;
}

int refuse_head(const Parser& parser, const ServerRequest& request) {
  const auto& message = parser.get();
  RequestHead head;
  head.method = request.method;
  head.target = {message.target().data(), message.target().size()};
  head.version = message.version();
  head.headers = &request.headers;
  return refuse_head(head);
}

ServerResponse plain_error(int status) {
  ServerResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = fmt::format(
      R"({{"type":"about:blank","title":"{}","status":{}}})", reason_phrase(status), status);
  response.body += '\n';
  return response;
}

/// Closed or silent: nobody is there to be told.
constexpr int kGone = -1;

/// The status that tells a client why its request was not understood.
int status_of(const boost::system::error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return 431;
  }
  if (error == http::error::body_limit) {
    return 413;
  }
  if (error == http::error::bad_version) {
    return 505;
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message ||
      error.category() != http::make_error_code(http::error::bad_version).category()) {
    return kGone;
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
    Listed listed(server_, &transport(), peer_.client);
    listed_ = &*listed;
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
    listed_->waiting = true;
    listed_->since = std::chrono::steady_clock::now();
    if (!first && buffer_.size() == 0) {
      // Between requests the connection may idle; from the first byte on the clock runs.
      transport().expires_after(server_->options.idle_timeout);
      if (co_await read_some() != 0) {
        co_return false;
      }
    }
    transport().expires_after(server_->options.header_timeout);
    Parser parser;
    ServerRequest request;
    const int status = co_await read_request(&parser, &request);
    if (status != 0) {
      if (status != kGone) {
        server_->cut("malformed");
        co_await write(plain_error(status), false, request.method == "HEAD");
        co_await drain();
      }
      co_return false;
    }

    listed_->waiting = false;
    const bool head = request.method == "HEAD";
    if (head) {
      request.method = "GET";
    }
    const bool keep_alive = parser.keep_alive();
    transport().expires_never();  // the handler has deadlines of its own
    ServerResponse response = co_await answer(server_, std::move(request));
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

  /// 0, or kGone.
  Task<int> read_some() {
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), kToken);
    if (error) {
      if (error == beast::error::timeout && buffer_.size() > 0) {
        server_->cut("slow");
      }
      co_return kGone;
    }
    buffer_.commit(size);
    co_return 0;
  }

  // `parser` and `request` belong to the caller, which waits. 0, kGone or the status of the
  // refusal.
  Task<int> read_request(Parser* parser, ServerRequest* request) {
    const ServerOptions& options = server_->options;
    HeaderScanner scanner(options.max_header_bytes, options.max_request_line_bytes);
    for (;;) {
      const auto bytes = buffer_.cdata();
      const HeaderScanner::Result scanned =
          scanner.scan({static_cast<const char*>(bytes.data()), bytes.size()});
      if (scanned.status != 0) {
        co_return scanned.status;
      }
      if (scanned.complete) {
        if (*static_cast<const char*>(bytes.data()) == '\r') {
          buffer_.consume(2);  // the empty line that the scanner lets pass; the parser would not
        }
        break;
      }
      if (co_await read_some() != 0) {
        co_return kGone;
      }
    }
    parser->header_limit(static_cast<std::uint32_t>(options.max_header_bytes + 1));
    parser->body_limit(options.max_body_bytes);
    parser->get().body().keep = options.keep_bodies;
    const auto [error, size] = co_await http::async_read_header(stream_, buffer_, *parser, kToken);
    if (error) {
      co_return status_of(error);
    }
    *request = take_head(*parser, peer_);
    if (const int status = refuse_head(*parser, *request); status != 0) {
      co_return status;
    }
    if (!parser->is_done()) {
      const int status = co_await read_body(parser, request->headers.get("Expect").has_value());
      request->body = std::move(parser->get().body().text);
      co_return status;
    }
    co_return 0;
  }

  Task<int> read_body(Parser* parser, bool expects_continue) {
    if (expects_continue && parser->get().version() >= 11) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto bytes = asio::buffer(kContinue);
      const auto [error, written] = co_await asio::async_write(stream_, bytes, kToken);
      if (error) {
        co_return kGone;
      }
    }
    const auto [error, size] = co_await http::async_read(stream_, buffer_, *parser, kToken);
    if (error == beast::error::timeout) {
      server_->cut("slow");
    }
    co_return error ? status_of(error) : 0;
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
    if (error == beast::error::timeout) {
      server_->cut("slow");
    }
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
  beast::flat_buffer buffer_{kMaxBuffered};
  Connection* listed_ = nullptr;  // while running
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

/// A network gives each of its clients half of the bits of IPv6 addresses to choose from.
std::string client_of(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (!address.is_v6() || address.to_v6().is_v4_mapped()) {
    return address_text(endpoint);
  }
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + bytes.size() / 2, bytes.end(), static_cast<unsigned char>(0));
  return asio::ip::make_address_v6(bytes).to_string();
}

void start_session(const std::shared_ptr<ServerState>& server, tcp::socket socket) {
  boost::system::error_code error;
  socket.set_option(tcp::no_delay(true), error);
  Peer peer;
  const auto remote = socket.remote_endpoint(error);
  peer.remote_address = address_text(remote);
  peer.client = client_of(remote);
  if (!server->admit(peer.client)) {
    server->cut("refused");
    return;  // closes the socket
  }
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
      if (error == asio::error::no_descriptors && server->displace(nullptr)) {
        continue;  // that has freed one
      }
      co_await sleep_for(kAcceptPause);
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
