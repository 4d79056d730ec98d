// What verdicts would be with another baseline or other exemptions: `report --baseline`.
#pragma once

#include "config/settings.hpp"
#include "core/result.hpp"
#include "daemon/cli/options.hpp"

#include <string>

namespace plumbline::daemon {

/// Only reads the store; judges a copy.
[[nodiscard]] core::Result<std::string> render_what_if(const config::Settings& settings,
                                                       const PastOptions& options,
                                                       Format format);

}  // namespace plumbline::daemon
