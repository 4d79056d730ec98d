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

/// What the API's answers look like: JSON Schemas by name. Not served as such.
[[nodiscard]] std::string_view api_schemas();

}  // namespace plumbline::daemon
