// What people tell a running daemon about drift, over its local socket. docs/drift.md documents the
// requests.
#pragma once

#include "daemon/app.hpp"
#include "net/local_server.hpp"

namespace plumbline::daemon {

/// Answers requests to accept drift and to withdraw what was accepted. `app` outlives it.
[[nodiscard]] net::LocalHandler drift_admin(App& app);

}  // namespace plumbline::daemon
