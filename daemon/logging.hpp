// Where log lines go: standard error, one line an event, logfmt or JSON.
#pragma once

#include "core/log.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <string>

namespace plumbline::daemon {

enum class LogFormat { kLogfmt, kJson };

/// Thread-safe; each line is written whole. Lines to the journal begin with their priority.
/// Warnings and errors that repeat are written once, then summed up every `kRepetitionInterval`
/// and at the end (RepetitionLimiter).
[[nodiscard]] std::unique_ptr<core::Log> make_log(core::LogLevel level, LogFormat format);

inline constexpr std::chrono::minutes kRepetitionInterval{10};

[[nodiscard]] core::LogLevel parse_log_level(const std::string& text);

/// The priority in front of a line that goes to the journal (sd-daemon(3)).
[[nodiscard]] std::string_view journal_prefix(core::LogLevel level);

/// One line without its end, for tests: fields in the order given, after ts, level and event.
[[nodiscard]] std::string format_line(LogFormat format,
                                      std::string_view timestamp,
                                      core::LogLevel level,
                                      std::string_view event,
                                      std::span<const core::LogField> fields);

}  // namespace plumbline::daemon
