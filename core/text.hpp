// Text helpers that more than one module needs. ASCII only: ids, types, header names and keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::core {

[[nodiscard]] constexpr char ascii_lower(char c) noexcept {
  return (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] std::string to_lower(std::string_view text);

/// Equality ignoring ASCII case.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix) noexcept;
[[nodiscard]] bool iends_with(std::string_view text, std::string_view suffix) noexcept;

[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

/// Parts between separators; empty parts are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// `text` as a JSON string literal with quotes (RFC 8259 section 7). Invalid UTF-8 passes through.
[[nodiscard]] std::string json_quote(std::string_view text);
void append_json_quoted(std::string& out, std::string_view text);

/// `text` safe inside HTML text and double-quoted attributes.
[[nodiscard]] std::string html_escape(std::string_view text);

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
[[nodiscard]] std::string percent_encode(std::string_view text);
/// Decodes %XX; a malformed escape is kept as it is. `+` is not a space here.
[[nodiscard]] std::string percent_decode(std::string_view text);

}  // namespace plumbline::core
