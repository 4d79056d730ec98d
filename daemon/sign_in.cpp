#include "daemon/sign_in.hpp"

#include "collectors/identity/azure_cli.hpp"
#include "collectors/identity/credential_chain.hpp"
#include "collectors/identity/entra.hpp"
#include "collectors/identity/managed_identity.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;

namespace {

using Made = Result<std::unique_ptr<collectors::Credential>>;

class Maker {
 public:
  Maker(const config::Settings& settings,
        collectors::IdentityParts parts,
        const collectors::Environment& environment,
        core::Log& log)
      : cloud_(settings.cloud),
        settings_(settings.credential),
        parts_(parts),
        environment_(environment),
        log_(log) {}

  Made make() {
    Made made = make_of_type();
    return made ? std::move(made)
                : Made(made.error().with_context("credential type " + settings_.type));
  }

 private:
  Made make_of_type() {
    const std::string& type = settings_.type;
    if (type == "workload_identity") {
      return workload_identity();
    }
    if (type == "client_secret") {
      return collectors::make_client_secret(
          parts_, configured(), secret_source(settings_.secret), environment_);
    }
    if (type == "client_certificate") {
      const auto algorithm = settings_.algorithm == "RS256" ? net::AssertionAlgorithm::kRs256
                                                            : net::AssertionAlgorithm::kPs256;
      return collectors::make_client_certificate(
          parts_, configured(), secret_source(settings_.certificate), environment_, algorithm);
    }
    if (type == "azure_cli") {
      collectors::AzureCliOptions options;
      options.tenant_id = settings_.tenant_id;
      return collectors::make_azure_cli(parts_, std::move(options));
    }
    if (type == "default") {
      return chain();
    }
    return managed_identity(settings_.client_id, false);
  }

  [[nodiscard]] collectors::EntraOptions configured() const {
    return {.authority = cloud_.authority,
            .tenant_id = settings_.tenant_id,
            .client_id = settings_.client_id};
  }

  /// What is configured, or else a variable's value.
  Result<std::string> either(const std::string& value, const char* key, const char* variable) {
    std::string found = value.empty() ? environment_(variable) : value;
    if (found.empty()) {
      return Error{
          Errc::kInvalidArgument,
          fmt::format(
              "neither azure.credential.{} nor {} in the environment is set", key, variable)};
    }
    return found;
  }

  Result<std::string> authority() {
    std::string found = environment_("AZURE_AUTHORITY_HOST");
    if (found.empty()) {
      found = cloud_.authority;
    }
    const auto url = net::parse_url(found);
    if (!url || url->scheme != "https") {
      return Error{Errc::kInvalidArgument,
                   "the authority (AZURE_AUTHORITY_HOST, or azure.cloud.custom.authority) must be "
                   "an https:// origin"};
    }
    return found;
  }

  /// Everything that Entra is asked with, from the environment where it is not configured.
  Result<collectors::EntraOptions> from_environment() {
    auto host = authority();
    auto tenant = either(settings_.tenant_id, "tenant_id", "AZURE_TENANT_ID");
    auto client = either(settings_.client_id, "client_id", "AZURE_CLIENT_ID");
    for (const auto* part : {&tenant, &client, &host}) {
      if (!*part) {
        return part->error();
      }
    }
    return collectors::EntraOptions{.authority = *std::move(host),
                                    .tenant_id = *std::move(tenant),
                                    .client_id = *std::move(client)};
  }

  Made workload_identity() {
    const auto options = from_environment();
    if (!options) {
      return options.error();
    }
    const auto file = either(settings_.token_file, "token_file", "AZURE_FEDERATED_TOKEN_FILE");
    if (!file) {
      return file.error();
    }
    return collectors::make_workload_identity(parts_, *options, *file);
  }

  Made managed_identity(const std::string& client_id, bool in_chain) {
    collectors::ManagedIdentityOptions options;
    options.identity = {.client_id = client_id,
                        .object_id = settings_.object_id,
                        .resource_id = settings_.resource_id};
    options.in_chain = in_chain;
    return collectors::make_managed_identity(parts_, environment_, options);
  }

  /// A secret or a certificate that the environment names in the SDKs' variables.
  Made environment_credential() {
    const auto options = from_environment();
    if (!options) {
      return options.error();
    }
    if (!environment_("AZURE_CLIENT_SECRET").empty()) {
      collectors::SecretSource secret;
      secret.environment = "AZURE_CLIENT_SECRET";
      return collectors::make_client_secret(parts_, *options, std::move(secret), environment_);
    }
    collectors::SecretSource certificate;
    certificate.file = environment_("AZURE_CLIENT_CERTIFICATE_PATH");
    if (certificate.file.empty()) {
      return Error{Errc::kInvalidArgument,
                   "neither AZURE_CLIENT_SECRET nor AZURE_CLIENT_CERTIFICATE_PATH is set"};
    }
    return collectors::make_client_certificate(
        parts_, *options, std::move(certificate), environment_, net::AssertionAlgorithm::kPs256);
  }

  /// The order of Azure's SDKs.
  Made chain() {
    std::vector<std::unique_ptr<collectors::Credential>> members;
    const auto add = [&](const char* name, Made made) {
      members.push_back(made ? *std::move(made) : collectors::make_absent(name, made.error()));
    };
    add("environment", environment_credential());
    add("workload identity", workload_identity());
    add("managed identity", managed_identity(environment_("AZURE_CLIENT_ID"), true));
    add("azure cli", collectors::make_azure_cli(parts_, {}));
    return collectors::make_chain(std::move(members), log_);
  }

  const config::Cloud& cloud_;
  const config::Credential& settings_;
  collectors::IdentityParts parts_;
  const collectors::Environment& environment_;
  core::Log& log_;
};

}  // namespace

Result<std::unique_ptr<collectors::Credential>> make_credential(
    const config::Settings& settings,
    collectors::IdentityParts parts,
    const collectors::Environment& environment,
    core::Log& log) {
  return Maker(settings, parts, environment, log).make();
}

collectors::SecretSource secret_source(const config::SecretPlace& place) {
  return {.file = place.file, .credential = place.credential, .environment = place.environment};
}

Result<std::optional<net::ProxyOptions>> make_proxy(const config::Proxy& settings,
                                                    const collectors::Environment& environment) {
  const auto variable = [&](const char* lower, const char* upper) {
    std::string value = environment(lower);
    return value.empty() ? environment(upper) : value;
  };
  const bool from_environment = settings.url == "environment";
  const std::string url = from_environment ? variable("https_proxy", "HTTPS_PROXY") : settings.url;
  if (url.empty() || settings.url == "none") {
    return std::optional<net::ProxyOptions>();
  }
  auto options = net::parse_proxy(url);
  if (!options) {
    return options.error().with_context(from_environment ? "HTTPS_PROXY" : "azure.proxy.url");
  }
  if (settings.login != config::SecretPlace{}) {
    options->login = [source = secret_source(settings.login), environment]() {
      return collectors::read_secret(source, environment);
    };
  }
  if (settings.no_proxy) {
    options->no_proxy = *settings.no_proxy;
    for (auto& entry : options->no_proxy) {
      entry = core::to_lower(entry);
    }
  } else {
    options->no_proxy = net::parse_no_proxy(variable("no_proxy", "NO_PROXY"));
  }
  return std::optional(*std::move(options));
}

}  // namespace plumbline::daemon
