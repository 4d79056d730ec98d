#include "daemon/azure_options.hpp"

#include <cstdlib>

namespace plumbline::daemon {

net::ClientOptions client_options(const config::Settings& settings) {
  net::ClientOptions client;
  client.ca_file = settings.cloud.ca_file;
  client.user_agent = "plumbline/" PLUMBLINE_VERSION;
  return client;
}

collectors::ManagedIdentityOptions identity_options(const config::Settings& settings) {
  collectors::ManagedIdentityOptions identity;
  // The variable by which the SDKs' managed identity credential is pointed elsewhere.
  if (const char* host =
          std::getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST")) {  // NOLINT(concurrency-mt-unsafe)
    identity.endpoint = host;
  }
  identity.client_id = settings.credential.client_id;
  identity.object_id = settings.credential.object_id;
  identity.resource_id = settings.credential.resource_id;
  return identity;
}

collectors::AzureClientOptions azure_options(const config::Settings& settings) {
  collectors::AzureClientOptions azure;
  azure.resource_manager = settings.cloud.resource_manager;
  azure.audience = settings.cloud.audience;
  return azure;
}

}  // namespace plumbline::daemon
