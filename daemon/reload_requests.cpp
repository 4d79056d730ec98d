#include "daemon/reload_requests.hpp"

#include <unistd.h>

#include <csignal>
#include <utility>

namespace plumbline::daemon {

void ReloadOutcome::finish(core::Status status) {
  {
    const std::lock_guard lock(mutex_);
    if (status_) {
      return;
    }
    status_ = std::move(status);
  }
  done_.set();
}

net::Task<std::optional<core::Status>> ReloadOutcome::wait(std::shared_ptr<ReloadOutcome> outcome,
                                                           std::chrono::seconds patience) {
  co_await outcome->done_.wait_for(patience);
  const std::lock_guard lock(outcome->mutex_);
  co_return outcome->status_;
}

std::shared_ptr<ReloadOutcome> ReloadRequests::ask() {
  std::shared_ptr<ReloadOutcome> outcome;
  {
    const std::lock_guard lock(mutex_);
    outcome = next_;
  }
  ::kill(::getpid(), SIGHUP);
  return outcome;
}

std::shared_ptr<ReloadOutcome> ReloadRequests::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(next_, std::make_shared<ReloadOutcome>());
}

}  // namespace plumbline::daemon
