// What happens while a scenario runs (timeline.json). One thread.
#pragma once

#include "core/result.hpp"
#include "simulator/store.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::simulator {

enum class Action { kPut, kPatch, kDelete };

struct TimelineEntry {
  std::chrono::milliseconds after{0};  // since the start of the round
  Action action = Action::kPatch;
  std::string id;
  std::string key;
  Json body;  // the resource, or the patch
  Cause cause;
};

class Timeline {
 public:
  /// `entries` as in timeline.json; kParse names the index of the first bad one.
  [[nodiscard]] static core::Result<Timeline> parse(const Json& entries);

  /// Applies every entry that is due `elapsed` after the start of the round; gives their number.
  /// An entry that can't be applied (its resource is gone) is left out.
  std::size_t apply(Store& store, std::chrono::milliseconds elapsed);
  /// When the next entry is due, since the start of the round; nullopt at its end.
  [[nodiscard]] std::optional<std::chrono::milliseconds> next() const;
  /// Puts everything that the entries touch back to what it was and begins another round.
  void rewind(Store& store);

 private:
  struct Original {
    std::string id;
    std::string key;
    std::optional<Json> body;
  };

  std::vector<TimelineEntry> entries_;  // by time
  std::vector<Original> originals_;     // as found before the first touch
  std::size_t at_ = 0;
};

}  // namespace plumbline::simulator
