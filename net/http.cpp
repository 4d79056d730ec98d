#include "net/http.hpp"

#include "core/text.hpp"
#include "net/http_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

namespace plumbline::net {

namespace {

using core::Errc;
using core::Error;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_host_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

/// A decimal number of one or more digits; saturates.
std::optional<std::int64_t> parse_digits(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) {
    return std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? value : std::numeric_limits<std::int64_t>::max();
}

std::optional<unsigned> month_number(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto* const found = std::ranges::find(kMonths, name);
  if (found == kMonths.end()) {
    return std::nullopt;
  }
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

/// `08:49:37` of the given date.
std::optional<core::Time> make_time(std::optional<std::int64_t> year,
                                    std::optional<unsigned> month,
                                    std::optional<std::int64_t> day,
                                    std::string_view clock) {
  if (!year || !month || !day || clock.size() != 8 || clock[2] != ':' || clock[5] != ':') {
    return std::nullopt;
  }
  const auto hours = parse_digits(clock.substr(0, 2));
  const auto minutes = parse_digits(clock.substr(3, 2));
  const auto seconds = parse_digits(clock.substr(6, 2));
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 60 ||
      *year > 9999 || *day > 31) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) {
    return std::nullopt;
  }
  return core::Time(std::chrono::sys_days(date)) + std::chrono::hours(*hours) +
         std::chrono::minutes(*minutes) + std::chrono::seconds(*seconds);
}

std::string decode_query_part(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return core::percent_decode(spaced);
}

}  // namespace

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string_view name, std::string value) {
  remove(name);
  fields_.emplace_back(std::string(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [name](const auto& field) { return core::iequals(field.first, name); });
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (core::iequals(field, name)) {
      return value;
    }
  }
  return std::nullopt;
}

std::string Url::origin() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("{}://[{}]:{}", scheme, host, port)
              : fmt::format("{}://{}:{}", scheme, host, port);
}

core::Result<Url> parse_url(std::string_view text) {
  const auto invalid = [](std::string_view why) {
    return Error{Errc::kInvalidArgument, fmt::format("URL {}", why)};
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f) {
      return invalid("holds a space or control character");
    }
  }
  Url url;
  std::string default_port;
  if (core::istarts_with(text, "https://")) {
    url.scheme = "https";
    default_port = "443";
  } else if (core::istarts_with(text, "http://")) {
    url.scheme = "http";
    default_port = "80";
  } else {
    return invalid("is not an absolute http or https URL");
  }
  std::string_view rest = text.substr(url.scheme.size() + 3);
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  url.target = rest.substr(end);
  if (url.target.empty() || url.target.front() != '/') {
    url.target.insert(0, "/");
  }
  if (authority.find('@') != std::string_view::npos) {
    return invalid("holds user information");
  }

  std::optional<std::string_view> port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) {
      return invalid("has an unclosed bracket in its host");
    }
    url.host = core::to_lower(authority.substr(1, close - 1));
    if (!is_ipv6(url.host)) {
      return invalid("has no IPv6 address between its brackets");
    }
    authority.remove_prefix(close + 1);
    if (!authority.empty()) {
      if (authority.front() != ':') {
        return invalid("has text after its host");
      }
      port = authority.substr(1);
    }
  } else {
    const std::size_t colon = authority.find(':');
    url.host = core::to_lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) {
      port = authority.substr(colon + 1);
    }
    if (url.host.empty() || !std::ranges::all_of(url.host, is_host_char)) {
      return invalid("has no valid host");
    }
  }
  url.port = default_port;
  if (port && !port->empty()) {
    const auto number = parse_digits(*port);
    if (!number || *number < 1 || *number > 65535) {
      return invalid("has no valid port");
    }
    url.port = std::to_string(*number);
  }
  return url;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string_view part : core::split(query, '&')) {
    if (part.empty()) {
      continue;
    }
    const std::size_t equals = part.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    pairs.emplace_back(decode_query_part(part.substr(0, equals)), decode_query_part(value));
  }
  return pairs;
}

std::optional<core::Time> parse_http_date(std::string_view text, core::Time now) {
  std::vector<std::string_view> words;
  for (const std::string_view word : core::split(text, ' ')) {
    if (!word.empty()) {
      words.push_back(word);
    }
  }
  if (words.size() == 6 && words[5] == "GMT") {  // Sun, 06 Nov 1994 08:49:37 GMT
    return make_time(
        parse_digits(words[3]), month_number(words[2]), parse_digits(words[1]), words[4]);
  }
  if (words.size() == 5 && is_digit(words[4].front())) {  // Sun Nov  6 08:49:37 1994
    return make_time(
        parse_digits(words[4]), month_number(words[1]), parse_digits(words[2]), words[3]);
  }
  if (words.size() == 4 && words[3] == "GMT") {  // Sunday, 06-Nov-94 08:49:37 GMT
    const auto parts = core::split(words[1], '-');
    if (parts.size() != 3) {
      return std::nullopt;
    }
    auto year = parse_digits(parts[2]);
    if (year && *year < 100) {
      // A two-digit year that would lie more than 50 years ahead is in the past.
      const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
      const std::int64_t current = static_cast<int>(today.year());
      *year += (current / 100) * 100;
      if (*year > current + 50) {
        *year -= 100;
      }
    }
    return make_time(year, month_number(parts[1]), parse_digits(parts[0]), words[2]);
  }
  return std::nullopt;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, core::Time now) {
  // Beyond this no wait makes sense, and sums with it can't overflow.
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const std::string_view text = core::trim(value);
  if (const auto seconds = parse_digits(text)) {
    return std::chrono::seconds(std::min(*seconds, kMax));
  }
  const auto date = parse_http_date(text, now);
  if (!date) {
    return std::nullopt;
  }
  const auto wait = std::chrono::ceil<std::chrono::seconds>(*date - now);
  return std::chrono::seconds(std::clamp<std::int64_t>(wait.count(), 0, kMax));
}

std::optional<std::string> ServerRequest::query_value(std::string_view name) const {
  for (auto& [key, value] : parse_query(query)) {
    if (key == name) {
      return std::move(value);
    }
  }
  return std::nullopt;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 423:
      return "Locked";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    case 511:
      return "Network Authentication Required";
    default:
      return "Unknown";
  }
}

}  // namespace plumbline::net
