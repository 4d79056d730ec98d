// What the author of a misspelt name may have meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace plumbline::policy {

/// Changes of one letter needed to turn `a` into `b`, or `limit` + 1 when more than `limit`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit);

/// `; did you mean 'equals'?` for the end of a message; empty where no name is close. Ignores case.
[[nodiscard]] std::string suggestion(std::string_view wrong,
                                     std::span<const std::string_view> names);

}  // namespace plumbline::policy
