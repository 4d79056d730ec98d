// What the rest of Plumbline needs from Asio, and nothing heavier: the coroutine type, executors,
// timers, spawning, offloading and the worker threads themselves.
//
// Rule for every statement with co_await (docs: ARCHITECTURE.md, "Coroutines"): no braced
// initialiser, no ?: and no lambda inside it.
#pragma once

#include "core/result.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace plumbline::net {

template <class T>
using Task = boost::asio::awaitable<T>;
using Executor = boost::asio::any_io_executor;

/// A named group of threads that run coroutines and posted work: one thread for I/O, one for
/// storage, one or two for CPU work. Owned by the application; not copyable. Its threads take no
/// signals that a process waits for (SIGTERM, SIGINT, SIGHUP, ...): those are the main thread's.
/// Everything that uses its executor (clients, servers, timers) is destroyed before it.
class Worker {
 public:
  Worker(std::string name, unsigned threads);
  /// Stops without waiting for queued work, then joins.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  Worker(Worker&&) = delete;
  Worker& operator=(Worker&&) = delete;

  [[nodiscard]] Executor executor() const;
  /// Runs until no work is left, then joins. Called once, from another thread.
  void join();
  /// Abandons queued work; running work finishes. Thread-safe.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Starts a coroutine that nobody waits for. An exception that escapes it ends the process: such an
/// exception is a bug, and a supervisor restarts the daemon from the last committed cycle.
void spawn(const Executor& executor, Task<void> task);

/// Runs `task` on `executor` and blocks the calling thread until it is done. For main() and tests;
/// never called from a worker's own thread. Rethrows what the task throws.
void run_blocking(const Executor& executor, Task<void> task);

/// Waits; returns false when the wait was cancelled.
Task<bool> sleep_for(std::chrono::nanoseconds duration);

/// A one-shot event that coroutines can wait for, on any executor. `set` is thread-safe and wakes
/// all waiters, present and future. Copies share the event.
class Event {
 public:
  Event();
  void set() const;
  [[nodiscard]] bool is_set() const noexcept;
  /// True when set, false when `timeout` passed first.
  Task<bool> wait_for(std::chrono::nanoseconds timeout) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Waits; returns false as soon as `cancelled` is set, at once if it is set already.
Task<bool> sleep_for(std::chrono::nanoseconds duration, Event cancelled);

namespace detail {

template <class R, class F, class... Args>
Task<std::optional<R>> invoke_on(F function, Args... args) {
  co_return std::invoke(function, std::move(args)...);
}

template <class R>
Task<R> unwrap(Task<std::optional<R>> task) {
  std::optional<R> result = co_await std::move(task);
  co_return *std::move(result);
}

}  // namespace detail

/// Runs `function(args...)` on `executor` and resumes the caller on its own. For blocking work and
/// for work that would hold up the I/O thread. `function` returns a value (not void).
template <class F, class... Args>
auto offload(Executor executor, F function, Args... args)
    -> Task<std::invoke_result_t<F, Args...>> {
  using R = std::invoke_result_t<F, Args...>;
  return detail::unwrap<R>(
      boost::asio::co_spawn(std::move(executor),
                            detail::invoke_on<R>(std::move(function), std::move(args)...),
                            boost::asio::use_awaitable));
}

}  // namespace plumbline::net
