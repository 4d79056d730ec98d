// Which state wins when those of several verdicts become the state of their resource.
#pragma once

#include "core/model/verdict.hpp"

#include <fmt/format.h>

#include <string>

namespace plumbline::storage {

/// The rows of a table (state, rank), the lowest rank winning.
inline std::string ranked_states() {
  std::string rows;
  int rank = 0;
  for (const auto state : core::kComplianceStates) {
    rows += fmt::format("{}('{}', {})", rank == 0 ? "" : ", ", core::to_string(state), rank);
    ++rank;
  }
  return rows;
}

}  // namespace plumbline::storage
