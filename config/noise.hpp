// Files of noise rules: a baseline's `noise.json` and the one that `drift.noise` names.
// docs/drift-rules.md documents them.
#pragma once

#include "core/model/drift_rules.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::config {

/// YAML, and so JSON as well. Every error reads `file:line:col: message`; the first one found is
/// given.
[[nodiscard]] core::Result<std::vector<core::NoiseRule>> parse_noise(const std::string& text,
                                                                     const std::string& path);

}  // namespace plumbline::config
