// Explanations as people and programs read them.
#pragma once

#include "policy/engine.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace plumbline::daemon {

/// The tree as the API gives it.
[[nodiscard]] nlohmann::json explanation_json(const policy::Explanation& node);

/// The tree with one condition a line, indented: what it is, what it saw and where, and `<--` at
/// what decided.
[[nodiscard]] std::string explanation_text(const policy::Explanation& node);

}  // namespace plumbline::daemon
