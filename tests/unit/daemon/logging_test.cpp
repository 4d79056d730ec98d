#include "daemon/logging.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace plumbline;
using daemon::format_line;
using daemon::LogFormat;

namespace {

std::string line_of(LogFormat format,
                    std::string_view timestamp,
                    core::LogLevel level,
                    std::string_view event,
                    std::initializer_list<core::LogField> fields) {
  return format_line(format, timestamp, level, event, {fields.begin(), fields.size()});
}

}  // namespace

TEST_CASE("a log line is one line whatever its fields hold") {
  const auto logfmt =
      line_of(LogFormat::kLogfmt,
              "2026-01-01T00:00:00Z",
              core::LogLevel::kWarn,
              "event",
              {{"path", "/a"}, {"error", "two words\nand \"quotes\""}, {"empty", ""}});
  CHECK(logfmt ==
        "ts=2026-01-01T00:00:00Z level=warn event=event path=/a error=\"two words\\nand "
        "\\\"quotes\\\"\" empty=\"\"");
  const auto json = line_of(LogFormat::kJson, "t", core::LogLevel::kError, "e", {{"a", "x\ny"}});
  CHECK(json == R"({"ts":"t","level":"error","event":"e","a":"x\ny"})");
}

TEST_CASE("a line to the journal has its priority in front, one to anything else has not") {
  CHECK(daemon::journal_prefix(core::LogLevel::kError) == "<3>");
  CHECK(daemon::journal_prefix(core::LogLevel::kInfo) == "<6>");
  const auto written = [](bool to_journal) {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    struct stat status{};
    REQUIRE(fstat(fileno(file), &status) == 0);
    const auto stream =
        fmt::format("{}:{}", status.st_dev, to_journal ? status.st_ino : status.st_ino + 1);
    const int before = dup(STDERR_FILENO);
    REQUIRE(dup2(fileno(file), STDERR_FILENO) >= 0);
    setenv("JOURNAL_STREAM", stream.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    {
      const auto log = daemon::make_log(core::LogLevel::kInfo, LogFormat::kLogfmt);
      log->warn("event", {});
      log->warn("event", {});
      log->info("other", {});
      log->warn("event", {});
    }
    unsetenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe)
    dup2(before, STDERR_FILENO);
    close(before);
    std::rewind(file);
    std::string line(1000, '\0');
    line.resize(std::fread(line.data(), 1, line.size(), file));
    std::fclose(file);
    return line;
  };
  CHECK(written(true).starts_with("<4>ts="));
  const auto plain = written(false);
  CHECK(plain.starts_with("ts="));
  // What is held back is told when the log ends.
  CAPTURE(plain);
  CHECK(std::ranges::count(plain, '\n') == 3);
  CHECK(plain.ends_with("level=warn event=event repeated=2\n"));
  CHECK(std::ranges::count(written(true), '<') == 3);
}
