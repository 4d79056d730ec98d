#include "core/ports/snapshot.hpp"

#include <fmt/format.h>

namespace plumbline::core {

std::string event_id(const DriftEventRow& row) {
  return fmt::format("drift-{}-{}", row.id, to_micros(row.at));
}

std::string event_id(const TransitionRow& row) {
  return fmt::format("transition-{}-{}", row.row, to_micros(row.at));
}

}  // namespace plumbline::core
