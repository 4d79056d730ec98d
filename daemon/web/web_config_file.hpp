// The web config file while the daemon runs: read again when it, or a certificate that it names,
// has changed.
#pragma once

#include "config/web_config.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "net/server_tls.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// What a web config file comes to.
struct WebState {
  config::WebConfig config;
  std::shared_ptr<const net::ServerTls> tls;  // null: plain HTTP
};

/// Reads the file and the certificates. Errors read `file:line:col: message`.
[[nodiscard]] core::Result<std::shared_ptr<const WebState>> load_web_state(const std::string& path);

/// On one thread.
class WebConfigFile {
 public:
  /// An empty path: plain HTTP without users, for ever. `on_reload` is told how each later attempt
  /// to read the file ended.
  [[nodiscard]] static core::Result<std::unique_ptr<WebConfigFile>> open(
      std::string path,
      const core::Clock& clock,
      core::Log& log,
      std::function<void(bool)> on_reload);

  /// What is in force. Looks at the files once a second at most; what cannot be used is logged
  /// once, and the old state stays. TLS cannot be turned on or off this way.
  [[nodiscard]] std::shared_ptr<const WebState> current();

 private:
  /// Which version of a file was read: device, inode, size, times. Nothing: it is not there.
  using Version = std::optional<std::array<std::int64_t, 5>>;

  struct Attempt {
    core::Result<std::shared_ptr<const WebState>> state;
    std::vector<std::pair<std::string, Version>> seen;
  };

  friend core::Result<std::shared_ptr<const WebState>> load_web_state(const std::string& path);

  WebConfigFile(std::string path, const core::Clock& clock, core::Log& log);
  static Version version_of(const std::string& path);
  static Attempt load(const std::string& path);
  [[nodiscard]] bool is_changed() const;
  void read_again();

  std::string path_;
  const core::Clock* clock_;
  core::Log* log_;
  std::function<void(bool)> on_reload_;
  std::shared_ptr<const WebState> state_;
  std::vector<std::pair<std::string, Version>> seen_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace plumbline::daemon
