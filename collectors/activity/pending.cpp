#include "collectors/activity/pending.hpp"

#include <algorithm>

namespace plumbline::collectors {

bool PendingResources::add(Entry entry, SteadyTime now) {
  if (entries_.size() >= kMost && !entries_.contains(entry.key)) {
    return false;
  }
  std::string key = entry.key;
  entries_.insert_or_assign(std::move(key), Waiting{std::move(entry), now, now, 0});
  return true;
}

std::vector<PendingResources::Entry> PendingResources::due(SteadyTime now) const {
  std::vector<Entry> due;
  for (const auto& [key, waiting] : entries_) {
    if (waiting.next <= now) {
      due.push_back(waiting.entry);
    }
  }
  return due;
}

bool PendingResources::tried(const std::string& key,
                             SteadyTime now,
                             std::chrono::seconds interval) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    return false;
  }
  Waiting& waiting = found->second;
  const auto end = waiting.since + kPatience;
  if (now >= end) {
    entries_.erase(found);
    return true;
  }
  constexpr int kDoublings = 10;
  waiting.next =
      std::min<SteadyTime>(end, now + interval * (1 << std::min(waiting.tries, kDoublings)));
  ++waiting.tries;
  return false;
}

void PendingResources::still_there(const std::string& key) {
  if (const auto found = entries_.find(key); found != entries_.end()) {
    found->second.entry.deleted = false;
  }
}

void MissedChanges::told(const std::string& key, SteadyTime now) {
  found_.erase(key);
  told_.insert_or_assign(key, now);
}

void MissedChanges::found(const std::string& key, SteadyTime now) {
  if (!told_.contains(key)) {
    found_.try_emplace(key, now);
  }
}

std::vector<std::string> MissedChanges::settle(SteadyTime now) {
  // Longer than a resource stays pending: its body may be the sweep's to find.
  std::erase_if(told_, [&](const auto& entry) { return entry.second + 2 * kGrace <= now; });
  std::vector<std::string> missed;
  for (const auto& [key, at] : found_) {
    if (at + kGrace <= now) {
      missed.push_back(key);
    }
  }
  for (const auto& key : missed) {
    found_.erase(key);
  }
  std::ranges::sort(missed);
  return missed;
}

}  // namespace plumbline::collectors
