// The credential that the configuration and the environment call for.
#pragma once

#include "collectors/identity/credential.hpp"
#include "collectors/identity/local_input.hpp"
#include "config/settings.hpp"
#include "core/log.hpp"

#include <memory>

namespace plumbline::daemon {

/// Fails with kInvalidArgument where what a type needs is neither configured nor in the
/// environment; the message names both places. `parts` and `log` must outlive the credential.
[[nodiscard]] core::Result<std::unique_ptr<collectors::Credential>> make_credential(
    const config::Settings& settings,
    collectors::IdentityParts parts,
    const collectors::Environment& environment,
    core::Log& log);

}  // namespace plumbline::daemon
