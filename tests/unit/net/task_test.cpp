#include "net/task.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>

using namespace plumbline::net;
using namespace std::chrono_literals;

namespace {

Task<void> wait_and_count(Event event, std::atomic<int>* woken, Event all_woken, int expected) {
  const bool set = co_await event.wait_for(1h);
  if (set && ++*woken == expected) {
    all_woken.set();
  }
}

Task<void> expect_set(Event event, std::chrono::nanoseconds timeout, bool expected) {
  const bool set = co_await event.wait_for(timeout);
  CHECK(set == expected);
}

Task<void> expect_slept(Event cancelled, std::chrono::nanoseconds duration, bool expected) {
  const bool slept = co_await sleep_for(duration, cancelled);
  CHECK(slept == expected);
}

Task<void> set_after(Event first, Event second) {
  co_await first.wait_for(1h);
  second.set();
}

Task<void> throw_something() {
  throw std::runtime_error("expected");
  co_return;
}

std::string thread_name() {
  char name[16] = {};
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

Task<void> check_offload(Executor cpu, std::thread::id io) {
  const std::string name = co_await offload(cpu, &thread_name);
  CHECK(name == "cpu-pool");
  CHECK(std::this_thread::get_id() == io);
}

Task<void> offload_from(Executor cpu) {
  co_await check_offload(cpu, std::this_thread::get_id());
}

}  // namespace

TEST_CASE("an event wakes all waiters, present and future, on any executor") {
  Worker one("one", 1);
  Worker many("many", 4);
  const Event event;
  const Event all_woken;
  std::atomic<int> woken = 0;
  for (int i = 0; i < 50; ++i) {
    spawn(one.executor(), wait_and_count(event, &woken, all_woken, 100));
    spawn(many.executor(), wait_and_count(event, &woken, all_woken, 100));
  }
  CHECK_FALSE(event.is_set());
  event.set();
  run_blocking(one.executor(), expect_set(all_woken, 1h, true));
  CHECK(woken == 100);
  run_blocking(many.executor(), expect_set(event, 1h, true));
  run_blocking(many.executor(), expect_set(event, 0s, true));
}

TEST_CASE("an event that is not set times out") {
  Worker worker("w", 1);
  run_blocking(worker.executor(), expect_set(Event(), 1ms, false));
  run_blocking(worker.executor(), expect_set(Event(), -1s, false));
}

TEST_CASE("sleeping ends when it is cancelled, before or during") {
  Worker worker("w", 1);
  const Event cancelled;
  const Event go;
  spawn(worker.executor(), set_after(go, cancelled));
  go.set();
  run_blocking(worker.executor(), expect_slept(cancelled, 1h, false));
  run_blocking(worker.executor(), expect_slept(cancelled, 1h, false));
  run_blocking(worker.executor(), expect_slept(Event(), 1ms, true));
  run_blocking(worker.executor(), expect_slept(cancelled, std::chrono::nanoseconds::max(), false));
}

TEST_CASE("set races with waiting without losing a wake-up") {
  Worker many("many", 4);
  for (int i = 0; i < 300; ++i) {
    const Event event;
    const Event all_woken;
    std::atomic<int> woken = 0;
    spawn(many.executor(), wait_and_count(event, &woken, all_woken, 2));
    spawn(many.executor(), wait_and_count(event, &woken, all_woken, 2));
    event.set();
    run_blocking(many.executor(), expect_set(all_woken, 1h, true));
  }
}

TEST_CASE("offloaded work runs on its pool and the caller resumes on its own thread") {
  Worker io("io", 1);
  Worker cpu("cpu-pool", 2);
  run_blocking(io.executor(), offload_from(cpu.executor()));
}

TEST_CASE("a worker joins when its work is done and abandons it when it goes") {
  const Event never;
  {
    Worker worker("w", 1);
    const Event event;
    spawn(worker.executor(), expect_set(event, 1h, true));
    event.set();
    worker.join();
  }
  {
    Worker worker("w", 2);
    spawn(worker.executor(), expect_set(never, 1h, true));
  }
  never.set();  // nobody is left to wake
}

TEST_CASE("run_blocking passes an exception on") {
  Worker worker("w", 1);
  CHECK_THROWS_AS(run_blocking(worker.executor(), throw_something()), std::runtime_error);
}

TEST_CASE("an exception that escapes a spawned coroutine ends the process and says why") {
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);
    Worker worker("w", 1);
    spawn(worker.executor(), throw_something());
    worker.join();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[256];
  for (ssize_t size = 0; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(text.find("uncaught exception: expected") != std::string::npos);
}
