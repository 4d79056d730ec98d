// Managed identities: of virtual machines (IMDS), of App Service, Functions and Container Apps, and
// of machines with Azure Arc (contracts 1.1 to 1.4).
#pragma once

#include "collectors/identity/credential.hpp"
#include "collectors/identity/local_input.hpp"

#include <memory>
#include <string>

namespace plumbline::collectors {

/// Which identity, where there are several; at most one is set.
struct IdentityChoice {
  std::string client_id;
  std::string object_id;
  std::string resource_id;
};

struct ManagedIdentityOptions {
  IdentityChoice identity;
  /// In a chain the metadata service may not exist: it is probed first, and that it knows no
  /// identity leads to the next credential.
  bool in_chain = false;
  /// Where Arc's agent puts its keys; nothing else is opened.
  std::string arc_keys = "/var/opt/azcmagent/tokens";
  /// Its presence means Arc where no variable speaks of it.
  std::string arc_agent = "/opt/azcmagent/bin/himds";
};

/// The kind that the environment's variables call for. Fails with kInvalidArgument where they make
/// no sense, or where the kind cannot do what is asked.
[[nodiscard]] core::Result<std::unique_ptr<Credential>> make_managed_identity(
    IdentityParts parts, const Environment& environment, const ManagedIdentityOptions& options);

/// How long to wait before retry `attempt` (0 first) after `status` of IMDS; nullopt: do not retry.
/// 410 means the service is being updated and comes back within 70 s.
[[nodiscard]] std::optional<std::chrono::milliseconds> imds_retry_delay(int status, int attempt);

/// The file that an Arc challenge names, if it is one that may be opened.
[[nodiscard]] core::Result<std::string> arc_key_path(std::string_view challenge,
                                                     std::string_view directory);

}  // namespace plumbline::collectors
