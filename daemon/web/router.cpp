#include "daemon/web/router.hpp"

#include "core/text.hpp"
#include "daemon/web/api.hpp"
#include "daemon/web/assets.hpp"

#include <fmt/format.h>

namespace plumbline::daemon {

namespace {

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

net::ServerResponse health(App& app) {
  std::string body;
  bool healthy = true;
  for (std::size_t i = 0; i < Heartbeats::kNames.size(); ++i) {
    const auto age = app.heartbeats().age(static_cast<Heartbeats::Thread>(i));
    const bool fresh = age < Heartbeats::kLimit;
    healthy = healthy && fresh;
    if (!fresh) {
      body += fmt::format("The {} thread has not answered for {} s.\n",
                          Heartbeats::kNames.at(i),
                          std::chrono::duration_cast<std::chrono::seconds>(age).count());
    }
  }
  return healthy ? text(200, "Plumbline is Healthy.\n") : text(503, std::move(body));
}

net::ServerResponse readiness(App& app) {
  const auto published = app.published();
  if (!published->summary) {
    return text(503, "The last committed state is not served yet.\n");
  }
  std::string body = "Plumbline is Ready.\n";
  if (const std::string error = app.sign_in_error(); !error.empty()) {
    body += "Collection: Azure cannot be asked: " + error + "\n";
  }
  return text(200, std::move(body));
}

void add_security_headers(net::ServerResponse& response) {
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("X-Frame-Options", "DENY");
  response.headers.set(
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
      "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  if (!response.headers.get("Cache-Control")) {
    response.headers.set("Cache-Control", "no-store");
  }
}

class Router {
 public:
  Router(App& app, RouterOptions options) : app_(&app), options_(options) {}

  net::Task<net::ServerResponse> operator()(net::ServerRequest request) const {
    return respond(app_, options_, std::move(request));
  }

 private:
  static net::Task<net::ServerResponse> respond(App* app,
                                                RouterOptions options,
                                                net::ServerRequest request) {
    auto response = co_await route(app, options, std::move(request));
    add_security_headers(response);
    co_return response;
  }

  static net::Task<net::ServerResponse> route(App* app,
                                              RouterOptions options,
                                              net::ServerRequest request) {
    if (request.method != "GET" && request.method != "HEAD") {
      auto response = problem(405, "Plumbline's web side is read-only");
      response.headers.set("Allow", "GET, HEAD");
      co_return response;
    }
    if (request.path == "/-/healthy" || request.path == "/healthz") {
      co_return health(*app);
    }
    if (request.path == "/-/ready" || request.path == "/readyz") {
      co_return readiness(*app);
    }
    if (request.path == "/metrics") {
      auto job = [app]() { return app->metrics_text(); };
      auto body = co_await net::offload(app->readers(), std::move(job));
      net::ServerResponse response;
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      response.body = std::move(body);
      co_return response;
    }
    if (!options.expose_all) {
      co_return problem(403,
                        "only metrics and health are served on a non-loopback address without "
                        "authentication; see --web.allow-anonymous");
    }
    if (const auto asset = find_asset(request.path)) {
      net::ServerResponse response;
      response.content_type = asset->content_type;
      response.body = asset->body;
      response.headers.set("Cache-Control", "no-cache");
      co_return response;
    }
    if (request.path.starts_with("/api/v1/")) {
      auto job = [app, request = std::move(request)]() { return answer_api(*app, request); };
      auto answer = co_await net::offload(app->readers(), std::move(job));
      if (!answer) {
        co_return problem(status_of(answer.error().code), answer.error().message);
      }
      net::ServerResponse response;
      response.content_type = "application/json";
      response.body = *std::move(answer);
      co_return response;
    }
    co_return problem(404, "there is nothing at " + request.path);
  }

  static int status_of(core::Errc code) {
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

  App* app_;
  RouterOptions options_;
};

}  // namespace

bool is_loopback_address(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address == "localhost";
}

net::Handler make_router(App& app, RouterOptions options) {
  return Router(app, options);
}

}  // namespace plumbline::daemon
