// Dates as text under the formats of .NET, in its invariant culture.
#pragma once

#include "core/clock.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::policy {

/// The standard formats d, o, r, s and u, and custom formats but for the era; nullopt for others.
[[nodiscard]] std::optional<std::string> format_date(core::Time time, std::string_view format);

}  // namespace plumbline::policy
