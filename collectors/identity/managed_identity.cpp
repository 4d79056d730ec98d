#include "collectors/identity/managed_identity.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

using Delay = std::optional<std::chrono::milliseconds>;

constexpr int kRetries = 3;
constexpr std::size_t kMaxArcKey = 4096;
constexpr const char* kImdsPath = "/metadata/identity/oauth2/token";

/// Contracts 1.3: what other endpoints than IMDS are asked again after.
Delay local_retry_delay(const TokenAttempt& failed, int attempt) {
  const int status = failed.status;
  const bool transient = failed.lost() || status == 404 || status == 408 || status == 429 ||
                         status == 500 || status == 503 || status == 504;
  if (!transient || attempt >= kRetries) {
    return std::nullopt;
  }
  const std::chrono::seconds asked = failed.retry_after.value_or(1s);
  return std::clamp<std::chrono::seconds>(asked, 1s, 60s);
}

/// A request to an endpoint of the own machine: never by way of a proxy.
net::HttpRequest local_request(std::string url) {
  net::HttpRequest request;
  request.url = std::move(url);
  request.direct = true;
  request.deadlines.connect = 5s;
  request.deadlines.headers = 60s;
  return request;
}

class Imds final : public Credential {
 public:
  Imds(IdentityParts parts, std::string origin, ManagedIdentityOptions options)
      : parts_(parts), origin_(std::move(origin)), options_(std::move(options)) {
    while (origin_.ends_with('/')) {
      origin_.pop_back();
    }
  }

  [[nodiscard]] std::string_view name() const override { return "managed identity"; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    if (options_.in_chain && !present_) {
      // Without the Metadata header whatever answers at all is the service (contracts 1.2).
      net::HttpRequest probe = local_request(url(audience));
      probe.deadlines.connect = 1s;
      probe.deadlines.total = 1s;
      const auto answer = co_await exchange(parts_, "imds", std::move(probe));
      if (!answer) {
        co_return TokenAttempt::absent(answer.error());
      }
    }
    net::HttpRequest request = local_request(url(audience));
    request.headers.set("Metadata", "true");
    const auto response = co_await exchange(parts_, "imds", std::move(request));
    if (!response) {
      co_return TokenAttempt::failed(response.error());
    }
    TokenAttempt attempt = read_answer(*response, parts_.clock->now());
    present_ = present_ || attempt.token.has_value();
    if (options_.in_chain && !present_) {
      // No identity is assigned, or (Docker Desktop) there is nobody behind the address.
      attempt.unavailable =
          attempt.status == 400 ||
          (attempt.status == 403 && core::to_lower(response->body).contains("unreachable"));
    }
    co_return attempt;
  }

  [[nodiscard]] Delay retry_delay(const TokenAttempt& failed, int attempt) const override {
    // An exchange that failed on its way is retried like a service that is down.
    return imds_retry_delay(failed.lost() ? 503 : failed.status, attempt);
  }

 private:
  [[nodiscard]] std::string url(const std::string& audience) const {
    std::string out = fmt::format("{}{}?api-version=2018-02-01&resource={}",
                                  origin_,
                                  kImdsPath,
                                  core::percent_encode(audience));
    const IdentityChoice& identity = options_.identity;
    for (const auto& [key, value] : {std::pair("client_id", &identity.client_id),
                                     std::pair("object_id", &identity.object_id),
                                     std::pair("msi_res_id", &identity.resource_id)}) {
      if (!value->empty()) {
        out += fmt::format("&{}={}", key, core::percent_encode(*value));
      }
    }
    return out;
  }

  IdentityParts parts_;
  std::string origin_;
  ManagedIdentityOptions options_;
  bool present_ = false;
};

class AppService final : public Credential {
 public:
  AppService(IdentityParts parts,
             std::string endpoint,
             Environment environment,
             IdentityChoice identity)
      : parts_(parts),
        endpoint_(std::move(endpoint)),
        environment_(std::move(environment)),
        identity_(std::move(identity)) {}

  [[nodiscard]] std::string_view name() const override { return "managed identity (App Service)"; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    const char separator = endpoint_.contains('?') ? '&' : '?';
    std::string url = fmt::format("{}{}api-version=2019-08-01&resource={}",
                                  endpoint_,
                                  separator,
                                  core::percent_encode(audience));
    for (const auto& [key, value] : {std::pair("client_id", &identity_.client_id),
                                     std::pair("principal_id", &identity_.object_id),
                                     std::pair("mi_res_id", &identity_.resource_id)}) {
      if (!value->empty()) {
        url += fmt::format("&{}={}", key, core::percent_encode(*value));
      }
    }
    net::HttpRequest request = local_request(std::move(url));
    request.headers.set("X-IDENTITY-HEADER", environment_("IDENTITY_HEADER"));
    const auto response = co_await exchange(parts_, "app_service", std::move(request));
    if (!response) {
      co_return TokenAttempt::failed(response.error());
    }
    co_return read_answer(*response, parts_.clock->now());
  }

  [[nodiscard]] Delay retry_delay(const TokenAttempt& failed, int attempt) const override {
    return local_retry_delay(failed, attempt);
  }

 private:
  IdentityParts parts_;
  std::string endpoint_;
  Environment environment_;
  IdentityChoice identity_;
};

class Arc final : public Credential {
 public:
  Arc(IdentityParts parts, std::string endpoint, std::string directory)
      : parts_(parts), endpoint_(std::move(endpoint)), directory_(std::move(directory)) {}

  [[nodiscard]] std::string_view name() const override { return "managed identity (Azure Arc)"; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    net::HttpRequest request = local_request(fmt::format(
        "{}?api-version=2020-06-01&resource={}", endpoint_, core::percent_encode(audience)));
    request.headers.set("Metadata", "true");
    const auto challenged = co_await exchange(parts_, "azure_arc", request);
    if (!challenged) {
      co_return TokenAttempt::failed(challenged.error());
    }
    if (challenged->status != 401) {
      TokenAttempt attempt = read_answer(*challenged, parts_.clock->now());
      if (attempt.token) {  // whoever gives tokens without the proof is not the agent
        attempt.token = Error{Errc::kUnauthorized, "the agent answered 200 without a challenge"};
      }
      co_return attempt;
    }
    const std::string challenge(challenged->headers.get("WWW-Authenticate").value_or(""));
    const auto path = arc_key_path(challenge, directory_);
    if (!path) {
      co_return TokenAttempt::failed(path.error());
    }
    const auto key = read_small_file(*path, kMaxArcKey, Links::kRefuse);
    if (!key) {
      co_return TokenAttempt::failed(key.error());
    }
    request.headers.set("Authorization", "Basic " + *key);
    const auto response = co_await exchange(parts_, "azure_arc", std::move(request));
    if (!response) {
      co_return TokenAttempt::failed(response.error());
    }
    co_return read_answer(*response, parts_.clock->now());
  }

  [[nodiscard]] Delay retry_delay(const TokenAttempt& failed, int attempt) const override {
    return local_retry_delay(failed, attempt);
  }

 private:
  IdentityParts parts_;
  std::string endpoint_;
  std::string directory_;
};

}  // namespace

Delay imds_retry_delay(int status, int attempt) {
  if (status == 410) {
    return attempt < 7 ? Delay(10s) : std::nullopt;
  }
  if (status == 404 || status == 408 || status == 429 || status >= 500) {
    return attempt < kRetries ? Delay(1000ms * (1 << attempt)) : std::nullopt;
  }
  return std::nullopt;
}

Result<std::string> arc_key_path(std::string_view challenge, std::string_view directory) {
  const Error bad{Errc::kUnauthorized, "the agent's challenge is not Basic realm=FILE"};
  if (!core::istarts_with(challenge, "Basic ") || std::ranges::count(challenge, '=') != 1) {
    return bad;
  }
  const auto equals = challenge.find('=');
  if (!core::iequals(core::trim(challenge.substr(6, equals - 6)), "realm")) {
    return bad;
  }
  const std::string_view path = core::trim(challenge.substr(equals + 1));
  const auto slash = path.rfind('/');
  // The directory is compared as it is written: that leaves no room for `..`.
  if (slash == std::string_view::npos || path.substr(0, slash) != directory ||
      !path.ends_with(".key") || path.find('\0') != std::string_view::npos) {
    return Error{Errc::kUnauthorized,
                 fmt::format("the agent names a file that is not a .key in {}: it is not opened",
                             directory)};
  }
  return std::string(path);
}

Result<std::unique_ptr<Credential>> make_managed_identity(IdentityParts parts,
                                                          const Environment& environment,
                                                          const ManagedIdentityOptions& options) {
  std::string endpoint = environment("IDENTITY_ENDPOINT");
  const std::string arc_origin = environment("IMDS_ENDPOINT");
  const bool has_header = !environment("IDENTITY_HEADER").empty();
  if (!endpoint.empty() && (has_header || !arc_origin.empty())) {
    if (const auto url = net::parse_url(endpoint); !url) {
      return url.error().with_context("IDENTITY_ENDPOINT");
    }
  }
  if (!endpoint.empty() && has_header) {
    if (!environment("IDENTITY_SERVER_THUMBPRINT").empty()) {
      return Error{Errc::kInvalidArgument,
                   "managed identities of Service Fabric are not supported"};
    }
    return std::unique_ptr<Credential>(
        std::make_unique<AppService>(parts, endpoint, environment, options.identity));
  }
  std::error_code ignored;
  const bool told = !endpoint.empty() && !arc_origin.empty();
  const std::string other_host = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST");
  if (told || (other_host.empty() && std::filesystem::exists(options.arc_agent, ignored))) {
    const IdentityChoice& identity = options.identity;
    if (!identity.client_id.empty() || !identity.object_id.empty() ||
        !identity.resource_id.empty()) {
      return Error{Errc::kInvalidArgument,
                   "a machine with Azure Arc has one identity: client_id, object_id and "
                   "resource_id cannot choose another"};
    }
    if (!told) {
      endpoint = std::string("http://127.0.0.1:40342") + kImdsPath;
    }
    return std::unique_ptr<Credential>(
        std::make_unique<Arc>(parts, std::move(endpoint), options.arc_keys));
  }
  return std::unique_ptr<Credential>(std::make_unique<Imds>(
      parts, other_host.empty() ? "http://169.254.169.254" : other_host, options));
}

}  // namespace plumbline::collectors
