// Asking Resource Manager about what Resource Graph shows, before it counts (truth 2). Compliance
// says about what, collectors ask.
#pragma once

#include "core/digest.hpp"
#include "core/model/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::core {

/// A resource of which verdicts wait.
struct ConfirmationRequest {
  std::string key;
  std::string id;  // as the source spells it
  std::string type;
  Sha256 fingerprint{};                // of the body that the verdicts are about
  std::int64_t from_cycle = 0;         // since when it is that
  Severity severity = Severity::kLow;  // the highest of the checks
  std::vector<std::pair<std::string, std::string>> checks;  // assignment and reference
};

struct PendingConfirmations {
  /// The most severe first; then those of which no verdict waits, to be asked about again.
  std::vector<ConfirmationRequest> requests;
  std::size_t resources = 0;  // all of which verdicts wait, requested or not
};

/// A verdict that Resource Manager did not bear out.
struct Contradiction {
  std::string key;
  std::string assignment;
  std::string reference;
  std::string state;               // what it is instead
  std::vector<std::string> paths;  // what it had rested on
};

/// What came of requests once their answers are stored.
struct ConfirmationOutcome {
  std::size_t confirmed = 0;     // resources
  std::size_t contradicted = 0;  // resources
  std::vector<Contradiction> contradictions;
};

}  // namespace plumbline::core
