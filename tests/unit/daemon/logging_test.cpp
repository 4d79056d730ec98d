#include "daemon/logging.hpp"

#include <doctest/doctest.h>

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
