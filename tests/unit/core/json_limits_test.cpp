#include "core/json_limits.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline::core;

TEST_CASE("depth counts brackets outside strings only") {
  CHECK(check_json_limits(R"({"a":[1,{"b":"]]]]"}]})", 100, 3));
  CHECK_FALSE(check_json_limits(R"({"a":[1,{"b":[]}]})", 100, 3));
  CHECK(check_json_limits(R"(["\"[[[[[["])", 100, 1));
  const auto deep = check_json_limits(std::string(100'000, '['));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().code == Errc::kLimit);
}

TEST_CASE("size is bounded") {
  const auto big = check_json_limits("[1,2,3,4]", 8);
  REQUIRE_FALSE(big);
  CHECK(big.error().message.contains("9 bytes exceeds the limit of 8"));
}
