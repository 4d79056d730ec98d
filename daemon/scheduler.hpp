// What the daemon does when. Decisions only; time is given.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace plumbline::daemon {

/// In the order in which those that are due at the same moment go.
enum class Job : std::uint8_t { kPass, kChanges, kActivity };

struct Intervals {
  std::chrono::seconds pass{3600};
  std::chrono::seconds changes{60};    // 0: never
  std::chrono::seconds activity{300};  // 0: never
};

/// Each job is due one interval after its last start, all of them at first. One at a time: what is
/// due meanwhile follows at once, the longest overdue first, so none keeps another from running.
class Scheduler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Next {
    Job job;
    Time due;  // may have passed
  };

  Scheduler(const Intervals& intervals, Time now);

  [[nodiscard]] Next next() const;
  /// What may go while a pass is under way; nullopt when no poll is due.
  [[nodiscard]] std::optional<Job> due_poll(Time now) const;
  void started(Job job, Time now);
  /// A pass is due at once.
  void request_pass(Time now);
  /// From each job's last start on; one that was off is due at once.
  void set_intervals(const Intervals& intervals, Time now);

 private:
  struct Entry {
    std::chrono::seconds interval{0};
    Time due;
  };

  [[nodiscard]] Entry& entry(Job job) { return entries_.at(static_cast<std::size_t>(job)); }

  [[nodiscard]] const Entry& entry(Job job) const {
    return entries_.at(static_cast<std::size_t>(job));
  }

  std::array<Entry, 3> entries_;
};

}  // namespace plumbline::daemon
