// What Resource Manager confirms: which verdicts wait for it, and what came of them (truth 2).
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/confirmation.hpp"
#include "core/ports/snapshot.hpp"
#include "policy/engine.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// `graph` with `manager` laid over it: a property that Resource Manager has is as it says, arrays
/// whole; what only Resource Graph has stays. Names ignore case. A null says nothing.
[[nodiscard]] std::string overlaid(policy::Json graph, policy::Json manager);

/// The answer of Resource Manager that a document holds, if it is about the resource as it is
/// stored. Lives as long as the parser's document does.
[[nodiscard]] std::optional<policy::Json> confirms(const core::StoredResource& answer,
                                                   const core::StoredResource& resource,
                                                   simdjson::dom::parser& parser);

/// The paths of the resource's own properties that the outcome rests on.
[[nodiscard]] std::vector<std::string> decisive_paths(std::string_view key,
                                                      const policy::Explanation& explanation);

/// Whether the outcome rests on a property that the body does not have.
[[nodiscard]] bool rests_on_absent(const policy::DefinitionInfo& definition,
                                   const core::StoredResource& resource,
                                   policy::Json body,
                                   const policy::Explanation& explanation);

/// What waits, at most `limit` of it; without those that `skip`, if any, leaves for later. What
/// Resource Graph hides may change unseen, so that answers from before `renew_before` are asked for
/// again.
[[nodiscard]] core::Result<core::PendingConfirmations> pending_confirmations(
    const Baseline& baseline,
    core::Snapshot& snapshot,
    std::size_t limit,
    const std::function<bool(const std::string&)>& skip = nullptr,
    std::optional<core::Time> renew_before = std::nullopt);

/// What has become of these, whose answers are stored.
[[nodiscard]] core::Result<core::ConfirmationOutcome> outcome_of(
    const Baseline& baseline,
    core::Snapshot& snapshot,
    const std::vector<core::ConfirmationRequest>& requests,
    core::Time now);

}  // namespace plumbline::compliance
