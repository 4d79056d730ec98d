#include "daemon/hook.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Status;

namespace {

/// How often it is asked whether the daemon stops; the end of the program is seen at once.
constexpr std::chrono::milliseconds kAsk{100};

/// What the child starts with: no file of ours, no signal blocked, a process group of its own.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }

  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  SpawnSettings(SpawnSettings&&) = delete;
  SpawnSettings& operator=(SpawnSettings&&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }

  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::string text_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

/// A descriptor that can be read as soon as the process has ended.
class ProcessHandle {
 public:
  // By hand: glibc 2.36 declares pidfd_open with C++ linkage.
  explicit ProcessHandle(pid_t process)
      : descriptor_(static_cast<int>(::syscall(SYS_pidfd_open, process, 0))),  // NOLINT(*-vararg)
        error_(errno) {}

  ~ProcessHandle() {
    if (is_open()) {
      ::close(descriptor_);
    }
  }

  ProcessHandle(const ProcessHandle&) = delete;
  ProcessHandle& operator=(const ProcessHandle&) = delete;
  ProcessHandle(ProcessHandle&&) = delete;
  ProcessHandle& operator=(ProcessHandle&&) = delete;

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

  [[nodiscard]] std::string error() const { return text_of(error_); }

  /// Whether the process has ended, after waiting for it for at most `limit`.
  [[nodiscard]] bool wait(std::chrono::milliseconds limit) const {
    pollfd entry{descriptor_, POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(limit.count())) > 0;
  }

 private:
  int descriptor_;
  int error_;
};

void kill_group(pid_t child) {
  ::kill(-child, SIGKILL);
  int ignored = 0;
  ::waitpid(child, &ignored, 0);
}

Status outcome(const std::string& program, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return Status::ok();
  }
  return Error{Errc::kIo,
               WIFEXITED(status)
                   ? fmt::format("{} ended with {}", program, WEXITSTATUS(status))
                   : fmt::format("{} was ended by signal {}", program, WTERMSIG(status))};
}

}  // namespace

Status run_hook(const std::string& program,
                const std::string& argument,
                std::chrono::milliseconds patience,
                const std::function<bool()>& stopped) {
  const SpawnSettings settings;
  std::string name = program;
  std::string value = argument;
  const std::array<char*, 3> arguments = {name.data(), value.data(), nullptr};
  pid_t child = 0;
  if (const int error = ::posix_spawn(&child,
                                      program.c_str(),
                                      settings.actions(),
                                      settings.attributes(),
                                      arguments.data(),
                                      environ);
      error != 0) {
    return Error{Errc::kIo, fmt::format("{} cannot be started: {}", program, text_of(error))};
  }
  const ProcessHandle handle(child);
  if (!handle.is_open()) {
    kill_group(child);
    return Error{Errc::kIo, fmt::format("{} cannot be waited for: {}", program, handle.error())};
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (handle.wait(std::clamp(left, std::chrono::milliseconds(0), kAsk))) {
      int status = 0;
      ::waitpid(child, &status, 0);
      return outcome(program, status);
    }
    const bool late = std::chrono::steady_clock::now() >= deadline;
    if (late || stopped()) {
      kill_group(child);
      return late ? Error{Errc::kTimeout,
                          fmt::format("{} was killed: it took longer than {} s",
                                      program,
                                      std::chrono::duration<double>(patience).count())}
                  : Error{Errc::kCancelled, program + " was killed: the daemon stops"};
    }
  }
}

}  // namespace plumbline::daemon
