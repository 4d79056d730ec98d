// What waits between two polls: resources whose new body is yet to be seen, changes already known,
// and what a sweep found that no feed told. Decisions only; time is given.
#pragma once

#include "core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plumbline::collectors {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Resources that a feed named. Each is read again until its body has changed, ever more rarely, at
/// last after ten minutes: Resource Graph shows a change and the resource it is about at different
/// times.
class PendingResources {
 public:
  static constexpr std::chrono::minutes kPatience{10};
  static constexpr std::size_t kMost = 50'000;

  struct Entry {
    std::string key;
    std::string type;
    bool deleted = false;
  };

  /// Nothing is added once there are kMost: false.
  bool add(Entry entry, SteadyTime now);
  /// Whom to ask in a poll that begins at `now`.
  [[nodiscard]] std::vector<Entry> due(SteadyTime now) const;
  /// Asked in the poll that began at `now`, without a new body; polls are `interval` apart. True:
  /// it was the last time.
  bool tried(const std::string& key, SteadyTime now, std::chrono::seconds interval);

  void resolve(const std::string& key) { entries_.erase(key); }

  /// It is still there: what is pending is no deletion.
  void still_there(const std::string& key);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

  void clear() { entries_.clear(); }

 private:
  struct Waiting {
    Entry entry;
    SteadyTime since;
    SteadyTime next;
    int tries = 0;
  };

  std::map<std::string, Waiting> entries_;
};

/// Changes that were read already: windows overlap, and pages repeat rows.
class SeenChanges {
 public:
  /// True when it is new.
  bool insert(const std::string& id, core::Time at) { return seen_.emplace(id, at).second; }

  /// Forgets what a window that begins at `since` does not show any more.
  void forget_before(core::Time since) {
    std::erase_if(seen_, [&](const auto& entry) { return entry.second < since; });
  }

 private:
  std::unordered_map<std::string, core::Time> seen_;
};

/// Tells what the feed missed from what it has not told yet.
class MissedChanges {
 public:
  /// Later than rows of the feed appear.
  static constexpr std::chrono::minutes kGrace{10};

  /// The feed named a resource.
  void told(const std::string& key, SteadyTime now);
  /// A sweep found it changed.
  void found(const std::string& key, SteadyTime now);
  /// The resources that nothing named within the grace; each once.
  [[nodiscard]] std::vector<std::string> settle(SteadyTime now);

 private:
  std::unordered_map<std::string, SteadyTime> told_;
  std::unordered_map<std::string, SteadyTime> found_;
};

}  // namespace plumbline::collectors
