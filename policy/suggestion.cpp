#include "policy/suggestion.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace plumbline::policy {

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t k = 0; k <= b.size(); ++k) {
    row[k] = k;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    std::size_t best = row[0];
    for (std::size_t k = 1; k <= b.size(); ++k) {
      const std::size_t above = row[k];
      row[k] = a[i - 1] == b[k - 1] ? diagonal : 1 + std::min({diagonal, above, row[k - 1]});
      diagonal = above;
      best = std::min(best, row[k]);
    }
    if (best > limit) {
      return limit + 1;
    }
  }
  return std::min(row[b.size()], limit + 1);
}

std::string suggestion(std::string_view wrong, std::span<const std::string_view> names) {
  const std::string wanted = core::to_lower(wrong);
  std::size_t best = std::min<std::size_t>(3, 1 + wrong.size() / 4) + 1;
  std::string_view closest;
  for (const auto name : names) {
    const auto distance = edit_distance(core::to_lower(name), wanted, best - 1);
    if (distance < best) {
      best = distance;
      closest = name;
    }
  }
  return closest.empty() ? std::string() : fmt::format("; did you mean '{}'?", closest);
}

}  // namespace plumbline::policy
