#include "config/secret_place.hpp"

#include <fmt/format.h>

namespace plumbline::config {

void read_secret_place(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       SecretPlace& out) {
  if (reader.is_scalar(key)) {
    reader.fail(key,
                fmt::format("`{}` says where it is: one of file, credential and environment; "
                            "it never stands here itself",
                            key));
    return;
  }
  reader.mapping(key, [&](YamlReader& secret) {
    secret.allow({"file", "credential", "environment"});
    secret.path("file", base, out.file);
    secret.text("credential", out.credential);
    secret.text("environment", out.environment);
    const int places =
        int{!out.file.empty()} + int{!out.credential.empty()} + int{!out.environment.empty()};
    if (places != 1) {
      secret.fail("", "exactly one of file, credential and environment says where it is");
    }
    if (out.credential.contains('/')) {
      secret.fail("credential", "`credential` is the name of a systemd credential, not a path");
    }
  });
}

}  // namespace plumbline::config
