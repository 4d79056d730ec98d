// Azure Resource Graph's query endpoint (contracts 2). One thread.
#pragma once

#include "core/clock.hpp"
#include "net/http_server.hpp"
#include "simulator/generator.hpp"
#include "simulator/kql.hpp"
#include "simulator/reply.hpp"
#include "simulator/store.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace plumbline::simulator {

class ResourceGraph {
 public:
  /// Both must outlive this. With `enforce_quota`, more than 15 queries in 5 seconds are refused.
  ResourceGraph(const Store* store, const core::Clock* clock, bool enforce_quota);

  /// The table `resources` holds these instead of the store's. Must outlive this.
  void set_generator(const Generator* generator) { generator_ = generator; }

  [[nodiscard]] Reply answer(const net::ServerRequest& request);

 private:
  struct Scope;

  /// The last results, so that the pages of one query cost one evaluation.
  struct Cached {
    std::string key;
    std::uint64_t revision = 0;
    kql::Outcome outcome;
  };

  [[nodiscard]] Reply evaluate(const net::ServerRequest& request);
  [[nodiscard]] std::expected<kql::Outcome, kql::Refusal> run(const kql::Query& query,
                                                              const Scope& scope);
  struct Paging;
  [[nodiscard]] Reply answer_generated(const std::string& text,
                                       const Scope& scope,
                                       const Paging& paging);
  void add_headers(Reply& reply, std::chrono::steady_clock::time_point begun);

  const Store* store_;
  const core::Clock* clock_;
  bool enforce_quota_;
  std::deque<std::chrono::steady_clock::time_point> recent_;  // queries of the current window
  std::deque<Cached> cache_;

  /// Indexes of generated rows that queries wanted.
  struct Wanted {
    std::string key;
    std::vector<std::uint32_t> rows;
  };

  const Generator* generator_ = nullptr;
  std::deque<Wanted> wanted_;
};

}  // namespace plumbline::simulator
