// Encodings, identifiers and URIs.
#include "core/digest.hpp"
#include "core/text.hpp"
#include "policy/function_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace plumbline::policy::functions {

namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string encode_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = (group << 8U) | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > bytes.size() ? '=' : kBase64[(group >> (18U - 6U * k)) & 0x3FU];
    }
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    std::size_t padding = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      if (c == '=' && i + 4 == text.size() && k >= 2) {
        ++padding;
        group <<= 6U;
        continue;
      }
      const auto digit = kBase64.find(c);
      if (digit == std::string_view::npos || padding > 0) {
        return std::nullopt;
      }
      group = (group << 6U) | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t k = 0; k + padding < 3; ++k) {
      out += static_cast<char>((group >> (16U - 8U * k)) & 0xFFU);
    }
  }
  return out;
}

/// The text an argument gives: a scalar's, and "" for what is not there.
std::optional<std::string> text_argument(const Value& value) {
  return value.is_nothing() ? std::optional(std::string()) : scalar_text(value);
}

Value wrong_type(FunctionContext& context, std::string_view name, const Value& value) {
  return context.fail(fmt::format("{}() takes a string, not {}", name, kind_name(value)));
}

/// All arguments as one text in which no two lists of arguments are alike.
std::optional<std::string> joined(Arguments args) {
  std::string out;
  for (const auto& argument : args) {
    const auto text = text_argument(argument);
    if (!text) {
      return std::nullopt;
    }
    out += fmt::format("{}:{}", text->size(), *text);
  }
  return out;
}

struct UriParts {
  std::string scheme_and_host;  // `https://host`
  std::string path;
};

std::optional<UriParts> parse_uri(std::string_view text) {
  const auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) {
    return std::nullopt;
  }
  const auto slash = text.find('/', colon + 3);
  if (slash == std::string_view::npos) {
    return UriParts{std::string(text), ""};
  }
  return UriParts{std::string(text.substr(0, slash)), std::string(text.substr(slash))};
}

/// The path of a URI, with what follows it, without its `.` and `..`.
std::string without_dot_segments(std::string_view text) {
  const auto end = std::min(text.find_first_of("?#"), text.size());
  std::vector<std::string_view> kept;
  const auto segments = core::split(text.substr(0, end), '/');
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool up = segments[i] == "..";
    if (!up && segments[i] != ".") {
      kept.push_back(segments[i]);
      continue;
    }
    if (up && kept.size() > 1) {
      kept.pop_back();
    }
    if (i + 1 == segments.size()) {
      kept.emplace_back();
    }
  }
  return fmt::format("{}{}", fmt::join(kept, "/"), text.substr(end));
}

}  // namespace

Value base64(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  return text ? context.text(encode_base64(*text)) : wrong_type(context, "base64", args[0]);
}

Value base64_to_string(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  const auto decoded = text ? decode_base64(*text) : std::nullopt;
  return decoded ? context.text(*decoded) : context.fail("base64ToString(): not base64");
}

Value base64_to_json(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  const auto decoded = text ? decode_base64(*text) : std::nullopt;
  const auto value = decoded ? context.arena().parse(*decoded) : std::nullopt;
  return value ? *value : context.fail("base64ToJson(): not base64 of JSON");
}

Value data_uri(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  return text ? context.text("data:text/plain;charset=utf8;base64," + encode_base64(*text))
              : wrong_type(context, "dataUri", args[0]);
}

Value data_uri_to_string(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  if (text && core::istarts_with(*text, "data:")) {
    const auto comma = text->find(',');
    if (comma != std::string::npos) {
      const std::string_view head = std::string_view(*text).substr(0, comma);
      const std::string_view body = std::string_view(*text).substr(comma + 1);
      if (!core::iends_with(head, ";base64")) {
        return context.text(core::percent_decode(body));
      }
      if (const auto decoded = decode_base64(body)) {
        return context.text(*decoded);
      }
    }
  }
  return context.fail("dataUriToString(): not a data URI");
}

Value uri(FunctionContext& context, Arguments args) {
  if (!args[0].is_string() || !args[1].is_string()) {
    return wrong_type(context, "uri", args[0].is_string() ? args[1] : args[0]);
  }
  const auto base = parse_uri(args[0].text());
  const std::string_view relative = args[1].text();
  if (parse_uri(relative)) {
    return context.text(std::string(relative));
  }
  if (!base) {
    return context.fail("uri(): the base is no absolute URI");
  }
  if (relative.starts_with("//")) {
    return context.text(base->scheme_and_host.substr(0, base->scheme_and_host.find(':') + 1) +
                        std::string(relative));
  }
  if (relative.starts_with('/')) {
    return context.text(base->scheme_and_host + without_dot_segments(relative));
  }
  const auto slash = base->path.substr(0, base->path.find_first_of("?#")).rfind('/');
  const std::string folder = slash == std::string::npos ? "/" : base->path.substr(0, slash + 1);
  return context.text(base->scheme_and_host + without_dot_segments(folder + std::string(relative)));
}

Value uri_component(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  return text ? context.text(core::percent_encode(*text))
              : wrong_type(context, "uriComponent", args[0]);
}

Value uri_component_to_string(FunctionContext& context, Arguments args) {
  const auto text = text_argument(args[0]);
  return text ? context.text(core::percent_decode(*text))
              : wrong_type(context, "uriComponentToString", args[0]);
}

Value json(FunctionContext& context, Arguments args) {
  if (!args[0].is_string()) {
    return wrong_type(context, "json", args[0]);
  }
  const auto value = context.arena().parse(args[0].text());
  return value ? *value : context.fail("json(): not valid JSON");
}

Value guid(FunctionContext& context, Arguments args) {
  const auto text = joined(args);
  if (!text) {
    return context.fail("guid() takes strings");
  }
  auto digest = core::sha256("guid:" + *text);
  // The layout of a name-based UUID (RFC 9562, version 5).
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0FU) | 0x50U);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3FU) | 0x80U);
  const std::string hex = core::to_hex(digest);
  return context.text(fmt::format("{}-{}-{}-{}-{}",
                                  hex.substr(0, 8),
                                  hex.substr(8, 4),
                                  hex.substr(12, 4),
                                  hex.substr(16, 4),
                                  hex.substr(20, 12)));
}

Value unique_string(FunctionContext& context, Arguments args) {
  const auto text = joined(args);
  if (!text) {
    return context.fail("uniqueString() takes strings");
  }
  static constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  const auto digest = core::sha256("uniqueString:" + *text);
  std::string out;
  for (std::size_t i = 0; i < 13; ++i) {
    out += kDigits[digest[i] & 0x1FU];
  }
  return context.text(std::move(out));
}

}  // namespace plumbline::policy::functions
