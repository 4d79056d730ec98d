// What everything that collects is made of, and the steps that a sweep, a batch of details and a
// poll of the change feed share.
#pragma once

#include "collectors/azure_client.hpp"
#include "collectors/collector_metrics.hpp"
#include "core/log.hpp"
#include "core/model/resource.hpp"
#include "core/normalise.hpp"
#include "core/ports/store.hpp"
#include "net/task.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

/// All references must outlive whoever holds it. Work runs on `io`; parsing goes to `cpu`, the
/// store's work to `storage`. `on_commit` is awaited on `io` after each committed cycle.
struct Collection {
  AzureClient& azure;
  core::Store& store;
  const core::Normaliser& normaliser;
  const core::Clock& clock;
  core::Log& log;
  CollectorMetrics& metrics;
  net::Executor io;
  net::Executor cpu;
  net::Executor storage;
  core::Judge judge;
  std::function<net::Task<void>(const core::CycleReport&)> on_commit;
};

inline constexpr std::string_view kGraphPath =
    "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01";

[[nodiscard]] core::Evidence evidence_of(std::string key,
                                         core::Time at,
                                         const core::Status& status);

/// Logs that what a cycle found is lost, and why. Returns the error.
core::Error cycle_failed(const Collection& parts, core::Error error);

/// Commits and announces. `observe`, if any, sees what changed, on the storage thread and before
/// the commit is certain. The cycle is passed by pointer because a coroutine may outlive its
/// caller's copy.
net::Task<core::Result<core::CycleReport>> commit_cycle(
    const Collection* parts,
    std::shared_ptr<core::Cycle> cycle,
    bool complete,
    std::function<void(const core::CycleChanges&)> observe);

/// For so long Resource Graph may go on showing what is gone.
inline constexpr std::chrono::minutes kGraphShowsDeleted{10};

/// Keys of resources whose deletion was confirmed within that time.
using Deleted = std::shared_ptr<const std::set<std::string>>;
net::Task<core::Result<Deleted>> recently_deleted(const Collection* parts);

struct CheckedRows {
  std::vector<core::Observation> rows;
  bool complete = true;  // false: Resource Manager did not say of each whether it is back
};

/// Leaves out the rows of resources that were just deleted, unless Resource Manager has them again.
net::Task<CheckedRows> without_deleted(const Collection* parts,
                                       Deleted deleted,
                                       std::vector<core::Observation> rows);

/// Azure did not answer, which says nothing about what was asked.
[[nodiscard]] bool is_outage(core::Errc code) noexcept;

/// Whether Resource Manager says that a resource is gone (truth 3). An error: it did not say.
net::Task<core::Result<bool>> is_gone(const Collection* parts, std::string key);

}  // namespace plumbline::collectors
