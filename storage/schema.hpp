// The schema and its migrations. docs/schema.md describes the tables.
#pragma once

#include "core/result.hpp"
#include "storage/sqlite.hpp"

namespace plumbline::storage {

/// "PLMB": tells a Plumbline database from any other SQLite file.
inline constexpr std::int64_t kApplicationId = 0x504C4D42;
inline constexpr int kSchemaVersion = 5;

/// Brings an empty database to the current schema, or checks that this one is ours. Forward only,
/// in one transaction. Fails with kNewerSchema, or kInvalidArgument for another program's file.
[[nodiscard]] core::Status migrate(Connection& connection);

/// Fails with kCorrupt when the tables are not those of the current schema: statements are written
/// for those. For a migrated database only.
[[nodiscard]] core::Status check_schema(Connection& connection);

/// The database for a reader that migrates nothing. Errors name the path: kNotFound, kNewerSchema,
/// kInvalidArgument for an older schema or another program's file, kCorrupt.
[[nodiscard]] core::Result<std::unique_ptr<Connection>> open_readable(const std::string& path);

}  // namespace plumbline::storage
