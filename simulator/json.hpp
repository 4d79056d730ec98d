// JSON as the simulator uses it: small documents, parsed within the limits of core/json_limits.hpp.
#pragma once

#include "core/result.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace plumbline::simulator {

using Json = nlohmann::json;

/// `what` names the document in the error (a path, "request body").
[[nodiscard]] core::Result<Json> parse_json(std::string_view text, std::string_view what);

/// The whole file; kIo when it can't be read.
[[nodiscard]] core::Result<std::string> read_file(const std::string& path);
[[nodiscard]] core::Result<Json> read_json_file(const std::string& path);

/// Writes beside the file and renames, so that a reader sees all of it or nothing.
[[nodiscard]] core::Status write_file(const std::string& path, std::string_view text);

/// The string member of that name, or `otherwise` when it is absent or no string.
[[nodiscard]] std::string string_member(const Json& object,
                                        const char* name,
                                        std::string_view otherwise = "");

/// Compact text; invalid UTF-8 is replaced rather than thrown about.
[[nodiscard]] std::string dump(const Json& value);

}  // namespace plumbline::simulator
