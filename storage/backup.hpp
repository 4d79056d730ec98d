// Copies of the store: made while it is in use, checked, kept in numbers, put back.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <functional>
#include <string>
#include <vector>

namespace plumbline::storage {

/// Asked between small steps; true ends the work with kCancelled.
using Stopped = std::function<bool()>;

/// Writes a copy of the committed state of the database at `store` to `destination`, one file with
/// mode 0600. Reads through a connection of its own and pauses between steps, so a daemon that uses
/// the database goes on. The copy is checked before it gets its name; on any error nothing is left.
/// Replaces an earlier file of that name.
[[nodiscard]] core::Status back_up(const std::string& store,
                                   const std::string& destination,
                                   const Stopped& stopped);

/// Whether a file is a sound database of ours that this version can read.
[[nodiscard]] core::Status check_copy(const std::string& path, const Stopped& stopped);

/// A file that `back_up` wrote under a name of `backup_name`.
struct BackupFile {
  std::string path;
  core::Time taken_at;
};

/// `plumbline-20261122T131415Z.db`.
[[nodiscard]] std::string backup_name(core::Time taken_at);
/// The latest first; other files are ignored.
[[nodiscard]] core::Result<std::vector<BackupFile>> list_backups(const std::string& directory);
/// Removes all but the `keep` latest, and what interrupted backups left.
[[nodiscard]] core::Status rotate_backups(const std::string& directory, std::size_t keep);

/// What a database was moved to, and what took its place.
struct Replacement {
  std::string set_aside;  // empty: there was none
  std::string copy;
};

/// Puts a checked copy in the place of the database; what was there is kept under
/// `<path>.<word>-<time>`. The caller holds the lock, and no connection is open.
[[nodiscard]] core::Result<Replacement> replace_store(const std::string& path,
                                                      const std::string& copy,
                                                      std::string_view word,
                                                      core::Time now);

/// Where `replace_store` prepares the file. One that lies there without a database beside it is a
/// replacement that was interrupted.
[[nodiscard]] std::string replacement_path(const std::string& path);

/// The same for a person: takes the lock (kBusy while a daemon runs) and refuses without the
/// redaction key (`key_file`; empty: `<path>.key`), which no backup holds.
[[nodiscard]] core::Result<Replacement> restore_store(const std::string& path,
                                                      const std::string& key_file,
                                                      const std::string& copy,
                                                      core::Time now);

}  // namespace plumbline::storage
