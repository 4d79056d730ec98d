#include "net/gzip.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline;
using namespace plumbline::net;

TEST_CASE("gzip round trips, over several members too") {
  const std::string inputs[] = {"", "a", std::string(1'000'000, 'x'), std::string(65536, '\0')};
  std::string all_packed;
  std::string all;
  for (const auto& input : inputs) {
    const auto packed = gzip_compress(input);
    REQUIRE(packed);
    const auto unpacked = gzip_decompress(*packed, input.size());
    REQUIRE(unpacked);
    CHECK(*unpacked == input);
    all_packed += *packed;
    all += input;
  }
  const auto unpacked = gzip_decompress(all_packed, all.size());
  REQUIRE(unpacked);
  CHECK(*unpacked == all);
}

TEST_CASE("inflating stops at the bound, at the end of the data and at nonsense") {
  const std::string bomb = *gzip_compress(std::string(10'000'000, '0'));
  CHECK(bomb.size() < 20'000);
  CHECK(gzip_decompress(bomb, 9'999'999).error().code == core::Errc::kLimit);
  const std::string packed = *gzip_compress("some text to pack");
  for (std::size_t size = 0; size < packed.size(); ++size) {
    CAPTURE(size);
    const auto result = gzip_decompress(packed.substr(0, size), 1000);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == core::Errc::kTruncated);
  }
  CHECK(gzip_decompress("no gzip at all", 1000).error().code == core::Errc::kHttp);
}
