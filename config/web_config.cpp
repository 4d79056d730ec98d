#include "config/web_config.hpp"

#include "config/text_file.hpp"
#include "config/yaml_reader.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

namespace plumbline::config {

using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20U;
constexpr std::size_t kMaxUsers = 1000;

struct Name {
  std::string_view go;
  std::string_view openssl;
};

// TLS 1.2 and older. The second group lacks forward secrecy; Go offers it too.
constexpr std::array kCiphers12 = {
    Name{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    Name{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    Name{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    Name{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    Name{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    Name{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    Name{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    Name{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    Name{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    Name{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},

    Name{"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    Name{"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    Name{"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    Name{"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
};
constexpr std::array kCiphers13 = {
    Name{"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
    Name{"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    Name{"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
};
constexpr std::array kGroups = {
    Name{"CurveP256", "P-256"},
    Name{"CurveP384", "P-384"},
    Name{"CurveP521", "P-521"},
    Name{"X25519", "X25519"},
};
// In the order of ClientAuth.
constexpr std::array<std::string_view, 5> kClientAuths = {"NoClientCert",
                                                          "RequestClientCert",
                                                          "RequireAnyClientCert",
                                                          "VerifyClientCertIfGiven",
                                                          "RequireAndVerifyClientCert"};

template <std::size_t N>
std::string_view openssl_name(const std::array<Name, N>& names, std::string_view go) {
  const auto* const found = std::ranges::find(names, go, &Name::go);
  return found == names.end() ? std::string_view() : found->openssl;
}

void append_name(std::string& list, std::string_view name) {
  if (!list.empty()) {
    list += ':';
  }
  list += name;
}

bool is_bcrypt_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '/';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<NamedFile> read_name(YamlReader& tls,
                                   std::string_view key,
                                   const std::filesystem::path& base) {
  if (!tls.has(key)) {
    return std::nullopt;
  }
  std::string name;
  tls.text(key, name);
  if (name.empty()) {
    tls.fail(key, fmt::format("`{}` must name a file", key));
  }
  return NamedFile{(base / name).lexically_normal().string(), tls.place(key)};
}

/// Empty where the key is absent; errors are recorded.
std::string read_version(YamlReader& tls, std::string_view key) {
  std::string version;
  if (!tls.has(key)) {
    return version;
  }
  tls.text(key, version);
  if (version == "TLS10" || version == "TLS11") {
    tls.fail(key,
             fmt::format("`{}`: {} is obsolete and not offered; use TLS12 or TLS13", key, version));
  } else if (version != "TLS12" && version != "TLS13") {
    tls.fail(key, fmt::format("`{}` must be TLS12 or TLS13, not `{}`", key, version));
  }
  return version;
}

void read_versions(YamlReader& tls, WebTls& out) {
  const std::string minimum = read_version(tls, "min_version");
  const std::string maximum = read_version(tls, "max_version");
  out.allow_tls12 = minimum != "TLS13";
  out.allow_tls13 = maximum != "TLS12";
  if (!out.allow_tls12 && !out.allow_tls13) {
    tls.fail("min_version", "`min_version` is above `max_version`");
  }
}

void read_ciphers(YamlReader& tls, WebTls& out) {
  if (!tls.has("cipher_suites")) {
    return;
  }
  tls.items("cipher_suites", [&](std::string_view name) -> std::string {
    if (const auto modern = openssl_name(kCiphers13, name); !modern.empty()) {
      append_name(out.ciphers_tls13, modern);
    } else if (const auto older = openssl_name(kCiphers12, name); !older.empty()) {
      append_name(out.ciphers_tls12, older);
    } else {
      return fmt::format("the cipher suite `{}` is unknown or too weak to be offered", name);
    }
    return {};
  });
  // Only suites of TLS 1.3: no handshake of an older version could succeed.
  out.allow_tls12 = out.allow_tls12 && (!out.ciphers_tls12.empty() || out.ciphers_tls13.empty());
  if (!out.allow_tls12 && !out.allow_tls13) {
    tls.fail("cipher_suites", "`cipher_suites` has no suite of the versions allowed");
  }
}

void read_client_auth(YamlReader& tls, const std::filesystem::path& base, WebTls& out) {
  std::string name(kClientAuths[0]);
  tls.choice("client_auth_type", kClientAuths, name);
  out.client_auth =
      static_cast<ClientAuth>(std::ranges::find(kClientAuths, name) - kClientAuths.begin());
  out.client_ca = read_name(tls, "client_ca_file", base);
  const bool verifies = out.client_auth >= ClientAuth::kVerifyIfGiven;
  if (verifies && !out.client_ca) {
    tls.fail("client_auth_type", fmt::format("{} needs `client_ca_file`", name));
  }
  if (out.client_ca && out.client_auth == ClientAuth::kNone) {
    tls.fail("client_ca_file", "`client_ca_file` has no effect without `client_auth_type`");
  }
  tls.texts("client_allowed_sans", out.client_allowed_sans);
  if (!out.client_allowed_sans.empty() && !verifies) {
    tls.fail("client_allowed_sans",
             "`client_allowed_sans` needs a `client_auth_type` that verifies: without, anyone can "
             "claim any name");
  }
}

void read_tls(YamlReader& tls, const std::filesystem::path& base, WebTls& out) {
  tls.allow({"cert_file",
             "key_file",
             "client_auth_type",
             "client_ca_file",
             "client_allowed_sans",
             "min_version",
             "max_version",
             "cipher_suites",
             "prefer_server_cipher_suites",
             "curve_preferences"});
  const auto certificate = read_name(tls, "cert_file", base);
  const auto private_key = read_name(tls, "key_file", base);
  if (!certificate || !private_key) {
    tls.fail("", "`tls_server_config` needs `cert_file` and `key_file`");
    return;
  }
  out.certificate = *certificate;
  out.private_key = *private_key;
  read_client_auth(tls, base, out);
  read_versions(tls, out);
  read_ciphers(tls, out);
  tls.boolean("prefer_server_cipher_suites", out.prefer_server_ciphers);
  tls.items("curve_preferences", [&](std::string_view name) -> std::string {
    const auto group = openssl_name(kGroups, name);
    if (group.empty()) {
      return fmt::format(
          "the curve `{}` is not known here; known: CurveP256, CurveP384, CurveP521, X25519", name);
    }
    append_name(out.groups, group);
    return {};
  });
}

std::string bad_header(std::string_view name, std::string_view value) {
  const std::string lower = core::to_lower(value);
  if (name == "X-Frame-Options" && lower != "deny" && lower != "sameorigin") {
    return "`X-Frame-Options` must be deny or sameorigin";
  }
  if (name == "X-Content-Type-Options" && lower != "nosniff") {
    return "`X-Content-Type-Options` must be nosniff";
  }
  if (std::ranges::any_of(value, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte >= 0x7f;
      })) {
    return fmt::format("the value of `{}` holds a control character or is not ASCII", name);
  }
  return {};
}

void read_http(YamlReader& http, WebConfig& out) {
  http.allow({"http2", "headers"});
  bool http2 = true;
  http.boolean("http2", http2);
  out.has_http2 = http.has("http2");
  http.mapping("headers", [&](YamlReader& headers) {
    headers.allow({"Content-Security-Policy",
                   "Strict-Transport-Security",
                   "X-Content-Type-Options",
                   "X-Frame-Options",
                   "X-XSS-Protection"});
    headers.members([&](std::string_view name, std::string_view value) -> std::string {
      out.headers.emplace_back(name, value);
      return bad_header(name, value);
    });
  });
}

std::string bad_user(std::string_view user, std::string_view hash) {
  if (user.empty() || user.contains(':')) {
    return "a user's name is not empty and holds no colon";
  }
  const auto cost = bcrypt_cost(hash);
  if (!cost) {
    // The value may be a password by mistake: it is not repeated.
    return fmt::format("the password of `{}` must be a bcrypt hash ($2a$, $2b$ or $2y$)", user);
  }
  if (*cost > kMaxBcryptCost) {
    return fmt::format("the hash of `{}` has cost {}; more than {} would take too long",
                       user,
                       *cost,
                       kMaxBcryptCost);
  }
  return {};
}

void read_document(YamlReader& root, const std::filesystem::path& base, WebConfig& out) {
  root.allow({"tls_server_config", "http_server_config", "basic_auth_users"});
  root.mapping("tls_server_config",
               [&](YamlReader& tls) { read_tls(tls, base, out.tls.emplace()); });
  root.mapping("http_server_config", [&](YamlReader& http) { read_http(http, out); });
  root.mapping("basic_auth_users", [&](YamlReader& users) {
    users.members([&](std::string_view user, std::string_view hash) -> std::string {
      if (!out.users.emplace(user, hash).second) {
        return fmt::format("the user `{}` is given twice", user);
      }
      return out.users.size() > kMaxUsers ? fmt::format("more than {} users", kMaxUsers)
                                          : bad_user(user, hash);
    });
  });
}

}  // namespace

std::optional<int> bcrypt_cost(std::string_view hash) {
  // $2b$10$ and 22 characters of salt and 31 of hash.
  constexpr std::size_t kSize = 60;
  constexpr std::size_t kPrefix = 7;
  if (hash.size() != kSize ||
      !(hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$")) ||
      !is_digit(hash[4]) || !is_digit(hash[5]) || hash[6] != '$' ||
      !std::ranges::all_of(hash.substr(kPrefix), is_bcrypt_char)) {
    return std::nullopt;
  }
  const int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  return cost >= 4 && cost <= 31 ? std::optional(cost) : std::nullopt;
}

Result<WebConfig> parse_web_config(const std::string& text, const std::string& path) {
  auto document = parse_yaml(text, path);
  if (!document) {
    return document.error();
  }
  if (document->IsNull()) {
    // A file that is being written may look like this, and would mean: no TLS, no passwords.
    return Error{core::Errc::kParse, fmt::format("{}:1:1: the file holds nothing", path)};
  }
  WebConfig config;
  Status status = Status::ok();
  YamlReader root(path, "", *document, status);
  if (status) {
    read_document(root, std::filesystem::path(path).parent_path(), config);
  }
  if (!status) {
    return status.error();
  }
  return config;
}

Result<WebConfig> load_web_config(const std::string& path) {
  auto text = read_text_file(path, kMaxFileBytes);
  if (!text) {
    return text.error();
  }
  return parse_web_config(*text, path);
}

Result<std::string> read_named_file(const NamedFile& file) {
  auto text = read_text_file(file.path, kMaxFileBytes);
  if (!text) {
    return text.error().with_context(file.position);
  }
  return text;
}

}  // namespace plumbline::config
