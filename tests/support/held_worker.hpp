// A worker that is busy for as long as a test wants it to be.
#pragma once

#include "net/task.hpp"

#include <latch>
#include <memory>
#include <utility>

namespace plumbline::tests {

/// Holds one thread of a worker from its construction until `release`, or its own end.
class HeldWorker {
 public:
  explicit HeldWorker(const net::Executor& executor) {
    net::spawn(executor, hold(latches_));
    latches_->begun.wait();
  }

  ~HeldWorker() { release(); }

  HeldWorker(const HeldWorker&) = delete;
  HeldWorker& operator=(const HeldWorker&) = delete;
  HeldWorker(HeldWorker&&) = delete;
  HeldWorker& operator=(HeldWorker&&) = delete;

  void release() {
    if (!std::exchange(is_released_, true)) {
      latches_->released.count_down();
    }
  }

 private:
  struct Latches {
    std::latch begun{1};
    std::latch released{1};
  };

  static net::Task<void> hold(std::shared_ptr<Latches> latches) {
    latches->begun.count_down();
    latches->released.wait();
    co_return;
  }

  std::shared_ptr<Latches> latches_ = std::make_shared<Latches>();
  bool is_released_ = false;
};

/// Returns once a worker of one thread has done whatever it was given before.
inline void drain(const net::Executor& executor) {
  auto nothing = []() -> net::Task<void> { co_return; };
  net::run_blocking(executor, nothing());
}

}  // namespace plumbline::tests
