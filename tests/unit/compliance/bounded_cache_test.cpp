#include "compliance/bounded_cache.hpp"

#include <doctest/doctest.h>

using plumbline::compliance::BoundedCache;

TEST_CASE("the cache forgets what was not used for longest") {
  BoundedCache<int> cache(10);
  cache.put("a", std::make_shared<const int>(1), 4);
  cache.put("b", std::make_shared<const int>(2), 4);
  const auto kept = cache.get("a");
  REQUIRE(kept != nullptr);
  cache.put("c", std::make_shared<const int>(3), 4);
  CHECK(cache.get("b") == nullptr);
  REQUIRE(cache.get("a") != nullptr);
  CHECK(cache.cost() == 8);
  cache.put("d", std::make_shared<const int>(4), 10);
  CHECK(cache.get("a") == nullptr);
  CHECK(cache.get("c") == nullptr);
  CHECK(cache.cost() == 10);
  CHECK(*kept == 1);
}

TEST_CASE("what is larger than the cache is not kept, and costs nothing else its place") {
  BoundedCache<int> cache(10);
  cache.put("a", std::make_shared<const int>(1), 4);
  cache.put("b", std::make_shared<const int>(2), 11);
  CHECK(cache.get("b") == nullptr);
  CHECK(cache.get("a") != nullptr);
}
