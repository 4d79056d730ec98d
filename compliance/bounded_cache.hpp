// A cache that forgets what was not used for longest. Private to compliance/.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

namespace plumbline::compliance {

/// Keeps values by name up to a total cost. Who got a value keeps it alive, also once it is
/// forgotten here.
template <class T>
class BoundedCache {
 public:
  explicit BoundedCache(std::size_t capacity) : capacity_(capacity) {}

  /// Null: not kept.
  [[nodiscard]] std::shared_ptr<const T> get(const std::string& name) {
    const auto found = index_.find(name);
    if (found == index_.end()) {
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  /// What costs more than everything together may is not kept. Precondition: `name` is not there.
  void put(const std::string& name, std::shared_ptr<const T> value, std::size_t cost) {
    if (cost > capacity_) {
      return;
    }
    entries_.push_front({name, std::move(value), cost});
    index_.emplace(name, entries_.begin());
    cost_ += cost;
    while (cost_ > capacity_) {
      cost_ -= entries_.back().cost;
      index_.erase(entries_.back().name);
      entries_.pop_back();
    }
  }

  [[nodiscard]] std::size_t cost() const noexcept { return cost_; }

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<const T> value;
    std::size_t cost = 0;
  };

  std::size_t capacity_;
  std::size_t cost_ = 0;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> index_;
};

}  // namespace plumbline::compliance
