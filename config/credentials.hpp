// Where secrets lie: in files, never in the configuration, an environment or a command line.
#pragma once

#include "core/result.hpp"

#include <filesystem>
#include <string>

namespace plumbline::config {

/// The variable in which a service manager names the directory of a service's credentials
/// (systemd.exec(5), LoadCredential=). What lies there is readable by the service alone, so it is
/// the place for keys: the daemon's user exists only while it runs and can own no other file.
inline constexpr const char* kCredentialsVariable = "CREDENTIALS_DIRECTORY";

/// A path of the configuration, normalised: `$CREDENTIALS_DIRECTORY/NAME` is the credential NAME,
/// anything else is absolute or relative to `base`. kInvalidArgument where the variable is not set,
/// or NAME leads out of the directory.
[[nodiscard]] core::Result<std::string> resolve_path(const std::string& text,
                                                     const std::filesystem::path& base);

}  // namespace plumbline::config
