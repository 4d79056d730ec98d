#include "daemon/logging.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

using namespace plumbline;
using daemon::format_line;
using daemon::LogFormat;

TEST_CASE("a log line is one line whatever its fields hold") {
  const auto logfmt =
      format_line(LogFormat::kLogfmt,
                  "2026-01-01T00:00:00Z",
                  core::LogLevel::kWarn,
                  "event",
                  {{"path", "/a"}, {"error", "two words\nand \"quotes\""}, {"empty", ""}});
  CHECK(logfmt ==
        "ts=2026-01-01T00:00:00Z level=warn event=event path=/a error=\"two words\\nand "
        "\\\"quotes\\\"\" empty=\"\"");
  const auto json =
      format_line(LogFormat::kJson, "t", core::LogLevel::kError, "e", {{"a", "x\ny"}});
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
    daemon::make_log(core::LogLevel::kInfo, LogFormat::kLogfmt)->warn("event", {});
    unsetenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe)
    dup2(before, STDERR_FILENO);
    close(before);
    std::rewind(file);
    std::string line(100, '\0');
    line.resize(std::fread(line.data(), 1, line.size(), file));
    std::fclose(file);
    return line;
  };
  CHECK(written(true).starts_with("<4>ts="));
  CHECK(written(false).starts_with("ts="));
}
