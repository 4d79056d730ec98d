#include "daemon/cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace plumbline::daemon {

namespace {

using namespace std::chrono_literals;

/// Read before there are threads.
bool is_set(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value != nullptr && *value != '\0';
}

bool can_be_rewritten() {
  const char* terminal = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
  return ::isatty(STDERR_FILENO) == 1 && !is_set("NO_COLOR") && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

/// Standard error, where it is a terminal, and how much of its last line is taken.
struct Terminal {
  std::mutex mutex;
  std::size_t width = 0;

  /// Blanks over what is there: no terminal lacks them.
  void clear() {
    if (width > 0) {
      fmt::print(stderr, "\r{:{}}\r", "", width);
      width = 0;
    }
  }
};

Terminal& terminal() {
  static Terminal only;
  return only;
}

}  // namespace

ProgressPause::ProgressPause() : terminal_(terminal().mutex) {
  terminal().clear();
}

Progress::Progress(std::string what, bool writes_results, std::function<std::string()> how_far)
    : what_(std::move(what)),
      how_far_(std::move(how_far)),
      shown_(can_be_rewritten() && !(writes_results && ::isatty(STDOUT_FILENO) == 1)) {
  if (shown_) {
    show();
    ticker_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
}

Progress::~Progress() {
  if (!shown_) {
    return;
  }
  ticker_.request_stop();
  ticker_.join();
  const ProgressPause cleared;
}

void Progress::show() {
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(std::chrono::steady_clock::now() - began_).count();
  const auto done = done_.load(std::memory_order_relaxed);
  const std::string far = how_far_   ? how_far_()
                          : done > 0 ? fmt::format("{}", done)
                                     : std::string();
  const std::string line = far.empty() ? fmt::format("{}: {} s", what_, seconds)
                                       : fmt::format("{}: {}, {} s", what_, far, seconds);
  const std::lock_guard lock(terminal().mutex);
  auto& width = terminal().width;
  fmt::print(stderr, "\r{:<{}}", line, width);
  width = std::max(width, line.size());
}

void Progress::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, 200ms, [] { return false; });
    if (!stop.stop_requested()) {
      show();
    }
  }
}

}  // namespace plumbline::daemon
