// What a service of the simulator answers with: a status, headers and a JSON document.
#pragma once

#include "net/http.hpp"
#include "simulator/json.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::simulator {

struct Reply {
  int status = 200;
  Json body;
  net::Headers headers;
  /// Sent instead of `body` where set: for text that is no JSON document.
  std::optional<std::string> raw;
};

/// `{"error":{"code","message"}}` (contracts 3.1).
[[nodiscard]] Reply arm_error(int status, std::string_view code, std::string_view message);

}  // namespace plumbline::simulator
