// Reading the JSON of initiatives and assignments. Private to compliance/.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace plumbline::compliance {

/// A member that is a string; empty where there is none.
[[nodiscard]] inline std::string text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace plumbline::compliance
