// Web config files: those in tests/data/web_config, good and bad, and what comes out of good ones.
#include "config/web_config.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

using namespace plumbline;
using config::ClientAuth;

namespace {

std::vector<std::filesystem::path> files_in(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           PLUMBLINE_SOURCE_DIR "/tests/data/web_config/" + folder)) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  REQUIRE(files.size() > 10);
  return files;
}

config::WebConfig good(const std::string& name) {
  const std::string path = PLUMBLINE_SOURCE_DIR "/tests/data/web_config/good/" + name + ".yml";
  auto config = config::load_web_config(path);
  REQUIRE_MESSAGE(config, (config ? "" : config.error().message));
  return *config;
}

}  // namespace

TEST_CASE("good web config files are read") {
  for (const auto& path : files_in("good")) {
    const auto config = config::load_web_config(path.string());
    CHECK_MESSAGE(config, (config ? "" : config.error().message));
  }
}

TEST_CASE("bad web config files say what is wrong, and where") {
  for (const auto& path : files_in("bad")) {
    // The first line is a comment with the message.
    std::string first;
    std::ifstream file(path);
    std::getline(file, first);
    const std::string mark = "# want: ";
    REQUIRE(first.starts_with(mark));
    const auto config = config::load_web_config(path.string());
    REQUIRE_FALSE_MESSAGE(config, path.string());
    CHECK(config.error().message == path.string() + ":" + first.substr(mark.size()));
  }
}

TEST_CASE("what a web config comes to") {
  const auto users = good("users");
  CHECK(users.users.size() == 3);
  CHECK(users.authenticates());
  CHECK_FALSE(users.tls);
  CHECK_FALSE(good("nobody").authenticates());

  const auto plain = good("tls");
  REQUIRE(plain.tls);
  CHECK(plain.tls->certificate.path.ends_with("/web_config/good/server.pem"));
  CHECK(plain.tls->certificate.position.ends_with("/tls.yml:2:14"));
  CHECK(plain.tls->allow_tls12);
  CHECK(plain.tls->allow_tls13);
  CHECK(plain.tls->prefer_server_ciphers);
  CHECK_FALSE(plain.authenticates());

  const auto full = good("tls_everything");
  REQUIRE(full.tls);
  CHECK(full.tls->client_auth == ClientAuth::kRequireAndVerify);
  CHECK(full.tls->client_ca->path.ends_with("/clients.pem"));
  CHECK(full.tls->client_allowed_sans.size() == 3);
  CHECK(full.tls->ciphers_tls13 == "TLS_AES_128_GCM_SHA256");
  CHECK(full.tls->ciphers_tls12 == "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384");
  CHECK(full.tls->groups == "X25519:P-256");
  CHECK_FALSE(full.tls->prefer_server_ciphers);
  CHECK(full.authenticates());

  // A certificate that anyone can make tells nothing about who comes.
  CHECK_FALSE(good("tls_client_any").authenticates());
  CHECK_FALSE(good("tls_client_if_given").authenticates());
  CHECK_FALSE(good("tls13_only").tls->allow_tls12);
  CHECK_FALSE(good("tls13_by_ciphers").tls->allow_tls12);
  CHECK_FALSE(good("tls12_only").tls->allow_tls13);
  CHECK(good("headers").has_http2);
  CHECK_FALSE(plain.has_http2);
  const auto headers = good("headers").headers;
  REQUIRE(headers.size() == 5);
  CHECK(headers.at(1).second == "max-age=31536000; includeSubDomains");
}

TEST_CASE("an absolute path stays, and what cannot be read is named with its place") {
  const auto config = config::parse_web_config(
      "tls_server_config: {cert_file: /nonexistent/a.pem, key_file: sub/../b.key}\n",
      "/etc/plumbline/web.yml");
  REQUIRE(config);
  CHECK(config->tls->certificate.path == "/nonexistent/a.pem");
  CHECK(config->tls->private_key.path == "/etc/plumbline/b.key");
  CHECK(config::read_named_file(config->tls->certificate).error().message ==
        "/etc/plumbline/web.yml:1:32: /nonexistent/a.pem: No such file or directory");
  CHECK(config::load_web_config("/nonexistent/web.yml").error().message ==
        "/nonexistent/web.yml: No such file or directory");
}
