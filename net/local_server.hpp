// Requests from the same machine, over a socket in the file system: one JSON text a line each way.
#pragma once

#include "core/result.hpp"
#include "net/task.hpp"

#include <functional>
#include <memory>
#include <string>

namespace plumbline::net {

/// Gets one line, without its end, and the user id of the process that sent it, as the kernel knows
/// it; returns one line.
using LocalHandler = std::function<Task<std::string>(std::string request, std::uint32_t user)>;

/// Who may connect is who may write to the file: mode 0600, of the daemon's own user. One request a
/// connection, at most 64 KiB, within 5 seconds; 16 connections at once. All work happens on
/// `executor`, which must be that of a single thread.
class LocalServer {
 public:
  /// Takes the place of a socket that a dead process has left at `path`, of nothing else. Fails
  /// with kIo, or kInvalidArgument for a path longer than sockets can have (107 bytes); both name
  /// it.
  [[nodiscard]] static core::Result<std::unique_ptr<LocalServer>> listen(Executor executor,
                                                                         const std::string& path,
                                                                         LocalHandler handler);
  /// Removes the file. Requests that are being answered go on without it.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;
  LocalServer(LocalServer&&) = delete;
  LocalServer& operator=(LocalServer&&) = delete;

 private:
  struct State;
  explicit LocalServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Sends one line and waits for the answer, for at most `patience`. Blocks; for the command line.
/// kUnavailable: nobody listens there; kForbidden: the file may not be used.
[[nodiscard]] core::Result<std::string> ask_local(const std::string& path,
                                                  const std::string& request,
                                                  std::chrono::seconds patience);

}  // namespace plumbline::net
