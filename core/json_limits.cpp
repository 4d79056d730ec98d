#include "core/json_limits.hpp"

#include <fmt/format.h>

namespace plumbline::core {

Status check_json_limits(std::string_view text, std::size_t max_bytes, std::size_t max_depth) {
  if (text.size() > max_bytes) {
    return Error{
        Errc::kLimit,
        fmt::format("JSON document of {} bytes exceeds the limit of {}", text.size(), max_bytes)};
  }
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) {
        return Error{Errc::kLimit,
                     fmt::format("JSON nests deeper than {} levels at byte {}", max_depth, i)};
      }
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return Status::ok();
}

}  // namespace plumbline::core
