// RAII over SQLite's C interface: connections, statements, transactions. Private to storage/.
#pragma once

#include "core/result.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plumbline::storage {

/// A prepared statement. Parameters are bound by position from 1, columns read from 0. Text and
/// blobs are copied by SQLite when bound.
class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement, std::atomic<bool>* writable = nullptr)
      : statement_(statement), writable_(writable) {}

  /// One that could not be prepared because the file cannot be read: gives this error when run.
  explicit Statement(core::Error failure) : failure_(std::move(failure)) {}

  [[nodiscard]] bool usable() const { return statement_ != nullptr; }

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);
  Statement& bind_optional(int index, std::optional<std::string_view> text);

  /// True: a row is there; false: done.
  [[nodiscard]] core::Result<bool> step();
  /// For statements that return no rows; resets afterwards.
  [[nodiscard]] core::Status run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string_view text(int column) const;  // valid until the next step or reset
  [[nodiscard]] std::string_view blob(int column) const;
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] int columns() const;

 private:
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  std::atomic<bool>* writable_ = nullptr;  // of its connection
  core::Error failure_;
};

/// A statement in use: reset when it goes out of scope, so that no read transaction lingers.
class Use {
 public:
  explicit Use(Statement& statement) : statement_(&statement) {}

  ~Use() {
    if (statement_ != nullptr) {
      statement_->reset();
    }
  }

  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  Use(Use&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}

  Use& operator=(Use&&) = delete;

  Statement* operator->() const { return statement_; }

  Statement& operator*() const { return *statement_; }

 private:
  Statement* statement_;
};

/// Runs a prepared statement to its end, calling `read` on each row.
template <class Read>
[[nodiscard]] core::Status each_row(Statement& statement, Read read) {
  for (;;) {
    const auto row = statement.step();
    if (!row) {
      return row.error();
    }
    if (!*row) {
      return core::Status::ok();
    }
    read(statement);
  }
}

/// What `read` makes of each row.
template <class T, class Read>
[[nodiscard]] core::Result<std::vector<T>> all_rows(Statement& statement, Read read) {
  std::vector<T> rows;
  if (auto done = each_row(statement, [&](const Statement& row) { rows.push_back(read(row)); });
      !done) {
    return done.error();
  }
  return rows;
}

/// One connection with a cache of prepared statements. Used by one thread at a time.
class Connection {
 public:
  enum class Access { kReadWriteCreate, kReadOnly };

  [[nodiscard]] static core::Result<std::unique_ptr<Connection>> open(const std::string& path,
                                                                      Access access);

  /// One or more statements without parameters.
  [[nodiscard]] core::Status execute(const char* sql);
  /// The cached statement for `sql`; throws std::logic_error when the text is wrong, which is a
  /// bug. One that cannot be prepared for another reason gives that error when it is run.
  [[nodiscard]] Statement& prepare(std::string_view sql);
  /// The first column of the first row; 0 when there is none.
  [[nodiscard]] core::Result<std::int64_t> query_integer(std::string_view sql);
  [[nodiscard]] std::int64_t last_insert_row() const;
  [[nodiscard]] std::int64_t rows_changed() const;   // by the last statement
  [[nodiscard]] std::int64_t total_changes() const;  // by all of them

  /// From now on `check_files` wants the database and its log where they are now: whoever writes to
  /// files that have lost their names writes what nobody will find.
  [[nodiscard]] core::Status remember_files(const std::string& path);
  /// Fails with kIo when one of them was deleted or replaced. Thread-safe.
  [[nodiscard]] core::Status check_files();

  /// Whether the disk took what was written last; true before the first. Thread-safe.
  [[nodiscard]] bool writable() const { return writable_; }

  /// Copies every page into `destination`, `pages_per_step` at a time; `between` is called after
  /// each step and ends the copy with kCancelled by true. The caller holds a read transaction, or
  /// the copy starts anew whenever somebody else commits.
  [[nodiscard]] core::Status copy_to(Connection& destination,
                                     int pages_per_step,
                                     const std::function<bool()>& between);
  /// Ends a statement with kCancelled soon after `stopped` gives true.
  void interrupt_when(std::function<bool()> stopped);

 private:
  struct Closer {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };

  friend class Transaction;

  struct RememberedFile {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
  };

  Connection() = default;

  std::vector<RememberedFile> files_;
  std::atomic<bool> writable_ = true;
  std::function<bool()> stopped_;  // before the handle, which calls it
  std::unique_ptr<sqlite3, Closer> handle_;
  std::unordered_map<std::string, Statement> statements_;
};

/// Fails with kCorrupt when SQLite's quick check finds something.
[[nodiscard]] core::Status quick_check(Connection& connection);

/// Rolls back unless committed.
class Transaction {
 public:
  [[nodiscard]] static core::Result<std::unique_ptr<Transaction>> begin(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction(Transaction&&) = delete;
  Transaction& operator=(Transaction&&) = delete;

  [[nodiscard]] core::Status commit();

 private:
  explicit Transaction(Connection& connection)
      : connection_(&connection), changes_before_(connection.total_changes()) {}

  Connection* connection_;
  std::int64_t changes_before_;
  bool open_ = true;
};

}  // namespace plumbline::storage
