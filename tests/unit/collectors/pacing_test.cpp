#include "collectors/pacing.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <vector>

using namespace plumbline;
using namespace std::chrono_literals;
using collectors::GraphQuota;
using collectors::ReadBuckets;
using Time = GraphQuota::Time;

namespace {

/// A quota as Azure might keep it: 15 in any 5 seconds.
struct Azure {
  std::deque<Time> recent;
  int refused = 0;
  int refused_us = 0;

  collectors::QuotaTold ask(Time at) {
    while (!recent.empty() && recent.front() + 5s <= at) {
      recent.pop_front();
    }
    collectors::QuotaTold told;
    if (recent.size() >= 15) {
      ++refused;
      told.refused = true;
      told.retry_after = 2s;
      return told;
    }
    recent.push_back(at);
    told.remaining = 15 - static_cast<int>(recent.size());
    told.resets_after = std::chrono::ceil<std::chrono::seconds>(recent.front() + 5s - at);
    return told;
  }
};

/// Asks as often as it may for so long; another tool asks `others` times in each 5 seconds.
int asked_within(GraphQuota& quota, Azure& azure, std::chrono::seconds length, int others = 0) {
  const Time begin = Time(1000s);
  int asked = 0;
  for (Time now = begin; now < begin + length; now += 20ms) {
    if (others > 0 && (now - begin) % (5000ms / others / 20 * 20) == 0ms) {
      static_cast<void>(azure.ask(now));
    }
    while (quota.take(now) == 0ms) {
      const auto told = azure.ask(now);
      asked += told.refused ? 0 : 1;
      azure.refused_us += told.refused ? 1 : 0;
      quota.told(told, now);
    }
  }
  return asked;
}

}  // namespace

TEST_CASE("the quota is used up to our share, and never exceeded") {
  struct Case {
    double share;
    int least;
    int most;
  };

  for (const auto& c : {Case{1.0, 176, 180}, Case{0.8, 140, 144}, Case{0.01, 11, 12}}) {
    GraphQuota quota(c.share);
    Azure azure;
    const int asked = asked_within(quota, azure, 60s);
    CHECK(asked >= c.least);
    CHECK(asked <= c.most);
    CHECK(azure.refused == 0);
  }
}

TEST_CASE("another tool's requests count against what is left") {
  GraphQuota shared(0.8);
  Azure azure;
  CHECK(asked_within(shared, azure, 60s, 2) > 100);
  CHECK(azure.refused == 0);
  // One that takes all it can get: what is refused is refused seldom, and asked again late.
  GraphQuota crowded(1.0);
  Azure busy;
  CHECK(asked_within(crowded, busy, 60s, 10) > 30);
  CHECK(busy.refused_us < 12);
}

TEST_CASE("a refusal holds everything back for as long as it says") {
  GraphQuota quota(1.0);
  const Time now(1000s);
  REQUIRE(quota.take(now) == 0ms);
  collectors::QuotaTold told;
  told.refused = true;
  SUBCASE("by both fields the later") {
    told.retry_after = 2s;
    told.resets_after = 5s;
    quota.told(told, now);
    CHECK(quota.take(now + 1s) == 4s);
    CHECK(quota.take(now + 6s) == 0ms);
  }
  SUBCASE("without a word, five seconds") {
    quota.told(told, now);
    CHECK(quota.take(now) == 5s);
  }
  SUBCASE("zero is at least one second") {
    told.retry_after = 0s;
    quota.told(told, now);
    CHECK(quota.take(now) == 1s);
  }
}

TEST_CASE("a larger quota is found out") {
  GraphQuota quota(1.0);
  const Time now(1000s);
  REQUIRE(quota.take(now) == 0ms);
  collectors::QuotaTold told;
  told.remaining = 59;
  quota.told(told, now);
  int more = 0;
  while (quota.take(now) == 0ms) {
    ++more;
  }
  CHECK(more == 59);
}

TEST_CASE("each subscription's bucket empties and fills") {
  ReadBuckets buckets(1.0);
  const Time now(1000s);
  int taken = 0;
  while (buckets.take("s1", now) == 0ms) {
    ++taken;
  }
  CHECK(taken == 250);
  CHECK(buckets.take("s1", now) == 40ms);
  CHECK(buckets.take("s2", now) == 0ms);
  CHECK(buckets.take("s1", now + 40ms) == 0ms);
  SUBCASE("what Azure says is left is what is left") {
    collectors::QuotaTold told;
    told.remaining = 1;
    buckets.told("s2", told, now);
    CHECK(buckets.take("s2", now) == 0ms);
    CHECK(buckets.take("s2", now) > 0ms);
  }
  SUBCASE("a refusal") {
    collectors::QuotaTold told;
    told.refused = true;
    told.retry_after = 17s;
    buckets.told("s2", told, now);
    CHECK(buckets.take("s2", now + 1s) == 16s);
    CHECK(buckets.take("s2", now + 17s) == 0ms);
  }
}
