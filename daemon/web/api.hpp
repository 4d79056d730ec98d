// The read-only JSON API, /api/v1. docs/api.md describes it.
#pragma once

#include "core/result.hpp"
#include "daemon/app.hpp"
#include "net/http_server.hpp"

#include <string>

namespace plumbline::daemon {

struct ApiAnswer {
  std::string body;
  std::string etag;
  bool is_known = false;  // to the client, by its If-None-Match: there is no body
};

/// The answer to a request below /api/v1/. Blocks on the store: not for the I/O thread.
/// kNotFound: no such path or object; kInvalidArgument: a bad parameter.
[[nodiscard]] core::Result<ApiAnswer> answer_api(App& app, const net::ServerRequest& request);

}  // namespace plumbline::daemon
