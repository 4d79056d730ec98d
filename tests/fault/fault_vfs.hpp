// A file system for SQLite that fails when told to, and that can lose power: an SQLite VFS over the
// real one. Every connection of the process goes through it while it lives. One thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace plumbline::tests {

enum class Fault : std::uint8_t {
  kIoError,     // EIO of writes, truncations and fsync
  kFull,        // ENOSPC
  kShortWrite,  // ENOSPC in the middle of a write
  kSyncError,   // EIO of fsync alone
};

class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;
  FaultVfs(FaultVfs&&) = delete;
  FaultVfs& operator=(FaultVfs&&) = delete;

  /// From the `first`-th operation from now on (from 1), every `every`-th one fails, until `heal`;
  /// `every` 0: that one only.
  void fail(Fault fault, std::int64_t first, std::int64_t every);
  /// Power goes off at the `first`-th operation from now on, which is not done, nor is any other.
  void lose_power(std::int64_t first);
  void heal();

  /// Leaves in the files what a disk could hold after the power went: all that was synced, and of
  /// the rest any part in any order, down to sectors. No connection may be open.
  void restore_power(std::uint32_t seed);

  /// Writes, truncations and syncs since the last `fail`, `lose_power` or `heal`.
  [[nodiscard]] std::int64_t operations() const { return operations_; }

  [[nodiscard]] std::int64_t failures() const { return failures_; }

  [[nodiscard]] bool is_dark() const { return dark_; }

 private:
  friend struct FaultFile;

  struct Write {
    sqlite3_int64 offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset`
  };

  /// What a disk holds of a file for certain, and what was handed over since.
  struct Disk {
    std::string synced;
    std::vector<Write> pending;
    bool ever_synced = false;
  };

  enum class Operation : std::uint8_t { kWrite, kTruncate, kSync };

  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int remove(sqlite3_vfs* vfs, const char* name, int sync_directory);

  static FaultVfs& self(sqlite3_vfs* vfs) { return *static_cast<FaultVfs*>(vfs->pAppData); }

  /// SQLITE_OK, or the code with which this operation fails.
  int next(Operation operation);
  static void apply(std::string& image, const Write& write);

  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
  std::map<std::string, std::shared_ptr<Disk>, std::less<>> disks_;
  std::int64_t operations_ = 0;
  std::int64_t failures_ = 0;
  std::int64_t first_ = 0;  // 0: never
  std::int64_t every_ = 0;
  Fault fault_ = Fault::kIoError;
  bool lose_ = false;
  bool dark_ = false;
};

}  // namespace plumbline::tests
