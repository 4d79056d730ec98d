#include "config/credentials.hpp"

#include "config/settings.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace plumbline;

namespace {

/// The variable as a service manager would set it, for one test; no other thread runs.
struct Credentials {
  explicit Credentials(const char* directory) {
    if (directory != nullptr) {
      ::setenv(config::kCredentialsVariable, directory, 1);
    } else {
      ::unsetenv(config::kCredentialsVariable);
    }
  }

  ~Credentials() { ::unsetenv(config::kCredentialsVariable); }

  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;
  Credentials(Credentials&&) = delete;
  Credentials& operator=(Credentials&&) = delete;
};

}  // namespace

TEST_CASE("a path of the configuration may name a credential of the service") {
  const Credentials credentials("/run/credentials/plumbline.service");
  const auto resolve = [](const char* text) {
    auto path = config::resolve_path(text, "/etc/plumbline");
    return path ? *path : path.error().message;
  };
  CHECK(resolve("$CREDENTIALS_DIRECTORY/web.yml") == "/run/credentials/plumbline.service/web.yml");
  CHECK(resolve("$CREDENTIALS_DIRECTORY/tls/./key") ==
        "/run/credentials/plumbline.service/tls/key");
  CHECK(resolve("web.yml") == "/etc/plumbline/web.yml");
  CHECK(resolve("../x//y") == "/etc/x/y");
  CHECK(resolve("/srv/web.yml") == "/srv/web.yml");
  // Only as a whole, and only in front: everything else is a name like any other.
  CHECK(resolve("$CREDENTIALS_DIRECTORYx/web.yml") ==
        "/etc/plumbline/$CREDENTIALS_DIRECTORYx/web.yml");
  CHECK(resolve("a/$CREDENTIALS_DIRECTORY/b") == "/etc/plumbline/a/$CREDENTIALS_DIRECTORY/b");
  for (const char* outside : {"$CREDENTIALS_DIRECTORY/",
                              "$CREDENTIALS_DIRECTORY/.",
                              "$CREDENTIALS_DIRECTORY/..",
                              "$CREDENTIALS_DIRECTORY/a/../../b",
                              "$CREDENTIALS_DIRECTORY//etc/shadow"}) {
    CAPTURE(outside);
    CHECK(resolve(outside).ends_with("names no credential"));
  }
}

TEST_CASE("without credentials the place that names one is told") {
  const std::string text =
      "baseline: {assignments: [{name: a, initiative: b}]}\n"
      "web: {config_file: $CREDENTIALS_DIRECTORY/web.yml}\n";
  {
    const Credentials none(nullptr);
    const auto settings = config::parse_settings(text, "c.yaml");
    REQUIRE_FALSE(settings);
    CHECK(settings.error().message.starts_with("c.yaml:2:20: $CREDENTIALS_DIRECTORY is not set"));
  }
  {
    const Credentials relative("here");
    CHECK_FALSE(config::parse_settings(text, "c.yaml"));
  }
  const Credentials credentials("/run/c");
  CHECK(config::parse_settings(text, "c.yaml")->web_config_file == "/run/c/web.yml");
}
