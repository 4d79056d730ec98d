#include "daemon/doctor.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using daemon::Health;
using namespace std::chrono_literals;

TEST_CASE("doctor: a clock may differ by less than a minute") {
  CHECK(daemon::judge_clock(0s).health == Health::kOk);
  CHECK(daemon::judge_clock(-59s).health == Health::kOk);
  CHECK(daemon::judge_clock(60s).health == Health::kWarn);
  CHECK(daemon::judge_clock(-299s).health == Health::kWarn);
  CHECK(daemon::judge_clock(300s).health == Health::kFail);
  CHECK(daemon::judge_clock(3600s).detail == "this machine's clock is 3600 s behind Azure's");
  CHECK(daemon::judge_clock(-61s).detail == "this machine's clock is 61 s ahead of Azure's");
  CHECK_FALSE(daemon::judge_clock(-61s).remedy.empty());
}

TEST_CASE("doctor: room for as much again, and for half a gigabyte at least") {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
  const auto health = [](std::uint64_t free, std::uint64_t store) {
    return daemon::judge_space("/d", free * kMiB, store * kMiB).health;
  };
  CHECK(health(63, 0) == Health::kFail);
  CHECK(health(64, 0) == Health::kWarn);
  CHECK(health(511, 0) == Health::kWarn);
  CHECK(health(512, 0) == Health::kOk);
  CHECK(health(999, 1000) == Health::kWarn);
  CHECK(health(1000, 1000) == Health::kOk);
  CHECK_FALSE(daemon::judge_space("/d", 0, 0).remedy.empty());
}
