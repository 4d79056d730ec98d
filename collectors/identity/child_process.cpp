#include "collectors/identity/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::chrono::milliseconds kPoll{20};

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) == 0) {
      // This end alone: programs do not expect an output that would block to fail instead.
      ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    }
  }

  ~Pipe() {
    close(0);
    close(1);
  }

  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  Pipe(Pipe&&) = delete;
  Pipe& operator=(Pipe&&) = delete;

  [[nodiscard]] bool valid() const { return ends_[0] >= 0; }

  [[nodiscard]] int writer() const { return ends_[1]; }

  void close_writer() { close(1); }

  /// Takes what is there.
  void drain(std::string& out, std::size_t max) const {
    std::array<char, 4096> buffer{};
    while (out.size() <= max) {
      const ssize_t count = ::read(ends_[0], buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        return;
      }
      out.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

 private:
  void close(std::size_t index) {
    if (ends_.at(index) >= 0) {
      ::close(ends_.at(index));
      ends_.at(index) = -1;
    }
  }

  std::array<int, 2> ends_ = {-1, -1};
};

/// A process in a group of its own; whatever happens to its owner, none of it is left.
class Child {
 public:
  Child() = default;

  ~Child() { kill(); }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;

  [[nodiscard]] core::Status start(std::vector<std::string> arguments,
                                   const Pipe& out,
                                   const Pipe& err) {
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (auto& argument : arguments) {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out.writer(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.writer(), STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    const int error =
        ::posix_spawnp(&pid_, pointers.front(), &actions, &attributes, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      pid_ = 0;
      return Error{error == ENOENT ? Errc::kNotFound : Errc::kIo,
                   fmt::format("{} cannot be started: {}",
                               arguments.front(),
                               std::error_code(error, std::generic_category()).message())};
    }
    return core::Status::ok();
  }

  /// True once it has ended.
  bool ended(int& status) {
    if (::waitpid(pid_, &status, WNOHANG) != pid_) {
      return false;
    }
    pid_ = 0;
    return true;
  }

  void kill() {
    if (pid_ > 0) {
      ::kill(-pid_, SIGKILL);
      int status = 0;
      ::waitpid(pid_, &status, 0);
      pid_ = 0;
    }
  }

 private:
  pid_t pid_ = 0;
};

}  // namespace

net::Task<Result<ChildOutput>> run_child(std::vector<std::string> arguments,
                                         std::chrono::milliseconds patience,
                                         std::size_t max_output) {
  const std::string name = arguments.front();
  Pipe out;
  Pipe err;
  Child child;
  if (!out.valid() || !err.valid()) {
    co_return Error{Errc::kIo, name + " cannot be started: no pipe"};
  }
  if (auto started = child.start(std::move(arguments), out, err); !started) {
    co_return started.error();
  }
  out.close_writer();
  err.close_writer();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  ChildOutput output;
  for (;;) {
    int status = 0;
    const bool ended = child.ended(status);  // before the pipes, so that its last words count
    out.drain(output.out, max_output);
    err.drain(output.err, max_output);
    if (output.out.size() > max_output || output.err.size() > max_output) {
      child.kill();
      co_return Error{Errc::kLimit, fmt::format("{} wrote more than {} bytes", name, max_output)};
    }
    if (ended) {
      if (!WIFEXITED(status)) {
        co_return Error{Errc::kIo,
                        fmt::format("{} was ended by signal {}", name, WTERMSIG(status))};
      }
      output.exit_code = WEXITSTATUS(status);
      co_return output;
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      child.kill();
      co_return Error{Errc::kTimeout,
                      fmt::format("{} was killed: it took longer than {} s",
                                  name,
                                  std::chrono::duration<double>(patience).count())};
    }
    if (const bool slept = co_await net::sleep_for(kPoll); !slept) {
      child.kill();
      co_return Error{Errc::kCancelled, name + " was killed: the daemon stops"};
    }
  }
}

}  // namespace plumbline::collectors
