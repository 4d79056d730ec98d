#include "daemon/heartbeats.hpp"

#include <algorithm>

namespace plumbline::daemon {

namespace {

constexpr std::chrono::seconds kPeriod{2};

}  // namespace

Heartbeats::Heartbeats(const core::Clock& clock) : clock_(&clock) {
  for (auto& last : last_) {
    last = clock.steady_now().time_since_epoch().count();
  }
}

void Heartbeats::tick(Thread thread) {
  last_.at(static_cast<std::size_t>(thread)) = clock_->steady_now().time_since_epoch().count();
}

net::Task<void> Heartbeats::beat(Thread thread, net::Executor executor) {
  // The timer lives on the I/O thread; the tick happens on the thread that is watched.
  auto job = [this, thread]() {
    tick(thread);
    return true;
  };
  for (;;) {
    co_await net::offload(executor, job);
    if (const bool slept = co_await net::sleep_for(kPeriod); !slept) {
      co_return;
    }
  }
}

void Heartbeats::start(net::Executor io, net::Executor cpu, net::Executor storage) {
  net::spawn(io, beat(Thread::kIo, io));
  net::spawn(io, beat(Thread::kCpu, std::move(cpu)));
  net::spawn(io, beat(Thread::kStorage, std::move(storage)));
}

std::chrono::steady_clock::duration Heartbeats::age(Thread thread) const {
  const std::chrono::steady_clock::duration last(last_.at(static_cast<std::size_t>(thread)).load());
  return clock_->steady_now().time_since_epoch() - last;
}

bool Heartbeats::healthy() const {
  return std::ranges::all_of(kThreads, [&](Thread thread) { return age(thread) < kLimit; });
}

}  // namespace plumbline::daemon
