// Tokens of one credential: kept while they last, refreshed ahead of their end, fetched once at a
// time (contracts 1.8).
#pragma once

#include "collectors/identity/credential.hpp"
#include "collectors/identity/token_source.hpp"
#include "core/log.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace plumbline::collectors {

/// All references must outlive it and the work on `io`, the I/O thread's executor.
class TokenCache final : public TokenSource {
 public:
  TokenCache(net::Executor io,
             Credential& credential,
             const core::Clock& clock,
             core::Log& log,
             CollectorMetrics& metrics);

  net::Task<core::Result<std::string>> token(std::string audience) override;
  void discard(const std::string& audience) override;

 private:
  struct Pending {
    net::Event done;
    core::Result<std::string> result;
  };

  struct Entry {
    std::optional<AccessToken> token;
    std::shared_ptr<Pending> pending;
    /// A refresh has failed a moment ago: the last token serves without another try until then.
    std::chrono::steady_clock::time_point quiet_until;
    /// The service asked for this pause; meanwhile its refusal is given without asking it.
    std::chrono::steady_clock::time_point refused_until;
    core::Error refusal;
  };

  net::Task<void> refresh(std::string audience, std::shared_ptr<Pending> mine);
  net::Task<core::Result<AccessToken>> fetch(std::string audience);

  net::Executor io_;
  Credential* credential_;
  const core::Clock* clock_;
  core::Log* log_;
  CollectorMetrics* metrics_;
  std::map<std::string, Entry> entries_;
};

}  // namespace plumbline::collectors
