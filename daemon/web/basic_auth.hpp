// Basic authentication (RFC 7617) against bcrypt hashes.
#pragma once

#include "config/web_config.hpp"
#include "core/clock.hpp"
#include "core/digest.hpp"
#include "net/task.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace plumbline::daemon {

struct Credentials {
  std::string user;
  std::string password;
};

/// The value of an Authorization header; nullopt when it is no well-formed Basic one, or holds a
/// NUL, at which hashing would stop.
[[nodiscard]] std::optional<Credentials> parse_basic_authorization(std::string_view value);

/// Whether `password` has the bcrypt hash. Takes as long as the hash's cost says.
[[nodiscard]] bool matches_bcrypt(const std::string& password, const std::string& hash);

enum class Login {
  kAllowed,
  kDenied,
  kBusy,  // too many others are being checked
};

/// Checks logins one at a time on a thread of its own, and remembers which were right: by a hash
/// under a key that this process alone knows. What is asked about users who do not exist takes as
/// long as for those who do. Methods are called on the I/O thread.
class Authenticator {
 public:
  /// `hashing` is the executor of one thread. Both outlive this.
  Authenticator(net::Executor hashing, const core::Clock& clock);

  /// `state` keeps `config` alive.
  [[nodiscard]] net::Task<Login> check(std::shared_ptr<const config::WebConfig> config,
                                       std::string authorization);

 private:
  struct Attempt;

  /// A login that was right, so that an answer of the past can be told from another one.
  [[nodiscard]] core::Sha256 key_of(const Credentials& credentials, const std::string& hash) const;
  [[nodiscard]] bool is_known(const core::Sha256& key) const;
  void remember(const core::Sha256& key);
  Login check_password(const Attempt& attempt);

  net::Executor hashing_;
  const core::Clock* clock_;
  std::string secret_;
  mutable std::mutex mutex_;
  std::set<core::Sha256> known_;
  std::deque<core::Sha256> order_;  // of known_, the oldest first
};

}  // namespace plumbline::daemon
