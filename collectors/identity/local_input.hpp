// What credentials read from their own machine: environment, secrets, small files.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <functional>
#include <string>

namespace plumbline::collectors {

/// The value of a variable of the environment; empty where it is not set.
using Environment = std::function<std::string(const char* name)>;

/// The process's own.
[[nodiscard]] Environment process_environment();

/// Where a secret is. It is read each time it is needed, so that a new one counts without a
/// restart. One of the three is set.
struct SecretSource {
  std::string file;
  std::string credential;   // of systemd: a file in $CREDENTIALS_DIRECTORY
  std::string environment;  // the name of a variable
};

/// The secret, without the line break at its end. Errors name the place, never what is there.
[[nodiscard]] core::Result<std::string> read_secret(const SecretSource& source,
                                                    const Environment& environment);

enum class Links { kFollow, kRefuse };

/// A regular file of at most `max_bytes`. Neither a pipe nor a device can hold up the caller.
[[nodiscard]] core::Result<std::string> read_small_file(const std::string& path,
                                                        std::size_t max_bytes,
                                                        Links links);

}  // namespace plumbline::collectors
