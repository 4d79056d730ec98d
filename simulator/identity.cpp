#include "simulator/identity.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace plumbline::simulator {

namespace {

/// Expired tokens are remembered this long, to be told from unknown ones.
constexpr std::chrono::hours kRemembered{1};
constexpr std::size_t kMaxTokens = 100'000;

Reply oauth_error(int status, std::string_view error, std::string_view description) {
  Reply reply;
  reply.status = status;
  reply.body = {{"error", error}, {"error_description", description}};
  return reply;
}

/// Host of an audience; empty when it is no URL.
std::string host_of(const std::string& audience) {
  const auto url = net::parse_url(audience);
  return url ? url->host : std::string();
}

bool is_arm_audience(const std::string& audience) {
  static constexpr std::array<std::string_view, 10> kHosts = {"management.azure.com",
                                                              "management.core.windows.net",
                                                              "management.usgovcloudapi.net",
                                                              "management.core.usgovcloudapi.net",
                                                              "management.chinacloudapi.cn",
                                                              "management.core.chinacloudapi.cn",
                                                              "127.0.0.1",
                                                              "::1",
                                                              "localhost",
                                                              "simulator"};
  return std::ranges::find(kHosts, host_of(audience)) != kHosts.end();
}

}  // namespace

Identity::Identity(const core::Clock* clock, std::chrono::seconds token_lifetime)
    : clock_(clock), lifetime_(token_lifetime) {}

core::Result<std::string> Identity::issue(const std::string& audience) {
  const core::Time now = clock_->now();
  std::erase_if(tokens_,
                [&](const auto& entry) { return entry.second.expires + kRemembered < now; });
  if (tokens_.size() >= kMaxTokens) {
    tokens_.clear();
  }
  const auto random = core::random_bytes(48);
  if (!random) {
    return random.error();
  }
  std::string token = "sim." + core::to_hex(*random);
  tokens_[token] = Token{now + lifetime_, audience};
  return token;
}

Reply Identity::answer_imds(const net::ServerRequest& request) {
  if (request.method != "GET") {
    return oauth_error(405, "method_not_allowed", "The endpoint answers GET only.");
  }
  if (request.headers.get("Metadata") != "true") {
    return oauth_error(400, "bad_request_102", "Required metadata header not specified");
  }
  if (request.headers.get("X-Forwarded-For")) {
    return oauth_error(400, "bad_request_102", "The request came through a proxy.");
  }
  const auto version = request.query_value("api-version");
  // Versions are dates: text of equal length compares as dates do.
  if (!version || version->size() < 10 || version->substr(0, 10) < "2018-02-01") {
    Reply reply;
    reply.status = 400;
    reply.body = {{"error", "Bad request. api-version is invalid or was not specified."},
                  {"newest-versions", {"2025-04-07", "2024-07-17", "2024-03-15"}}};
    return reply;
  }
  const auto resource = request.query_value("resource");
  if (!resource || resource->empty()) {
    return oauth_error(400, "invalid_request", "Required query variable 'resource' is missing");
  }
  int selectors = 0;
  for (const char* const name : {"client_id", "object_id", "msi_res_id"}) {
    selectors += request.query_value(name) ? 1 : 0;
  }
  if (selectors > 1) {
    return oauth_error(
        400, "invalid_request", "At most one of client_id, object_id and msi_res_id may be given.");
  }
  if (host_of(*resource).empty()) {
    return oauth_error(400,
                       "invalid_resource",
                       fmt::format("AADSTS500011: the resource '{}' is unknown.", *resource));
  }
  const auto token = issue(*resource);
  if (!token) {
    return oauth_error(500, "unknown", "Failed to retrieve token.");
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_->now());
  const auto text = [](core::Time time) {
    return std::to_string(core::to_micros(time) / 1'000'000);
  };
  Reply reply;
  reply.body = {{"access_token", *token},
                {"client_id",
                 request.query_value("client_id").value_or("5e1d2c3b-7a60-4f8e-9b1d-0c2a4e6f8a10")},
                {"refresh_token", ""},
                {"expires_in", std::to_string(lifetime_.count())},
                {"expires_on", text(now + lifetime_)},
                {"ext_expires_in", std::to_string(lifetime_.count())},
                {"not_before", text(now - std::chrono::minutes(5))},
                {"resource", *resource},
                {"token_type", "Bearer"}};
  return reply;
}

Reply Identity::answer_entra(const net::ServerRequest& request) {
  std::map<std::string, std::string> form;
  for (auto& [key, value] : net::parse_query(request.body)) {
    form[key] = std::move(value);
  }
  const auto fail = [&](int status, const char* error, int code, std::string_view message) {
    Reply reply = oauth_error(status, error, fmt::format("AADSTS{}: {}", code, message));
    reply.body["error_codes"] = Json::array({code});
    reply.body["timestamp"] = core::to_rfc3339(clock_->now());
    reply.body["trace_id"] = core::random_uuid();
    reply.body["correlation_id"] = core::random_uuid();
    return reply;
  };
  if (request.method != "POST" || form["grant_type"] != "client_credentials") {
    return fail(400, "unsupported_grant_type", 70003, "Only client credentials are understood.");
  }
  if (form["client_id"].empty()) {
    return fail(400, "invalid_request", 900144, "The body has no 'client_id'.");
  }
  if (form["client_secret"].empty() && form["client_assertion"].empty()) {
    return fail(401, "invalid_client", 7000218, "The body has no secret and no assertion.");
  }
  constexpr std::string_view kDefault = "/.default";
  std::string audience = form["scope"];
  if (!audience.ends_with(kDefault)) {
    return fail(400, "invalid_scope", 1002012, "The scope does not end in '/.default'.");
  }
  audience.resize(audience.size() - kDefault.size());
  if (host_of(audience).empty()) {
    return fail(400, "invalid_resource", 500011, "The resource is unknown.");
  }
  const auto token = issue(audience);
  if (!token) {
    return fail(500, "server_error", 90033, "Try again.");
  }
  Reply reply;
  reply.body = {{"token_type", "Bearer"},
                {"expires_in", lifetime_.count()},
                {"ext_expires_in", lifetime_.count()},
                {"access_token", *token}};
  return reply;
}

std::optional<Reply> Identity::refuse(const net::ServerRequest& request) const {
  const auto unauthorized = [](std::string_view code, std::string_view message) {
    Reply reply = arm_error(401, code, message);
    reply.headers.add(
        "WWW-Authenticate",
        fmt::format("Bearer authorization_uri=\"https://login.microsoftonline.com/\", "
                    "error=\"invalid_token\", error_description=\"{}\"",
                    message));
    return reply;
  };
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view header = request.headers.get("Authorization").value_or("");
  if (header.empty()) {
    return unauthorized("AuthenticationFailed", "The request has no Authorization header.");
  }
  if (!core::istarts_with(header, kBearer)) {
    return unauthorized("AuthenticationFailedInvalidHeader", "The scheme is not Bearer.");
  }
  const auto token = tokens_.find(core::trim(header.substr(kBearer.size())));
  if (token == tokens_.end()) {
    return unauthorized("InvalidAuthenticationToken", "The access token is not valid.");
  }
  if (token->second.expires <= clock_->now()) {
    return unauthorized("ExpiredAuthenticationToken", "The access token has expired.");
  }
  if (!is_arm_audience(token->second.audience)) {
    return unauthorized("InvalidAuthenticationTokenAudience",
                        "The access token was issued for another audience.");
  }
  return std::nullopt;
}

void Identity::revoke_all() {
  tokens_.clear();
}

}  // namespace plumbline::simulator
