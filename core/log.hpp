// Structured logging as the modules see it: one event, one line. daemon/ decides where it goes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace plumbline::core {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  std::string_view name;
  std::string value;
};

/// Field names; nothing logs a name that is not here.
namespace log_field {
inline constexpr std::string_view kActor = "actor";
inline constexpr std::string_view kAddress = "address";
inline constexpr std::string_view kAssignment = "assignment";
inline constexpr std::string_view kAudience = "audience";
inline constexpr std::string_view kAuthor = "author";
inline constexpr std::string_view kBytes = "bytes";
inline constexpr std::string_view kCause = "cause";
inline constexpr std::string_view kChanged = "changed";
inline constexpr std::string_view kCheck = "check";
inline constexpr std::string_view kCode = "code";
inline constexpr std::string_view kControl = "control";
inline constexpr std::string_view kCorrelationId = "correlation_id";
inline constexpr std::string_view kCovered = "covered";
inline constexpr std::string_view kCycle = "cycle";
inline constexpr std::string_view kDeleted = "deleted";
inline constexpr std::string_view kDrift = "drift";
inline constexpr std::string_view kDurationMs = "duration_ms";
inline constexpr std::string_view kError = "error";
inline constexpr std::string_view kEvaluated = "evaluated";
inline constexpr std::string_view kFetchedAt = "fetched_at";
inline constexpr std::string_view kFrom = "from";
inline constexpr std::string_view kId = "id";
inline constexpr std::string_view kKind = "kind";
inline constexpr std::string_view kLost = "lost";
inline constexpr std::string_view kNew = "new";
inline constexpr std::string_view kObserved = "observed";
inline constexpr std::string_view kOld = "old";
inline constexpr std::string_view kOwner = "owner";
inline constexpr std::string_view kPath = "path";
inline constexpr std::string_view kReason = "reason";
inline constexpr std::string_view kRepeated = "repeated";
inline constexpr std::string_view kRequestId = "request_id";
inline constexpr std::string_view kResourceId = "resource_id";
inline constexpr std::string_view kScope = "scope";
inline constexpr std::string_view kSeverity = "severity";
inline constexpr std::string_view kSink = "sink";
inline constexpr std::string_view kSource = "source";
inline constexpr std::string_view kStep = "step";
inline constexpr std::string_view kSubscriptions = "subscriptions";
inline constexpr std::string_view kTo = "to";
inline constexpr std::string_view kTransitions = "transitions";
inline constexpr std::string_view kType = "type";
inline constexpr std::string_view kVersion = "version";
}  // namespace log_field

/// Thread-safe. Values must hold no secret: bodies, tokens and query strings are never logged.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level,
                     std::string_view event,
                     std::initializer_list<LogField> fields) = 0;

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kDebug, event, fields);
  }

  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kInfo, event, fields);
  }

  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kWarn, event, fields);
  }

  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kError, event, fields);
  }
};

}  // namespace plumbline::core
