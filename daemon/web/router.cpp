#include "daemon/web/router.hpp"

#include "core/text.hpp"
#include "daemon/web/api.hpp"
#include "daemon/web/assets.hpp"
#include "daemon/web/conditional.hpp"
#include "daemon/web/health.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace plumbline::daemon {

namespace {

/// How long a reload may wait for the pass in progress.
constexpr std::chrono::minutes kReloadPatience{5};

net::ServerResponse problem(int status, std::string_view detail) {
  net::ServerResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = fmt::format(R"({{"type":"about:blank","title":{},"status":{},"detail":{}}})",
                              core::json_quote(net::reason_phrase(status)),
                              status,
                              core::json_quote(detail));
  response.body += '\n';
  return response;
}

net::ServerResponse text(int status, std::string body) {
  net::ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

/// An answer that its ETag stands for; without a body where the client has it.
net::ServerResponse cacheable(std::string_view content_type,
                              std::string body,
                              const std::string& etag,
                              bool is_known) {
  net::ServerResponse response;
  response.status = is_known ? 304 : 200;
  response.content_type = content_type;
  response.headers.set("ETag", etag);
  // Kept by whoever asked alone, and asked for again each time.
  response.headers.set("Cache-Control", "private, no-cache");
  if (!is_known) {
    response.body = std::move(body);
  }
  return response;
}

int status_of(core::Errc code) {
  switch (code) {
    case core::Errc::kNotFound:
      return 404;
    case core::Errc::kInvalidArgument:
      return 400;
    case core::Errc::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

/// Kinds of endpoints, for the metrics.
std::string_view endpoint_of(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kEndpoints = {{
      {"/metrics", "metrics"},
      {"/-/healthy", "health"},
      {"/healthz", "health"},
      {"/-/ready", "ready"},
      {"/readyz", "ready"},
      {"/-/reload", "reload"},
      {"/", "page"},
  }};
  for (const auto& [known, endpoint] : kEndpoints) {
    if (path == known) {
      return endpoint;
    }
  }
  if (path.starts_with("/api/v1/")) {
    return "api";
  }
  return path.starts_with("/assets/") ? "page" : "other";
}

net::ServerResponse ask_for_password() {
  auto response = problem(401, "a user and a password are needed");
  response.headers.set("WWW-Authenticate", R"(Basic realm="Plumbline", charset="UTF-8")");
  return response;
}

}  // namespace

Router::Router(App& app, RouterOptions options)
    : app_(&app),
      options_(std::move(options)),
      metrics_(app.registry()),
      authenticator_(app.hashing(), app.clock()) {}

core::Status Router::open(const std::string& web_config_file) {
  auto config =
      WebConfigFile::open(web_config_file, app_->clock(), app_->log(), [this](bool successful) {
        metrics_.set_config_reload(successful);
      });
  if (!config) {
    return config.error();
  }
  config_ = *std::move(config);
  if (config_->current()->config.has_http2) {
    app_->log().warn("web_config_key_ignored",
                     {{core::log_field::kPath, web_config_file},
                      {core::log_field::kReason, "http2: the daemon speaks HTTP/1.1"}});
  }
  return core::Status::ok();
}

net::Handler Router::handler() {
  return [self = shared_from_this()](net::ServerRequest request) {
    return respond(self, std::move(request));
  };
}

std::function<void(net::ServerResponse&)> Router::decorator() {
  return
      [self = shared_from_this()](net::ServerResponse& response) { self->add_headers(response); };
}

std::function<void(std::string_view)> Router::cut_counter() {
  return [self = shared_from_this()](std::string_view reason) { self->metrics_.count_cut(reason); };
}

std::function<std::shared_ptr<const net::ServerTls>()> Router::tls() {
  return [self = shared_from_this()]() { return self->config_->current()->tls; };
}

void Router::add_headers(net::ServerResponse& response) {
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("X-Frame-Options", "DENY");
  response.headers.set("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.set("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.set(
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
      "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  if (!response.headers.get("Cache-Control")) {
    response.headers.set("Cache-Control", "no-store");
  }
  for (const auto& [name, value] : config_->current()->config.headers) {
    response.headers.set(name, value);
  }
}

net::Task<net::ServerResponse> Router::respond(std::shared_ptr<Router> self,
                                               net::ServerRequest request) {
  const std::string_view endpoint = endpoint_of(request.path);
  auto refusal = co_await self->refuse(request);
  net::ServerResponse response;
  if (refusal) {
    response = *std::move(refusal);
  } else {
    response = co_await self->route(std::move(request));
  }
  self->metrics_.count_answer(endpoint, response.status);
  co_return response;
}

net::Task<std::optional<net::ServerResponse>> Router::refuse(net::ServerRequest request) {
  const auto state = config_->current();
  if (state->config.requires_client_certificate() && !request.has_client_certificate) {
    // A connection from before the web config asked for one.
    co_return problem(403, "connect again, with a client certificate");
  }
  const auto host = request.headers.get("Host");
  if (!state->config.authenticates() && host && is_loopback_address(request.local_address) &&
      !is_own_host(*host, options_.names)) {
    co_return problem(403,
                      "this Host is not the daemon's; a proxy that passes its own on needs "
                      "--web.external-url");
  }
  if (state->config.users.empty()) {
    co_return std::nullopt;
  }
  const auto given = request.headers.get("Authorization");
  if (!given) {
    co_return ask_for_password();
  }
  const std::shared_ptr<const config::WebConfig> config(state, &state->config);
  const Login login = co_await authenticator_.check(config, std::string(*given));
  switch (login) {
    case Login::kAllowed:
      co_return std::nullopt;
    case Login::kDenied:
      co_return ask_for_password();
    case Login::kBusy:
      break;
  }
  auto busy = problem(503, "too many logins at once");
  busy.headers.set("Retry-After", "10");
  co_return busy;
}

net::Task<net::ServerResponse> Router::reload(net::ServerRequest request) {
  if (request.method != "POST" && request.method != "PUT") {
    auto response = problem(405, "a reload is asked for with POST or PUT");
    response.headers.set("Allow", "POST, PUT");
    co_return response;
  }
  if (!is_same_origin(request.headers, request.is_tls, options_.names)) {
    co_return problem(403, "another site's page may not ask for this");
  }
  const bool is_local = is_loopback_address(request.remote_address) &&
                        is_loopback_host(request.headers.get("Host").value_or("")) &&
                        !is_forwarded(request.headers);
  if (!config_->current()->config.authenticates() && !is_local) {
    co_return problem(403,
                      "a reload needs a password or a client certificate, or comes from the "
                      "daemon's machine");
  }
  const auto outcome = options_.reloads->ask();
  const auto status = co_await ReloadOutcome::wait(outcome, kReloadPatience);
  if (!status) {
    co_return problem(500,
                      "the configuration can be used, and waits for the pass in progress to end; "
                      "the log will tell");
  }
  if (!*status) {
    co_return problem(500, status->error().message);
  }
  co_return text(200, "Plumbline is reloaded.\n");
}

net::Task<net::ServerResponse> Router::route(net::ServerRequest request) {
  App* const app = app_;
  if (request.path == "/-/reload") {
    co_return co_await reload(std::move(request));
  }
  if (request.method != "GET") {
    auto response = problem(405, "Plumbline's web side is read-only");
    response.headers.set("Allow", "GET, HEAD");
    co_return response;
  }
  if (request.path == "/-/healthy" || request.path == "/healthz") {
    co_return health_answer(examine(*app), request);
  }
  if (request.path == "/-/ready" || request.path == "/readyz") {
    co_return readiness_answer(examine(*app), request);
  }
  if (request.path == "/metrics") {
    const bool compressed = accepts_gzip(request.headers.get("Accept-Encoding").value_or(""));
    auto job = [app, compressed]() { return app->metrics(compressed); };
    auto exposition = co_await net::offload(app->readers(), std::move(job));
    net::ServerResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.headers.set("Vary", "Accept-Encoding");
    if (exposition.is_compressed) {
      response.headers.set("Content-Encoding", "gzip");
    }
    response.body = std::move(exposition.body);
    co_return response;
  }
  const bool is_open = options_.is_loopback || options_.allow_anonymous ||
                       config_->current()->config.authenticates();
  if (!is_open) {
    co_return problem(403,
                      "only metrics and health are served on a non-loopback address without "
                      "authentication; see --web.config.file and --web.allow-anonymous");
  }
  if (const auto asset = find_asset(request.path)) {
    const auto etag = etag_of(asset->body);
    const bool is_known = names_etag(request.headers.get("If-None-Match").value_or(""), etag);
    co_return cacheable(asset->content_type, std::string(asset->body), etag, is_known);
  }
  if (request.path.starts_with("/api/v1/")) {
    auto job = [app, request = std::move(request)]() { return answer_api(*app, request); };
    auto answer = co_await net::offload(app->readers(), std::move(job));
    if (!answer) {
      co_return problem(status_of(answer.error().code), answer.error().message);
    }
    co_return cacheable(
        "application/json", std::move(answer->body), answer->etag, answer->is_known);
  }
  co_return problem(404, "there is nothing at " + request.path);
}
}  // namespace plumbline::daemon
