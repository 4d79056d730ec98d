#include "daemon/web/assets.hpp"

#include <algorithm>
#include <array>

// Defined in assets.S.
extern "C" {
#define ASSET(name, file, type)               \
  extern const char plumbline_asset_##name[]; \
  extern const char plumbline_asset_##name##_end[];
#include "daemon/web/assets.def"
#undef ASSET
}

namespace plumbline::daemon {

namespace {

struct File {
  std::string_view name;
  std::string_view content_type;  // empty: not served
  const char* begin;
  const char* end;
};

constexpr std::array kFiles = {
#define ASSET(name, file, type) \
  File{file, type, plumbline_asset_##name, plumbline_asset_##name##_end},
#include "daemon/web/assets.def"
#undef ASSET
};

std::string_view body_of(const File& file) {
  return {file.begin, file.end};
}

}  // namespace

std::optional<Asset> find_asset(std::string_view path) {
  constexpr std::string_view kFolder = "/assets/";
  if (path == "/") {
    path = "index.html";
  } else if (path.starts_with(kFolder) && path != "/assets/index.html") {
    path.remove_prefix(kFolder.size());
  } else {
    return std::nullopt;
  }
  const auto* file = std::ranges::find(kFiles, path, &File::name);
  if (file == kFiles.end() || file->content_type.empty()) {
    return std::nullopt;
  }
  return Asset{file->content_type, body_of(*file)};
}

std::string_view api_schemas() {
  return body_of(*std::ranges::find(kFiles, std::string_view("schemas.json"), &File::name));
}

}  // namespace plumbline::daemon
