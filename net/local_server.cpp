#include "net/local_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace plumbline::net {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxRequest = std::size_t{64} << 10U;
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr int kMaxSessions = 16;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format(
            "{}: a socket's path has at most {} bytes", path, sizeof(address.sun_path) - 1)};
  }
  std::memcpy(&address.sun_path[0], path.data(), path.size());
  return address;
}

Error failed(const std::string& path, int error) {
  return {Errc::kIo,
          fmt::format("{}: {}", path, std::error_code(error, std::system_category()).message())};
}

/// A descriptor of its own, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}

  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] int get() const { return value_; }

  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// A listening socket whose file only its owner may use. Nobody can connect before it listens, so
/// not while the file still has another mode.
Result<int> open_socket(const std::string& path) {
  const auto address = address_of(path);
  if (!address) {
    return address.error();
  }
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISSOCK(found.st_mode)) {
      return Error{Errc::kIo, fmt::format("{}: is there and is no socket", path)};
    }
    ::unlink(path.c_str());
  }
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what bind() takes
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (socket.get() < 0 || ::bind(socket.get(), generic, sizeof(*address)) != 0 ||
      ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0 || ::listen(socket.get(), kMaxSessions) != 0) {
    return failed(path, errno);
  }
  return socket.release();
}

}  // namespace

struct LocalServer::State {
  using Socket = stream_protocol::socket;

  State(Executor on, std::string where, LocalHandler with)
      : executor(std::move(on)),
        path(std::move(where)),
        handler(std::move(with)),
        acceptor(executor) {}

  static Task<void> accept_all(std::shared_ptr<State> server);
  static Task<void> serve(std::shared_ptr<State> server, std::shared_ptr<Socket> socket);
  static Task<std::string> read_line(std::shared_ptr<Socket> socket);

  Executor executor;
  std::string path;
  LocalHandler handler;
  stream_protocol::acceptor acceptor;
  bool stopped = false;
  int sessions = 0;
};

/// Without its end; empty where none comes.
Task<std::string> LocalServer::State::read_line(std::shared_ptr<Socket> socket) {
  std::string line;
  std::array<char, 4096> chunk{};
  while (line.size() < kMaxRequest) {
    auto [error, size] = co_await socket->async_read_some(asio::buffer(chunk), kToken);
    if (error) {
      break;
    }
    line.append(chunk.data(), size);
    if (const auto end = line.find('\n'); end != std::string::npos) {
      co_return line.substr(0, end);
    }
  }
  co_return std::string();
}

Task<void> LocalServer::State::serve(std::shared_ptr<State> server,
                                     std::shared_ptr<Socket> socket) {
  ++server->sessions;
  // The request must have come by then; an answer takes as long as it takes.
  asio::steady_timer deadline(server->executor, kPatience);
  deadline.async_wait([socket](const boost::system::error_code& cancelled) {
    if (!cancelled) {
      boost::system::error_code ignored;
      socket->shutdown(Socket::shutdown_receive, ignored);
    }
  });
  std::string request = co_await read_line(socket);
  deadline.cancel();
  ucred peer{};
  socklen_t length = sizeof(peer);
  const bool known =
      ::getsockopt(socket->native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (known && !request.empty()) {
    std::string answer = co_await server->handler(std::move(request), peer.uid);
    answer += '\n';
    co_await asio::async_write(*socket, asio::buffer(answer), kToken);
  }
  --server->sessions;
}

Task<void> LocalServer::State::accept_all(std::shared_ptr<State> server) {
  while (!server->stopped) {
    auto [failure, accepted] = co_await server->acceptor.async_accept(kToken);
    if (server->stopped) {
      co_return;
    }
    if (failure) {
      co_await sleep_for(kAcceptPause);
      continue;
    }
    if (server->sessions < kMaxSessions) {
      spawn(server->executor, serve(server, std::make_shared<Socket>(std::move(accepted))));
    }
  }
}

LocalServer::LocalServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

LocalServer::~LocalServer() {
  ::unlink(state_->path.c_str());
  asio::post(state_->executor, [state = state_] {
    boost::system::error_code ignored;
    state->stopped = true;
    state->acceptor.close(ignored);
  });
}

Result<std::unique_ptr<LocalServer>> LocalServer::listen(Executor executor,
                                                         const std::string& path,
                                                         LocalHandler handler) {
  const auto socket = open_socket(path);
  if (!socket) {
    return socket.error();
  }
  auto state = std::make_shared<State>(std::move(executor), path, std::move(handler));
  boost::system::error_code error;
  state->acceptor.assign(stream_protocol(), *socket, error);
  if (error) {
    ::close(*socket);
    return Error{Errc::kIo, fmt::format("{}: {}", path, error.message())};
  }
  spawn(state->executor, State::accept_all(state));
  return std::unique_ptr<LocalServer>(new LocalServer(std::move(state)));
}

Result<std::string> ask_local(const std::string& path,
                              const std::string& request,
                              std::chrono::seconds patience) {
  const auto address = address_of(path);
  if (!address) {
    return address.error();
  }
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) {
    return failed(path, errno);
  }
  timeval limit{};
  limit.tv_sec = patience.count();
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what connect() takes
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (::connect(socket.get(), generic, sizeof(*address)) != 0) {
    const int error = errno;
    if (error == EACCES || error == EPERM) {
      return Error{Errc::kForbidden,
                   fmt::format("{}: only the daemon's own user and root may use it", path)};
    }
    return Error{Errc::kUnavailable,
                 fmt::format("{}: no daemon listens there ({})",
                             path,
                             std::error_code(error, std::system_category()).message())};
  }
  const std::string line = request + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const auto count = ::send(socket.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) {
      return failed(path, errno);
    }
    sent += static_cast<std::size_t>(count);
  }
  std::string answer;
  std::array<char, 4096> chunk{};
  while (!answer.ends_with('\n')) {
    const auto count = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (count < 0) {
      return errno == EAGAIN
                 ? Error{Errc::kTimeout,
                         fmt::format("{}: no answer within {} s", path, patience.count())}
                 : failed(path, errno);
    }
    if (count == 0) {
      return Error{Errc::kTruncated, fmt::format("{}: the daemon gave no answer", path)};
    }
    answer.append(chunk.data(), static_cast<std::size_t>(count));
  }
  answer.pop_back();
  return answer;
}

}  // namespace plumbline::net
