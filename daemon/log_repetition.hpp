// What keeps one fault that comes again and again from filling the log.
#pragma once

#include "core/log.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::daemon {

/// One event as it was logged. Names of fields are constants and live for ever.
struct LogRecord {
  core::LogLevel level = core::LogLevel::kInfo;
  std::string event;
  std::vector<core::LogField> fields;
};

/// Decides which warnings and errors are written. The first of its kind always is; the same ones
/// after it (same event, same fields) are counted, and told as one with their number at the end of
/// each interval. What was not repeated for an interval is new again. Not thread-safe.
class RepetitionLimiter {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  /// At most `kinds` are remembered; beyond that the ones that began first are told early.
  RepetitionLimiter(std::chrono::seconds interval, std::size_t kinds);

  /// True: to be written now. What `take_due` gives goes before it.
  [[nodiscard]] bool admit(core::LogLevel level,
                           std::string_view event,
                           std::span<const core::LogField> fields,
                           Instant now);
  /// Those whose interval has ended, as they came last, with the field `repeated`.
  [[nodiscard]] std::vector<LogRecord> take_due(Instant now);
  /// All that is held back, for the end.
  [[nodiscard]] std::vector<LogRecord> take_all();

 private:
  struct Kind {
    Instant since;
    std::int64_t held = 0;
    LogRecord last;
  };

  static LogRecord summed_up(Kind& kind);

  std::chrono::seconds interval_;
  std::size_t most_;
  std::map<std::string, Kind> kinds_;
  std::vector<LogRecord> early_;
};

}  // namespace plumbline::daemon
