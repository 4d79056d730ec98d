#include "core/clock.hpp"

#include <doctest/doctest.h>

using namespace plumbline::core;

TEST_CASE("RFC 3339 is read with offsets and fractions, and nothing else is") {
  struct Case {
    const char* name;
    const char* text;
    const char* want;  // nullptr: refused
  };

  const Case cases[] = {
      {"utc", "2026-11-22T05:28:04Z", "2026-11-22T05:28:04Z"},
      {"fraction", "2026-11-22T05:28:04.5Z", "2026-11-22T05:28:04.500000Z"},
      {"seven digits as Azure writes",
       "2024-06-14T18:57:02.1234567Z",
       "2024-06-14T18:57:02.123456Z"},
      {"positive offset", "2026-11-22T05:28:04+02:00", "2026-11-22T03:28:04Z"},
      {"negative offset crosses midnight", "2026-11-22T23:30:00-01:00", "2026-11-23T00:30:00Z"},
      {"date only", "2026-02-28", "2026-02-28T00:00:00Z"},
      {"before the epoch", "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
      {"no such day", "2026-02-30T00:00:00Z", nullptr},
      {"no zone", "2026-02-28T00:00:00", nullptr},
      {"trailing text", "2026-02-28T00:00:00Zx", nullptr},
      {"empty fraction", "2026-02-28T00:00:00.Z", nullptr},
      {"hour 24", "2026-02-28T24:00:00Z", nullptr},
      {"negative month", "2026--2-28", nullptr},
      {"empty", "", nullptr},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto time = parse_rfc3339(c.text);
      REQUIRE(time.has_value() == (c.want != nullptr));
      if (time) {
        CHECK(to_rfc3339(*time) == c.want);
      }
    }
  }
}
