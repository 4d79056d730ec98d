// How the settings say that Azure is asked.
#pragma once

#include "collectors/azure_client.hpp"
#include "collectors/identity/local_input.hpp"
#include "config/settings.hpp"
#include "net/http_client.hpp"

namespace plumbline::daemon {

/// Fails with kInvalidArgument where the proxy of the environment is none.
[[nodiscard]] core::Result<net::ClientOptions> client_options(
    const config::Settings& settings, const collectors::Environment& environment);
[[nodiscard]] double quota_share(const config::Settings& settings);
[[nodiscard]] collectors::AzureClientOptions azure_options(const config::Settings& settings);

}  // namespace plumbline::daemon
