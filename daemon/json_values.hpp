// Values as the project's JSON writes them. Private to daemon/.
#pragma once

#include "core/clock.hpp"

#include <nlohmann/json.hpp>

#include <optional>

namespace plumbline::daemon {

[[nodiscard]] inline nlohmann::json time_or_null(const std::optional<core::Time>& time) {
  return time ? nlohmann::json(core::to_rfc3339(*time)) : nlohmann::json(nullptr);
}

}  // namespace plumbline::daemon
