// What whoever waits at a terminal sees.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace plumbline::daemon {

/// Takes the line of a Progress away for as long as it lives, so that something else can be written
/// to standard error. The line comes back below by itself.
class ProgressPause {
 public:
  ProgressPause();
  ~ProgressPause() = default;
  ProgressPause(const ProgressPause&) = delete;
  ProgressPause& operator=(const ProgressPause&) = delete;
  ProgressPause(ProgressPause&&) = delete;
  ProgressPause& operator=(ProgressPause&&) = delete;

 private:
  std::unique_lock<std::mutex> terminal_;
};

/// One line on standard error that is rewritten while something long is done, and is gone
/// afterwards. Nothing at all is written unless standard error is a terminal that can do that, nor
/// where NO_COLOR is set.
class Progress {
 public:
  /// `writes_results`: results go to standard output meanwhile; where that is a terminal as well
  /// they are progress enough, and the line would be in their way.
  /// `how_far`, if any, is asked for what stands behind `what`, on another thread.
  Progress(std::string what, bool writes_results, std::function<std::string()> how_far = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  Progress(Progress&&) = delete;
  Progress& operator=(Progress&&) = delete;

  /// One more is done: a row, a case. Thread-safe.
  void step() { done_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void run(const std::stop_token& stop);
  void show();

  std::string what_;
  std::function<std::string()> how_far_;
  bool shown_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> done_ = 0;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread ticker_;
};

}  // namespace plumbline::daemon
