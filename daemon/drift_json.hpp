// Drift as JSON and as chosen by its words: for API and command line.
#pragma once

#include "compliance/attribution.hpp"
#include "compliance/concerned.hpp"
#include "core/ports/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// The filter that `parameter` describes: `state` (`open` where absent, `all`, or states with
/// commas), `kind`, `severity`, `type`, `scope`, `subscription`, `assignment`, `reference`, `item`
/// (an id), `after` (the next older ones). Fails with kInvalidArgument, naming the parameter.
[[nodiscard]] core::Result<core::DriftFilter> drift_filter(
    const std::function<std::string(std::string_view)>& parameter);

[[nodiscard]] nlohmann::json acceptance_json(const core::Acceptance& acceptance);

/// One after the other, with what is stored around them.
class DriftRenderer {
 public:
  /// Both must outlive it.
  DriftRenderer(core::Snapshot& snapshot, const std::vector<std::string>& owner_tags)
      : snapshot_(&snapshot), owner_tags_(&owner_tags) {}

  /// With acceptance, owner, and who changed it, or when at the earliest and latest. Where a body
  /// that says so is damaged, `unreadable` tells, and the rest is told all the same.
  [[nodiscard]] core::Result<nlohmann::json> render(const core::DriftRow& row);
  /// What covers an item; null: nothing.
  [[nodiscard]] core::Result<nlohmann::json> acceptance(std::int64_t id);

 private:
  core::Result<std::string> owner(const std::string& key);

  core::Snapshot* snapshot_;
  const std::vector<std::string>* owner_tags_;
  std::map<std::int64_t, nlohmann::json> acceptances_;  // those that were asked for
  std::map<std::string, std::string> owners_;           // by key
};

/// What of drift is wanted beyond what the store can choose by. Texts in any letters; empty: any.
struct DriftWish {
  std::string owner;
  std::string actor;  // only where somebody is named for certain
  /// Those that it must concern one of; null: any.
  const compliance::ConcernedChecks* control = nullptr;

  [[nodiscard]] bool empty() const { return owner.empty() && actor.empty() && control == nullptr; }
};

struct DriftPage {
  nlohmann::json rows = nlohmann::json::array();
  std::int64_t next = 0;  // the `before` with which to go on; 0: that was all
};

/// At most `filter.limit` items, rendered. Looks at no more than `most` to find them: a page may
/// hold fewer, even none, and still have a next one.
[[nodiscard]] core::Result<DriftPage> read_drift(core::Snapshot& snapshot,
                                                 DriftRenderer& renderer,
                                                 core::DriftFilter filter,
                                                 const DriftWish& wish,
                                                 std::size_t most);

/// Who made a change where that is certain, and between which observations.
[[nodiscard]] nlohmann::json attribution_json(const compliance::Attribution& attribution);

[[nodiscard]] nlohmann::json drift_event_json(const core::DriftEventRow& event);

}  // namespace plumbline::daemon
