// Tokens: the managed-identity endpoint (contracts 1.2), Entra's token endpoint (1.6, 1.7) and the
// check of bearer tokens. One thread.
#pragma once

#include "core/clock.hpp"
#include "net/http_server.hpp"
#include "simulator/reply.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace plumbline::simulator {

class Identity {
 public:
  /// `clock` must outlive this.
  Identity(const core::Clock* clock, std::chrono::seconds token_lifetime);

  /// `GET /metadata/identity/oauth2/token`.
  [[nodiscard]] Reply answer_imds(const net::ServerRequest& request);
  /// `POST /{tenant}/oauth2/v2.0/token`, client credentials with any secret or assertion.
  [[nodiscard]] Reply answer_entra(const net::ServerRequest& request);

  /// Nullopt when the request carries a token that holds for the resource manager; otherwise the
  /// 401 to answer with.
  [[nodiscard]] std::optional<Reply> refuse(const net::ServerRequest& request) const;

  /// Makes every token issued so far invalid.
  void revoke_all();

 private:
  struct Token {
    core::Time expires;
    std::string audience;
  };

  [[nodiscard]] core::Result<std::string> issue(const std::string& audience);

  const core::Clock* clock_;
  std::chrono::seconds lifetime_;
  std::map<std::string, Token, std::less<>> tokens_;
};

}  // namespace plumbline::simulator
