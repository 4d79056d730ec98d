// One way of signing in, asked once. What all ways have in common (the cache, refreshing ahead, one
// request at a time, retries) is TokenCache's.
#pragma once

#include "collectors/collector_metrics.hpp"
#include "core/clock.hpp"
#include "core/result.hpp"
#include "net/http_client.hpp"
#include "net/task.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace plumbline::collectors {

/// A token as an identity service gave it.
struct AccessToken {
  std::string value;
  core::Time refresh_at;  // from here on a new one is fetched beside its use
  core::Time stale_at;    // from here on it is used only where no new one is to be had
  core::Time expires_at;
};

/// What one question came to.
struct TokenAttempt {
  int status = 0;  // 0: there was no answer
  std::optional<std::chrono::seconds> retry_after;
  core::Result<AccessToken> token;
  /// This way of signing in does not exist here, so that a chain may go on to the next.
  bool unavailable = false;

  [[nodiscard]] static TokenAttempt failed(core::Error error);
  [[nodiscard]] static TokenAttempt absent(core::Error error);
  /// No answer, for a reason that may pass.
  [[nodiscard]] bool lost() const;
};

/// Used on the I/O thread.
class Credential {
 public:
  virtual ~Credential() = default;
  /// For errors and logs: `managed identity`.
  [[nodiscard]] virtual std::string_view name() const = 0;
  virtual net::Task<TokenAttempt> ask(std::string audience) = 0;
  /// How long to wait before retry `attempt` (0 first); nullopt: another try would not help.
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> retry_delay(
      const TokenAttempt& failed, int attempt) const = 0;
};

/// What credentials are made of; all of it must outlive them.
struct IdentityParts {
  net::HttpTransport* transport;
  const core::Clock* clock;
  CollectorMetrics* metrics;
};

/// One exchange, counted under `service`.
net::Task<core::Result<net::HttpResponse>> exchange(IdentityParts parts,
                                                    std::string service,
                                                    net::HttpRequest request);

/// Reads a 200 body. `expires_in` and `expires_on` may be numbers, numeric strings or, the latter,
/// dates. Errors hold no part of the body.
[[nodiscard]] core::Result<AccessToken> parse_token_response(std::string_view body, core::Time now);

/// Sets what follows from a lifetime: when to refresh (contracts 1.8).
[[nodiscard]] AccessToken with_lifetime(std::string value,
                                        core::Time now,
                                        core::Time expires_at,
                                        std::optional<std::chrono::seconds> refresh_in);

/// The attempt that an answer stands for. A refusal is told with status, `error` word and AADSTS
/// codes; descriptions are left out.
[[nodiscard]] TokenAttempt read_answer(const net::HttpResponse& response, core::Time now);

}  // namespace plumbline::collectors
