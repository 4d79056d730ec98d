#include "net/task.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace plumbline::net {

namespace asio = boost::asio;

namespace {

[[noreturn]] void die_of(std::exception_ptr error) noexcept {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "plumbline: fatal: uncaught exception: %s\n", exception.what());
  } catch (...) {
    std::fputs("plumbline: fatal: uncaught exception of unknown type\n", stderr);
  }
  std::fflush(stderr);
  std::abort();
}

/// Blocks the signals that a process handles at leisure, for the threads started in its scope: they
/// are for the main thread, which waits for them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE}) {
      sigaddset(&blocked, signal);
    }
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }

  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

struct Worker::State {
  explicit State(unsigned threads)
      : context(static_cast<int>(threads)), guard(asio::make_work_guard(context)) {}

  void run() noexcept {
    try {
      context.run();
    } catch (...) {
      die_of(std::current_exception());
    }
  }

  void join_threads() {
    for (std::thread& thread : threads) {
      if (thread.joinable()) {
        thread.join();
      }
    }
  }

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  std::vector<std::thread> threads;
};

Worker::Worker(std::string name, unsigned threads)
    : state_(std::make_unique<State>(std::max(1U, threads))) {
  const SignalsBlocked blocked;
  name.resize(std::min<std::size_t>(name.size(), 15));  // the kernel's limit
  for (unsigned i = 0; i < std::max(1U, threads); ++i) {
    state_->threads.emplace_back(&State::run, state_.get());
    pthread_setname_np(state_->threads.back().native_handle(), name.c_str());
  }
}

Worker::~Worker() {
  stop();
  state_->join_threads();
}

Executor Worker::executor() const {
  return state_->context.get_executor();
}

void Worker::join() {
  state_->guard.reset();
  state_->join_threads();
}

void Worker::stop() {
  state_->context.stop();
}

void spawn(const Executor& executor, Task<void> task) {
  asio::co_spawn(executor, std::move(task), [](std::exception_ptr error) {
    if (error) {
      die_of(std::move(error));
    }
  });
}

void run_blocking(const Executor& executor, Task<void> task) {
  const auto error = std::make_shared<std::exception_ptr>();
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> finished = done->get_future();
  // Told by a handler of its own, which runs after the coroutine's frame and its copy of the
  // exception are gone: the caller then has both to itself. The promise belongs to the handlers
  // alone, so that it breaks when the executor drops them.
  asio::co_spawn(executor,
                 std::move(task),
                 [executor, error, done = std::move(done)](std::exception_ptr thrown) mutable {
                   *error = std::move(thrown);
                   asio::post(executor, [done = std::move(done)] { done->set_value(); });
                 });
  finished.get();
  if (*error) {
    std::rethrow_exception(*error);
  }
}

namespace {

/// Starts a timer on the executor of the coroutine that waits for it, which owns the timer.
struct StartSleep {
  std::optional<asio::steady_timer>* timer;
  std::chrono::nanoseconds duration;

  template <class Handler>
  void operator()(Handler handler) const {
    asio::steady_timer& started = timer->emplace(asio::get_associated_executor(handler));
    started.expires_after(duration);
    started.async_wait(std::move(handler));
  }
};

}  // namespace

Task<bool> sleep_for(std::chrono::nanoseconds duration) {
  std::optional<asio::steady_timer> timer;
  const StartSleep start(&timer, std::max(duration, std::chrono::nanoseconds::zero()));
  constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
  const auto [error] =
      co_await asio::async_initiate<decltype(kToken), void(boost::system::error_code)>(start,
                                                                                       kToken);
  co_return !error;
}

Task<bool> sleep_for(std::chrono::nanoseconds duration, Event cancelled) {
  const bool stopped = co_await cancelled.wait_for(duration);
  co_return !stopped;
}

struct Event::State {
  // The timer is used by the waiting coroutine's thread and by the one that sets the event, always
  // under the mutex.
  struct Waiter {
    std::mutex mutex;
    bool woken = false;
    std::optional<asio::steady_timer> timer;  // once the wait has begun
  };

  // Takes the waiter off the list when the wait ends, and also when its coroutine is destroyed with
  // its executor: a timer must not outlive that.
  struct Registration {
    Registration(std::shared_ptr<State> owner, std::shared_ptr<Waiter> registered)
        : state(std::move(owner)), waiter(std::move(registered)) {}

    ~Registration() {
      const std::lock_guard lock(state->mutex);
      state->waiters.remove(waiter);
    }

    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    std::shared_ptr<State> state;
    std::shared_ptr<Waiter> waiter;
  };

  struct StartWait {
    std::shared_ptr<Waiter> waiter;
    std::chrono::nanoseconds timeout;

    template <class Handler>
    void operator()(Handler handler) const {
      const auto slot = asio::get_associated_cancellation_slot(handler);
      // On a pool, another thread may resume the coroutine and end it, and this object with it,
      // before the wait below has returned: the waiter's lock needs an owner of its own.
      const std::shared_ptr<Waiter> kept = waiter;
      const std::lock_guard lock(kept->mutex);
      asio::steady_timer& timer = kept->timer.emplace(asio::get_associated_executor(handler));
      timer.expires_after(kept->woken ? std::chrono::nanoseconds::zero() : timeout);
      timer.async_wait(asio::bind_cancellation_slot(
          slot, [handler = std::move(handler)](boost::system::error_code) mutable {
            std::move(handler)();
          }));
    }
  };

  std::mutex mutex;
  std::atomic<bool> is_set = false;
  std::list<std::shared_ptr<Waiter>> waiters;
};

Event::Event() : state_(std::make_shared<State>()) {}

void Event::set() const {
  std::list<std::shared_ptr<State::Waiter>> waiters;
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_set.store(true);
    waiters = state_->waiters;
  }
  for (const auto& waiter : waiters) {
    const std::lock_guard lock(waiter->mutex);
    waiter->woken = true;
    std::optional<asio::steady_timer>& timer = waiter->timer;
    if (timer) {
      timer->cancel();
    }
  }
}

bool Event::is_set() const noexcept {
  return state_->is_set.load();
}

Task<bool> Event::wait_for(std::chrono::nanoseconds timeout) const {
  const std::shared_ptr<State> state = state_;  // the Event may go before the wait ends
  auto waiter = std::make_shared<State::Waiter>();
  {
    const std::lock_guard lock(state->mutex);
    if (state->is_set.load()) {
      co_return true;
    }
    state->waiters.push_back(waiter);
  }
  const State::Registration registration(state, waiter);
  State::StartWait start(waiter, std::max(timeout, std::chrono::nanoseconds::zero()));
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(start),
                                                                       asio::use_awaitable);
  co_return state->is_set.load();
}

}  // namespace plumbline::net
