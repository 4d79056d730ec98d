#include "daemon/hook.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <system_error>
#include <thread>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Status;

namespace {

constexpr std::chrono::milliseconds kPoll{20};

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
    return Error{Errc::kIo,
                 fmt::format("{} cannot be started: {}",
                             program,
                             std::error_code(error, std::generic_category()).message())};
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) {
      return outcome(program, status);
    }
    const bool late = std::chrono::steady_clock::now() >= deadline;
    if (late || stopped()) {
      ::kill(-child, SIGKILL);
      ::waitpid(child, &status, 0);
      return late ? Error{Errc::kTimeout,
                          fmt::format("{} was killed: it took longer than {} s",
                                      program,
                                      std::chrono::duration<double>(patience).count())}
                  : Error{Errc::kCancelled, program + " was killed: the daemon stops"};
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace plumbline::daemon
