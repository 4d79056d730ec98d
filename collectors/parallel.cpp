#include "collectors/parallel.hpp"

#include <algorithm>
#include <memory>

namespace plumbline::collectors {

namespace {

struct Shared {
  std::function<net::Task<void>(std::size_t)> work;
  std::size_t next = 0;
  std::size_t count = 0;
  std::size_t running = 0;
  net::Event done;
};

net::Task<void> run_lane(std::shared_ptr<Shared> shared) {
  while (shared->next < shared->count) {
    const std::size_t index = shared->next++;
    co_await shared->work(index);
  }
  if (--shared->running == 0) {
    shared->done.set();
  }
}

}  // namespace

net::Task<void> for_each_parallel(net::Executor executor,
                                  std::size_t count,
                                  std::size_t width,
                                  std::function<net::Task<void>(std::size_t)> work) {
  if (count == 0) {
    co_return;
  }
  auto shared = std::make_shared<Shared>();
  shared->work = std::move(work);
  shared->count = count;
  shared->running = std::min(count, width);
  for (std::size_t lane = 0, lanes = shared->running; lane < lanes; ++lane) {
    net::spawn(executor, run_lane(shared));
  }
  // Each request has its own deadlines; this only bounds a defect.
  co_await shared->done.wait_for(std::chrono::hours(24));
}

}  // namespace plumbline::collectors
