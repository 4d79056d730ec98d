// Client credentials at Entra's token endpoint (contracts 1.5 to 1.7): a secret, a certificate, or
// the token of somebody else whom the application trusts.
#pragma once

#include "collectors/identity/credential.hpp"
#include "collectors/identity/local_input.hpp"
#include "net/client_assertion.hpp"

#include <memory>
#include <string>

namespace plumbline::collectors {

struct EntraOptions {
  std::string authority;  // https origin
  std::string tenant_id;
  std::string client_id;
};

[[nodiscard]] std::unique_ptr<Credential> make_client_secret(IdentityParts parts,
                                                             const EntraOptions& options,
                                                             SecretSource secret,
                                                             Environment environment);

/// `certificate`: PEM with the certificate and its private key.
[[nodiscard]] std::unique_ptr<Credential> make_client_certificate(
    IdentityParts parts,
    const EntraOptions& options,
    SecretSource certificate,
    Environment environment,
    net::AssertionAlgorithm algorithm);

/// `token_file`: read for every token, since whoever writes it replaces it before it ends.
[[nodiscard]] std::unique_ptr<Credential> make_workload_identity(IdentityParts parts,
                                                                 const EntraOptions& options,
                                                                 std::string token_file);

}  // namespace plumbline::collectors
