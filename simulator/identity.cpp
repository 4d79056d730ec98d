#include "simulator/identity.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "net/client_assertion.hpp"
#include "simulator/json.hpp"

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
  Reply reply = token_reply(*resource, true);
  if (reply.status == 200 && request.query_value("client_id")) {
    reply.body["client_id"] = *request.query_value("client_id");
  }
  return reply;
}

Reply Identity::token_reply(const std::string& resource, bool with_expires_in) {
  const auto token = issue(resource);
  if (!token) {
    return oauth_error(500, "unknown", "Failed to retrieve token.");
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_->now());
  const auto text = [](core::Time time) {
    return std::to_string(core::to_micros(time) / 1'000'000);
  };
  Reply reply;
  reply.body = {{"access_token", *token},
                {"client_id", "5e1d2c3b-7a60-4f8e-9b1d-0c2a4e6f8a10"},
                {"expires_on", text(now + lifetime_)},
                {"resource", resource},
                {"token_type", "Bearer"}};
  if (with_expires_in) {
    reply.body["refresh_token"] = "";
    reply.body["expires_in"] = std::to_string(lifetime_.count());
    reply.body["ext_expires_in"] = std::to_string(lifetime_.count());
    reply.body["not_before"] = text(now - std::chrono::minutes(5));
  }
  return reply;
}

Reply Identity::answer_app_service(const net::ServerRequest& request) {
  const auto fail = [](int status, std::string_view message) {
    Reply reply;
    reply.status = status;
    reply.body = {
        {"statusCode", status}, {"message", message}, {"correlationId", core::random_uuid()}};
    return reply;
  };
  if (rules_.identity_header.empty()) {
    return fail(404, "No identity header is registered.");
  }
  if (request.method != "GET" || request.query_value("api-version") != "2019-08-01") {
    return fail(400, "GET with api-version=2019-08-01.");
  }
  if (request.headers.get("X-IDENTITY-HEADER") != rules_.identity_header) {
    return fail(401, "The identity header is missing or wrong.");
  }
  if (request.headers.get("X-Forwarded-For") || request.headers.get("Via")) {
    return fail(400, "The request came through a proxy.");
  }
  int selectors = 0;
  for (const char* const name : {"client_id", "principal_id", "object_id", "mi_res_id"}) {
    selectors += request.query_value(name) ? 1 : 0;
  }
  const auto resource = request.query_value("resource");
  if (selectors > 1 || !resource || host_of(*resource).empty()) {
    return fail(400, "One resource and at most one identity.");
  }
  return token_reply(*resource, false);
}

Reply Identity::answer_arc(const net::ServerRequest& request) {
  if (rules_.arc_directory.empty()) {
    return oauth_error(404, "not_found", "No directory of keys is registered.");
  }
  const auto resource = request.query_value("resource");
  if (request.method != "GET" || request.headers.get("Metadata") != "true" ||
      !request.query_value("api-version") || !resource || host_of(*resource).empty()) {
    return oauth_error(400, "invalid_request", "GET with Metadata, api-version and resource.");
  }
  constexpr std::string_view kBasic = "Basic ";
  const std::string_view header = request.headers.get("Authorization").value_or("");
  if (header.starts_with(kBasic)) {
    if (arc_keys_.erase(std::string(header.substr(kBasic.size()))) == 1) {
      return token_reply(*resource, true);
    }
    return oauth_error(401, "unauthorized_client", "The key is not one of this agent's.");
  }
  const auto random = core::random_bytes(32);
  if (!random || arc_keys_.size() > 1000) {
    return oauth_error(500, "unknown", "No key can be made.");
  }
  const std::string key = core::to_hex(*random);
  const std::string name = core::random_uuid() + ".key";
  if (!write_file(rules_.arc_directory + "/" + name, key)) {
    return oauth_error(500, "unknown", "The key cannot be written.");
  }
  arc_keys_.insert(key);
  Reply reply = oauth_error(401, "unauthorized_client", "The key in the named file is wanted.");
  reply.headers.add("Www-Authenticate", "Basic realm=" + rules_.arc_realm + "/" + name);
  return reply;
}

core::Status Identity::set_rules(const Json& rules) {
  Rules wanted;
  const std::map<std::string, std::string*, std::less<>> members = {
      {"tenant_id", &wanted.tenant_id},
      {"client_id", &wanted.client_id},
      {"client_secret", &wanted.client_secret},
      {"certificate", &wanted.certificate},
      {"federated_token", &wanted.federated_token},
      {"identity_header", &wanted.identity_header},
      {"arc_directory", &wanted.arc_directory},
      {"arc_realm", &wanted.arc_realm}};
  const auto bad = [](const std::string& why) {
    return core::Error{core::Errc::kInvalidArgument, why};
  };
  if (!rules.is_object()) {
    return bad("an object is wanted");
  }
  for (const auto& [name, value] : rules.items()) {
    const auto member = members.find(name);
    if (member == members.end() || !value.is_string()) {
      return bad(name + ": no such member, or not a string");
    }
    *member->second = value.get<std::string>();
  }
  if (!wanted.certificate.empty()) {
    if (const auto facts = net::read_certificate(wanted.certificate); !facts) {
      return facts.error();
    }
  }
  if (wanted.arc_realm.empty()) {
    wanted.arc_realm = wanted.arc_directory;
  }
  rules_ = std::move(wanted);
  return core::Status::ok();
}

int Identity::judge_assertion(const std::string& assertion,
                              const std::string& client_id,
                              const std::string& token_url) const {
  if (!rules_.federated_token.empty() && assertion == rules_.federated_token) {
    return 0;
  }
  if (rules_.certificate.empty()) {
    return rules_.federated_token.empty() ? 0 : 70021;
  }
  const auto parts = core::split(assertion, '.');
  if (parts.size() != 3) {
    return rules_.federated_token.empty() ? 50027 : 70021;
  }
  const auto decoded = [](std::string_view part) {
    return Json::parse(net::base64url_decode(part).value_or(""), nullptr, false);
  };
  const Json header = decoded(parts[0]);
  const Json claims = decoded(parts[1]);
  const auto signature = net::base64url_decode(parts[2]);
  const auto facts = net::read_certificate(rules_.certificate);
  if (!header.is_object() || !claims.is_object() || !signature || !facts) {
    return 50027;
  }
  const std::string algorithm = string_member(header, "alg");
  const bool named = string_member(header, "x5t#S256") == facts->x5t_s256 ||
                     string_member(header, "x5t") == facts->x5t;
  const core::Time now = clock_->now();
  if (!named || (algorithm != "PS256" && algorithm != "RS256") || now < facts->not_before ||
      now >= facts->not_after ||
      !net::is_signed_by(
          rules_.certificate,
          algorithm == "PS256" ? net::AssertionAlgorithm::kPs256 : net::AssertionAlgorithm::kRs256,
          assertion.substr(0, parts[0].size() + 1 + parts[1].size()),
          *signature)) {
    return 700027;
  }
  if (string_member(claims, "aud") != token_url) {
    return 700023;
  }
  if (string_member(claims, "iss") != client_id || string_member(claims, "sub") != client_id ||
      string_member(claims, "jti").empty()) {
    return 700021;
  }
  const auto time = [&](const char* name) {
    const auto member = claims.find(name);
    const bool number = member != claims.end() && member->is_number_integer();
    return core::Time(std::chrono::seconds(number ? member->get<std::int64_t>() : 0));
  };
  constexpr std::chrono::minutes kSkew{5};
  if (time("nbf") > now + kSkew || time("exp") + kSkew <= now || time("exp") <= time("nbf")) {
    return 700024;
  }
  return 0;
}

Reply Identity::answer_entra(const net::ServerRequest& request, const std::string& origin) {
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
  const std::string tenant(core::split(request.path, '/').at(1));
  if (!rules_.tenant_id.empty() && !core::iequals(tenant, rules_.tenant_id)) {
    return fail(400, "invalid_request", 90002, "The tenant was not found.");
  }
  if (!rules_.client_id.empty() && form["client_id"] != rules_.client_id) {
    return fail(400, "unauthorized_client", 700016, "The application was not found.");
  }
  if (!form["client_secret"].empty()) {
    const bool other_proof = !rules_.certificate.empty() || !rules_.federated_token.empty();
    const bool wrong =
        rules_.client_secret.empty() ? other_proof : form["client_secret"] != rules_.client_secret;
    if (wrong) {
      return fail(401, "invalid_client", 7000215, "The client secret is not the right one.");
    }
  } else if (form["client_assertion_type"] !=
             "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
    return fail(400, "invalid_request", 90014, "The type of the assertion is missing or unknown.");
  } else if (const int code = judge_assertion(
                 form["client_assertion"], form["client_id"], origin + request.path);
             code != 0) {
    return code == 70021 ? fail(400, "invalid_request", code, "No federated identity matches.")
                         : fail(401, "invalid_client", code, "The assertion does not hold.");
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
