// The chain of cycles: each one's hash covers the one before, its row, and what it changed. Private
// to storage/.
#pragma once

#include "core/result.hpp"
#include "storage/sqlite.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::storage {

/// Links the cycle being committed.
class Chain {
 public:
  explicit Chain(Connection& connection) : connection_(&connection) {}

  /// Inside the transaction, before anything is written: remembers where the tables end.
  [[nodiscard]] core::Status begin();
  /// Inside the transaction, after everything but this is written.
  [[nodiscard]] core::Status link(std::int64_t cycle);

 private:
  Connection* connection_;
  std::vector<std::int64_t> ends_;
};

struct ChainReport {
  std::int64_t checked = 0;                  // cycles whose link fits
  std::int64_t not_chained = 0;              // older than schema 3
  std::int64_t beyond_horizon = 0;           // retention has taken part of what they changed
  std::optional<std::int64_t> first_misfit;  // the first cycle whose link does not fit
};

/// Recomputes every link that can be, in one pass with bounded memory. Inside a read transaction.
[[nodiscard]] core::Result<ChainReport> check_chain(Connection& connection);

}  // namespace plumbline::storage
