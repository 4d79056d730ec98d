// Running a program for what it prints, without holding up the I/O thread.
#pragma once

#include "core/result.hpp"
#include "net/task.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace plumbline::collectors {

struct ChildOutput {
  int exit_code = 0;
  std::string out;
  std::string err;
};

/// Runs `arguments[0]`, looked up in PATH, without a shell and with the daemon's environment.
/// Whatever it started in its process group ends with it, and with the daemon, also by SIGKILL.
/// Errors: kNotFound (there is no such program), kIo (it cannot be started, or a signal ended it),
/// kTimeout, kLimit and kCancelled (it was killed).
net::Task<core::Result<ChildOutput>> run_child(std::vector<std::string> arguments,
                                               std::chrono::milliseconds patience,
                                               std::size_t max_output);

}  // namespace plumbline::collectors
