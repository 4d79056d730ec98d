// One resource through time, for the command line and the API.
#pragma once

#include "core/ports/snapshot.hpp"
#include "core/result.hpp"
#include "daemon/drift_json.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace plumbline::daemon {

/// A change of a verdict; a side that is null was not applicable.
[[nodiscard]] nlohmann::json transition_json(const core::TransitionRow& row);

/// At most `limit` versions before the one of the row `before`, the latest first, each with its
/// changes over the next older one that is kept.
[[nodiscard]] core::Result<nlohmann::json> versions_json(core::Snapshot& snapshot,
                                                         std::string_view key,
                                                         std::int64_t before,
                                                         std::size_t limit);

/// All that happened to a resource, each with `entry` and `at`.
struct Timeline {
  nlohmann::json entries = nlohmann::json::array();  // the latest first
  bool more = false;                                 // there are older ones
};

/// Versions with what each changed and, where that is certain, by whom; when it went; changes of
/// verdicts; the steps of its drift, with what it was accepted by; what Azure told of changes, by
/// Azure's clock. At most `limit` of them all.
[[nodiscard]] core::Result<Timeline> timeline_json(core::Snapshot& snapshot,
                                                   DriftRenderer& renderer,
                                                   std::string_view key,
                                                   std::size_t limit);

/// Versions with what each changed (RFC 6902, over the one before), transitions and drift, at most
/// `limit` of each, and all of it as a timeline. kNotFound: there never was such a resource, or
/// nothing of it is kept.
[[nodiscard]] core::Result<nlohmann::json> history_json(core::Snapshot& snapshot,
                                                        DriftRenderer& renderer,
                                                        std::string_view key,
                                                        std::size_t limit);

/// The RFC 6902 patch from one body to another; null: there is none.
[[nodiscard]] nlohmann::json patch_json(const std::string* before, const std::string* after);

/// The configuration and the verdicts at an instant. kNotFound: the resource was not there then, or
/// the instant lies before what is kept.
[[nodiscard]] core::Result<nlohmann::json> past_json(core::Snapshot& snapshot,
                                                     std::string_view key,
                                                     core::Time at);

}  // namespace plumbline::daemon
