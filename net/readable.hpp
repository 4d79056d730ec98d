// Waiting for a descriptor of somebody else's: a pipe, a pidfd, an epoll.
#pragma once

#include "core/result.hpp"
#include "net/task.hpp"

#include <chrono>

namespace plumbline::net {

/// True once `descriptor` can be read (its end counts), false when `timeout` passed first. The
/// descriptor stays the caller's and must not be closed meanwhile. Errors: kCancelled, and kIo for
/// what cannot be waited for, such as a plain file.
Task<core::Result<bool>> readable_within(int descriptor, std::chrono::nanoseconds timeout);

}  // namespace plumbline::net
