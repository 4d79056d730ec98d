#include "storage/file_system.hpp"

#include <fmt/format.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Status;

namespace {

struct Refused {
  std::uint64_t type;
  std::string_view name;
};

// statfs(2) lists the types. A write-ahead log needs shared memory and locks that hold between
// processes, and a commit needs an fsync that means it; none of these promises all of that.
constexpr std::array kRefused = {
    Refused{0x6969, "NFS"},
    Refused{0xFF534D42, "CIFS"},
    Refused{0xFE534D42, "SMB2"},
    Refused{0x517B, "SMB"},
    Refused{0x65735546, "FUSE"},
    Refused{0x01021997, "9P"},
};

}  // namespace

core::Result<std::uint64_t> file_system_of(const std::string& path) {
  struct statfs status{};
  if (::statfs(path.c_str(), &status) != 0) {
    return Error{Errc::kIo,
                 fmt::format("{}: cannot tell its file system: {}",
                             path,
                             std::error_code(errno, std::generic_category()).message())};
  }
  // Signed on some architectures, where the upper half would be extended.
  return static_cast<std::uint32_t>(status.f_type);
}

Status check_file_system(const std::string& path, std::uint64_t type) {
  const auto* const refused = std::ranges::find(kRefused, type, &Refused::type);
  if (refused == kRefused.end()) {
    return Status::ok();
  }
  return Error{Errc::kInvalidArgument,
               fmt::format("{}: lies on a {} file system, which cannot hold a store: its locks and "
                           "writes are not what a database needs. Use a disk of this machine",
                           path,
                           refused->name)};
}

}  // namespace plumbline::storage
