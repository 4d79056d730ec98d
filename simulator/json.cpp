#include "simulator/json.hpp"

#include "core/json_limits.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace plumbline::simulator {

core::Result<Json> parse_json(std::string_view text, std::string_view what) {
  if (const core::Status within = core::check_json_limits(text); !within) {
    return within.error().with_context(what);
  }
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) {
    return core::Error{core::Errc::kParse, fmt::format("{}: not valid JSON", what)};
  }
  return value;
}

core::Result<std::string> read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || !text) {
    return core::Error{core::Errc::kIo, fmt::format("{}: cannot be read", path)};
  }
  return text.str();
}

core::Result<Json> read_json_file(const std::string& path) {
  const core::Result<std::string> text = read_file(path);
  if (!text) {
    return text.error();
  }
  return parse_json(*text, path);
}

core::Status write_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (!file) {
      return core::Error{core::Errc::kIo, fmt::format("{}: cannot be written", temporary)};
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) {
    return core::Error{core::Errc::kIo, fmt::format("{}: {}", path, error.message())};
  }
  return core::Status::ok();
}

std::string string_member(const Json& object, const char* name, std::string_view otherwise) {
  if (object.is_object()) {
    const auto found = object.find(name);
    if (found != object.end() && found->is_string()) {
      return found->get<std::string>();
    }
  }
  return std::string(otherwise);
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace plumbline::simulator
