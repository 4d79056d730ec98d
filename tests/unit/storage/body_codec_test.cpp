#include "storage/body_codec.hpp"

#include <doctest/doctest.h>

using namespace plumbline;

TEST_CASE("bodies survive compression, damaged ones are noticed") {
  const std::string body(10'000, 'x');
  const std::string compressed = storage::compress_body(body);
  CHECK(compressed.size() < 100);
  CHECK(storage::decompress_body(compressed).value() == body);
  CHECK(storage::decompress_body(storage::compress_body("")).value().empty());
  for (const std::string& damaged :
       {std::string(), std::string("not zstd"), compressed.substr(0, compressed.size() - 3)}) {
    const auto result = storage::decompress_body(damaged);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == core::Errc::kCorrupt);
  }
}
