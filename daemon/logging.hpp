// Where log lines go: standard error, one line an event, logfmt or JSON.
#pragma once

#include "core/log.hpp"

#include <memory>
#include <string>

namespace plumbline::daemon {

enum class LogFormat { kLogfmt, kJson };

/// Thread-safe; each line is written whole.
[[nodiscard]] std::unique_ptr<core::Log> make_log(core::LogLevel level, LogFormat format);

[[nodiscard]] core::LogLevel parse_log_level(const std::string& text);

/// One line without its end, for tests: fields in the order given, after ts, level and event.
[[nodiscard]] std::string format_line(LogFormat format,
                                      std::string_view timestamp,
                                      core::LogLevel level,
                                      std::string_view event,
                                      std::initializer_list<core::LogField> fields);

}  // namespace plumbline::daemon
