#include "daemon/scheduler.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline::daemon;
using namespace std::chrono_literals;

namespace {

/// What runs in the first `length`, as letters, when each job takes `takes`.
std::string run(Scheduler& scheduler,
                Scheduler::Time& now,
                std::chrono::seconds length,
                std::chrono::seconds takes) {
  std::string order;
  for (const auto end = now + length;;) {
    const auto next = scheduler.next();
    if (std::max(next.due, now) >= end) {
      now = end;
      return order;
    }
    now = std::max(next.due, now);
    scheduler.started(next.job, now);
    order += "pca"[static_cast<std::size_t>(next.job)];
    now += takes;
  }
}

}  // namespace

TEST_CASE("a pass first, then each job at its interval") {
  Scheduler::Time now;
  Scheduler scheduler({600s, 60s, 300s}, now);
  CHECK(run(scheduler, now, 300s, 0s) == "pcacccc");
  CHECK(run(scheduler, now, 300s, 0s) == "cacccc");
  CHECK(run(scheduler, now, 60s, 0s) == "pca");
}

TEST_CASE("what takes too long starves nobody") {
  Scheduler::Time now;
  Scheduler scheduler({5s, 5s, 5s}, now);
  CHECK(run(scheduler, now, 90s, 10s) == "pcapcapca");
}

TEST_CASE("feeds that are off never run") {
  Scheduler::Time now;
  Scheduler scheduler({600s, 0s, 0s}, now);
  CHECK(run(scheduler, now, 1800s, 1s) == "ppp");
}

TEST_CASE("a pass that is asked for runs at once, and the next one an interval after it") {
  Scheduler::Time now;
  Scheduler scheduler({600s, 60s, 0s}, now);
  run(scheduler, now, 100s, 0s);
  scheduler.request_pass(now);
  CHECK(scheduler.next().job == Job::kPass);
  CHECK(scheduler.next().due == now);
  CHECK(run(scheduler, now, 50s, 0s) == "pc");
  CHECK(run(scheduler, now, 540s, 0s) == "ccccccccc");
  CHECK(run(scheduler, now, 20s, 0s) == "p");
}

TEST_CASE("new intervals count from the last start") {
  Scheduler::Time now;
  Scheduler scheduler({600s, 60s, 0s}, now);
  run(scheduler, now, 100s, 0s);  // a poll began 40 s ago
  scheduler.set_intervals({600s, 50s, 300s}, now);
  CHECK(scheduler.next().job == Job::kActivity);
  CHECK(scheduler.next().due == now);
  CHECK(run(scheduler, now, 20s, 0s) == "ac");
  scheduler.set_intervals({600s, 0s, 300s}, now);
  CHECK(run(scheduler, now, 200s, 0s).empty());
}

TEST_CASE("polls that are due go while a pass is under way") {
  Scheduler::Time now;
  Scheduler scheduler({600s, 60s, 300s}, now);
  run(scheduler, now, 301s, 0s);  // the activity log was read 1 s ago
  CHECK_FALSE(scheduler.due_poll(now).has_value());
  CHECK(scheduler.due_poll(now + 59s) == Job::kChanges);
  CHECK(scheduler.due_poll(now + 400s) == Job::kChanges);
  scheduler.started(Job::kChanges, now + 400s);
  CHECK(scheduler.due_poll(now + 400s) == Job::kActivity);
  scheduler.started(Job::kActivity, now + 400s);
  CHECK_FALSE(scheduler.due_poll(now + 400s).has_value());
}
