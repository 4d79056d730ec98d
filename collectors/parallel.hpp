// Several coroutines at once, bounded.
#pragma once

#include "net/task.hpp"

#include <cstddef>
#include <functional>

namespace plumbline::collectors {

/// Runs `work(0)` to `work(count - 1)`, at most `width` at a time, on `executor`; returns when all
/// have ended. `work` must not throw and must stay valid until then.
net::Task<void> for_each_parallel(net::Executor executor,
                                  std::size_t count,
                                  std::size_t width,
                                  std::function<net::Task<void>(std::size_t)> work);

}  // namespace plumbline::collectors
