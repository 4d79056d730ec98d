// What happened, as receivers are told: CloudEvents 1.0 made of rows of the history. Pure.
#pragma once

#include "core/ports/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::events {

/// What the baseline in force says of a check.
struct CheckFacts {
  std::string title;
  std::vector<std::string> controls;
  core::Severity severity = core::Severity::kLow;
  std::optional<double> score;  // of its assignment, now
  double share = 0;             // of that score: what one verdict of this check counts for
};

/// What is known around an event. For one snapshot, which must outlive it, on one thread.
class Facts {
 public:
  virtual ~Facts() = default;
  /// As the API lists it.
  virtual core::Result<nlohmann::json> drift(const core::DriftRow& row) = 0;
  /// nullopt: the baseline no longer has it.
  virtual std::optional<CheckFacts> check(std::string_view assignment,
                                          std::string_view reference) = 0;
};

using MakeFacts = std::function<core::Result<std::unique_ptr<Facts>>(core::Snapshot& snapshot)>;

enum class Family : std::uint8_t { kDrift, kCompliance };

struct Event {
  Family family = Family::kDrift;
  /// As in the API: the same however often it is sent.
  std::string id;
  std::string type;  // `io.plumbline.drift.opened`, ...
  std::string subject;
  core::Time at;
  core::Severity severity = core::Severity::kLow;
  core::EventPosition position;  // of who has been told this and everything before it
  std::int64_t lost = 0;         // rows right before it that retention removed before it was told
  nlohmann::json data;
  std::string error;  // why it cannot be told; then there is no more of it than id and time
};

/// Which events a receiver wants.
struct Filter {
  bool drift = true;
  bool compliance = true;
  core::Severity min_severity = core::Severity::kLow;

  [[nodiscard]] bool wants(Family family) const {
    return family == Family::kDrift ? drift : compliance;
  }
};

/// An item as it was after one of its steps, by what is known of it now: what is sent again says
/// the same again.
[[nodiscard]] core::DriftRow after_step(core::DriftRow row, const core::DriftEventRow& event);

/// Where the status page shows a resource with its findings; empty where `external_url` is.
[[nodiscard]] std::string page_link(std::string_view external_url,
                                    std::string_view resource_id,
                                    std::string_view assignment,
                                    std::string_view reference);

/// `item`: the row as Facts gives it; `position` is left to the caller.
[[nodiscard]] Event drift_event(const core::DriftEventRow& event,
                                const core::DriftRow& row,
                                nlohmann::json item,
                                const std::optional<CheckFacts>& check,
                                std::string_view external_url);
[[nodiscard]] Event compliance_event(const core::TransitionRow& row,
                                     const std::optional<CheckFacts>& check,
                                     std::string_view external_url);

/// The event in structured mode: the body of `application/cloudevents+json`.
[[nodiscard]] std::string structured(const Event& event, std::string_view source);

/// What comes after a position, in the order in which it happened.
struct Batch {
  std::vector<Event> events;    // those that the filter wants
  core::EventPosition begin;    // after what nobody wants
  core::EventPosition end;      // once all of them, and what nobody wants, is dealt with
  core::PendingEvents pending;  // after `begin`
  std::int64_t lost = 0;        // as those of the events, but after the last of them
  bool has_more = false;
};

/// By cycle; of one cycle transitions first, then the steps of drift. Reads at most `limit` rows of
/// each family that is wanted; what is not wanted is passed at once.
[[nodiscard]] core::Result<Batch> read_events(core::Snapshot& snapshot,
                                              Facts& facts,
                                              const core::EventPosition& after,
                                              const Filter& filter,
                                              std::string_view external_url,
                                              std::size_t limit);

}  // namespace plumbline::events
