// Managed identity from the instance metadata service (contracts 1.2, 1.8).
#pragma once

#include "collectors/collector_metrics.hpp"
#include "collectors/identity/token_source.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "net/http_client.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace plumbline::collectors {

struct ManagedIdentityOptions {
  /// Origin of the metadata service; AZURE_POD_IDENTITY_AUTHORITY_HOST replaces it in the SDKs.
  std::string endpoint = "http://169.254.169.254";
  std::string client_id;
  std::string object_id;
  std::string resource_id;
};

/// A token as an identity endpoint gave it.
struct AccessToken {
  std::string value;
  core::Time expires_at;
  core::Time refresh_at;
};

/// Reads the endpoint's 200 body. `expires_in` and `expires_on` may be numbers or numeric strings.
/// Errors hold no part of the body.
[[nodiscard]] core::Result<AccessToken> parse_token_response(std::string_view body, core::Time now);

/// How long to wait before retry `attempt` (0 first) after `status`; nullopt: do not retry. 410
/// means the service is being updated and comes back within 70 s.
[[nodiscard]] std::optional<std::chrono::milliseconds> imds_retry_delay(int status, int attempt);

class ManagedIdentity final : public TokenSource {
 public:
  /// All references must outlive it.
  ManagedIdentity(net::HttpTransport& transport,
                  const core::Clock& clock,
                  core::Log& log,
                  CollectorMetrics& metrics,
                  ManagedIdentityOptions options);

  net::Task<core::Result<std::string>> token(std::string audience) override;
  void discard(const std::string& audience) override;

 private:
  struct Pending;
  struct Attempt;

  net::Task<core::Result<AccessToken>> fetch(std::string audience);
  net::Task<Attempt> fetch_once(std::string audience);

  net::HttpTransport* transport_;
  const core::Clock* clock_;
  core::Log* log_;
  CollectorMetrics* metrics_;
  ManagedIdentityOptions options_;
  std::map<std::string, AccessToken> cache_;
  std::map<std::string, std::shared_ptr<Pending>> pending_;  // one request at a time per audience
};

}  // namespace plumbline::collectors
