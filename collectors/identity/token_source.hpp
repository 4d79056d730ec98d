// Where access tokens come from.
#pragma once

#include "core/result.hpp"
#include "net/task.hpp"

#include <string>

namespace plumbline::collectors {

/// Gives tokens, from its cache while they last. Used on the I/O thread. The token's text never
/// reaches a log, an error or the store.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  /// A token for an audience, valid for at least some minutes. Errors: those of the exchange, or
  /// kUnauthorized when the identity is refused.
  virtual net::Task<core::Result<std::string>> token(std::string audience) = 0;
  /// Forgets a token that a service has refused.
  virtual void discard(const std::string& audience) = 0;
};

}  // namespace plumbline::collectors
