// Tokens: the managed-identity endpoint (contracts 1.2), Entra's token endpoint (1.6, 1.7) and the
// check of bearer tokens. One thread.
#pragma once

#include "core/clock.hpp"
#include "net/http_server.hpp"
#include "simulator/reply.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace plumbline::simulator {

class Identity {
 public:
  /// `clock` must outlive this.
  Identity(const core::Clock* clock, std::chrono::seconds token_lifetime);

  /// `GET /metadata/identity/oauth2/token`.
  [[nodiscard]] Reply answer_imds(const net::ServerRequest& request);
  /// `GET /msi/token`: App Service, Functions and Container Apps (contracts 1.3).
  [[nodiscard]] Reply answer_app_service(const net::ServerRequest& request);
  /// `GET /arc/metadata/identity/oauth2/token`: Azure Arc with its challenge (contracts 1.4).
  [[nodiscard]] Reply answer_arc(const net::ServerRequest& request);
  /// `POST /{tenant}/oauth2/v2.0/token`: client credentials. Any secret and any assertion will do
  /// until `set_rules` says more. `origin` is where this endpoint is reached.
  [[nodiscard]] Reply answer_entra(const net::ServerRequest& request, const std::string& origin);

  /// What is registered, by the members that docs/simulator.md lists; kInvalidArgument for others.
  [[nodiscard]] core::Status set_rules(const Json& rules);

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

  /// What the application has registered at Entra and the machine at its agent. Empty: not looked
  /// at, but for the header and the keys, without which there is no such endpoint.
  struct Rules {
    std::string tenant_id;
    std::string client_id;
    std::string client_secret;
    std::string certificate;  // PEM
    std::string federated_token;
    std::string identity_header;
    std::string arc_directory;  // where keys are written ...
    std::string arc_realm;      // ... and what the challenge calls it
  };

  [[nodiscard]] core::Result<std::string> issue(const std::string& audience);
  /// The answer of the endpoints that give managed identities.
  [[nodiscard]] Reply token_reply(const std::string& resource, bool with_expires_in);
  /// The AADSTS code of what is wrong with an assertion; 0: nothing.
  [[nodiscard]] int judge_assertion(const std::string& assertion,
                                    const std::string& client_id,
                                    const std::string& token_url) const;

  const core::Clock* clock_;
  std::chrono::seconds lifetime_;
  std::map<std::string, Token, std::less<>> tokens_;
  Rules rules_;
  std::set<std::string> arc_keys_;  // written and not yet presented
};

}  // namespace plumbline::simulator
