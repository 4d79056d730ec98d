#include "daemon/web/web_config_file.hpp"

#include "net/http_server.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace plumbline;
using daemon::WebConfigFile;

namespace {

const std::string kHash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const std::string kTls = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

net::SelfSigned certificate() {
  return *net::make_self_signed_certificate(std::chrono::hours(1));
}

/// A directory with a web config and its certificate, and the file as the daemon has it.
struct Files {
  tests::TempDirectory directory;
  tests::FakeClock clock;
  tests::FakeLog log;
  std::vector<bool> reloads;

  [[nodiscard]] std::string path(const std::string& name) const { return directory.file(name); }

  void write(const std::string& name, const std::string& text) const {
    // As an administrator should: the whole file at once.
    std::ofstream(path("new")) << text;
    std::filesystem::rename(path("new"), path(name));
  }

  void write_certificate(const net::SelfSigned& made) const {
    write("server.pem", made.certificate_pem);
    write("server.key", made.private_key_pem);
  }

  core::Result<std::unique_ptr<WebConfigFile>> open() {
    return WebConfigFile::open(
        path("web.yml"), clock, log, [this](bool ok) { reloads.push_back(ok); });
  }
};

}  // namespace

TEST_CASE("what cannot be used at the start is an error with its place") {
  Files files;
  const auto message = [&](const std::string& text) {
    files.write("web.yml", text);
    const auto opened = files.open();
    return opened ? "fine" : opened.error().message;
  };
  CHECK(message(kTls) == files.path("web.yml") + ":1:32: " + files.path("server.pem") +
                             ": No such file or directory");
  files.write_certificate(certificate());
  CHECK(message(kTls) == "fine");
  files.write("server.key", "nonsense");
  CHECK(message(kTls) == files.path("web.yml") + ":1:54: " + files.path("server.key") +
                             ": holds no private key in PEM that can be used (an encrypted one "
                             "cannot)");
  files.write("server.key", certificate().private_key_pem);
  CHECK(message(kTls) == files.path("web.yml") + ":1:54: " + files.path("server.key") +
                             ": is not the key of the certificate");
  files.write("server.pem", "nonsense");
  CHECK(message(kTls) == files.path("web.yml") + ":1:32: " + files.path("server.pem") +
                             ": holds no certificate in PEM that can be used");
  files.write_certificate(certificate());
  files.write("ca.pem", "nonsense");
  CHECK(message("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
                "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n") ==
        files.path("web.yml") + ":5:19: " + files.path("ca.pem") +
            ": holds no certificate in PEM that can be used");
  CHECK(message("x: 1\n").starts_with(files.path("web.yml") + ":1:1: unknown key"));
}

TEST_CASE("changed files are read again, at most once a second") {
  Files files;
  files.write_certificate(certificate());
  files.write("web.yml", kTls);
  auto file = files.open();
  REQUIRE(file);
  const auto first = (*file)->current();
  files.clock.advance(std::chrono::seconds(2));
  CHECK((*file)->current() == first);

  // The users: in force a second after the last look.
  files.write("web.yml", kTls + "basic_auth_users: {alice: " + kHash + "}\n");
  CHECK((*file)->current() == first);
  files.clock.advance(std::chrono::seconds(1));
  const auto second = (*file)->current();
  CHECK(second->config.users.size() == 1);
  CHECK(first->config.users.empty());  // who still has it, keeps it

  // The certificate alone.
  files.write_certificate(certificate());
  files.clock.advance(std::chrono::seconds(1));
  const auto third = (*file)->current();
  CHECK(third->tls != second->tls);
  CHECK(files.reloads == std::vector<bool>{true, true});
}

TEST_CASE("a broken replacement changes nothing and is logged once") {
  Files files;
  files.write_certificate(certificate());
  files.write("web.yml", kTls);
  auto file = files.open();
  REQUIRE(file);
  const auto first = (*file)->current();
  const auto look = [&] {
    files.clock.advance(std::chrono::seconds(1));
    return (*file)->current();
  };
  // The key that comes a moment later than the certificate.
  const auto made = certificate();
  files.write("server.pem", made.certificate_pem);
  CHECK(look() == first);
  CHECK(look() == first);
  REQUIRE(files.log.lines.size() == 1);
  CHECK(files.log.lines[0].starts_with("web_config_reload_failed error=" + files.path("web.yml") +
                                       ":1:54: "));
  files.write("server.key", made.private_key_pem);
  CHECK(look()->tls != first->tls);
  CHECK(files.reloads == std::vector<bool>{false, true});

  const auto second = look();
  for (const std::string& text : {std::string(),
                                  std::string("tls_server_config: ["),
                                  kTls + "unknown: 1\n",
                                  // Turning TLS off by accident would put passwords on the wire.
                                  "basic_auth_users: {alice: " + kHash + "}\n"}) {
    CAPTURE(text);
    files.write("web.yml", text);
    CHECK(look() == second);
    CHECK_FALSE(files.reloads.back());
  }
  std::filesystem::remove(files.path("web.yml"));
  CHECK(look() == second);
  CHECK(files.log.lines.back() ==
        "web_config_reload_failed error=" + files.path("web.yml") + ": No such file or directory");
  files.write("web.yml", kTls);
  CHECK(look() != second);
  CHECK(files.reloads.back());
}

TEST_CASE("without a file there is neither TLS nor a user") {
  tests::FakeClock clock;
  tests::FakeLog log;
  auto file = WebConfigFile::open("", clock, log, [](bool) {});
  REQUIRE(file);
  CHECK((*file)->current()->tls == nullptr);
  CHECK_FALSE((*file)->current()->config.authenticates());
}
