#include "config/web_config.hpp"
#include "daemon/cli/options.hpp"
#include "net/http_client.hpp"

#include <fmt/format.h>

#include <memory>

namespace plumbline::daemon {

namespace {

using namespace std::chrono_literals;

/// Whom to ask, and how.
struct Probe {
  std::string origin;
  bool needs_certificate = false;
};

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

core::Result<Probe> make_probe(const CommonOptions& options) {
  // With the address given, the configuration is needed for nothing but its web config, and may be
  // missing.
  config::ListenAddress address;
  std::string web_config_file = options.web_config_file;
  if (options.listen_address.empty()) {
    auto settings = load_settings_with(options);
    if (!settings) {
      return settings.error();
    }
    address.address = settings->listen_address;
    address.port = settings->listen_port;
    web_config_file = settings->web_config_file;
  } else {
    auto parsed = config::parse_listen_address(options.listen_address);
    if (!parsed) {
      return parsed.error();
    }
    address = *parsed;
  }
  config::WebConfig web;
  if (!web_config_file.empty()) {
    auto loaded = config::load_web_config(web_config_file);
    if (!loaded) {
      return loaded.error();
    }
    web = *std::move(loaded);
  }
  // A daemon that listens everywhere is asked on loopback.
  const std::string host = address.address == "0.0.0.0"    ? "127.0.0.1"
                           : address.address == "::"       ? "[::1]"
                           : address.address.contains(':') ? "[" + address.address + "]"
                                                           : address.address;
  Probe probe;
  probe.origin = fmt::format("{}://{}:{}", web.tls ? "https" : "http", host, address.port);
  probe.needs_certificate =
      web.tls && (web.tls->client_auth == config::ClientAuth::kRequireAny ||
                  web.tls->client_auth == config::ClientAuth::kRequireAndVerify);
  return probe;
}

int run_probe(const Probe& probe) {
  net::Worker io("io", 1);
  net::ClientOptions client_options;
  // The certificate names the machine, not loopback; nothing secret is sent, and whether something
  // answers is all that is asked.
  client_options.verify_peer = false;
  auto client = net::make_http_client(io.executor(), std::move(client_options));
  if (!client) {
    fmt::print(stderr, "plumbline: {}\n", client.error().message);
    return kExitError;
  }
  for (const char* path : {"/-/healthy", "/-/ready"}) {
    auto answer = std::make_shared<core::Result<net::HttpResponse>>();
    net::run_blocking(io.executor(), ask(client->get(), probe.origin + path, answer));
    if (!*answer) {
      if (probe.needs_certificate && answer->error().code == core::Errc::kTls) {
        fmt::print("The daemon is alive and asks for a client certificate.\n");
        return kExitOk;
      }
      fmt::print(stderr, "plumbline: {}\n", answer->error().message);
      return kExitError;
    }
    if ((*answer)->status == 401) {
      fmt::print("The daemon is alive and asks for a password.\n");
      return kExitOk;
    }
    fmt::print("{}", (*answer)->body);
    if ((*answer)->status != 200) {
      return kExitNonCompliant;
    }
  }
  return kExitOk;
}

}  // namespace

int run_healthcheck(const CommonOptions& options) {
  const auto probe = make_probe(options);
  if (!probe) {
    fmt::print(stderr, "plumbline: {}\n", probe.error().message);
    return kExitError;
  }
  return run_probe(*probe);
}

}  // namespace plumbline::daemon
