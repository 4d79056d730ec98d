#include "core/text.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/drift_admin.hpp"
#include "daemon/logging.hpp"
#include "daemon/systemd_notify.hpp"
#include "daemon/web/router.hpp"
#include "net/http_server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>
#include <ctime>

namespace plumbline::daemon {

namespace {

constexpr std::chrono::seconds kShutdownPatience{3};
/// Enough for a browser, some scrapers and a proxy in front of them; a quarter of all.
constexpr std::size_t kConnectionsPerClient = 128;

/// Signals that the main thread waits for; blocked in every thread.
sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  return signals;
}

std::string machine_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  static_cast<void>(::gethostname(name.data(), name.size() - 1));
  return core::to_lower(name.data());
}

/// Returns the signal that asked for the end. Meanwhile feeds the service manager's watchdog, but
/// only while every thread is alive.
int wait_for_termination(App& app,
                         ReloadRequests& reloads,
                         const CommonOptions& options,
                         const sigset_t& signals) {
  const auto watchdog = watchdog_interval();
  const auto period = watchdog ? *watchdog / 2 : std::chrono::microseconds(std::chrono::hours(1));
  for (;;) {
    timespec timeout{};
    timeout.tv_sec =
        static_cast<time_t>(std::chrono::duration_cast<std::chrono::seconds>(period).count());
    timeout.tv_nsec = static_cast<long>((period % std::chrono::seconds(1)).count() * 1000);
    const int signal = sigtimedwait(&signals, nullptr, &timeout);
    if (signal == SIGHUP) {
      // What went wrong is logged and measured; the daemon goes on as it was.
      auto outcome = reloads.take();
      static_cast<void>(app.reload(load_settings_with(options), std::move(outcome)));
    } else if (signal > 0) {
      return signal;
    }
    if (watchdog && app.heartbeats().healthy()) {
      notify_service_manager("WATCHDOG=1");
    }
  }
}

}  // namespace

int run_serve(const CommonOptions& options) {
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  auto built =
      App::build(*settings,
                 make_log(parse_log_level(settings->log_level),
                          settings->log_format == "json" ? LogFormat::kJson : LogFormat::kLogfmt));
  if (!built) {
    fmt::print(stderr, "plumbline: {}\n", built.error().message);
    return kExitError;
  }
  App& app = **built;
  net::ServerOptions server_options;
  server_options.address = settings->listen_address;
  server_options.port = settings->listen_port;
  const auto reloads = std::make_shared<ReloadRequests>();
  RouterOptions router_options;
  router_options.reloads = reloads;
  router_options.names.machine = machine_name();
  if (!options.external_url.empty()) {
    auto url = net::parse_url(options.external_url);
    if (!url) {
      fmt::print(stderr, "plumbline: --web.external-url: {}\n", url.error().message);
      return kExitError;
    }
    router_options.names.external_url = *std::move(url);
  }
  router_options.is_loopback = is_loopback_address(settings->listen_address);
  router_options.allow_anonymous = options.allow_anonymous;
  const auto router = std::make_shared<Router>(app, router_options);
  if (auto opened = router->open(settings->web_config_file); !opened) {
    fmt::print(stderr, "plumbline: {}\n", opened.error().message);
    return kExitError;
  }
  server_options.tls = router->tls();
  server_options.decorate = router->decorator();
  server_options.on_cut = router->cut_counter();
  server_options.max_connections_per_client = kConnectionsPerClient;
  server_options.keep_bodies = false;
  auto server = net::HttpServer::listen(app.io(), std::move(server_options), router->handler());
  if (!server) {
    fmt::print(stderr, "plumbline: {}\n", server.error().message);
    return kExitError;
  }
  app.log().info("listening",
                 {{core::log_field::kAddress,
                   fmt::format("{}:{}", settings->listen_address, (*server)->port())},
                  {core::log_field::kVersion, PLUMBLINE_VERSION}});
  const auto socket = settings->drift.socket_beside(settings->storage_path);
  auto admin = net::LocalServer::listen(app.io(), socket, drift_admin(app));
  if (!admin) {
    // Watching goes on without it.
    app.log().error("drift_socket_failed", {{core::log_field::kError, admin.error().message}});
  }
  notify_service_manager("READY=1");
  app.start_maintenance();
  net::spawn(app.io(), app.run_schedule());
  const int signal = wait_for_termination(app, *reloads, options, signals);
  app.log().info("stopping", {{core::log_field::kReason, signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  notify_service_manager("STOPPING=1");
  if (admin) {
    admin->reset();
  }
  (*server)->stop();
  app.stop(kShutdownPatience);
  app.log().info("stopped");
  return kExitOk;
}

}  // namespace plumbline::daemon
