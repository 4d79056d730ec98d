// Reading members of JSON that may lack them.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace plumbline::core {

/// A member that is a string; empty where there is none.
[[nodiscard]] inline std::string text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace plumbline::core
