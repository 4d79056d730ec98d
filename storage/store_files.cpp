#include "storage/store_files.hpp"

#include "core/digest.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kKeyBytes = 32;

std::string errno_text() {
  char buffer[128];
  return strerror_r(errno, buffer, sizeof buffer);
}

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}

  ~Descriptor() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

Result<std::string> create_key(const std::string& path) {
  auto key = core::random_bytes(kKeyBytes);
  if (!key) {
    return key.error();
  }
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) {
    return Error{Errc::kIo,
                 fmt::format("{}: cannot create the redaction key: {}", path, errno_text())};
  }
  if (::write(file.get(), key->data(), key->size()) != static_cast<ssize_t>(key->size()) ||
      ::fsync(file.get()) != 0) {
    return Error{Errc::kIo,
                 fmt::format("{}: cannot write the redaction key: {}", path, errno_text())};
  }
  return key;
}

}  // namespace

core::Status create_private_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (file.get() < 0) {
    return Error{Errc::kIo, fmt::format("{}: cannot be opened: {}", path, errno_text())};
  }
  return core::Status::ok();
}

Result<InstanceLock> InstanceLock::acquire(const std::string& database_path) {
  const std::string path = database_path + ".lock";
  InstanceLock lock;
  lock.descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock.descriptor_ < 0) {
    return Error{Errc::kIo, fmt::format("{}: cannot open the lock file: {}", path, errno_text())};
  }
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::kBusy,
                 fmt::format("{}: another Plumbline is using this database", database_path)};
  }
  return lock;
}

InstanceLock::~InstanceLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Result<std::string> load_redaction_key(const std::string& path, bool may_create) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno != ENOENT) {
      return Error{Errc::kIo,
                   fmt::format("{}: cannot read the redaction key: {}", path, errno_text())};
    }
    if (!may_create) {
      return Error{Errc::kNotFound,
                   fmt::format("{}: the redaction key of the database is missing. Restore it from "
                               "where you keep it; without it every redacted secret would look "
                               "changed",
                               path)};
    }
    return create_key(path);
  }
  struct stat status{};
  if (::fstat(file.get(), &status) == 0 && (status.st_mode & 077U) != 0) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format("{}: the redaction key is readable by others (mode {:o}); chmod 600 it",
                    path,
                    status.st_mode & 0777U)};
  }
  std::string key(kKeyBytes + 1, '\0');
  const auto got = ::read(file.get(), key.data(), key.size());
  if (got != static_cast<ssize_t>(kKeyBytes)) {
    return Error{Errc::kCorrupt,
                 fmt::format("{}: not a redaction key ({} bytes expected)", path, kKeyBytes)};
  }
  key.resize(kKeyBytes);
  return key;
}

}  // namespace plumbline::storage
