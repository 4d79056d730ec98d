#include "core/model/drift.hpp"

namespace plumbline::core {

std::string_view to_string(DriftKind kind) noexcept {
  return kind == DriftKind::kBaseline ? "baseline" : "configuration";
}

}  // namespace plumbline::core
