#include "collectors/identity/child_process.hpp"

#include "net/readable.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
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

std::string text_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}

  ~Descriptor() { close(); }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] bool is_open() const { return number_ >= 0; }

  [[nodiscard]] int get() const { return number_; }

  void reset(int number) {
    close();
    number_ = number;
  }

  void close() {
    if (is_open()) {
      ::close(number_);
      number_ = -1;
    }
  }

 private:
  int number_;
};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends = {-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) == 0) {
      reader.reset(ends[0]);
      writer.reset(ends[1]);
    }
  }

  [[nodiscard]] bool is_open() const { return reader.is_open(); }

  Descriptor reader;
  Descriptor writer;
};

/// Readable as soon as one of its descriptors is, or is at its end.
class Watch {
 public:
  Watch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  [[nodiscard]] int get() const { return epoll_.get(); }

  [[nodiscard]] bool add(const Descriptor& descriptor) const {
    epoll_event event{};
    event.events = EPOLLIN;
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) == 0;
  }

  void remove(const Descriptor& descriptor) const {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor.get(), nullptr);
  }

 private:
  Descriptor epoll_;
};

/// Takes what is there. An end would be readable for ever: it is watched no longer.
void drain(Descriptor& reader, const Watch& watch, std::string& out, std::size_t max) {
  std::array<char, 4096> buffer{};
  while (reader.is_open() && out.size() <= max) {
    const ssize_t count = ::read(reader.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0 && errno == EAGAIN) {
      return;
    }
    if (count <= 0) {
      watch.remove(reader);
      reader.close();
      return;
    }
    out.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

/// The end of a guard: whoever lives longer than the daemon dies with it. The daemon has the other
/// end of `life` and never writes, so reading ends when the daemon does, also by SIGKILL. After a
/// fork of a process with threads, only what is safe in a signal handler may be called here.
[[noreturn]] void guard(int life) {
  // Not in a group of its own it would kill the daemon's.
  if (::setpgid(0, 0) != 0 || ::dup2(life, STDIN_FILENO) != STDIN_FILENO) {
    ::_exit(1);
  }
  // The other end among them, and whatever the daemon must be able to close.
  ::close_range(STDIN_FILENO + 1, ~0U, 0);
  char none = 0;
  while (::read(STDIN_FILENO, &none, 1) < 0 && errno == EINTR) {
  }
  ::kill(0, SIGKILL);
  ::_exit(1);
}

/// A process in a group that a guard leads; whatever happens to its owner, or to the daemon, none
/// of the group is left. The kernel's PR_SET_PDEATHSIG would reach the process alone, and az is
/// mostly a shell script that waits for another process.
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
    const auto failed = [&](int error) {
      return Error{error == ENOENT ? Errc::kNotFound : Errc::kIo,
                   fmt::format("{} cannot be started: {}", arguments.front(), text_of(error))};
    };
    if (const int error = start_guard(); error != 0) {
      return failed(error);
    }
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
    posix_spawn_file_actions_adddup2(&actions, out.writer.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.writer.get(), STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, guard_);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    const int error =
        ::posix_spawnp(&pid_, pointers.front(), &actions, &attributes, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      pid_ = 0;
      return failed(error);
    }
    // By hand: glibc 2.36 declares pidfd_open with C++ linkage.
    handle_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));  // NOLINT(*-vararg)
    return handle_.is_open() ? core::Status::ok() : core::Status(failed(errno));
  }

  /// Readable once the process has ended.
  [[nodiscard]] const Descriptor& handle() const { return handle_; }

  /// True once it has ended.
  bool ended(int& status) {
    if (::waitpid(pid_, &status, WNOHANG) != pid_) {
      return false;
    }
    pid_ = 0;
    return true;
  }

  void kill() {
    if (guard_ > 0) {
      ::kill(-guard_, SIGKILL);
    }
    for (pid_t* const process : {&pid_, &guard_}) {
      if (*process > 0) {
        int status = 0;
        ::waitpid(*process, &status, 0);
        *process = 0;
      }
    }
  }

 private:
  [[nodiscard]] int start_guard() {
    if (!life_.is_open()) {
      return EMFILE;
    }
    guard_ = ::_Fork();
    if (guard_ == 0) {
      guard(life_.reader.get());
    }
    if (guard_ < 0) {
      return errno;
    }
    // Either comes first; the program needs the group.
    ::setpgid(guard_, guard_);
    life_.reader.close();
    return 0;
  }

  Pipe life_;
  Descriptor handle_;
  pid_t guard_ = 0;
  pid_t pid_ = 0;
};

}  // namespace

net::Task<Result<ChildOutput>> run_child(std::vector<std::string> arguments,
                                         std::chrono::milliseconds patience,
                                         std::size_t max_output) {
  const std::string name = arguments.front();
  Pipe out;
  Pipe err;
  const Watch watch;
  Child child;
  if (!out.is_open() || !err.is_open() || watch.get() < 0) {
    co_return Error{Errc::kIo, name + " cannot be started: no pipe"};
  }
  if (auto started = child.start(std::move(arguments), out, err); !started) {
    co_return started.error();
  }
  out.writer.close();
  err.writer.close();
  // These ends alone: programs do not expect an output that would block to fail instead.
  ::fcntl(out.reader.get(), F_SETFL, O_NONBLOCK);  // NOLINT(*-vararg)
  ::fcntl(err.reader.get(), F_SETFL, O_NONBLOCK);  // NOLINT(*-vararg)
  if (!watch.add(out.reader) || !watch.add(err.reader) || !watch.add(child.handle())) {
    co_return Error{Errc::kIo, fmt::format("{} cannot be waited for: {}", name, text_of(errno))};
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  ChildOutput output;
  for (;;) {
    const auto left = deadline - std::chrono::steady_clock::now();
    const auto ready = co_await net::readable_within(watch.get(), left);
    if (!ready) {
      co_return ready.error().with_context(name + " was killed");
    }
    if (!*ready) {
      co_return Error{Errc::kTimeout,
                      fmt::format("{} was killed: it took longer than {} s",
                                  name,
                                  std::chrono::duration<double>(patience).count())};
    }
    int status = 0;
    const bool ended = child.ended(status);  // before the pipes, so that its last words count
    drain(out.reader, watch, output.out, max_output);
    drain(err.reader, watch, output.err, max_output);
    if (output.out.size() > max_output || output.err.size() > max_output) {
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
  }
}

}  // namespace plumbline::collectors
