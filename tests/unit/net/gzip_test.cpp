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

TEST_CASE("parts that were compressed apart make one member") {
  std::string large;
  for (int i = 0; i < 100'000; ++i) {
    large += std::to_string(i * 7919) + "\n";
  }
  const std::string texts[] = {"", "a", "plumbline 1\n", large};
  for (const auto& first : texts) {
    for (const auto& second : texts) {
      const auto one = net::gzip_part(first, 6);
      const auto two = net::gzip_part(second, 1);
      REQUIRE(one);
      REQUIRE(two);
      const auto joined = net::gzip_join(*one, *two);
      // One byte less, and the check of its end fails: there is no second member.
      CHECK_FALSE(net::gzip_decompress(joined.substr(0, joined.size() - 1), 10'000'000));
      const auto text = net::gzip_decompress(joined, 10'000'000);
      REQUIRE(text);
      CHECK((*text == first + second));
    }
  }
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
