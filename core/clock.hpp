// Time. Order is the cycle number, never the clock; what is stored are UTC microseconds.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace plumbline::core {

using Microseconds = std::chrono::microseconds;
/// A UTC instant with microsecond resolution.
using Time = std::chrono::time_point<std::chrono::system_clock, Microseconds>;

/// Where everything takes the time from, so that tests can set it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() const = 0;
  /// For intervals: never goes back.
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Time now() const override;
  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override;
};

[[nodiscard]] constexpr std::int64_t to_micros(Time time) noexcept {
  return time.time_since_epoch().count();
}

[[nodiscard]] constexpr Time from_micros(std::int64_t micros) noexcept {
  return Time(Microseconds(micros));
}

/// RFC 3339 in UTC: `2026-11-22T05:28:04.000001Z`; without a fraction where it is zero.
[[nodiscard]] std::string to_rfc3339(Time time);

/// Reads RFC 3339 with `Z` or an offset, up to nanoseconds (truncated), and a bare date. Nothing
/// else; nullopt otherwise.
[[nodiscard]] std::optional<Time> parse_rfc3339(std::string_view text);

}  // namespace plumbline::core
