// Running a program that the configuration names.
#pragma once

#include "core/result.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace plumbline::daemon {

/// Runs `program` with one argument, without a shell, with the daemon's environment, its output on
/// standard error. kIo: it cannot be started, or ended otherwise than with 0; kTimeout, kCancelled
/// (`stopped` gave true): it was killed, with whatever it started in its process group.
[[nodiscard]] core::Status run_hook(const std::string& program,
                                    const std::string& argument,
                                    std::chrono::milliseconds patience,
                                    const std::function<bool()>& stopped);

}  // namespace plumbline::daemon
