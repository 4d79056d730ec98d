#include "tests/fault/fault_vfs.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace plumbline::tests {

namespace {

constexpr std::size_t kSector = 512;

std::string contents(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return file ? out.str() : std::string();
}

}  // namespace

/// SQLite allocates it, with room for the real file behind it.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* vfs;
  FaultVfs::Disk* disk;  // nullptr: a temporary file
  std::shared_ptr<FaultVfs::Disk>* holder;
  sqlite3_file* real;

  static FaultFile& of(sqlite3_file* file) { return *reinterpret_cast<FaultFile*>(file); }

  static const sqlite3_io_methods& real_methods(sqlite3_file* file) {
    return *of(file).real->pMethods;
  }

  static int close(sqlite3_file* file) {
    auto& self = of(file);
    delete self.holder;
    return self.real->pMethods->xClose(self.real);
  }

  static int read(sqlite3_file* file, void* into, int size, sqlite3_int64 offset) {
    auto& self = of(file);
    return self.vfs->dark_ ? SQLITE_IOERR_READ
                           : self.real->pMethods->xRead(self.real, into, size, offset);
  }

  static int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
    auto& self = of(file);
    const int code = self.vfs->next(FaultVfs::Operation::kWrite);
    if (code != SQLITE_OK) {
      if (self.vfs->fault_ != Fault::kShortWrite || self.vfs->dark_) {
        return code;
      }
      size /= 2;
    }
    const int written = self.real->pMethods->xWrite(self.real, from, size, offset);
    if (written == SQLITE_OK && self.disk != nullptr) {
      self.disk->pending.push_back(
          {offset,
           std::string(static_cast<const char*>(from), static_cast<std::size_t>(size)),
           false});
    }
    return code != SQLITE_OK ? code : written;
  }

  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    auto& self = of(file);
    if (const int code = self.vfs->next(FaultVfs::Operation::kTruncate); code != SQLITE_OK) {
      return code;
    }
    const int done = self.real->pMethods->xTruncate(self.real, size);
    if (done == SQLITE_OK && self.disk != nullptr) {
      self.disk->pending.push_back({size, {}, true});
    }
    return done;
  }

  static int sync(sqlite3_file* file, int /*flags*/) {
    auto& self = of(file);
    if (const int code = self.vfs->next(FaultVfs::Operation::kSync); code != SQLITE_OK) {
      return code;
    }
    if (self.disk != nullptr) {
      for (const auto& write : self.disk->pending) {
        FaultVfs::apply(self.disk->synced, write);
      }
      self.disk->pending.clear();
      self.disk->ever_synced = true;
    }
    // Only this power goes off: the real disk need not be waited for.
    return SQLITE_OK;
  }

  static int size(sqlite3_file* file, sqlite3_int64* out) {
    return real_methods(file).xFileSize(of(file).real, out);
  }

  static int lock(sqlite3_file* file, int level) {
    return real_methods(file).xLock(of(file).real, level);
  }

  static int unlock(sqlite3_file* file, int level) {
    return real_methods(file).xUnlock(of(file).real, level);
  }

  static int check_reserved(sqlite3_file* file, int* out) {
    return real_methods(file).xCheckReservedLock(of(file).real, out);
  }

  static int control(sqlite3_file* file, int operation, void* argument) {
    return real_methods(file).xFileControl(of(file).real, operation, argument);
  }

  static int sector_size(sqlite3_file* file) {
    return real_methods(file).xSectorSize(of(file).real);
  }

  static int characteristics(sqlite3_file* file) {
    return real_methods(file).xDeviceCharacteristics(of(file).real);
  }

  static int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
    return real_methods(file).xShmMap(of(file).real, region, size, extend, out);
  }

  static int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
    return real_methods(file).xShmLock(of(file).real, offset, count, flags);
  }

  static void barrier(sqlite3_file* file) { real_methods(file).xShmBarrier(of(file).real); }

  static int unmap_shared(sqlite3_file* file, int remove) {
    return real_methods(file).xShmUnmap(of(file).real, remove);
  }
};

namespace {

// Version 2: no memory-mapped reads, which no write would be seen of.
const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = FaultFile::close,
    .xRead = FaultFile::read,
    .xWrite = FaultFile::write,
    .xTruncate = FaultFile::truncate,
    .xSync = FaultFile::sync,
    .xFileSize = FaultFile::size,
    .xLock = FaultFile::lock,
    .xUnlock = FaultFile::unlock,
    .xCheckReservedLock = FaultFile::check_reserved,
    .xFileControl = FaultFile::control,
    .xSectorSize = FaultFile::sector_size,
    .xDeviceCharacteristics = FaultFile::characteristics,
    .xShmMap = FaultFile::map_shared,
    .xShmLock = FaultFile::lock_shared,
    .xShmBarrier = FaultFile::barrier,
    .xShmUnmap = FaultFile::unmap_shared,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

}  // namespace

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
  vfs_.zName = "plumbline-fault";
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + real_->szOsFile;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  // The others work on names and clocks: SQLite's own, which find their data where they put it.
  vfs_.xAccess = [](sqlite3_vfs* vfs, const char* name, int flags, int* out) {
    return self(vfs).real_->xAccess(self(vfs).real_, name, flags, out);
  };
  vfs_.xFullPathname = [](sqlite3_vfs* vfs, const char* name, int size, char* out) {
    return self(vfs).real_->xFullPathname(self(vfs).real_, name, size, out);
  };
  sqlite3_vfs_register(&vfs_, 1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, 1);
}

void FaultVfs::fail(Fault fault, std::int64_t first, std::int64_t every) {
  heal();
  fault_ = fault;
  first_ = first;
  every_ = every;
}

void FaultVfs::lose_power(std::int64_t first) {
  heal();
  fault_ = Fault::kIoError;
  first_ = first;
  lose_ = true;
}

void FaultVfs::heal() {
  operations_ = failures_ = first_ = every_ = 0;
  lose_ = dark_ = false;
}

int FaultVfs::next(Operation operation) {
  ++operations_;
  const auto past = operations_ - first_;
  bool fails = first_ > 0 && (past == 0 || (past > 0 && every_ > 0 && past % every_ == 0));
  if (lose_ && fails) {
    dark_ = true;
  }
  if (!dark_ && fault_ == Fault::kSyncError) {
    fails = fails && operation == Operation::kSync;
  } else if (!dark_ && fault_ == Fault::kShortWrite) {
    fails = fails && operation == Operation::kWrite;
  }
  if (!fails && !dark_) {
    return SQLITE_OK;
  }
  ++failures_;
  switch (operation) {
    case Operation::kWrite:
      return fault_ == Fault::kIoError ? SQLITE_IOERR_WRITE : SQLITE_FULL;
    case Operation::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case Operation::kSync:
      return SQLITE_IOERR_FSYNC;
  }
  return SQLITE_INTERNAL;
}

int FaultVfs::open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto& faults = self(vfs);
  auto& opened = FaultFile::of(file);
  opened.base.pMethods = nullptr;
  if (faults.dark_) {
    return SQLITE_CANTOPEN;
  }
  opened.vfs = &faults;
  opened.disk = nullptr;
  opened.holder = nullptr;
  opened.real = reinterpret_cast<sqlite3_file*>(&opened + 1);
  std::error_code ignored;
  const bool existed = name != nullptr && std::filesystem::exists(name, ignored);
  const int code = faults.real_->xOpen(faults.real_, name, opened.real, flags, out);
  if (code != SQLITE_OK) {
    return code;
  }
  if (name != nullptr && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
    auto& disk = faults.disks_[name];
    if (disk == nullptr) {
      disk = std::make_shared<Disk>();
      disk->synced = contents(name);
      disk->ever_synced = existed;
    }
    opened.disk = disk.get();
    opened.holder = new std::shared_ptr<Disk>(disk);
  }
  opened.base.pMethods = &kMethods;
  return SQLITE_OK;
}

int FaultVfs::remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto& faults = self(vfs);
  if (faults.dark_) {
    return SQLITE_IOERR_DELETE;
  }
  const int code = faults.real_->xDelete(faults.real_, name, sync_directory);
  if (code == SQLITE_OK) {
    faults.disks_.erase(name);
  }
  return code;
}

void FaultVfs::apply(std::string& image, const Write& write) {
  const auto offset = static_cast<std::size_t>(write.offset);
  if (write.truncates) {
    image.resize(std::min(image.size(), offset));
    return;
  }
  if (image.size() < offset + write.bytes.size()) {
    image.resize(offset + write.bytes.size(), '\0');
  }
  image.replace(offset, write.bytes.size(), write.bytes);
}

void FaultVfs::restore_power(std::uint32_t seed) {
  std::mt19937 chance(seed);
  for (auto& [path, disk] : disks_) {
    auto pending = disk->pending;
    // Nothing, everything, or anything between of what was not synced.
    const auto share = chance() % 5;
    if (chance() % 2 == 0) {
      std::ranges::shuffle(pending, chance);
    }
    std::string image = disk->synced;
    for (const auto& write : pending) {
      if (share == 0 || (share < 4 && chance() % 4 >= share)) {
        continue;
      }
      if (write.truncates || chance() % 4 != 0) {
        apply(image, write);
        continue;
      }
      for (std::size_t at = 0; at < write.bytes.size(); at += kSector) {
        if (chance() % 2 == 0) {
          apply(image,
                {write.offset + static_cast<sqlite3_int64>(at),
                 write.bytes.substr(at, kSector),
                 false});
        }
      }
    }
    std::error_code ignored;
    std::filesystem::remove(path + "-shm", ignored);
    if (!disk->ever_synced && chance() % 2 == 0) {
      std::filesystem::remove(path, ignored);  // nor was its name
      continue;
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << image;
  }
  disks_.clear();
  heal();
}

}  // namespace plumbline::tests
