// How far receivers of events have been told, and what they did not take. Reading is part of
// SnapshotReads.
#pragma once

#include "core/ports/snapshot.hpp"
#include "storage/sqlite.hpp"

#include <string_view>
#include <vector>

namespace plumbline::storage {

[[nodiscard]] core::Status put_sink(Connection& connection,
                                    std::string_view sink,
                                    const core::EventPosition& position,
                                    const std::vector<core::DeadLetter>& refused);

}  // namespace plumbline::storage
