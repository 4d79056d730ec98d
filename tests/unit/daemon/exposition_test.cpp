#include "daemon/web/exposition.hpp"

#include "net/gzip.hpp"

#include <doctest/doctest.h>
#include <prometheus/counter.h>

using namespace plumbline;

TEST_CASE("a compressed scrape says what a plain one says") {
  prometheus::Registry registry;
  prometheus::BuildCounter().Name("plumbline_x_total").Help("X.").Register(registry).Add({});
  const auto verdicts = daemon::compress_verdicts("plumbline_y 1\n");
  const auto plain = daemon::expose(verdicts, registry, false);
  CHECK_FALSE(plain.is_compressed);
  CHECK(plain.body.starts_with("plumbline_y 1\n# HELP plumbline_x_total X.\n"));
  const auto compressed = daemon::expose(verdicts, registry, true);
  CHECK(compressed.is_compressed);
  const auto text = net::gzip_decompress(compressed.body, 10'000);
  REQUIRE(text);
  CHECK(*text == plain.body);
  // Without a compressed form nothing is claimed to be compressed.
  const auto fallback = daemon::expose({"plumbline_y 1\n", {}}, registry, true);
  CHECK_FALSE(fallback.is_compressed);
  CHECK(fallback.body == plain.body);
}

TEST_CASE("who takes gzip") {
  const struct {
    const char* field;
    bool accepted;
  } cases[] = {
      {"gzip", true},
      {"GZip", true},
      {"br, gzip;q=0.5", true},
      {"*", true},
      {"gzip; q=0.001", true},
      {"", false},
      {"identity", false},
      {"gzip;q=0", false},
      {"gzip; q=0.000", false},
      {"x-gzip2", false},
  };

  for (const auto& test : cases) {
    CAPTURE(test.field);
    CHECK(daemon::accepts_gzip(test.field) == test.accepted);
  }
}
