// Writing drift, its steps, and what a team has accepted. Reading is part of SnapshotReads.
#pragma once

#include "core/model/drift.hpp"
#include "core/ports/store.hpp"
#include "core/result.hpp"
#include "storage/sqlite.hpp"

#include <vector>

namespace plumbline::storage {

/// Over the transaction of a cycle's commit. Every step that it takes is recorded.
class DriftWriter {
 public:
  DriftWriter(Connection& connection, std::int64_t cycle, core::Time now)
      : connection_(&connection), cycle_(cycle), now_(now) {}

  [[nodiscard]] core::Result<std::vector<core::DriftItem>> open_of(std::int64_t resource);
  [[nodiscard]] core::Result<std::int64_t> open(const core::DriftItem& item, core::DriftStep step);
  [[nodiscard]] core::Result<std::int64_t> replace(std::int64_t id, const core::DriftItem& by);
  [[nodiscard]] core::Status resolve(std::int64_t id);
  [[nodiscard]] core::Result<std::int64_t> openings(const core::DriftItem& item, core::Time since);
  [[nodiscard]] core::Status quiet(const core::DriftItem& item);
  [[nodiscard]] core::Status unquiet(std::int64_t id);
  [[nodiscard]] core::Result<std::vector<std::int64_t>> quiet_since(core::Time since);
  [[nodiscard]] core::Status rate(const core::DriftItem& item, core::Severity severity);
  [[nodiscard]] core::Status end_waiting(std::int64_t id);
  /// Whatever is open about a check.
  [[nodiscard]] core::Status resolve_of_check(std::int64_t check);
  [[nodiscard]] core::Status cover(std::int64_t id, const core::Acceptance& by);
  [[nodiscard]] core::Status uncover(std::int64_t id);
  [[nodiscard]] core::Result<std::int64_t> put(const core::Acceptance& acceptance);
  [[nodiscard]] core::Status end(std::int64_t acceptance);

 private:
  core::Status end_item(std::int64_t id);
  core::Status step(std::int64_t drift, core::DriftStep step, std::int64_t acceptance = 0);

  Connection* connection_;
  std::int64_t cycle_;
  core::Time now_;
};

/// The steps that were recorded after the one of that row.
[[nodiscard]] core::Result<std::vector<core::DriftStepCount>> count_drift_steps(
    Connection& connection, std::int64_t after);

}  // namespace plumbline::storage
