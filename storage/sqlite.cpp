#include "storage/sqlite.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <stdexcept>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

/// `writable` is told when the disk is to blame.
Error to_error(sqlite3* handle, int code, std::atomic<bool>* writable = nullptr) {
  const int primary = code & 0xff;
  if (writable != nullptr && (primary == SQLITE_FULL || primary == SQLITE_IOERR ||
                              primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN)) {
    *writable = false;
  }
  Errc errc = Errc::kIo;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
    errc = Errc::kBusy;
  } else if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
    errc = Errc::kCorrupt;
  } else if (primary == SQLITE_INTERRUPT) {
    errc = Errc::kCancelled;
  }
  return {errc, fmt::format("{} (SQLite code {})", sqlite3_errmsg(handle), code)};
}

}  // namespace

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // SQLite takes a null pointer for NULL; an empty text is a text.
  const char* bytes = text.data() == nullptr ? "" : text.data();
  sqlite3_bind_text64(statement_.get(), index, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  sqlite3_bind_blob64(statement_.get(), index, data, bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_optional(int index, std::optional<std::string_view> text) {
  return text ? bind(index, *text) : bind_null(index);
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_.get(), index);
  return *this;
}

Result<bool> Statement::step() {
  if (!usable()) {
    return failure_;
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) {
    return true;
  }
  if (code == SQLITE_DONE) {
    return false;
  }
  return to_error(sqlite3_db_handle(statement_.get()), code, writable_);
}

Status Statement::run() {
  const auto row = step();
  reset();
  return row ? Status::ok() : Status(row.error());
}

void Statement::reset() {
  if (!usable()) {
    return;  // SQLite clears the bindings of no statement by crashing
  }
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_.get(), column);
  const auto size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string_view()
                          : std::string_view(reinterpret_cast<const char*>(bytes),
                                             static_cast<std::size_t>(size));
}

std::string_view Statement::blob(int column) const {
  const auto* bytes = sqlite3_column_blob(statement_.get(), column);
  const auto size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr
             ? std::string_view()
             : std::string_view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

int Statement::columns() const {
  return sqlite3_column_count(statement_.get());
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access) {
  std::unique_ptr<Connection> connection(new Connection());
  sqlite3* handle = nullptr;
  const int flags = (access == Access::kReadOnly ? SQLITE_OPEN_READONLY
                                                 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  connection->handle_.reset(handle);
  if (code != SQLITE_OK) {
    return to_error(handle, code).with_context(path);
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_busy_timeout(handle, 2000);
  if (access == Access::kReadOnly) {
    // Only the writing connection may checkpoint: SQLite before 3.51.3 can corrupt a WAL that
    // several connections reset.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  return connection;
}

Status Connection::execute(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status::ok() : Status(to_error(handle_.get(), code, &writable_));
}

Statement& Connection::prepare(std::string_view sql) {
  const std::string key(sql);
  if (const auto found = statements_.find(key);
      found != statements_.end() && found->second.usable()) {
    return found->second;
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(),
                                      sql.data(),
                                      static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT,
                                      &statement,
                                      nullptr);
  if (code == SQLITE_ERROR) {
    throw std::logic_error(
        fmt::format("cannot prepare `{}`: {}", sql, sqlite3_errmsg(handle_.get())));
  }
  auto prepared = code == SQLITE_OK ? Statement(statement, &writable_)
                                    : Statement(to_error(handle_.get(), code, &writable_));
  return statements_.insert_or_assign(key, std::move(prepared)).first->second;
}

Result<std::int64_t> Connection::query_integer(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code =
      sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr);
  if (code != SQLITE_OK) {
    return to_error(handle_.get(), code, &writable_);
  }
  Statement statement(raw, &writable_);
  const auto row = statement.step();
  if (!row) {
    return row.error();
  }
  return *row ? statement.integer(0) : 0;
}

std::int64_t Connection::last_insert_row() const {
  return sqlite3_last_insert_rowid(handle_.get());
}

std::int64_t Connection::rows_changed() const {
  return sqlite3_changes64(handle_.get());
}

std::int64_t Connection::total_changes() const {
  return sqlite3_total_changes64(handle_.get());
}

Status Connection::remember_files(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status = {};
    if (::stat((path + suffix).c_str(), &status) != 0) {
      return Error{Errc::kIo, fmt::format("{}{}: is not there", path, suffix)};
    }
    files_.push_back({path + suffix, status.st_dev, status.st_ino});
  }
  return Status::ok();
}

Status Connection::check_files() {
  for (const auto& file : files_) {
    struct stat status = {};
    if (::stat(file.path.c_str(), &status) != 0 || status.st_dev != file.device ||
        status.st_ino != file.inode) {
      writable_ = false;
      return Error{Errc::kIo,
                   fmt::format("{}: was deleted or replaced while in use. Nothing is read or "
                               "written until it is back: put it back, or stop the daemon and "
                               "restore a copy",
                               file.path)};
    }
  }
  return Status::ok();
}

Status Connection::copy_to(Connection& destination,
                           int pages_per_step,
                           const std::function<bool()>& between) {
  const std::unique_ptr<sqlite3_backup, int (*)(sqlite3_backup*)> backup(
      sqlite3_backup_init(destination.handle_.get(), "main", handle_.get(), "main"),
      sqlite3_backup_finish);
  if (backup == nullptr) {
    return to_error(destination.handle_.get(), sqlite3_errcode(destination.handle_.get()));
  }
  for (;;) {
    const int code = sqlite3_backup_step(backup.get(), pages_per_step);
    if (code == SQLITE_DONE) {
      return Status::ok();
    }
    if (code != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) {
      return Error{to_error(handle_.get(), code).code,
                   fmt::format("{} (SQLite code {})", sqlite3_errstr(code), code)};
    }
    if (between()) {
      return Error{Errc::kCancelled, "the copy was ended before it was done"};
    }
  }
}

void Connection::interrupt_when(std::function<bool()> stopped) {
  stopped_ = std::move(stopped);
  constexpr int kInstructions = 10'000;
  sqlite3_progress_handler(
      handle_.get(),
      kInstructions,
      [](void* stop) { return (*static_cast<std::function<bool()>*>(stop))() ? 1 : 0; },
      &stopped_);
}

Status quick_check(Connection& connection) {
  const Use use(connection.prepare("PRAGMA quick_check(1)"));
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  const std::string verdict(use->text(0));
  return verdict == "ok" ? Status::ok()
                         : Status(Error{Errc::kCorrupt, "the database is damaged: " + verdict});
}

Result<std::unique_ptr<Transaction>> Transaction::begin(Connection& connection) {
  if (auto there = connection.check_files(); !there) {
    return there.error();
  }
  if (auto begun = connection.execute("BEGIN IMMEDIATE"); !begun) {
    return begun.error();
  }
  return std::unique_ptr<Transaction>(new Transaction(connection));
}

Transaction::~Transaction() {
  if (open_) {
    // Nothing more can be done when a rollback fails: SQLite rolls back at the next open.
    static_cast<void>(connection_->execute("ROLLBACK"));
  }
}

Status Transaction::commit() {
  if (auto there = connection_->check_files(); !there) {
    return there;
  }
  auto committed = connection_->execute("COMMIT");
  if (committed) {
    open_ = false;
    if (connection_->total_changes() > changes_before_) {
      connection_->writable_ = true;
    }
  }
  return committed;
}

}  // namespace plumbline::storage
