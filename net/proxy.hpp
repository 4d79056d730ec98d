// Which requests go by way of an HTTP proxy.
#pragma once

#include "core/result.hpp"
#include "net/http.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::net {

struct ProxyOptions {
  std::string url;  // http or https, without user information
  /// Gives `user:password` for each new tunnel; not set: the proxy asks nobody.
  std::function<core::Result<std::string>()> login;
  /// As in NO_PROXY: names (their subdomains too), `.suffix`, addresses, CIDR blocks, each with or
  /// without a port, or `*`.
  std::vector<std::string> no_proxy;
};

/// `url` taken apart: user information, which may be percent-encoded, is moved to the login, and a
/// missing scheme is http. For the variables of the environment; messages hold no part of it.
[[nodiscard]] core::Result<ProxyOptions> parse_proxy(std::string_view url);

/// Entries of a NO_PROXY text, which are separated by commas or blanks.
[[nodiscard]] std::vector<std::string> parse_no_proxy(std::string_view text);

[[nodiscard]] bool bypasses_proxy(const std::vector<std::string>& no_proxy, const Url& url);

/// The value of a Proxy-Authorization field.
[[nodiscard]] std::string basic_authorization(std::string_view login);

}  // namespace plumbline::net
