#include "simulator/timeline.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

namespace plumbline::simulator {

core::Result<Timeline> Timeline::parse(const Json& entries) {
  Timeline timeline;
  if (!entries.is_array()) {
    return core::Error{core::Errc::kParse, "timeline: not an array"};
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Json& json = entries[i];
    const auto invalid = [&](std::string_view what) {
      return core::Error{core::Errc::kParse, fmt::format("timeline entry {}: {}", i, what)};
    };
    const Json after = json.is_object() ? json.value("after_seconds", Json()) : Json();
    if (!after.is_number() || !(after.get<double>() >= 0) || !(after.get<double>() < 1e8)) {
      return invalid("after_seconds is a number of seconds");
    }
    TimelineEntry entry;
    entry.after = std::chrono::milliseconds(std::llround(after.get<double>() * 1000));
    entry.id = string_member(json, "id");
    const auto id = id_of(entry.id);
    if (!id) {
      return invalid("id is no resource id");
    }
    entry.key = id->key;
    const std::string action = string_member(json, "action");
    const char* body = nullptr;
    if (action == "put") {
      entry.action = Action::kPut;
      body = "resource";
    } else if (action == "patch") {
      entry.action = Action::kPatch;
      body = "patch";
    } else if (action == "delete") {
      entry.action = Action::kDelete;
    } else {
      return invalid("action is put, patch or delete");
    }
    if (body != nullptr) {
      entry.body = json.value(body, Json());
      if (!entry.body.is_object()) {
        return invalid(fmt::format("'{}' is an object", body));
      }
    }
    entry.cause.changed_by = string_member(json, "changed_by", entry.cause.changed_by);
    entry.cause.client_type = string_member(json, "client_type", entry.cause.client_type);
    // Entries of the same moment keep their order.
    const auto place =
        std::ranges::upper_bound(timeline.entries_, entry.after, {}, &TimelineEntry::after);
    timeline.entries_.insert(place, std::move(entry));
  }
  return timeline;
}

std::optional<std::chrono::milliseconds> Timeline::next() const {
  return at_ < entries_.size() ? std::optional(entries_[at_].after) : std::nullopt;
}

std::size_t Timeline::apply(Store& store, std::chrono::milliseconds elapsed) {
  std::size_t applied = 0;
  for (; at_ < entries_.size() && entries_[at_].after <= elapsed; ++at_) {
    const TimelineEntry& entry = entries_[at_];
    if (std::ranges::find(originals_, entry.key, &Original::key) == originals_.end()) {
      const Resource* const resource = store.find(entry.key);
      originals_.push_back({entry.id,
                            entry.key,
                            resource == nullptr ? std::nullopt : std::optional(resource->body)});
    }
    const core::Status done =
        entry.action == Action::kPut     ? store.put(entry.id, entry.body, entry.cause)
        : entry.action == Action::kPatch ? store.patch(entry.id, entry.body, entry.cause)
                                         : store.remove(entry.id, entry.cause);
    if (done) {
      ++applied;
      spdlog::info("timeline: {} {}", entry.cause.changed_by, entry.id);
    } else {
      spdlog::warn("timeline: {}", done.error().message);
    }
  }
  return applied;
}

void Timeline::rewind(Store& store) {
  const Cause cause;
  for (const Original& original : originals_) {
    const Resource* const now = store.find(original.key);
    core::Status done = core::Status::ok();
    if (original.body && (now == nullptr || now->body != *original.body)) {
      done = store.put(original.id, *original.body, cause);
    } else if (!original.body && now != nullptr) {
      done = store.remove(original.id, cause);
    }
    if (!done) {
      spdlog::warn("timeline: {}", done.error().message);
    }
  }
  at_ = 0;
}

}  // namespace plumbline::simulator
