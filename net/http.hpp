// HTTP as plain values: what clients and servers of this module exchange with the rest. No socket
// and no library type appears here.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumbline::net {

/// Header fields in order; names compare ignoring case (RFC 9110 section 5.1).
class Headers {
 public:
  Headers() = default;

  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  void add(std::string name, std::string value);
  /// Replaces every field of that name.
  void set(std::string_view name, std::string value);
  /// Removes every field of that name.
  void remove(std::string_view name);
  /// The first field's value, or nullopt.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;

  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// An absolute http or https URL, split. `target` is the path with its query, never empty.
struct Url {
  std::string scheme;  // "http" or "https", lower case
  std::string host;    // lower case; an IPv6 address without brackets
  std::string port;    // always set: 80 or 443 where the text has none
  std::string target;

  /// `https://host:port`, for the rule that a bearer token goes only to its own origin.
  [[nodiscard]] std::string origin() const;
};

/// Fails with kInvalidArgument on anything but an absolute http(s) URL, on user information and on
/// control characters. The message holds no query.
[[nodiscard]] core::Result<Url> parse_url(std::string_view text);

/// Key and value pairs of a query string, percent-decoded, `+` as space.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

/// The three forms of an HTTP-date that a recipient must accept (RFC 9110 section 5.6.7); `now`
/// decides the century of a two-digit year.
[[nodiscard]] std::optional<core::Time> parse_http_date(std::string_view text, core::Time now);

/// The wait that a Retry-After value asks for: delta-seconds or an HTTP-date (RFC 9110 section
/// 10.2.3), never negative. Nullopt when it is neither.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                                    core::Time now);

/// How long each part of an exchange may take.
struct Deadlines {
  std::chrono::milliseconds connect{10'000};  // name lookup, TCP, a proxy and TLS together
  std::chrono::milliseconds headers{60'000};  // from the request's last byte to the header's end
  std::chrono::milliseconds body{90'000};     // from there to the body's end
  std::chrono::milliseconds total{120'000};
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  Deadlines deadlines;
  std::size_t max_body_bytes = std::size_t{32} << 20U;
  /// Never by way of a proxy: for endpoints of the own machine.
  bool direct = false;
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

}  // namespace plumbline::net
