// Where log lines go: standard error, one line an event, logfmt or JSON.
#pragma once

#include "core/log.hpp"

#include <memory>
#include <string>

namespace plumbline::daemon {

enum class LogFormat { kLogfmt, kJson };

/// Thread-safe; each line is written whole. Lines to the journal begin with their priority.
[[nodiscard]] std::unique_ptr<core::Log> make_log(core::LogLevel level, LogFormat format);

[[nodiscard]] core::LogLevel parse_log_level(const std::string& text);

/// The priority in front of a line that goes to the journal (sd-daemon(3)).
[[nodiscard]] std::string_view journal_prefix(core::LogLevel level);

/// One line without its end, for tests: fields in the order given, after ts, level and event.
[[nodiscard]] std::string format_line(LogFormat format,
                                      std::string_view timestamp,
                                      core::LogLevel level,
                                      std::string_view event,
                                      std::initializer_list<core::LogField> fields);

}  // namespace plumbline::daemon
