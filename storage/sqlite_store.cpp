#include "storage/sqlite_store.hpp"

#include "storage/backup.hpp"
#include "storage/body_codec.hpp"
#include "storage/file_system.hpp"
#include "storage/retention.hpp"
#include "storage/schema.hpp"
#include "storage/sinks.hpp"
#include "storage/sqlite.hpp"
#include "storage/sqlite_cycle.hpp"
#include "storage/sqlite_snapshot.hpp"
#include "storage/store_files.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

/// After the database's name: the file of `staging`.
constexpr const char* kStagingSuffix = "-staging";

class SqliteStore final : public core::Store {
 public:
  SqliteStore(std::string path,
              InstanceLock lock,
              std::unique_ptr<Connection> writer,
              core::ActorNames actors,
              const core::Clock& clock)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        actors_(std::move(actors)),
        clock_(&clock) {}

  ~SqliteStore() override {
    writer_.reset();
    std::error_code ignored;
    std::filesystem::remove(path_ + kStagingSuffix, ignored);
  }

  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  SqliteStore(SqliteStore&&) = delete;
  SqliteStore& operator=(SqliteStore&&) = delete;

  Result<std::unique_ptr<core::Cycle>> begin_cycle(std::string kind, std::string scope) override {
    return SqliteCycle::begin(*writer_, actors_, *clock_, std::move(kind), std::move(scope));
  }

  Status put_watermarks(const std::vector<std::pair<std::string, core::Time>>& positions) override {
    auto transaction = Transaction::begin(*writer_);
    if (!transaction) {
      return transaction.error();
    }
    for (const auto& [source, position] : positions) {
      if (auto done = write_watermark(*writer_, source, position); !done) {
        return done;
      }
    }
    return (*transaction)->commit();
  }

  Status put_sink(std::string_view sink,
                  const core::EventPosition& position,
                  const std::vector<core::DeadLetter>& refused) override {
    return storage::put_sink(*writer_, sink, position, refused);
  }

  Status put_cached_document(const core::CachedDocument& document) override {
    const Use use(writer_->prepare(
        "INSERT INTO cached_document (name, fetched_at, checksum, body) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET fetched_at = excluded.fetched_at, "
        "checksum = excluded.checksum, body = excluded.body"));
    use->bind(1, document.name).bind(2, core::to_micros(document.fetched_at));
    use->bind_blob(3, as_bytes(core::sha256(document.body)));
    use->bind_blob(4, compress_body(document.body));
    return use->run();
  }

  Status remove_outdated(core::Outdated& what, core::Microseconds budget) override {
    return storage::remove_outdated(*writer_, what, budget);
  }

  Result<bool> shrink(core::Microseconds budget) override {
    return storage::shrink(*writer_, budget);
  }

  Result<std::int64_t> used_bytes() override { return storage::used_bytes(*writer_); }

  Result<std::unique_ptr<core::Snapshot>> snapshot() override {
    if (auto there = writer_->check_files(); !there) {
      return there.error();
    }
    return SqliteSnapshot::open(path_);
  }

  [[nodiscard]] bool writable() const override { return writer_->writable(); }

  [[nodiscard]] std::int64_t size_bytes() const override {
    std::int64_t total = 0;
    for (const char* suffix : {"", "-wal", kStagingSuffix}) {
      std::error_code ignored;
      const auto size = std::filesystem::file_size(path_ + suffix, ignored);
      total += ignored ? 0 : static_cast<std::int64_t>(size);
    }
    return total;
  }

  [[nodiscard]] std::optional<std::int64_t> free_bytes() const override {
    std::error_code error;
    const auto room = std::filesystem::space(path_, error);
    return error ? std::nullopt : std::optional(static_cast<std::int64_t>(room.available));
  }

 private:
  std::string path_;
  InstanceLock lock_;
  std::unique_ptr<Connection> writer_;
  core::ActorNames actors_;
  const core::Clock* clock_;
};

Status prepare_writer(Connection& connection) {
  // The order matters: migrate first, so that another program's file keeps its journal mode.
  if (auto migrated = migrate(connection); !migrated) {
    return migrated;
  }
  if (auto set = connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                                    "PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; "
                                    "PRAGMA journal_size_limit=67108864; "
                                    // With the usual 2 MiB a large commit writes the same pages
                                    // to the log again and again.
                                    "PRAGMA cache_size=-65536;");
      !set) {
    return set;
  }
  if (auto sound = quick_check(connection); !sound) {
    return sound;
  }
  if (auto sound = check_schema(connection); !sound) {
    return sound;
  }
  return Status::ok();
}

/// Pages of the cycle in the making lie in a file of their own that nothing depends on: it is made
/// anew at every start, and written without a log and without waiting for the disk.
Status attach_staging(Connection& connection, const std::string& path) {
  const std::string place = path + kStagingSuffix;
  for (const char* suffix : {"", "-journal"}) {
    std::error_code error;
    std::filesystem::remove(place + suffix, error);
    if (error) {
      return Error{Errc::kIo, fmt::format("{}{}: {}", place, suffix, error.message())};
    }
  }
  if (auto made = create_private_file(place); !made) {
    return made;
  }
  if (auto attached = connection.prepare("ATTACH ? AS making").bind(1, place).run(); !attached) {
    return attached;
  }
  return connection.execute(
      "PRAGMA making.auto_vacuum=FULL; PRAGMA making.journal_mode=MEMORY; "
      "PRAGMA making.synchronous=OFF; PRAGMA making.locking_mode=EXCLUSIVE; "
      "PRAGMA making.cache_size=-8192; "
      // By number, so that bodies are written one after the other.
      "CREATE TABLE making.staging (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, "
      "display_id TEXT NOT NULL, type TEXT NOT NULL, is_detail INTEGER NOT NULL, "
      "source TEXT NOT NULL, observed_at INTEGER NOT NULL, fingerprint BLOB NOT NULL, "
      "body BLOB NOT NULL, checksum BLOB NOT NULL) STRICT;");
}

Status check_place(const StoreOptions& options) {
  const auto directory = std::filesystem::absolute(options.path).parent_path().string();
  const auto type =
      options.file_system ? Result<std::uint64_t>(*options.file_system) : file_system_of(directory);
  return type ? check_file_system(options.path, *type) : Status(type.error());
}

constexpr std::string_view kAdvice =
    ". Nothing was changed. `plumbline restore FILE` puts a backup in its place; with "
    "storage.backup.restore: true the daemon does so by itself";

Result<std::unique_ptr<Connection>> open_writer(const std::string& path, bool scratch) {
  auto connection = Connection::open(path, Connection::Access::kReadWriteCreate);
  if (!connection) {
    return connection;
  }
  if (auto ready = prepare_writer(**connection); !ready) {
    return ready.error().with_context(path);
  }
  if (auto attached = attach_staging(**connection, path); !attached) {
    return attached.error().with_context(path);
  }
  if (auto set = scratch ? (*connection)->execute("PRAGMA synchronous=OFF") : Status::ok(); !set) {
    return set.error().with_context(path);
  }
  if (auto known = (*connection)->remember_files(path); !known) {
    return known.error();
  }
  return connection;
}

Result<Replacement> restore_newest(const StoreOptions& options, const core::Clock& clock) {
  const auto backups = list_backups(options.backups);
  if (!backups) {
    return backups.error();
  }
  for (const auto& backup : *backups) {
    if (check_copy(backup.path, [] { return false; })) {
      return replace_store(options.path, backup.path, "damaged", clock.now());
    }
  }
  return Error{Errc::kCorrupt,
               fmt::format("{}: the database is damaged, and none of the {} backups in {} is sound",
                           options.path,
                           backups->size(),
                           options.backups)};
}

}  // namespace

Result<OpenedStore> open_store(const StoreOptions& options, const core::Clock& clock) {
  const std::filesystem::path path(options.path);
  std::error_code ignored;
  if (path.has_parent_path() && !std::filesystem::is_directory(path.parent_path(), ignored)) {
    return Error{
        Errc::kIo,
        fmt::format(
            "{}: the directory {} does not exist", options.path, path.parent_path().string())};
  }
  if (auto suitable = check_place(options); !suitable) {
    return suitable.error();
  }
  const bool existed = std::filesystem::exists(path, ignored);
  auto lock = InstanceLock::acquire(options.path);
  if (!lock) {
    return lock.error();
  }
  // SQLite would throw the log away and begin an empty history.
  if (const auto log = options.path + "-wal"; !existed && std::filesystem::exists(log, ignored) &&
                                              std::filesystem::file_size(log, ignored) > 0) {
    return Error{Errc::kNotFound,
                 fmt::format("{}: the database is gone, but {} is there, which belongs to it. Put "
                             "the database back, or run `plumbline restore`; to begin anew, remove "
                             "the log",
                             options.path,
                             log)};
  }
  if (!existed && std::filesystem::exists(replacement_path(options.path), ignored)) {
    return Error{
        Errc::kNotFound,
        fmt::format("{}: a restore was interrupted. Run `plumbline restore` again", options.path)};
  }
  auto key = load_redaction_key(options.key_file.empty() ? options.path + ".key" : options.key_file,
                                !existed);
  if (!key) {
    return key.error();
  }
  if (auto created = create_private_file(options.path); !created) {
    return created.error();
  }
  OpenedStore opened;
  auto connection = open_writer(options.path, options.scratch);
  if (!connection && connection.error().code == Errc::kCorrupt) {
    if (!options.restore) {
      return Error{Errc::kCorrupt, connection.error().message + std::string(kAdvice)};
    }
    auto files = restore_newest(options, clock);
    if (!files) {
      return files.error();
    }
    opened.restored = Restored{connection.error(), *std::move(files)};
    connection = open_writer(options.path, options.scratch);
  }
  if (!connection) {
    return connection.error();
  }
  opened.store = std::make_unique<SqliteStore>(options.path,
                                               *std::move(lock),
                                               *std::move(connection),
                                               core::ActorNames(options.actors, *key),
                                               clock);
  opened.redaction_key = *std::move(key);
  return opened;
}

Result<std::unique_ptr<core::Snapshot>> read_store(const std::string& path) {
  if (auto readable = open_readable(path); !readable) {
    return readable.error();
  }
  return SqliteSnapshot::open(path);
}

}  // namespace plumbline::storage
