// Drift: what moved away from what was agreed.
#pragma once

#include "core/clock.hpp"
#include "core/model/verdict.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace plumbline::core {

enum class DriftKind : std::uint8_t {
  kBaseline,       // a non-compliant verdict that nobody accepted
  kConfiguration,  // a property that differs from the version before
};
[[nodiscard]] std::string_view to_string(DriftKind kind) noexcept;

/// One open or resolved piece of drift. A baseline item is identified by (check, resource), a
/// configuration item by (resource, path).
struct DriftItem {
  std::int64_t id = 0;
  DriftKind kind = DriftKind::kBaseline;
  std::int64_t check = 0;  // 0 for configuration drift
  std::int64_t resource = 0;
  std::string path;       // JSON pointer (RFC 6901); empty for baseline drift
  std::string old_value;  // JSON text, bounded; empty: the property was absent
  std::string new_value;  // JSON text, bounded; empty: the property is gone
  Severity severity = Severity::kLow;
  std::int64_t opened_cycle = 0;
  Time opened_at;
  std::optional<std::int64_t> resolved_cycle;
  std::optional<Time> resolved_at;
};

}  // namespace plumbline::core
