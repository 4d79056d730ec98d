// The files beside the database: the lock that keeps a second instance out, and the redaction key.
#pragma once

#include "core/result.hpp"

#include <string>

namespace plumbline::storage {

/// Holds an exclusive lock on `<database>.lock` for as long as it lives.
class InstanceLock {
 public:
  InstanceLock() = default;
  /// Fails with kBusy when another process holds it, kIo when the file can't be made.
  [[nodiscard]] static core::Result<InstanceLock> acquire(const std::string& database_path);
  ~InstanceLock();
  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// Creates an empty file with mode 0600 where there is none, so that SQLite's files beside it get
/// the same mode.
[[nodiscard]] core::Status create_private_file(const std::string& path);

/// Reads the redaction key at `path`; makes it (mode 0600) only if `may_create`. Fails with
/// kNotFound when a database exists without its key: fingerprints of secrets would all change, and
/// every one of them would look like drift.
[[nodiscard]] core::Result<std::string> load_redaction_key(const std::string& path,
                                                           bool may_create);

}  // namespace plumbline::storage
