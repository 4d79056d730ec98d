// A whole tenant as it was at an instant.
#pragma once

#include "core/clock.hpp"
#include "core/model/resource.hpp"
#include "core/model/verdict.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace plumbline::storage {

/// How many verdicts of a check had a state.
struct PastCount {
  std::string assignment;
  std::string reference;
  core::ComplianceState state = core::ComplianceState::kUnknown;
  std::int64_t count = 0;
};

struct PastState {
  std::int64_t cycle = 0;  // the last one that was committed by then
  core::Time committed_at;
  std::int64_t resources = 0;
  std::int64_t subscriptions = 0;
  std::vector<PastCount> counts;  // by assignment, reference and state
};

/// Fails with kNotFound for an instant before the first cycle, or before what retention has kept.
[[nodiscard]] core::Result<PastState> state_at(const std::string& path, core::Time at);

/// Every resource and detail document, as it was, in the order of rows.
[[nodiscard]] core::Status for_each_at(
    const std::string& path,
    core::Time at,
    const std::function<void(std::string_view key, std::string body)>& visit);

}  // namespace plumbline::storage
