#include "daemon/logging.hpp"

#include "core/clock.hpp"
#include "core/text.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/log_repetition.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace plumbline::daemon {

namespace {

constexpr std::size_t kMostKinds = 1000;

std::string_view name_of(core::LogLevel level) {
  switch (level) {
    case core::LogLevel::kDebug:
      return "debug";
    case core::LogLevel::kInfo:
      return "info";
    case core::LogLevel::kWarn:
      return "warn";
    case core::LogLevel::kError:
      return "error";
  }
  return "error";
}

void append_logfmt(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty()) {
    out += ' ';
  }
  out += name;
  out += '=';
  const bool plain = !value.empty() &&
                     value.find_first_of(" =\"\\\n\r\t") == std::string_view::npos &&
                     value.find_first_not_of(' ') != std::string_view::npos;
  if (plain) {
    out += value;
  } else {
    core::append_json_quoted(out, value);
  }
}

void append_json(std::string& out, std::string_view name, std::string_view value) {
  out += out.empty() ? '{' : ',';
  core::append_json_quoted(out, name);
  out += ':';
  core::append_json_quoted(out, value);
}

/// Whether a file is the stream that systemd.exec(5) names in JOURNAL_STREAM: `device:inode`.
bool is_journal(int descriptor, const char* journal_stream) {
  struct stat status{};
  return journal_stream != nullptr && fstat(descriptor, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
}

class StderrLog final : public core::Log {
 public:
  StderrLog(core::LogLevel level, LogFormat format)
      : level_(level),
        format_(format),
        // Read once, before there are threads.
        to_journal_(is_journal(STDERR_FILENO,
                               std::getenv("JOURNAL_STREAM"))),  // NOLINT(concurrency-mt-unsafe)
        logger_("plumbline", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::trace);
  }

  ~StderrLog() override {
    teller_.request_stop();
    teller_.join();
    const std::lock_guard lock(mutex_);
    put_all(limiter_.take_all());
  }

  StderrLog(const StderrLog&) = delete;
  StderrLog& operator=(const StderrLog&) = delete;
  StderrLog(StderrLog&&) = delete;
  StderrLog& operator=(StderrLog&&) = delete;

  void write(core::LogLevel level,
             std::string_view event,
             std::initializer_list<core::LogField> fields) override {
    if (level < level_) {
      return;
    }
    const std::span<const core::LogField> all(fields.begin(), fields.size());
    const std::lock_guard lock(mutex_);
    const auto now = clock_.steady_now();
    put_all(limiter_.take_due(now));
    if (limiter_.admit(level, event, all, now)) {
      put(level, event, all);
    }
  }

 private:
  void put(core::LogLevel level, std::string_view event, std::span<const core::LogField> fields) {
    const ProgressPause pause;
    logger_.info("{}{}",
                 to_journal_ ? journal_prefix(level) : "",
                 format_line(format_, core::to_rfc3339(clock_.now()), level, event, fields));
  }

  void put_all(const std::vector<LogRecord>& records) {
    for (const auto& record : records) {
      put(record.level, record.event, record.fields);
    }
  }

  /// What has ceased is summed up too, though nobody may write any more.
  void tell(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      wake_.wait_for(lock, stop, kRepetitionInterval, [] { return false; });
      put_all(limiter_.take_due(clock_.steady_now()));
    }
  }

  core::SystemClock clock_;
  core::LogLevel level_;
  LogFormat format_;
  bool to_journal_;
  spdlog::logger logger_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  RepetitionLimiter limiter_{kRepetitionInterval, kMostKinds};
  std::jthread teller_{[this](const std::stop_token& stop) { tell(stop); }};
};

}  // namespace

std::string format_line(LogFormat format,
                        std::string_view timestamp,
                        core::LogLevel level,
                        std::string_view event,
                        std::span<const core::LogField> fields) {
  const auto append = format == LogFormat::kJson ? append_json : append_logfmt;
  std::string line;
  append(line, "ts", timestamp);
  append(line, "level", name_of(level));
  append(line, "event", event);
  for (const auto& field : fields) {
    append(line, field.name, field.value);
  }
  if (format == LogFormat::kJson) {
    line += '}';
  }
  return line;
}

std::string_view journal_prefix(core::LogLevel level) {
  switch (level) {
    case core::LogLevel::kDebug:
      return "<7>";
    case core::LogLevel::kInfo:
      return "<6>";
    case core::LogLevel::kWarn:
      return "<4>";
    case core::LogLevel::kError:
      return "<3>";
  }
  return "<3>";
}

std::unique_ptr<core::Log> make_log(core::LogLevel level, LogFormat format) {
  return std::make_unique<StderrLog>(level, format);
}

core::LogLevel parse_log_level(const std::string& text) {
  if (text == "debug") {
    return core::LogLevel::kDebug;
  }
  if (text == "warn") {
    return core::LogLevel::kWarn;
  }
  return text == "error" ? core::LogLevel::kError : core::LogLevel::kInfo;
}

}  // namespace plumbline::daemon
