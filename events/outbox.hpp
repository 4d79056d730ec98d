// Tells each sink what has happened, in order, at least once. The outbox is the history itself: a
// sink has a position in it, which is stored after what lies before it was taken.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/ports/store.hpp"
#include "events/event_metrics.hpp"
#include "events/sink.hpp"
#include "net/task.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::events {

/// How long to wait after so many failures in a row: from a second on, doubled each time, a quarter
/// of an hour at most, and somewhere in the upper half of that by `chance` (0 to 1). What the
/// receiver asks for counts up to an hour.
[[nodiscard]] std::chrono::milliseconds backoff(int failures,
                                                double chance,
                                                std::optional<std::chrono::seconds> asked);

struct SinkStatus {
  std::string name;
  std::string target;
  core::EventPosition position;
  std::int64_t pending = 0;
  std::optional<core::Time> oldest;  // of what is pending
  std::int64_t taken = 0;            // since the start
  std::int64_t failed = 0;           // attempts in vain since the start
  std::int64_t dead_letters = 0;     // that are stored
  std::string last_error;            // empty: the last attempt succeeded
  std::optional<core::Time> last_error_at;
  std::optional<core::Time> last_taken_at;
  std::optional<core::Time> next_attempt_at;  // while it waits to try again
};

class Outbox {
 public:
  static constexpr std::size_t kRowsAtOnce = 100;

  struct Parts {
    core::Store& store;
    const core::Clock& clock;
    core::Log& log;
    EventMetrics& metrics;
    net::Executor io;
    net::Executor cpu;
    net::Executor storage;
    MakeFacts make_facts;
    std::string external_url;
    std::function<double()> chance;  // from 0 to 1, differently each time
  };

  Outbox(Parts parts, std::vector<std::unique_ptr<Sink>> sinks);
  ~Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  Outbox(Outbox&&) = delete;
  Outbox& operator=(Outbox&&) = delete;

  /// Finds where each sink stands; one that the store does not know begins with what happens from
  /// now on. While nothing else writes to the store.
  [[nodiscard]] core::Status open();
  /// Delivers until `stop`. Once, after `open`.
  void start();
  /// A cycle was committed. I/O thread.
  void notify();
  /// Ends after what is under way; `wait` waits for that. Thread-safe.
  void stop();
  /// Until it has ended, or for as long as the patience lasts. Not on the I/O thread.
  void wait(std::chrono::milliseconds patience, const net::Executor& elsewhere);

  /// Thread-safe.
  [[nodiscard]] std::vector<SinkStatus> statuses() const;

  /// One look at what there is for the sink of that index: delivers up to a batch. How long to wait
  /// before the next one; nullopt: until something happens. I/O thread.
  net::Task<std::optional<std::chrono::milliseconds>> round(std::size_t sink);

 private:
  /// What comes after an event was offered.
  struct Next {
    bool is_passed = false;  // it is not offered again
    std::optional<std::chrono::milliseconds> wait;
  };

  struct Lane {
    std::unique_ptr<Sink> sink;
    std::string name;
    core::EventPosition position;  // dealt with up to here
    core::EventPosition stored;
    std::vector<core::DeadLetter> refused;                               // and not stored yet
    int failures = 0;                                                    // in a row
    std::optional<std::chrono::steady_clock::time_point> failing_since;  // by what it does not take
    int store_failures = 0;                                              // in a row
    std::chrono::steady_clock::time_point kept_at;
    net::Event wake;  // a new one for each round
    net::Event ended;
    SinkStatus status;  // under mutex_
  };

  net::Task<void> run(std::size_t sink);
  net::Task<void> wake_all();
  net::Task<core::Status> keep(Lane* lane);
  [[nodiscard]] core::Result<Batch> read(const Lane& lane);
  void count_lost(Lane& lane, std::int64_t rows);
  /// Whether the sink was told, or cannot be.
  net::Task<Next> offer(Lane* lane, const Event* event);
  void taken(Lane& lane, const Event& event);

  Next not_taken(Lane& lane, const Event& event, const Outcome& outcome);
  void give_up(Lane& lane, const Event& event, const std::string& error);
  std::chrono::milliseconds failed(Lane& lane,
                                   const std::string& error,
                                   std::optional<std::chrono::seconds> asked);
  /// It is not the sink's fault.
  std::chrono::milliseconds store_failed(Lane& lane, const core::Error& error);
  void record_error(Lane& lane, const std::string& error, std::chrono::milliseconds wait);
  void set_pending(Lane& lane, std::int64_t count, std::optional<core::Time> oldest);

  Parts parts_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // what changes in one does so on the I/O thread
  std::atomic<bool> stopping_ = false;
  net::Event stop_;
  mutable std::mutex mutex_;
};

}  // namespace plumbline::events
