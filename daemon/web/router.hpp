// Which request goes where, and what may be asked from where.
#pragma once

#include "daemon/app.hpp"
#include "net/http_server.hpp"

namespace plumbline::daemon {

struct RouterOptions {
  /// Answer API and page too, not only metrics and health. On a non-loopback address without
  /// authentication that needs --web.allow-anonymous.
  bool expose_all = true;
};

/// The handler of the daemon's server. GET and HEAD only. `app` must outlive the server.
[[nodiscard]] net::Handler make_router(App& app, RouterOptions options);

[[nodiscard]] bool is_loopback_address(std::string_view address);

}  // namespace plumbline::daemon
