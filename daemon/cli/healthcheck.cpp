#include "daemon/cli/options.hpp"
#include "net/http_client.hpp"

#include <fmt/format.h>

#include <memory>

namespace plumbline::daemon {

namespace {

using namespace std::chrono_literals;

net::Task<void> ask(net::HttpTransport* client,
                    std::string url,
                    std::shared_ptr<core::Result<net::HttpResponse>> out) {
  net::HttpRequest request;
  request.url = std::move(url);
  request.deadlines.connect = 3s;
  request.deadlines.headers = 5s;
  request.deadlines.total = 5s;
  *out = co_await client->send(std::move(request));
}

}  // namespace

int run_healthcheck(const CommonOptions& options) {
  config::ListenAddress address;
  if (options.listen_address.empty()) {
    auto settings = config::load_settings(options.config_file);
    if (!settings) {
      fmt::print(stderr, "{}\n", settings.error().message);
      return kExitError;
    }
    address.address = settings->listen_address;
    address.port = settings->listen_port;
  } else {
    auto parsed = config::parse_listen_address(options.listen_address);
    if (!parsed) {
      fmt::print(stderr, "plumbline: {}\n", parsed.error().message);
      return kExitError;
    }
    address = *parsed;
  }
  // A daemon that listens everywhere is asked on loopback.
  const std::string host = address.address == "0.0.0.0"    ? "127.0.0.1"
                           : address.address == "::"       ? "[::1]"
                           : address.address.contains(':') ? "[" + address.address + "]"
                                                           : address.address;
  net::Worker io("io", 1);
  auto client = net::make_http_client(io.executor(), {});
  if (!client) {
    fmt::print(stderr, "plumbline: {}\n", client.error().message);
    return kExitError;
  }
  for (const char* path : {"/-/healthy", "/-/ready"}) {
    auto answer = std::make_shared<core::Result<net::HttpResponse>>();
    net::run_blocking(
        io.executor(),
        ask(client->get(), fmt::format("http://{}:{}{}", host, address.port, path), answer));
    if (!*answer) {
      fmt::print(stderr, "plumbline: {}\n", answer->error().message);
      return kExitError;
    }
    fmt::print("{}", (*answer)->body);
    if ((*answer)->status != 200) {
      return kExitNonCompliant;
    }
  }
  return kExitOk;
}

}  // namespace plumbline::daemon
