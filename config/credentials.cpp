#include "config/credentials.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace plumbline::config {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::string_view kPrefix = "$CREDENTIALS_DIRECTORY/";

}  // namespace

Result<std::string> resolve_path(const std::string& text, const std::filesystem::path& base) {
  if (!text.starts_with(kPrefix)) {
    return (base / text).lexically_normal().string();
  }
  // Set by whoever starts the process; nothing here changes the environment.
  const char* directory = std::getenv(kCredentialsVariable);  // NOLINT(concurrency-mt-unsafe)
  if (directory == nullptr || *directory != '/') {
    return Error{Errc::kInvalidArgument,
                 "$CREDENTIALS_DIRECTORY is not set: the unit has no LoadCredential=, or this is "
                 "not run by the unit; by hand, put CREDENTIALS_DIRECTORY=/... before the command"};
  }
  const auto name = std::filesystem::path(text.substr(kPrefix.size())).lexically_normal();
  if (name.empty() || name.is_absolute() || *name.begin() == ".." || *name.begin() == ".") {
    return Error{Errc::kInvalidArgument, fmt::format("`{}` names no credential", text)};
  }
  return (std::filesystem::path(directory) / name).string();
}

}  // namespace plumbline::config
