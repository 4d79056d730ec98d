// The status page's files, embedded in the binary.
#pragma once

#include <optional>
#include <string_view>

namespace plumbline::daemon {

struct Asset {
  std::string_view content_type;
  std::string_view body;
};

/// The file served at `path` (`/`, `/assets/app.js`, ...); nullopt for any other path.
[[nodiscard]] std::optional<Asset> find_asset(std::string_view path);

}  // namespace plumbline::daemon
