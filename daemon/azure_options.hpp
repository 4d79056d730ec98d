// How the settings say that Azure is asked.
#pragma once

#include "collectors/azure_client.hpp"
#include "collectors/identity/managed_identity.hpp"
#include "config/settings.hpp"
#include "net/http_client.hpp"

namespace plumbline::daemon {

[[nodiscard]] net::ClientOptions client_options(const config::Settings& settings);
/// Reads AZURE_POD_IDENTITY_AUTHORITY_HOST.
[[nodiscard]] collectors::ManagedIdentityOptions identity_options(const config::Settings& settings);
[[nodiscard]] collectors::AzureClientOptions azure_options(const config::Settings& settings);

}  // namespace plumbline::daemon
