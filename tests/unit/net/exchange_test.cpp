// Client and server over loopback, and each of them against bytes that the other would not send.
#include "core/digest.hpp"
#include "net/gzip.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace plumbline;
using namespace plumbline::net;
using namespace std::chrono_literals;

namespace {

using Answer = core::Result<HttpResponse>;

Task<void> send_into(HttpTransport* client, HttpRequest request, Answer* answer) {
  *answer = co_await client->send(std::move(request));
}

Task<void> send_and_count(
    HttpTransport* client, HttpRequest request, std::atomic<int>* ok, int expected, Event done) {
  const Answer answer = co_await client->send(std::move(request));
  if (!answer || answer->status != 200 || ++*ok == expected) {
    done.set();
  }
}

Task<void> wait_until(Event event) {
  co_await event.wait_for(30s);
}

/// What the test server does, by path.
struct Behaviour {
  std::atomic<int> requests = 0;
  Event busy;
  Event release;
  std::vector<std::string> methods;
};

Task<ServerResponse> respond(Behaviour* behaviour, ServerRequest request) {
  ++behaviour->requests;
  ServerResponse response;
  if (request.path == "/echo") {
    response.body = request.method + " " + request.query + " " + request.body;
    response.headers.add("X-Echo", std::string(request.headers.get("X-In").value_or("none")));
  } else if (request.path == "/big") {
    response.body = std::string(1'000'000, 'b');
  } else if (request.path == "/cut") {
    response.body = "0123456789";
    response.truncate_body_at = 4;
  } else if (request.path == "/drop") {
    response.drop_connection = true;
  } else if (request.path == "/gzip") {
    response.body = *gzip_compress(std::string(100'000, 'z'));
    response.headers.add("Content-Encoding", "gzip");
  } else if (request.path == "/badgzip") {
    response.body = "not gzip";
    response.headers.add("Content-Encoding", "gzip");
  } else if (request.path == "/wait") {
    behaviour->busy.set();
    co_await behaviour->release.wait_for(30s);
  } else if (request.path == "/throw") {
    throw std::runtime_error("secret detail");
  } else if (request.path == "/split") {
    response.headers.add("X-Evil", "a\r\nSet-Cookie: b");
  } else if (request.path == "/none") {
    response.status = 204;
  } else {
    response.status = 404;
    response.body = request.path;
  }
  co_return response;
}

struct Handling {
  Behaviour* behaviour;

  Task<ServerResponse> operator()(ServerRequest request) const {
    return respond(behaviour, std::move(request));
  }
};

const SelfSigned& certificate() {
  static const SelfSigned kMade = *make_self_signed_certificate(24h);
  return kMade;
}

/// A file that goes with its scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content)
      : path_((std::filesystem::temp_directory_path() / core::random_uuid()).string()) {
    std::ofstream(path_) << content;
  }

  ~TemporaryFile() { std::filesystem::remove(path_); }

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A server, a client and the threads they run on: one each, so that neither can hide the other's
/// blocking.
class Loopback {
 public:
  explicit Loopback(bool tls = false, ServerOptions server = {}, ClientOptions client = {})
      : tls_(tls) {
    if (tls) {
      server.certificate_pem = certificate().certificate_pem;
      server.private_key_pem = certificate().private_key_pem;
    }
    server_ = *HttpServer::listen(server_worker_.executor(), server, Handling{&behaviour});
    client_ = *make_http_client(client_worker_.executor(), std::move(client));
  }

  [[nodiscard]] HttpRequest request(const std::string& target,
                                    const std::string& host = "127.0.0.1") const {
    HttpRequest request;
    request.url = (tls_ ? "https://" : "http://") + host + ":" + std::to_string(port()) + target;
    return request;
  }

  Answer send(HttpRequest request) {
    Answer answer;
    run_blocking(client_worker_.executor(), send_into(client_.get(), std::move(request), &answer));
    return answer;
  }

  Answer get(const std::string& target) { return send(request(target)); }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  HttpServer& server() { return *server_; }

  HttpTransport* client() { return client_.get(); }

  Executor client_executor() { return client_worker_.executor(); }

  Behaviour behaviour;

 private:
  bool tls_;
  Worker server_worker_{"server", 1};
  Worker client_worker_{"client", 1};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpTransport> client_;
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const timeval limit{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string read_until_closed(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t size = 0; (size = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

/// Sends raw bytes to a server and gives all it answers until it closes.
std::string raw_exchange(std::uint16_t port, std::string_view bytes) {
  const int fd = connect_to(port);
  REQUIRE(fd >= 0);
  send_all(fd, bytes);
  std::string answer = read_until_closed(fd);
  ::close(fd);
  return answer;
}

/// A server that answers the connections it accepts with given bytes, one each, and closes them.
/// With `hold` it answers nothing and keeps the connection until it is destroyed; with `leave_open`
/// it waits after its bytes for the client to close.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers,
                          bool hold = false,
                          bool leave_open = false)
      : listener_(::socket(AF_INET, SOCK_STREAM, 0)), leave_open_(leave_open) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 16) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    if (!hold) {
      thread_ = std::thread(&ScriptedServer::serve, this, std::move(answers));
    }
  }

  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) {
      thread_.join();
    }
    ::close(listener_);
  }

  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  void serve(const std::vector<std::string>& answers) {
    for (const std::string& answer : answers) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) {
        return;
      }
      ++accepted_;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
        if (size <= 0) {
          break;
        }
        request.append(buffer, static_cast<std::size_t>(size));
      }
      send_all(fd, answer);
      if (!leave_open_) {
        ::shutdown(fd, SHUT_WR);
      }
      read_until_closed(fd);
      ::close(fd);
    }
  }

  int listener_;
  bool leave_open_;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

/// What the client makes of an answer's bytes.
Answer receive(const std::string& bytes, const std::string& method = "GET") {
  ScriptedServer server({bytes});
  Worker worker("client", 1);
  const auto client = *make_http_client(worker.executor(), {});
  HttpRequest request;
  request.method = method;
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
  request.max_body_bytes = 1000;
  Answer answer;
  run_blocking(worker.executor(), send_into(client.get(), request, &answer));
  return answer;
}

/// Counts the connections that a server has cut, by reason.
class Cuts {
 public:
  [[nodiscard]] std::function<void(std::string_view)> counter() const {
    return [counts = counts_](std::string_view reason) {
      const std::lock_guard lock(counts->mutex);
      ++counts->by_reason[std::string(reason)];
    };
  }

  [[nodiscard]] int of(const std::string& reason) const {
    const std::lock_guard lock(counts_->mutex);
    return counts_->by_reason[reason];
  }

 private:
  struct Counts {
    std::mutex mutex;
    std::map<std::string, int> by_reason;
  };

  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("requests and answers arrive as they were sent") {
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    const TemporaryFile ca(certificate().certificate_pem);
    ClientOptions options;
    options.ca_file = ca.path();
    Loopback loop(tls, {}, options);
    HttpRequest request = loop.request("/echo?a=1%202");
    request.method = "POST";
    request.body = "hello";
    request.headers.add("X-In", "in");
    const Answer answer = loop.send(request);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == "POST a=1%202 hello");
    CHECK(answer->headers.get("x-echo") == "in");
    CHECK(answer->headers.get("Content-Type") == "text/plain; charset=utf-8");

    request = loop.request("/echo");
    request.method = "HEAD";
    const Answer head = loop.send(request);
    REQUIRE(head);
    CHECK(head->status == 200);
    CHECK(head->body.empty());
    CHECK(head->headers.get("Content-Length") == "5");

    request.method = "POST";
    CHECK(loop.send(request)->body == "POST  ");
    CHECK(loop.get("/big")->body.size() == 1'000'000);
    CHECK(loop.get("/none")->status == 204);
    CHECK(loop.get("/a%2Fb/../c")->body == "/a/b/../c");
  }
}

TEST_CASE("one connection serves many requests") {
  ServerOptions options;
  options.max_connections = 1;  // a second connection would be closed
  Loopback loop(false, options);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(loop.get(i % 2 == 0 ? "/echo" : "/big"));
  }
  CHECK(loop.behaviour.requests == 20);
}

TEST_CASE("a kept connection that the server has closed is replaced") {
  ScriptedServer server({"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
                         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"});
  Worker worker("client", 1);
  const auto client = *make_http_client(worker.executor(), {});
  for (const std::string expected : {"a", "b"}) {
    HttpRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(server.port()) + "/";
    Answer answer;
    run_blocking(worker.executor(), send_into(client.get(), request, &answer));
    REQUIRE(answer);
    CHECK(answer->body == expected);
  }
  CHECK(server.accepted() == 2);
}

TEST_CASE("a request that was dropped on a kept connection is repeated once if idempotent") {
  Loopback loop;
  REQUIRE(loop.get("/echo"));
  CHECK(loop.get("/drop").error().code == core::Errc::kNetwork);
  CHECK(loop.behaviour.requests == 3);  // repeated on a new connection, where it is an answer
  REQUIRE(loop.get("/echo"));
  HttpRequest post = loop.request("/drop");
  post.method = "POST";
  CHECK(loop.send(post).error().code == core::Errc::kNetwork);
  CHECK(loop.behaviour.requests == 5);
}

TEST_CASE("TLS: the chain and the host's name are verified") {
  const TemporaryFile ca(certificate().certificate_pem);
  ClientOptions trusting;
  trusting.ca_file = ca.path();
  SUBCASE("trusted by address and by name") {
    Loopback loop(true, {}, trusting);
    CHECK(loop.get("/echo"));
    CHECK(loop.send(loop.request("/echo", "localhost")));
  }
  SUBCASE("not trusted") {
    Loopback loop(true);
    const Answer answer = loop.get("/echo");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == core::Errc::kTls);
    CHECK(answer.error().message.find("self-signed") != std::string::npos);
    CHECK(loop.behaviour.requests == 0);
  }
  SUBCASE("another certificate's authority") {
    const TemporaryFile other(make_self_signed_certificate(24h)->certificate_pem);
    ClientOptions options;
    options.ca_file = other.path();
    Loopback loop(true, {}, options);
    CHECK(loop.get("/echo").error().code == core::Errc::kTls);
  }
  SUBCASE("a host the certificate does not name") {
    Loopback loop(true, {}, trusting);
    const Answer answer = loop.send(loop.request("/echo", "127.0.0.2"));
    REQUIRE_FALSE(answer);
    // The listener is on 127.0.0.1 only: either nobody is there or the name is wrong.
    CHECK(answer.error().code == core::Errc::kNetwork);
    ServerOptions any;
    any.address = "0.0.0.0";
    Loopback wide(true, any, trusting);
    const Answer wrong = wide.send(wide.request("/echo", "127.0.0.2"));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == core::Errc::kTls);
  }
  SUBCASE("expired") {
    const auto expired = make_self_signed_certificate(-1h);
    REQUIRE(expired);
    const TemporaryFile file(expired->certificate_pem);
    ServerOptions server;
    server.certificate_pem = expired->certificate_pem;
    server.private_key_pem = expired->private_key_pem;
    ClientOptions options;
    options.ca_file = file.path();
    Loopback loop(false, server, options);
    HttpRequest request = loop.request("/echo");
    request.url.replace(0, 4, "https");
    const Answer answer = loop.send(request);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == core::Errc::kTls);
    CHECK(answer.error().message.find("expired") != std::string::npos);
  }
  SUBCASE("the server speaks no TLS") {
    Loopback loop(false);
    HttpRequest request = loop.request("/echo");
    request.url.replace(0, 4, "https");
    CHECK(loop.send(request).error().code == core::Errc::kTls);
  }
}

TEST_CASE("unusable certificates are refused when client or server is made") {
  Worker worker("w", 1);
  ClientOptions client;
  client.ca_file = "/nonexistent/ca.pem";
  CHECK(make_http_client(worker.executor(), client).error().code == core::Errc::kInvalidArgument);
  const TemporaryFile text("no certificate");
  client.ca_file = text.path();
  CHECK(make_http_client(worker.executor(), client).error().code == core::Errc::kInvalidArgument);

  Behaviour behaviour;
  const auto code = [&](const std::string& pem, const std::string& key) {
    ServerOptions options;
    options.certificate_pem = pem;
    options.private_key_pem = key;
    return HttpServer::listen(worker.executor(), options, Handling{&behaviour}).error().code;
  };
  CHECK(code("nonsense", "nonsense") == core::Errc::kInvalidArgument);
  CHECK(code(certificate().certificate_pem, "") == core::Errc::kInvalidArgument);
  CHECK(code(certificate().certificate_pem, make_self_signed_certificate(1h)->private_key_pem) ==
        core::Errc::kInvalidArgument);
}

TEST_CASE("listening where it can't be done names the address") {
  Loopback loop;
  Worker worker("w", 1);
  Behaviour behaviour;
  ServerOptions options;
  options.port = loop.port();
  const auto taken = HttpServer::listen(worker.executor(), options, Handling{&behaviour});
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == core::Errc::kIo);
  CHECK(taken.error().message.find("127.0.0.1 port " + std::to_string(loop.port())) !=
        std::string::npos);
  options.address = "nowhere";
  CHECK(HttpServer::listen(worker.executor(), options, Handling{&behaviour}).error().code ==
        core::Errc::kInvalidArgument);
}

TEST_CASE("an answer cut short is truncated, with and without TLS") {
  const TemporaryFile ca(certificate().certificate_pem);
  ClientOptions options;
  options.ca_file = ca.path();
  for (const bool tls : {false, true}) {
    Loopback loop(tls, {}, options);
    const Answer answer = loop.get("/cut");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == core::Errc::kTruncated);
    CHECK(loop.get("/echo"));
  }
}

TEST_CASE("gzip answers are decoded within the bound") {
  Loopback loop;
  const Answer answer = loop.get("/gzip");
  REQUIRE(answer);
  CHECK(answer->body == std::string(100'000, 'z'));
  CHECK_FALSE(answer->headers.get("Content-Encoding"));
  HttpRequest request = loop.request("/gzip");
  request.max_body_bytes = 99'999;
  CHECK(loop.send(request).error().code == core::Errc::kLimit);
  CHECK(loop.get("/badgzip").error().code == core::Errc::kHttp);
}

TEST_CASE("what the client makes of odd answers") {
  const struct {
    std::string bytes;
    std::optional<core::Errc> error;
    std::string body;
  } cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", {}, "ab"},
      {"HTTP/1.1 200 OK\r\n\r\nuntil closed", {}, "until closed"},
      {"HTTP/1.0 200 OK\r\n\r\nold", {}, "old"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
       {},
       "abcde"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", {}, "a"},
      {"", core::Errc::kNetwork, ""},
      {"HTTP/1.1 200", core::Errc::kNetwork, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", core::Errc::kTruncated, ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
       core::Errc::kTruncated,
       ""},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", core::Errc::kHttp, ""},
      {"garbage\r\n\r\n", core::Errc::kHttp, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", core::Errc::kHttp, ""},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
       core::Errc::kHttp,
       ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", core::Errc::kLimit, ""},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x'), core::Errc::kLimit, ""},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n", core::Errc::kLimit, ""},
  };

  for (const auto& test : cases) {
    CAPTURE(test.bytes.substr(0, 100));
    const Answer answer = receive(test.bytes);
    REQUIRE(answer.has_value() == !test.error.has_value());
    if (answer) {
      CHECK(answer->body == test.body);
    } else {
      CHECK(answer.error().code == *test.error);
    }
  }
}

TEST_CASE("nobody there, and requests that can't be sent") {
  Loopback loop;
  HttpRequest request;
  {
    ScriptedServer gone({});
    request.url = "http://127.0.0.1:" + std::to_string(gone.port()) + "/?sig=secret";
  }
  Answer answer = loop.send(request);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == core::Errc::kNetwork);
  CHECK(answer.error().message.find("secret") == std::string::npos);
  request.url = "not a url";
  CHECK(loop.send(request).error().code == core::Errc::kInvalidArgument);
  request = loop.request("/echo");
  request.headers.add("X", "a\r\nY: b");
  CHECK(loop.send(request).error().code == core::Errc::kInvalidArgument);
  request = loop.request("/echo");
  request.method = "GET /other HTTP/1.1\r\n";
  CHECK(loop.send(request).error().code == core::Errc::kInvalidArgument);
  CHECK(loop.behaviour.requests == 0);
}

TEST_CASE("a silent server is a timeout, in each phase") {
  Worker worker("client", 1);
  const auto client = *make_http_client(worker.executor(), {});
  const ScriptedServer silent({}, true);

  const struct {
    const char* scheme;
    Deadlines deadlines;
  } cases[] = {
      {"http", {.connect = 10s, .headers = 30ms, .body = 10s, .total = 10s}},
      {"http", {.connect = 10s, .headers = 10s, .body = 10s, .total = 30ms}},
      {"https", {.connect = 30ms, .headers = 10s, .body = 10s, .total = 10s}},
  };

  for (const auto& test : cases) {
    HttpRequest request;
    request.url = std::string(test.scheme) + "://127.0.0.1:" + std::to_string(silent.port()) + "/";
    request.deadlines = test.deadlines;
    Answer answer;
    run_blocking(worker.executor(), send_into(client.get(), request, &answer));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == core::Errc::kTimeout);
  }
  const ScriptedServer half({"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha"}, false, true);
  HttpRequest unfinished;
  unfinished.url = "http://127.0.0.1:" + std::to_string(half.port()) + "/";
  unfinished.deadlines = {.connect = 10s, .headers = 10s, .body = 30ms, .total = 10s};
  Answer cut;
  const auto begun = std::chrono::steady_clock::now();
  run_blocking(worker.executor(), send_into(client.get(), unfinished, &cut));
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == core::Errc::kTimeout);
  CHECK(std::chrono::steady_clock::now() - begun < 9s);
  Loopback loop;
  HttpRequest request = loop.request("/wait");
  request.deadlines.headers = 30ms;
  CHECK(loop.send(request).error().code == core::Errc::kTimeout);
  loop.behaviour.release.set();
}

TEST_CASE("the server bounds header, body and time of a request") {
  ServerOptions options;
  options.max_header_bytes = 2000;
  options.max_body_bytes = 1000;
  options.header_timeout = 1s;
  Loopback loop(false, options);
  CHECK(raw_exchange(loop.port(),
                     "GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'x') + "\r\n\r\n")
            .starts_with("HTTP/1.1 431 "));
  CHECK(raw_exchange(loop.port(),
                     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" +
                         std::string(1001, 'x'))
            .starts_with("HTTP/1.1 413 "));
  CHECK(raw_exchange(loop.port(), "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  // Bytes that trickle in do not move the deadline.
  const int slow = connect_to(loop.port());
  REQUIRE(slow >= 0);
  const auto start = std::chrono::steady_clock::now();
  for (char byte = 0; ::recv(slow, &byte, 1, MSG_DONTWAIT) != 0 &&
                      std::chrono::steady_clock::now() - start < 10s;) {
    send_all(slow, "G");
    std::this_thread::sleep_for(20ms);
  }
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  ::close(slow);
  // Neither a header nor a body that never ends holds a connection for long.
  CHECK(raw_exchange(loop.port(), "GET /echo HTTP/1.1\r\nHost: a\r\nX: ").empty());
  CHECK(raw_exchange(loop.port(), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            .empty());
  CHECK(loop.behaviour.requests == 0);
}

TEST_CASE("a connection beyond the cap takes the place of one that waits") {
  ServerOptions options;
  options.max_connections = 1;
  SUBCASE("in all") {}
  SUBCASE("of one client") {
    options.max_connections = 100;
    options.max_connections_per_client = 1;
  }
  Cuts cuts;
  options.on_cut = cuts.counter();
  Loopback loop(false, options);
  REQUIRE(loop.get("/echo"));  // the client keeps its connection
  const std::string request = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  CHECK(raw_exchange(loop.port(), request).starts_with("HTTP/1.1 200 "));
  CHECK(loop.get("/echo"));
  CHECK(cuts.of("displaced") > 0);
  CHECK(cuts.of("refused") == 0);
  // One that is being answered keeps its place.
  std::thread busy([&] { CHECK(loop.get("/wait")); });
  Worker worker("w", 1);
  run_blocking(worker.executor(), wait_until(loop.behaviour.busy));
  CHECK(raw_exchange(loop.port(), request).empty());
  CHECK(cuts.of("refused") == 1);
  loop.behaviour.release.set();
  busy.join();
}

TEST_CASE("the connection that has waited longest goes first") {
  ServerOptions options;
  options.max_connections = 3;
  Loopback loop(false, options);
  const std::string begun = "GET /echo HTTP/1.1\r\nHost: a\r\n";
  std::vector<int> fds;
  for (int i = 0; i < 3; ++i) {
    fds.push_back(connect_to(loop.port()));
    REQUIRE(fds.back() >= 0);
    // In this order for sure: each is answered once.
    send_all(fds.back(), begun + "\r\n");
    char first = 0;
    REQUIRE(::recv(fds.back(), &first, 1, 0) == 1);
  }
  const std::string request = begun + "Connection: close\r\n\r\n";
  CHECK(raw_exchange(loop.port(), request).starts_with("HTTP/1.1 200 "));
  CHECK(read_until_closed(fds[0]).ends_with("GET  "));  // closed, after its answer
  for (const std::size_t kept : {1U, 2U}) {
    send_all(fds[kept], request);
    CHECK(count_of(read_until_closed(fds[kept]), "HTTP/1.1 200 ") == 1);
  }
  for (const int fd : fds) {
    ::close(fd);
  }
}

TEST_CASE("the server answers what raw clients send") {
  Loopback loop;
  const std::string close = "Host: a\r\nConnection: close\r\n\r\n";
  CHECK(
      raw_exchange(loop.port(), "GET http://any/echo?q HTTP/1.1\r\n" + close).ends_with("GET q "));
  CHECK(raw_exchange(loop.port(), "GET /echo HTTP/1.0\r\n\r\n").ends_with("GET  "));
  const std::string pipelined = raw_exchange(
      loop.port(), "GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\nGET /echo?2 HTTP/1.1\r\n" + close);
  CHECK(count_of(pipelined, "HTTP/1.1 200 OK") == 2);
  CHECK(raw_exchange(
            loop.port(),
            "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + close + "ab")
            .starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  const std::string failed = raw_exchange(loop.port(), "GET /throw HTTP/1.1\r\n" + close);
  CHECK(failed.starts_with("HTTP/1.1 500 "));
  CHECK(failed.find("secret") == std::string::npos);
  const std::string split = raw_exchange(loop.port(), "GET /split HTTP/1.1\r\n" + close);
  CHECK(split.find("\r\nSet-Cookie") == std::string::npos);
}

TEST_CASE("a hundred requests at once") {
  const TemporaryFile ca(certificate().certificate_pem);
  ClientOptions options;
  options.ca_file = ca.path();
  for (const bool tls : {false, true}) {
    Loopback loop(tls, {}, options);
    std::atomic<int> ok = 0;
    const Event done;
    for (int i = 0; i < 100; ++i) {
      spawn(loop.client_executor(),
            send_and_count(loop.client(), loop.request("/gzip"), &ok, 100, done));
    }
    run_blocking(loop.client_executor(), wait_until(done));
    CHECK(ok == 100);
  }
}

TEST_CASE("stopping closes busy and idle connections and frees the port") {
  Loopback loop;
  REQUIRE(loop.get("/echo"));  // leaves an idle connection
  const int idle = connect_to(loop.port());
  REQUIRE(idle >= 0);
  std::thread stopper([&] {
    Worker worker("w", 1);
    run_blocking(worker.executor(), wait_until(loop.behaviour.busy));
    loop.server().stop();
    loop.server().stop();
    CHECK(read_until_closed(idle).empty());
    loop.behaviour.release.set();
  });
  const Answer answer = loop.get("/wait");
  stopper.join();
  ::close(idle);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == core::Errc::kNetwork);
  CHECK(connect_to(loop.port()) == -1);
}

TEST_CASE("running out of file descriptors pauses the server only") {
  Loopback loop;
  REQUIRE(loop.get("/echo"));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  // A connection whose server end finds no descriptor: its own is opened before they run out.
  const int waiting = ::socket(AF_INET, SOCK_STREAM, 0);
  std::vector<int> hoard;
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(waiting) + 32;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  for (int fd = 0; (fd = ::dup(0)) >= 0;) {
    hoard.push_back(fd);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(loop.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(waiting, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  send_all(waiting, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  for (const int fd : hoard) {
    ::close(fd);
  }
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(read_until_closed(waiting).starts_with("HTTP/1.1 200 OK"));
  ::close(waiting);
  CHECK(loop.get("/echo"));
}

TEST_CASE("requests that could be read in two ways are refused, and nothing after them is read") {
  const std::string post = "POST /echo HTTP/1.1\r\nHost: a\r\n";
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

  const struct {
    const char* name;
    std::string bytes;
    int status;  // 0: closed without a word
  } cases[] = {
      {"length and chunks",
       post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
       400},
      {"chunks and length",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
       400},
      {"two lengths", post + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + hidden, 400},
      {"one length twice", post + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + hidden, 400},
      {"list of lengths", post + "Content-Length: 0, 0\r\n\r\n" + hidden, 400},
      {"signed length", post + "Content-Length: +0\r\n\r\n" + hidden, 400},
      {"negative length", post + "Content-Length: -1\r\n\r\n" + hidden, 400},
      {"hexadecimal length", post + "Content-Length: 0x0\r\n\r\n" + hidden, 400},
      {"empty length", post + "Content-Length:\r\n\r\n" + hidden, 400},
      {"overflowing length", post + "Content-Length: 18446744073709551617\r\n\r\n" + hidden, 400},
      {"space before the colon", post + "Content-Length : 0\r\n\r\n" + hidden, 400},
      {"space before the colon of an encoding",
       post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
       400},
      {"two encodings",
       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
       400},
      {"unknown encoding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, 501},
      {"encoding before chunks",
       post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden,
       501},
      {"chunks twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + hidden, 501},
      {"quoted encoding", post + "Transfer-Encoding: \"chunked\"\r\n\r\n" + hidden, 501},
      {"chunks in HTTP/1.0",
       "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
       400},
      {"folded encoding", post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + hidden, 400},
      {"folded line", post + "X: a\r\n\tb\r\n\r\n" + hidden, 400},
      {"folded first line", "GET /echo HTTP/1.1\r\n Host: a\r\n\r\n" + hidden, 400},
      {"bare line feed", "GET /echo HTTP/1.1\nHost: a\n\n" + hidden, 400},
      {"bare line feed in a value", post + "X: a\nContent-Length: 5\r\n\r\n" + hidden, 400},
      {"bare return", post + "X: a\rContent-Length: 5\r\n\r\n" + hidden, 400},
      {"bare returns at the end", post + "X: a\r\r\n\r\n" + hidden, 400},
      {"NUL in a value", post + std::string("X: a\0b\r\n\r\n", 10) + hidden, 400},
      {"control in a name", post + "X\x01: a\r\n\r\n" + hidden, 400},
      {"nameless field", post + ": a\r\n\r\n" + hidden, 400},
      {"line without a colon", post + "nothing\r\n\r\n" + hidden, 400},
      {"chunk size without digits",
       post + "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n" + hidden,
       400},
      {"chunk size with a prefix",
       post + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + hidden,
       400},
      {"negative chunk size", post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + hidden, 400},
      {"overflowing chunk size",
       post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\na\r\n0\r\n\r\n" + hidden,
       400},
      {"chunk longer than said",
       post + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + hidden,
       400},
      {"chunk ended by a line feed",
       post + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n" + hidden,
       400},
      {"two hosts", "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + hidden, 400},
      {"no host", "GET /echo HTTP/1.1\r\n\r\n" + hidden, 400},
      {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"two spaces", "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"space in the target", "GET /echo /x HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 505},
      {"tab in the request line", "GET\t/echo HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"authority as target", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"relative target", "GET echo HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"fragment", "GET /echo#a HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"control in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n" + hidden, 400},
      {"no version", "GET /echo\r\n\r\n" + hidden, 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"future version", "GET /echo HTTP/1.2\r\nHost: a\r\n\r\n" + hidden, 505},
      {"unknown expectation",
       post + "Expect: a miracle\r\nContent-Length: 0\r\n\r\n" + hidden,
       417},
      {"empty lines", "\r\n\r\n\r\n" + hidden, 400},
      {"long request line", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"endless request line", std::string(9000, 'A'), 414},
      {"long header", post + "X: " + std::string(17000, 'a') + "\r\n\r\n", 431},
      {"endless chunk extension",
       post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(500'000, 'a'),
       431},
      {"long chunks",
       post + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" + std::string(1'100'000, 'a'),
       413},
      {"TLS", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"closed halfway", post, 0},
      {"closed in the body", post + "Content-Length: 10\r\n\r\nabc", 0},
  };

  for (const auto& test : cases) {
    INFO(std::string(test.name));
    Loopback loop;
    const int fd = connect_to(loop.port());
    REQUIRE(fd >= 0);
    send_all(fd, test.bytes);
    ::shutdown(fd, SHUT_WR);
    const std::string answer = read_until_closed(fd);
    ::close(fd);
    if (test.status == 0) {
      CHECK(answer.empty());
    } else {
      CHECK(answer.starts_with("HTTP/1.1 " + std::to_string(test.status) + " "));
      CHECK(count_of(answer, "HTTP/1.1 ") == 1);
      CHECK(count_of(answer, "Connection: close\r\n") == 1);
    }
    CHECK(loop.behaviour.requests == 0);
  }
}

TEST_CASE("odd requests that have one meaning only are answered") {
  const std::string end = "Host: a\r\nConnection: close\r\n\r\n";
  const std::pair<std::string, std::string> cases[] = {
      {"\r\nGET /echo HTTP/1.1\r\n" + end, "GET  "},
      {"GET /echo HTTP/1.0\r\n\r\n", "GET  "},
      {"GET /echo HTTP/1.1\r\nx:\r\nX-Y:\t a b \r\n" + end, "GET  "},
      {"POST /echo HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n" + end +
           "3;a=\"b\"\r\nabc\r\n00\r\nHost: b\r\nX-In: trailer\r\n\r\n",
       "POST  abc"},
      {"POST /echo HTTP/1.1\r\nContent-Length: 003\r\n" + end + "abc", "POST  abc"},
      {"GET HTTP://b/echo?x HTTP/1.1\r\n" + end, "GET x "},
      {"FROB /echo HTTP/1.1\r\n" + end, "FROB  "},
  };
  for (const auto& [bytes, body] : cases) {
    CAPTURE(bytes);
    Loopback loop;
    const std::string answer = raw_exchange(loop.port(), bytes);
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(answer.ends_with("\r\n\r\n" + body));
    // What follows a chunked body is no field of the request.
    CHECK(count_of(answer, "X-Echo: none\r\n") == 1);
    CHECK(loop.behaviour.requests == 1);
  }
}

TEST_CASE("a server that wants no bodies keeps none, and still counts them") {
  ServerOptions options;
  options.keep_bodies = false;
  options.max_body_bytes = 1000;
  Loopback loop(false, options);
  HttpRequest request = loop.request("/echo");
  request.method = "POST";
  request.body = std::string(1000, 'a');
  CHECK(loop.send(request)->body == "POST  ");
  request.body += 'a';
  CHECK(loop.send(request)->status == 413);
}

TEST_CASE("every answer is decorated, those of the server itself too") {
  ServerOptions options;
  options.decorate = [](ServerResponse& response) { response.headers.set("X-Seen", "yes"); };
  Loopback loop(false, options);
  CHECK(loop.get("/echo")->headers.get("X-Seen") == "yes");
  CHECK(loop.get("/throw")->headers.get("X-Seen") == "yes");
  CHECK(count_of(raw_exchange(loop.port(), "nonsense\r\n\r\n"), "X-Seen: yes\r\n") == 1);
}

TEST_CASE("500 clients that never finish their request, and one that does") {
  ServerOptions options;
  options.max_connections_per_client = 128;
  Cuts cuts;
  options.on_cut = cuts.counter();
  Loopback loop(false, options);
  std::vector<int> slow;
  for (int i = 0; i < 500; ++i) {
    slow.push_back(connect_to(loop.port()));
    REQUIRE(slow.back() >= 0);
    send_all(slow.back(), "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
  }
  int in_time = 0;
  for (int i = 0; i < 50; ++i) {
    for (const int fd : slow) {
      send_all(fd, "x");
    }
    const auto start = std::chrono::steady_clock::now();
    CHECK(raw_exchange(loop.port(), "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 200 "));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    in_time += took < 100ms ? 1 : 0;
  }
  CHECK(in_time >= 45);  // the machine may be busy with something else for a moment
  CHECK(cuts.of("displaced") >= 372);
  for (const int fd : slow) {
    ::close(fd);
  }
}
