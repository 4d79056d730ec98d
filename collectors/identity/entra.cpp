#include "collectors/identity/entra.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <functional>
#include <utility>
#include <vector>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMaxFederatedToken = std::size_t{64} << 10U;
constexpr const char* kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What shows that the application is who it says, made anew for each request.
struct Proof {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string note;  // what may explain a refusal
};

using MakeProof = std::function<Result<Proof>(const std::string& token_url)>;

Proof assertion_proof(std::string assertion) {
  Proof proof;
  proof.fields = {{"client_assertion_type", kAssertionType},
                  {"client_assertion", std::move(assertion)}};
  return proof;
}

class Entra final : public Credential {
 public:
  Entra(IdentityParts parts, std::string name, const EntraOptions& options, MakeProof make_proof)
      : parts_(parts),
        name_(std::move(name)),
        client_id_(options.client_id),
        make_proof_(std::move(make_proof)) {
    std::string authority = options.authority;
    while (authority.ends_with('/')) {
      authority.pop_back();
    }
    token_url_ = fmt::format("{}/{}/oauth2/v2.0/token", authority, options.tenant_id);
  }

  [[nodiscard]] std::string_view name() const override { return name_; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    auto proof = make_proof_(token_url_);
    if (!proof) {
      co_return TokenAttempt::failed(proof.error());
    }
    net::HttpRequest request;
    request.method = "POST";
    request.url = token_url_;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.headers.set("Accept", "application/json");
    request.deadlines.headers = 30s;
    request.body = form(std::move(audience), *proof);
    const auto response = co_await exchange(parts_, "entra", std::move(request));
    if (!response) {
      co_return TokenAttempt::failed(response.error());
    }
    TokenAttempt attempt = read_answer(*response, parts_.clock->now());
    if (!attempt.token && !proof->note.empty()) {
      Error error = attempt.token.error();
      error.message += "; " + proof->note;
      attempt.token = std::move(error);
    }
    co_return attempt;
  }

  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_delay(const TokenAttempt& failed,
                                                                     int attempt) const override {
    const bool transient = failed.lost() || failed.status == 408 || failed.status >= 500;
    if (!transient || failed.retry_after || attempt > 0) {
      return std::nullopt;
    }
    return 1000ms;
  }

 private:
  [[nodiscard]] std::string form(std::string audience, const Proof& proof) const {
    if (audience.ends_with('/')) {
      audience.pop_back();
    }
    std::string body = fmt::format("grant_type=client_credentials&client_id={}&scope={}",
                                   core::percent_encode(client_id_),
                                   core::percent_encode(audience + "/.default"));
    for (const auto& [key, value] : proof.fields) {
      body += fmt::format("&{}={}", key, core::percent_encode(value));
    }
    return body;
  }

  IdentityParts parts_;
  std::string name_;
  std::string client_id_;
  std::string token_url_;
  MakeProof make_proof_;
};

}  // namespace

std::unique_ptr<Credential> make_client_secret(IdentityParts parts,
                                               const EntraOptions& options,
                                               SecretSource secret,
                                               Environment environment) {
  return std::make_unique<Entra>(parts,
                                 "client secret",
                                 options,
                                 [secret = std::move(secret), environment = std::move(environment)](
                                     const std::string& /*token_url*/) -> Result<Proof> {
                                   auto value = read_secret(secret, environment);
                                   if (!value) {
                                     return value.error();
                                   }
                                   Proof proof;
                                   proof.fields = {{"client_secret", *std::move(value)}};
                                   return proof;
                                 });
}

std::unique_ptr<Credential> make_client_certificate(IdentityParts parts,
                                                    const EntraOptions& options,
                                                    SecretSource certificate,
                                                    Environment environment,
                                                    net::AssertionAlgorithm algorithm) {
  return std::make_unique<Entra>(
      parts,
      "client certificate",
      options,
      [parts,
       client_id = options.client_id,
       certificate = std::move(certificate),
       environment = std::move(environment),
       algorithm](const std::string& token_url) -> Result<Proof> {
        auto pem = read_secret(certificate, environment);
        if (!pem) {
          return pem.error();
        }
        const core::Time now = parts.clock->now();
        auto signed_one = net::make_client_assertion(*pem, token_url, client_id, now, algorithm);
        if (!signed_one) {
          return signed_one.error();
        }
        parts.metrics->set_certificate_expiry(
            static_cast<double>(core::to_micros(signed_one->not_after)) / 1e6);
        Proof proof = assertion_proof(std::move(signed_one->jwt));
        if (signed_one->not_after <= now) {
          proof.note = "the certificate ended on " + core::to_rfc3339(signed_one->not_after);
        } else if (now < signed_one->not_before) {
          proof.note = "the certificate begins on " + core::to_rfc3339(signed_one->not_before);
        }
        return proof;
      });
}

std::unique_ptr<Credential> make_workload_identity(IdentityParts parts,
                                                   const EntraOptions& options,
                                                   std::string token_file) {
  return std::make_unique<Entra>(
      parts,
      "workload identity",
      options,
      [token_file = std::move(token_file)](const std::string& /*token_url*/) -> Result<Proof> {
        const auto text = read_small_file(token_file, kMaxFederatedToken, Links::kFollow);
        if (!text) {
          return text.error();
        }
        const std::string_view token = core::trim(*text);
        if (token.empty()) {
          return Error{Errc::kNotFound, token_file + " is empty"};
        }
        return assertion_proof(std::string(token));
      });
}

}  // namespace plumbline::collectors
