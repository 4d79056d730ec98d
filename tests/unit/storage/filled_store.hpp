// An open store in a temporary directory, and short ways to fill it.
#pragma once

#include "storage/sqlite_store.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace plumbline::tests {

inline const std::string kVault =
    "/subscriptions/s1/resourcegroups/rg/providers/microsoft.keyvault/vaults/kv";

inline core::Judge accept_all() {
  return [](core::JudgeView&, const core::CycleChanges&) { return core::Status::ok(); };
}

struct FilledStore {
  FilledStore() { open(); }

  void open() {
    auto result = storage::open_store({path, ""}, clock);
    REQUIRE(result);
    opened = *std::move(result);
  }

  void close() { opened.store.reset(); }

  core::Observation observe(const std::string& key, const std::string& body) const {
    core::Observation out;
    out.key = key;
    out.id = key;
    out.type = "microsoft.keyvault/vaults";
    out.body = body;
    out.fingerprint = core::sha256(body);
    out.source = "arg:resources|s1";
    return out;
  }

  core::Observation vault(const std::string& body) const { return observe(kVault, body); }

  core::CycleReport sweep(std::vector<core::Observation> page,
                          const core::Judge& judge = accept_all(),
                          const std::vector<std::string>& deleted = {}) {
    clock.advance(std::chrono::seconds(1));
    for (auto& observation : page) {
      observation.observed_at = clock.now();
    }
    auto cycle = opened.store->begin_cycle("sweep", "test");
    REQUIRE(cycle);
    REQUIRE((*cycle)->stage(std::move(page)));
    for (const auto& key : deleted) {
      REQUIRE((*cycle)->stage_deletion(key));
    }
    auto report = (*cycle)->commit(true, judge);
    REQUIRE(report);
    return *report;
  }

  /// Many resources whose bodies do not compress.
  void fill(int count) {
    std::vector<core::Observation> page;
    page.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      std::string body = "{\"n\":\"";
      for (int part = 0; part < 64; ++part) {
        body += core::to_hex(core::sha256(fmt::format("{} {}", i, part)));
      }
      page.push_back(observe(fmt::format("{}{}", kVault, i), body + "\"}"));
    }
    sweep(std::move(page));
  }

  std::unique_ptr<core::Snapshot> snapshot() {
    auto result = opened.store->snapshot();
    REQUIRE(result);
    return *std::move(result);
  }

  FakeClock clock;
  TempDirectory directory;
  std::string path = directory.file("p.db");
  storage::OpenedStore opened;
};

}  // namespace plumbline::tests
