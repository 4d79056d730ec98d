// The chain of cycles: each one's hash covers the one before, its row, and what it changed. Private
// to storage/.
#pragma once

#include "core/result.hpp"
#include "storage/sqlite.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
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

/// A row as the chain hashes it. The first value is the cycle, the second, but of a cycle's own
/// row, the row's id.
struct ChainItem {
  std::string_view tag;  // `cycle`, `version`, ...: docs/schema.md
  std::vector<std::optional<std::string>> values;
  std::string link;  // of a cycle's own row: the link once all its rows are folded in
};

/// The rows of the cycles from `first` to `last`, each cycle's own row before what it changed. An
/// error of `visit` ends it.
[[nodiscard]] core::Status for_each_chain_item(
    Connection& connection,
    std::int64_t first,
    std::int64_t last,
    const std::function<core::Status(const ChainItem&)>& visit);

/// The link that follows `link` once a row is folded in.
[[nodiscard]] std::string next_link(std::string_view link,
                                    std::string_view tag,
                                    const std::vector<std::optional<std::string>>& values);

}  // namespace plumbline::storage
