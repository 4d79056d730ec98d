// Which request goes where, and who may ask what.
#pragma once

#include "daemon/app.hpp"
#include "daemon/reload_requests.hpp"
#include "daemon/web/access.hpp"
#include "daemon/web/basic_auth.hpp"
#include "daemon/web/web_config_file.hpp"
#include "daemon/web/web_metrics.hpp"
#include "net/http_server.hpp"

namespace plumbline::daemon {

struct RouterOptions {
  /// Where the server listens decides what it answers to those it cannot tell apart: everything on
  /// loopback, metrics and health elsewhere.
  bool is_loopback = true;
  /// --web.allow-anonymous: everything to everyone.
  bool allow_anonymous = false;
  OwnNames names;
  std::shared_ptr<ReloadRequests> reloads;
};

/// What the server needs of the daemon. `app` must outlive the server.
class Router : public std::enable_shared_from_this<Router> {
 public:
  Router(App& app, RouterOptions options);

  /// Reads the web config file; before the first request.
  [[nodiscard]] core::Status open(const std::string& web_config_file);

  [[nodiscard]] net::Handler handler();
  /// Headers that every answer has, those of the server itself included.
  [[nodiscard]] std::function<void(net::ServerResponse&)> decorator();
  /// Counts the connections that the server cuts.
  [[nodiscard]] std::function<void(std::string_view)> cut_counter();
  /// The certificate of the next connection.
  [[nodiscard]] std::function<std::shared_ptr<const net::ServerTls>()> tls();

 private:
  static net::Task<net::ServerResponse> respond(std::shared_ptr<Router> self,
                                                net::ServerRequest request);
  /// The refusal of who may not ask at all; nullopt for everyone else.
  net::Task<std::optional<net::ServerResponse>> refuse(net::ServerRequest request);
  net::Task<net::ServerResponse> route(net::ServerRequest request);
  net::Task<net::ServerResponse> reload(net::ServerRequest request);
  void add_headers(net::ServerResponse& response);

  App* app_;
  RouterOptions options_;
  WebMetrics metrics_;
  std::unique_ptr<WebConfigFile> config_;
  Authenticator authenticator_;
};
}  // namespace plumbline::daemon
