// The account that somebody has signed in with `az login`: for a developer's machine.
#pragma once

#include "collectors/identity/credential.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace plumbline::collectors {

struct AzureCliOptions {
  std::string tenant_id;  // empty: the account's own
  std::chrono::milliseconds patience{20'000};
};

[[nodiscard]] std::unique_ptr<Credential> make_azure_cli(IdentityParts parts,
                                                         AzureCliOptions options);

/// Reads what `az account get-access-token` prints. `expires_on` counts seconds; older versions
/// print `expiresOn` alone, in local time.
[[nodiscard]] core::Result<AccessToken> parse_azure_cli(std::string_view output, core::Time now);

}  // namespace plumbline::collectors
