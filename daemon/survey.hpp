// What `plumbline plan` asks Azure: which subscriptions, how much of what is in them, and what may
// not be read there. Nothing here changes anything.
#pragma once

#include "collectors/forecast.hpp"
#include "compliance/baseline.hpp"
#include "config/settings.hpp"
#include "core/model/collection_plan.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// Something that may not be read, and what that costs.
struct MissingPermission {
  std::string type;  // lower case; empty: everything there
  std::string why;
  std::vector<std::string> scopes;  // subscriptions, or ids of what refused an example
  std::vector<std::string> checks;  // references of those that are without evidence by it
};

struct Survey {
  std::vector<std::string> subscriptions;             // of the scope, readable, sorted
  std::vector<collectors::CountedScope> scopes = {};  // in the order of a pass
  std::int64_t listing_requests = 0;  // to Resource Manager, for subscriptions and groups
  std::vector<MissingPermission> missing = {};
  std::vector<std::string> notes = {};  // what could not be looked at
};

/// An error: Azure cannot be asked, or did not say.
[[nodiscard]] core::Result<Survey> survey_azure(const config::Settings& settings,
                                                const compliance::Baseline& baseline,
                                                const core::CollectionPlan& plan);

}  // namespace plumbline::daemon
