#include "daemon/log_repetition.hpp"

#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using core::LogLevel;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  tests::FakeClock clock;
  daemon::RepetitionLimiter limiter{10min, 3};

  /// As a log does it: what is due, then the line itself if it is admitted.
  std::string write(LogLevel level,
                    std::string_view event,
                    std::initializer_list<core::LogField> fields = {}) {
    const std::span<const core::LogField> all(fields.begin(), fields.size());
    std::string out = told(limiter.take_due(clock.steady_now()));
    if (limiter.admit(level, event, all, clock.steady_now())) {
      out += told({{level, std::string(event), {fields.begin(), fields.end()}}});
    }
    return out;
  }

  static std::string told(const std::vector<daemon::LogRecord>& records) {
    std::string out;
    for (const auto& record : records) {
      out += record.event;
      for (const auto& field : record.fields) {
        out.append(" ").append(field.name).append("=").append(field.value);
      }
      out += ";";
    }
    return out;
  }

  std::string due() { return told(limiter.take_due(clock.steady_now())); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "log: the first is written, the same after it are summed up") {
  CHECK(write(LogLevel::kError, "e", {{"error", "x"}}) == "e error=x;");
  for (int i = 0; i < 5; ++i) {
    clock.advance(1min);
    CHECK(write(LogLevel::kError, "e", {{"error", "x"}}).empty());
  }
  clock.advance(4min);
  CHECK(due().empty());
  clock.advance(1min);
  CHECK(due() == "e error=x repeated=5;");
  // The fault goes on: still one line an interval.
  clock.advance(1min);
  CHECK(write(LogLevel::kError, "e", {{"error", "x"}}).empty());
  clock.advance(10min);
  CHECK(write(LogLevel::kError, "e", {{"error", "x"}}) == "e error=x repeated=1;");
  clock.advance(9min);
  CHECK(due().empty());
  clock.advance(1min);
  CHECK(due() == "e error=x repeated=1;");
  // It has ceased: the next one is new.
  clock.advance(10min);
  CHECK(due().empty());
  CHECK(write(LogLevel::kError, "e", {{"error", "x"}}) == "e error=x;");
}

TEST_CASE_FIXTURE(Fixture, "log: what differs is never held back") {
  CHECK(write(LogLevel::kError, "e", {{"error", "x"}}) == "e error=x;");
  CHECK(write(LogLevel::kError, "e", {{"error", "y"}}) == "e error=y;");
  CHECK(write(LogLevel::kWarn, "e", {{"error", "x"}}) == "e error=x;");
  SUBCASE("another event") {
    CHECK(write(LogLevel::kError, "f", {{"error", "x"}}) == "f error=x;");
  }
  SUBCASE("other bounds of the same text") {
    CHECK(write(LogLevel::kError, "e", {{"a", "1"}, {"b", "2"}}) == "e a=1 b=2;");
    CHECK(write(LogLevel::kError, "e", {{"a", "1\nb\n1\n2"}}) == "e a=1\nb\n1\n2;");
  }
  SUBCASE("no fault") {
    CHECK(write(LogLevel::kInfo, "pass_done") == "pass_done;");
    CHECK(write(LogLevel::kInfo, "pass_done") == "pass_done;");
  }
  SUBCASE("an answer to somebody") {
    CHECK(write(LogLevel::kError, "reload_failed") == "reload_failed;");
    CHECK(write(LogLevel::kError, "reload_failed") == "reload_failed;");
  }
}

TEST_CASE_FIXTURE(Fixture, "log: the id of a request makes no difference, the last one is told") {
  CHECK(write(LogLevel::kWarn, "e", {{"request_id", "1"}, {"path", "/p"}}) ==
        "e request_id=1 path=/p;");
  CHECK(write(LogLevel::kWarn, "e", {{"request_id", "2"}, {"path", "/p"}}).empty());
  CHECK(write(LogLevel::kWarn, "e", {{"correlation_id", "2"}, {"path", "/p"}}).empty());
  CHECK(write(LogLevel::kWarn, "e", {{"request_id", "3"}, {"path", "/p"}}).empty());
  CHECK(told(limiter.take_all()) == "e request_id=3 path=/p repeated=3;");
  CHECK(told(limiter.take_all()).empty());
}

TEST_CASE_FIXTURE(Fixture, "log: very many kinds are bounded, and nothing is lost by it") {
  CHECK(write(LogLevel::kError, "a") == "a;");
  CHECK(write(LogLevel::kError, "a").empty());
  clock.advance(1s);
  CHECK(write(LogLevel::kError, "b") == "b;");
  CHECK(write(LogLevel::kError, "c") == "c;");
  CHECK(write(LogLevel::kError, "d") == "d;");
  CHECK(due() == "a repeated=1;");
  CHECK(write(LogLevel::kError, "a") == "a;");
}
