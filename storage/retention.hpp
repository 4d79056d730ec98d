// Deleting what has ended before the horizon. Private to storage/.
#pragma once

#include "core/clock.hpp"
#include "core/ports/snapshot.hpp"
#include "storage/sqlite.hpp"

namespace plumbline::storage {

/// core::Store describes these.
[[nodiscard]] core::Status remove_outdated(Connection& connection,
                                           core::Outdated& what,
                                           core::Microseconds budget);
[[nodiscard]] core::Result<bool> shrink(Connection& connection, core::Microseconds budget);
[[nodiscard]] core::Result<std::int64_t> used_bytes(Connection& connection);

}  // namespace plumbline::storage
