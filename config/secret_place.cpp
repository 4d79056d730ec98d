#include "config/secret_place.hpp"

#include "config/text_file.hpp"

#include <fmt/format.h>

namespace plumbline::config {

void read_secret_place(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       SecretPlace& out,
                       std::vector<ReferencedFile>& named) {
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
    if (!out.file.empty()) {
      named.push_back({.place = secret.place("file"), .key = std::string(key), .path = out.file});
    }
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

void read_certificates(YamlReader& reader,
                       std::string_view key,
                       const std::filesystem::path& base,
                       std::string& out,
                       std::vector<ReferencedFile>& named) {
  reader.path(key, base, out);
  if (!out.empty()) {
    named.push_back({.place = reader.place(key),
                     .key = std::string(key),
                     .path = out,
                     .holds_certificates = true});
  }
}

std::vector<std::string> problems_of_referenced_files(const Settings& settings) {
  constexpr std::size_t kMaxBytes = std::size_t{4} << 20U;  // the system's bundle has 0.2 MiB
  std::vector<std::string> problems;
  for (const auto& file : settings.referenced_files) {
    const auto text = read_text_file(file.path, kMaxBytes);
    std::string wrong;
    if (!text) {
      wrong = text.error().message;
    } else if (text->find_first_not_of(" \t\r\n") == std::string::npos) {
      wrong = file.path + " is empty";
    } else if (file.holds_certificates && !text->contains("-----BEGIN CERTIFICATE-----")) {
      wrong = file.path + " holds no certificate (PEM)";
    }
    if (!wrong.empty()) {
      problems.push_back(fmt::format("{}: `{}`: {}", file.place, file.key, wrong));
    }
  }
  return problems;
}

}  // namespace plumbline::config
