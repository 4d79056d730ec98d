// The read-only JSON API, /api/v1. docs/api.md describes it.
#pragma once

#include "core/result.hpp"
#include "daemon/app.hpp"
#include "net/http_server.hpp"

#include <string>

namespace plumbline::daemon {

/// The JSON body for a request below /api/v1/. Blocks on the store: not for the I/O thread.
/// kNotFound: no such path or object; kInvalidArgument: a bad parameter.
[[nodiscard]] core::Result<std::string> answer_api(App& app, const net::ServerRequest& request);

}  // namespace plumbline::daemon
