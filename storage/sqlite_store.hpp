// The store over SQLite.
#pragma once

#include "core/actors.hpp"
#include "core/clock.hpp"
#include "core/ports/store.hpp"
#include "storage/backup.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace plumbline::storage {

struct StoreOptions {
  std::string path;
  std::string key_file;  // empty: `<path>.key`
  /// Instead of the type that the directory's file system has; for tests.
  std::optional<std::uint64_t> file_system = std::nullopt;
  /// Replace a damaged database by the newest sound copy in `backups`.
  bool restore = false;
  std::string backups = {};
  /// Of the people named in change records; pseudonyms are made with the redaction key.
  core::ActorPrivacy actors = core::ActorPrivacy::kFull;
  /// It need not outlast a crash of the machine: nothing is flushed.
  bool scratch = false;
};

/// A damaged database was set aside and a copy took its place.
struct Restored {
  core::Error damage;
  Replacement files;
};

/// An open store and the redaction key that belongs to it.
struct OpenedStore {
  std::unique_ptr<core::Store> store;
  std::string redaction_key;
  std::optional<Restored> restored;
};

/// Opens or creates the database. Fails, with a message that names the file and without changing
/// it, with kBusy (another instance or program holds it), kNewerSchema, kCorrupt (not a database,
/// damaged), kInvalidArgument (another program's database, a file system that cannot hold one),
/// kNotFound (key missing) or kIo. `clock` must outlive the store.
[[nodiscard]] core::Result<OpenedStore> open_store(const StoreOptions& options,
                                                   const core::Clock& clock);

/// A view of the last committed state of a store that somebody else may have open. Fails with
/// kInvalidArgument when it is no database of this schema.
[[nodiscard]] core::Result<std::unique_ptr<core::Snapshot>> read_store(const std::string& path);

}  // namespace plumbline::storage
