#include "daemon/scheduler.hpp"

#include <algorithm>

namespace plumbline::daemon {

using namespace std::chrono_literals;

namespace {

constexpr std::array kPolls = {Job::kChanges, Job::kActivity};

}  // namespace

Scheduler::Scheduler(const Intervals& intervals, Time now)
    : entries_({Entry{intervals.pass, now},
                Entry{intervals.changes, now},
                Entry{intervals.activity, now}}) {}

Scheduler::Next Scheduler::next() const {
  Next next{Job::kPass, entries_.front().due};
  for (const Job job : kPolls) {
    const Entry& candidate = entry(job);
    if (candidate.interval > 0s && candidate.due < next.due) {
      next = {job, candidate.due};
    }
  }
  return next;
}

std::optional<Job> Scheduler::due_poll(Time now) const {
  std::optional<Job> longest;
  for (const Job job : kPolls) {
    const Entry& candidate = entry(job);
    if (candidate.interval > 0s && candidate.due <= now &&
        (!longest || candidate.due < entry(*longest).due)) {
      longest = job;
    }
  }
  return longest;
}

void Scheduler::started(Job job, Time now) {
  entry(job).due = now + entry(job).interval;
}

void Scheduler::request_pass(Time now) {
  entry(Job::kPass).due = std::min(entry(Job::kPass).due, now);
}

void Scheduler::set_intervals(const Intervals& intervals, Time now) {
  const std::array wanted = {intervals.pass, intervals.changes, intervals.activity};
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    Entry& changed = entries_.at(i);
    const bool was_off = changed.interval == 0s;
    changed.due = was_off ? now : changed.due - changed.interval + wanted.at(i);
    changed.interval = wanted.at(i);
  }
}

}  // namespace plumbline::daemon
