// Drift as JSON and as chosen by its words: for API and command line.
#pragma once

#include "core/ports/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// The filter that `parameter` describes: `state` (`open` where absent, `all`, or states with
/// commas), `kind`, `severity`, `type`, `scope`, `assignment`, `reference`, `item` (an id), `after`
/// (the next older ones). Fails with kInvalidArgument, naming the parameter.
[[nodiscard]] core::Result<core::DriftFilter> drift_filter(
    const std::function<std::string(std::string_view)>& parameter);

[[nodiscard]] nlohmann::json acceptance_json(const core::Acceptance& acceptance);

/// One after the other, with what is stored around them.
class DriftRenderer {
 public:
  /// Both must outlive it.
  [[nodiscard]] static core::Result<DriftRenderer> make(core::Snapshot& snapshot,
                                                        const std::vector<std::string>& owner_tags);

  /// With acceptance, owner, and who changed it, or when at the earliest and latest.
  [[nodiscard]] core::Result<nlohmann::json> render(const core::DriftRow& row);

 private:
  DriftRenderer(core::Snapshot& snapshot,
                const std::vector<std::string>& owner_tags,
                std::map<std::int64_t, core::Acceptance> acceptances);
  core::Result<std::string> owner(const std::string& key);

  core::Snapshot* snapshot_;
  const std::vector<std::string>* owner_tags_;
  std::map<std::int64_t, core::Acceptance> acceptances_;
  std::map<std::string, std::string> owners_;  // by key
};

[[nodiscard]] nlohmann::json drift_event_json(const core::DriftEventRow& event);

}  // namespace plumbline::daemon
