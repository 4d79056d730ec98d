#include "daemon/retention.hpp"

#include "tests/unit/storage/filled_store.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

using namespace plumbline;
using tests::FilledStore;
using tests::kVault;

namespace {

struct Fixture : FilledStore {
  Fixture() : storage_thread("storage", 1) {}

  ~Fixture() {
    storage_thread.stop();
    storage_thread.join();
  }

  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  Fixture(Fixture&&) = delete;
  Fixture& operator=(Fixture&&) = delete;

  daemon::Retention retention(daemon::RetentionLimits limits) {
    return {limits, *opened.store, storage_thread.executor(), clock, log};
  }

  /// A day with one large version.
  void day(int number) {
    clock.advance(std::chrono::hours(24));
    std::string body = "{\"n\":\"";
    for (int part = 0; part < 512; ++part) {
      body += core::to_hex(core::sha256(fmt::format("{} {}", number, part)));
    }
    sweep({vault(body + "\"}")});
  }

  tests::FakeLog log;
  net::Worker storage_thread;
};

bool never() {
  return false;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "history older than configured goes, and its room with it") {
  for (int i = 0; i < 60; ++i) {
    day(i);
  }
  const auto before = opened.store->used_bytes().value();
  auto ten_days = retention({std::chrono::days(10), 0});
  const auto done = ten_days.run_once(never);
  REQUIRE(done);
  CHECK(done->rows > 90);  // versions and cycles
  CHECK(done->horizon.cycle == 50);
  CHECK(opened.store->used_bytes().value() < before / 3);
  CHECK(snapshot()->versions(kVault)->size() == 11);
  CHECK_FALSE(snapshot()->cycle_at(clock.now() - std::chrono::hours(24 * 10 + 1)));
  CHECK(snapshot()->cycle_at(clock.now() - std::chrono::hours(24 * 10)));
  CHECK(ten_days.run_once(never)->rows == 0);
}

TEST_CASE_FIXTURE(Fixture, "history that takes more room than configured goes, the oldest first") {
  for (int i = 0; i < 60; ++i) {
    day(i);
  }
  const auto limit = opened.store->used_bytes().value() / 2;
  auto half = retention({std::chrono::days(400), limit});
  REQUIRE(half.run_once(never));
  CHECK(opened.store->used_bytes().value() <= limit);
  const auto left = snapshot()->versions(kVault)->size();
  CHECK(left > 20);
  CHECK(left < 35);
  CHECK(log.lines.empty());

  auto impossible = retention({std::chrono::days(400), 4096});
  REQUIRE(impossible.run_once(never));
  CHECK(snapshot()->versions(kVault)->size() == 2);
  REQUIRE(log.lines.size() == 1);
  CHECK(log.lines.at(0).starts_with("store_too_large bytes="));
}

TEST_CASE_FIXTURE(Fixture, "retention that is told to stop leaves the rest for later") {
  for (int i = 0; i < 20; ++i) {
    day(i);
  }
  auto short_lived = retention({std::chrono::days(1), 0});
  CHECK(short_lived.run_once([] { return true; })->rows == 0);
  CHECK(short_lived.run_once(never)->rows > 0);
}

TEST_CASE_FIXTURE(Fixture, "no step holds up the storage thread for long") {
  for (int round = 0; round < 4; ++round) {
    clock.advance(std::chrono::hours(48));
    fill(400);
    std::vector<core::Observation> page;
    page.reserve(400);
    for (int i = 0; i < 400; ++i) {
      page.push_back(observe(fmt::format("{}{}", kVault, i), fmt::format("{{\"r\":{}}}", round)));
    }
    sweep(std::move(page));
  }
  auto day_long = retention({std::chrono::days(1), 0});
  std::atomic<bool> ended = false;
  std::thread trimming([&] {
    CHECK(day_long.run_once(never)->rows > 1000);
    ended = true;
  });
  std::chrono::steady_clock::duration longest{};
  while (!ended) {
    const auto asked = std::chrono::steady_clock::now();
    auto nothing = []() -> net::Task<void> { co_return; };
    net::run_blocking(storage_thread.executor(), nothing());
    longest = std::max(longest, std::chrono::steady_clock::now() - asked);
  }
  trimming.join();
  // 50 ms by design; the machine of a test is busy with other things as well.
  CHECK(longest < std::chrono::seconds(1));
  MESSAGE("longest wait: ",
          std::chrono::duration_cast<std::chrono::milliseconds>(longest).count(),
          " ms");
}
