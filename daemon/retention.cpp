#include "daemon/retention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

namespace plumbline::daemon {

using core::Result;
using core::Status;

namespace {

constexpr std::chrono::hours kInterval{1};
constexpr std::size_t kRowsAtOnce = 10'000;
// Whatever the size: so much history stays.
constexpr std::chrono::hours kLeast{24};

template <class F, class R>
net::Task<void> fulfil(F* job, std::promise<R>* promise) {
  promise->set_value((*job)());
  co_return;
}

/// Runs `job` on the storage thread and waits for it. The thread outlives whoever waits, and takes
/// up what it is given until then.
template <class F>
auto on_thread(const net::Executor& executor, F job) {
  std::promise<decltype(job())> promise;
  auto result = promise.get_future();
  net::run_blocking(executor, fulfil(&job, &promise));
  return result.get();
}

}  // namespace

Retention::Retention(RetentionLimits limits,
                     core::Store& store,
                     net::Executor storage,
                     const core::Clock& clock,
                     core::Log& log)
    : limits_(limits), store_(&store), storage_(std::move(storage)), clock_(&clock), log_(&log) {}

void Retention::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Retention::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto done = run_once([&] { return stop.stop_requested(); });
    if (!done) {
      log_->error("retention_failed",
                  {{core::log_field::kReason, std::string(core::to_string(done.error().code))},
                   {core::log_field::kError, done.error().message}});
    } else if (done->rows > 0) {
      log_->info("retention_done",
                 {{core::log_field::kDeleted, fmt::format("{}", done->rows)},
                  {core::log_field::kCycle, fmt::format("{}", done->horizon.cycle)}});
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kInterval, [] { return false; });
  }
}

Status Retention::trim(core::Time at, Done& done, const std::function<bool()>& stopped) {
  for (;;) {
    core::Outdated outdated;
    {
      auto snapshot = store_->snapshot();
      if (!snapshot) {
        return snapshot.error();
      }
      auto found = (*snapshot)->outdated(at, kRowsAtOnce);
      if (!found) {
        return found.error();
      }
      outdated = *std::move(found);
    }
    if (outdated.size() == 0) {
      break;
    }
    done.horizon = outdated.horizon;
    while (outdated.size() > 0 && !stopped()) {
      const auto before = outdated.size();
      auto removed = on_thread(storage_, [&] { return store_->remove_outdated(outdated, kStep); });
      if (!removed) {
        return removed;
      }
      done.rows += before - outdated.size();
    }
    if (stopped()) {
      return Status::ok();
    }
  }
  for (bool more = true; more && !stopped();) {
    auto step = on_thread(storage_, [&] { return store_->shrink(kStep); });
    if (!step) {
      return step.error();
    }
    more = *step;
  }
  return Status::ok();
}

Result<std::int64_t> Retention::used_bytes() {
  return on_thread(storage_, [&] { return store_->used_bytes(); });
}

Result<Retention::Done> Retention::run_once(const std::function<bool()>& stopped) {
  Done done;
  const auto now = clock_->now();
  auto horizon = now - limits_.age;
  if (auto trimmed = trim(horizon, done, stopped); !trimmed) {
    return trimmed.error();
  }
  // Day by day, as far as it must be.
  while (limits_.bytes > 0 && !stopped()) {
    const auto used = used_bytes();
    if (!used) {
      return used.error();
    }
    if (*used <= limits_.bytes) {
      return done;
    }
    const auto oldest = [&]() -> Result<std::optional<core::Time>> {
      auto snapshot = store_->snapshot();
      return snapshot ? (*snapshot)->oldest_change() : snapshot.error();
    }();
    if (!oldest) {
      return oldest.error();
    }
    if (!*oldest || horizon >= now - kLeast) {
      log_->warn("store_too_large",
                 {{core::log_field::kBytes, fmt::format("{}", *used)},
                  {core::log_field::kReason, "nothing older than a day is left to delete"}});
      return done;
    }
    horizon = std::min(std::max(horizon, **oldest) + kLeast, now - kLeast);
    if (auto trimmed = trim(horizon, done, stopped); !trimmed) {
      return trimmed.error();
    }
  }
  return done;
}

}  // namespace plumbline::daemon
