// Whether a store is what it was when it was written.
#pragma once

#include "core/result.hpp"
#include "storage/backup.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::storage {

struct VerifyReport {
  std::int64_t cycles_checked = 0;
  std::int64_t cycles_not_chained = 0;  // older than schema 3
  std::int64_t cycles_beyond_horizon = 0;
  std::int64_t bodies_checked = 0;
  std::int64_t verdicts_checked = 0;
  std::optional<std::int64_t> first_misfit;  // the first cycle that does not fit
  std::vector<std::string> problems;         // for a person; empty: everything fits

  [[nodiscard]] bool sound() const { return problems.empty(); }
};

/// Reads the whole store through a connection of its own, beside whoever uses it: the structure of
/// the file (`full`: of every index too), its tables, the chain of cycles, the checksum of every
/// body, and whether every verdict is what its last transition says. Fails only when the file
/// cannot be read at all.
[[nodiscard]] core::Result<VerifyReport> verify_store(const std::string& path,
                                                      bool full,
                                                      const Stopped& stopped);

}  // namespace plumbline::storage
