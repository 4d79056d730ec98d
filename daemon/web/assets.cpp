#include "daemon/web/assets.hpp"

// Defined in assets.S.
extern "C" {
extern const char plumbline_asset_index[];
extern const char plumbline_asset_index_end[];
extern const char plumbline_asset_script[];
extern const char plumbline_asset_script_end[];
extern const char plumbline_asset_style[];
extern const char plumbline_asset_style_end[];
extern const char plumbline_asset_schemas[];
extern const char plumbline_asset_schemas_end[];
}

namespace plumbline::daemon {

std::optional<Asset> find_asset(std::string_view path) {
  if (path == "/") {
    return Asset{"text/html; charset=utf-8", {plumbline_asset_index, plumbline_asset_index_end}};
  }
  if (path == "/assets/app.js") {
    return Asset{"text/javascript; charset=utf-8",
                 {plumbline_asset_script, plumbline_asset_script_end}};
  }
  if (path == "/assets/style.css") {
    return Asset{"text/css; charset=utf-8", {plumbline_asset_style, plumbline_asset_style_end}};
  }
  return std::nullopt;
}

std::string_view api_schemas() {
  return {plumbline_asset_schemas, plumbline_asset_schemas_end};
}

}  // namespace plumbline::daemon
