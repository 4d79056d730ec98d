#include "storage/backup.hpp"

#include "storage/schema.hpp"
#include "storage/sqlite.hpp"
#include "storage/store_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "plumbline-";
constexpr std::string_view kSuffix = ".db";
constexpr std::string_view kUnfinished = ".part";
// 1 MiB at a time, then a moment for others who want the disk.
constexpr int kPagesPerStep = 256;
constexpr std::chrono::milliseconds kPause{2};

Error failure(const std::string& path, std::string_view what, const std::error_code& error) {
  return {Errc::kIo, fmt::format("{}: {}: {}", path, what, error.message())};
}

std::error_code last_error() {
  return {errno, std::generic_category()};
}

/// The file's contents, or a directory's entries, are on the disk.
Status sync(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return failure(path, "cannot be opened", last_error());
  }
  const bool done = ::fsync(descriptor) == 0;
  const auto error = last_error();
  ::close(descriptor);
  return done ? Status::ok() : Status(failure(path, "cannot be synchronised", error));
}

std::string directory_of(const std::string& path) {
  return fs::absolute(path).parent_path().string();
}

Status rename_durably(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error ? Status(failure(from, "cannot be renamed to " + to, error))
               : sync(directory_of(to));
}

void remove_with_journal(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) {
    fs::remove(path + suffix, ignored);
  }
}

Status copy_pages(const std::string& store, const std::string& copy, const Stopped& stopped) {
  std::error_code ignored;
  if (!fs::exists(store, ignored)) {
    return Error{Errc::kNotFound, fmt::format("{}: there is no database", store)};
  }
  auto source = Connection::open(store, Connection::Access::kReadOnly);
  if (!source) {
    return source.error();
  }
  // A read transaction: the copy is of one commit, and need not start anew at the next one.
  if (auto begun = (*source)->execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN"); !begun) {
    return begun.error().with_context(store);
  }
  const auto application = (*source)->query_integer("PRAGMA application_id");
  if (!application) {
    return application.error().with_context(store);
  }
  if (*application != kApplicationId) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("{}: this is no database of Plumbline's", store)};
  }
  if (const auto touched = (*source)->query_integer("SELECT count(*) FROM sqlite_schema");
      !touched) {
    return touched.error().with_context(store);
  }
  if (auto created = create_private_file(copy); !created) {
    return created;
  }
  auto destination = Connection::open(copy, Connection::Access::kReadWriteCreate);
  if (!destination) {
    return destination.error();
  }
  auto copied = (*source)->copy_to(**destination, kPagesPerStep, [&] {
    std::this_thread::sleep_for(kPause);
    return stopped();
  });
  if (!copied) {
    return copied.error().with_context(copy);
  }
  // One file that needs no other beside it, wherever it is carried.
  if (auto set = (*destination)->execute("PRAGMA journal_mode=DELETE"); !set) {
    return set.error().with_context(copy);
  }
  return Status::ok();
}

std::optional<core::Time> time_of_name(const std::string& name) {
  const std::size_t length = std::string_view("20261122T131415Z").size();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) ||
      name.size() != kPrefix.size() + length + kSuffix.size()) {
    return std::nullopt;
  }
  const auto t = name.substr(kPrefix.size(), length);
  return core::parse_rfc3339(fmt::format("{}-{}-{}T{}:{}:{}Z",
                                         t.substr(0, 4),
                                         t.substr(4, 2),
                                         t.substr(6, 2),
                                         t.substr(9, 2),
                                         t.substr(11, 2),
                                         t.substr(13, 2)));
}

/// `2026-11-22T13:14:15Z` without its punctuation.
std::string compact(core::Time time) {
  std::string text = core::to_rfc3339(std::chrono::floor<std::chrono::seconds>(time));
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

}  // namespace

Status back_up(const std::string& store, const std::string& destination, const Stopped& stopped) {
  const std::string part = destination + std::string(kUnfinished);
  remove_with_journal(part);
  auto done = copy_pages(store, part, stopped);
  if (done) {
    done = check_copy(part, stopped);
  }
  if (done) {
    done = sync(part);
  }
  if (done) {
    done = rename_durably(part, destination);
  }
  if (!done) {
    remove_with_journal(part);
  }
  return done;
}

Status check_copy(const std::string& path, const Stopped& stopped) {
  auto connection = Connection::open(path, Connection::Access::kReadOnly);
  if (!connection) {
    return connection.error();
  }
  (*connection)->interrupt_when(stopped);
  const auto application = (*connection)->query_integer("PRAGMA application_id");
  if (!application) {
    return application.error().with_context(path);
  }
  const auto schema = (*connection)->query_integer("PRAGMA user_version");
  if (!schema) {
    return schema.error().with_context(path);
  }
  if (*application != kApplicationId || *schema < 1) {
    return Error{Errc::kInvalidArgument, path + ": this is no database of Plumbline's"};
  }
  if (*schema > kSchemaVersion) {
    return Error{Errc::kNewerSchema,
                 fmt::format("{}: schema {} is newer than what this Plumbline knows ({})",
                             path,
                             *schema,
                             kSchemaVersion)};
  }
  auto sound = quick_check(**connection);
  if (sound && *schema == kSchemaVersion) {
    sound = check_schema(**connection);
  }
  return sound ? sound : Status(sound.error().with_context(path));
}

std::string backup_name(core::Time taken_at) {
  return fmt::format("{}{}{}", kPrefix, compact(taken_at), kSuffix);
}

Result<std::vector<BackupFile>> list_backups(const std::string& directory) {
  std::vector<BackupFile> found;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (const auto taken = time_of_name(at->path().filename().string())) {
      found.push_back({at->path().string(), *taken});
    }
  }
  if (error) {
    return failure(directory, "cannot be listed", error);
  }
  std::ranges::sort(found, std::ranges::greater(), &BackupFile::taken_at);
  return found;
}

Status rotate_backups(const std::string& directory, std::size_t keep) {
  auto backups = list_backups(directory);
  if (!backups) {
    return backups.error();
  }
  std::error_code error;
  for (std::size_t i = keep; i < backups->size(); ++i) {
    if (!fs::remove(backups->at(i).path, error) && error) {
      return failure(backups->at(i).path, "cannot be removed", error);
    }
  }
  std::vector<std::string> left;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    auto name = at->path().filename().string();
    if (name.ends_with(kUnfinished) &&
        time_of_name(name.substr(0, name.size() - kUnfinished.size()))) {
      left.push_back(at->path().string());
    }
  }
  std::ranges::for_each(left, remove_with_journal);
  return Status::ok();
}

std::string replacement_path(const std::string& path) {
  return path + ".restoring";
}

Result<Replacement> replace_store(const std::string& path,
                                  const std::string& copy,
                                  std::string_view word,
                                  core::Time now) {
  const auto never = [] { return false; };
  const std::string fresh = replacement_path(path);
  remove_with_journal(fresh);
  if (auto created = create_private_file(fresh); !created) {
    return created.error();
  }
  std::error_code error;
  fs::copy_file(copy, fresh, fs::copy_options::overwrite_existing, error);
  if (error) {
    remove_with_journal(fresh);
    return failure(copy, "cannot be copied to " + fresh, error);
  }
  fs::permissions(fresh, fs::perms::owner_read | fs::perms::owner_write, error);
  auto ready = sync(fresh);
  if (ready) {
    ready = check_copy(fresh, never);
  }
  if (!ready) {
    remove_with_journal(fresh);
    return ready.error();
  }
  Replacement done;
  done.copy = copy;
  if (fs::exists(path, error)) {
    done.set_aside = fmt::format("{}.{}-{}", path, word, compact(now));
    // The log must go too: it would be played into whatever lies under this name.
    for (const char* suffix : {"", "-wal", "-shm"}) {
      if (!fs::exists(path + suffix, error)) {
        continue;
      }
      if (auto moved = rename_durably(path + suffix, done.set_aside + suffix); !moved) {
        return moved.error();
      }
    }
  }
  if (auto moved = rename_durably(fresh, path); !moved) {
    return moved.error();
  }
  return done;
}

Result<Replacement> restore_store(const std::string& path,
                                  const std::string& key_file,
                                  const std::string& copy,
                                  core::Time now) {
  auto lock = InstanceLock::acquire(path);
  if (!lock) {
    return lock.error();
  }
  if (auto sound = check_copy(copy, [] { return false; }); !sound) {
    return sound.error();
  }
  if (auto key = load_redaction_key(key_file.empty() ? path + ".key" : key_file, false); !key) {
    return key.error();
  }
  return replace_store(path, copy, "replaced", now);
}

}  // namespace plumbline::storage
