// What the store holds although nobody asks for it any longer: the configuration has left it out.
#pragma once

#include "core/model/collection_plan.hpp"
#include "core/ports/snapshot.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

struct Unplanned {
  std::vector<std::string> keys;      // resources and detail documents
  std::vector<std::string> evidence;  // sources
};

/// `in_scope` is asked about subscriptions. What lies in none is in scope.
[[nodiscard]] core::Result<Unplanned> find_unplanned(
    core::Snapshot& snapshot,
    const core::CollectionPlan& plan,
    const std::function<bool(std::string_view)>& in_scope);

}  // namespace plumbline::collectors
