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
/// Errors: kNotFound (there is no such program), kIo (it cannot be started, or a signal ended it),
/// kTimeout and kLimit (it was killed, with whatever it started in its process group), kCancelled.
net::Task<core::Result<ChildOutput>> run_child(std::vector<std::string> arguments,
                                               std::chrono::milliseconds patience,
                                               std::size_t max_output);

}  // namespace plumbline::collectors
