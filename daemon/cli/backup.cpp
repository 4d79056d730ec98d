#include "storage/backup.hpp"

#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

namespace plumbline::daemon {

namespace {

int report(const core::Error& error) {
  fmt::print(stderr, "plumbline: {}\n", error.message);
  return kExitError;
}

}  // namespace

int run_backup(const CommonOptions& options, const std::string& file) {
  const auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  const auto& directory = settings->backup.directory;
  if (file.empty() && directory.empty()) {
    return report({core::Errc::kInvalidArgument,
                   "name a file, or set storage.backup.directory in the configuration"});
  }
  const core::SystemClock clock;
  const auto path =
      file.empty() ? (std::filesystem::path(directory) / storage::backup_name(clock.now())).string()
                   : file;
  auto progress = std::make_optional<Progress>("copying " + settings->storage_path, false);
  const auto done = storage::back_up(settings->storage_path, path, [] { return false; });
  progress.reset();
  if (!done) {
    return report(done.error());
  }
  fmt::print("{}\n", path);
  if (file.empty()) {
    if (auto rotated =
            storage::rotate_backups(directory, static_cast<std::size_t>(settings->backup.keep));
        !rotated) {
      return report(rotated.error());
    }
  }
  return kExitOk;
}

int run_restore(const CommonOptions& options, const std::string& file) {
  const auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  const core::SystemClock clock;
  auto progress = std::make_optional<Progress>("restoring " + file, false);
  const auto done =
      storage::restore_store(settings->storage_path, settings->key_file, file, clock.now());
  progress.reset();
  if (!done) {
    return report(done.error());
  }
  fmt::print("{}: restored from {}\n", settings->storage_path, done->copy);
  if (!done->set_aside.empty()) {
    fmt::print("what was there is kept as {}\n", done->set_aside);
  }
  return kExitOk;
}

}  // namespace plumbline::daemon
