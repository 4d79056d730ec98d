// The web config file: TLS, users and headers of the daemon's listener, in the format of
// Prometheus' exporter-toolkit. docs/web.md describes every key.
#pragma once

#include "core/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::config {

/// A file that the web config names.
struct NamedFile {
  std::string path;      // relative ones are resolved against the web config's directory
  std::string position;  // `file:line:col` of its name, for errors about what is in it
};

/// Go's five ways of asking for a client certificate, in the order of its constants.
enum class ClientAuth { kNone, kRequest, kRequireAny, kVerifyIfGiven, kRequireAndVerify };

struct WebTls {
  NamedFile certificate;
  NamedFile private_key;
  std::optional<NamedFile> client_ca;
  ClientAuth client_auth = ClientAuth::kNone;
  /// A verified client certificate must have one of these as subject alternative name; empty: any.
  std::vector<std::string> client_allowed_sans;
  bool allow_tls12 = true;
  bool allow_tls13 = true;
  // In OpenSSL's names, joined by colons as it wants them; empty: its defaults.
  std::string ciphers_tls12;
  std::string ciphers_tls13;
  std::string groups;
  bool prefer_server_ciphers = true;
};

struct WebConfig {
  std::optional<WebTls> tls;  // absent: plain HTTP
  /// Replace the daemon's own headers of the same name.
  std::vector<std::pair<std::string, std::string>> headers;
  /// `http2` is given: it has no effect.
  bool has_http2 = false;
  /// Bcrypt hashes by user; empty: nobody is asked for a password.
  std::map<std::string, std::string, std::less<>> users;

  /// Whether nobody gets in who has not shown a password or a certificate.
  [[nodiscard]] bool authenticates() const {
    return !users.empty() || requires_client_certificate();
  }

  [[nodiscard]] bool requires_client_certificate() const {
    return tls && tls->client_auth == ClientAuth::kRequireAndVerify;
  }
};

/// The largest cost of a bcrypt hash that is accepted: each step doubles the time of a login, and
/// 15 takes seconds.
inline constexpr int kMaxBcryptCost = 15;

/// The cost of a well-formed bcrypt hash (`$2a$`, `$2b$` or `$2y$`); nullopt for anything else.
[[nodiscard]] std::optional<int> bcrypt_cost(std::string_view hash);

/// Reads a web config. Every error reads `file:line:col: message`; the first one found is given.
/// Certificates are named, not read.
[[nodiscard]] core::Result<WebConfig> load_web_config(const std::string& path);
/// The same from text; `path` is what errors name.
[[nodiscard]] core::Result<WebConfig> parse_web_config(const std::string& text,
                                                       const std::string& path);
/// The contents of a certificate or key; errors name the position and the path.
[[nodiscard]] core::Result<std::string> read_named_file(const NamedFile& file);

}  // namespace plumbline::config
