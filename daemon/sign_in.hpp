// The credential and the proxy that the configuration and the environment call for.
#pragma once

#include "collectors/identity/credential.hpp"
#include "collectors/identity/local_input.hpp"
#include "config/settings.hpp"
#include "core/log.hpp"
#include "net/proxy.hpp"

#include <memory>
#include <optional>

namespace plumbline::daemon {

/// Fails with kInvalidArgument where what a type needs is neither configured nor in the
/// environment; the message names both places. `parts` and `log` must outlive the credential.
[[nodiscard]] core::Result<std::unique_ptr<collectors::Credential>> make_credential(
    const config::Settings& settings,
    collectors::IdentityParts parts,
    const collectors::Environment& environment,
    core::Log& log);

[[nodiscard]] collectors::SecretSource secret_source(const config::SecretPlace& place);

/// Nullopt: none. HTTPS_PROXY and NO_PROXY are read (in lower case first) where nothing else is
/// configured.
[[nodiscard]] core::Result<std::optional<net::ProxyOptions>> make_proxy(
    const config::Proxy& settings, const collectors::Environment& environment);

}  // namespace plumbline::daemon
