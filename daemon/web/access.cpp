#include "daemon/web/access.hpp"

#include "core/text.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace plumbline::daemon {

namespace {

bool is_address(const std::string& host) {
  in6_addr bytes{};
  return ::inet_pton(AF_INET, host.c_str(), &bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &bytes) == 1;
}

bool is_localhost(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost");
}

}  // namespace

bool is_loopback_address(std::string_view address) {
  return address.starts_with("127.") || address == "::1";
}

std::optional<std::string> host_of(std::string_view host_field) {
  const auto url = net::parse_url(fmt::format("http://{}", host_field));
  // Anything behind the authority belongs to no Host field.
  const bool bare = url && host_field.find_first_of("/?#") == std::string_view::npos;
  return bare ? std::optional(url->host) : std::nullopt;
}

bool is_own_host(std::string_view host_field, const OwnNames& names) {
  const auto host = host_of(host_field);
  return host && (is_address(*host) || is_localhost(*host) || *host == names.machine ||
                  (names.external_url && *host == names.external_url->host));
}

bool is_loopback_host(std::string_view host_field) {
  const auto host = host_of(host_field);
  return host && (is_localhost(*host) || (is_address(*host) && is_loopback_address(*host)));
}

bool is_same_origin(const net::Headers& headers, bool is_tls, const OwnNames& names) {
  const auto site = headers.get("Sec-Fetch-Site");
  if (site && *site != "same-origin" && *site != "none") {
    return false;
  }
  const auto field = headers.get("Origin");
  if (!field) {
    return true;
  }
  const auto origin = net::parse_url(*field);
  const auto own = net::parse_url(
      fmt::format("{}://{}", is_tls ? "https" : "http", headers.get("Host").value_or("")));
  return origin && ((own && origin->origin() == own->origin()) ||
                    (names.external_url && origin->origin() == names.external_url->origin()));
}

bool is_forwarded(const net::Headers& headers) {
  static constexpr std::array<std::string_view, 5> kFields = {
      "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"};
  return std::ranges::any_of(
      kFields, [&](std::string_view field) { return headers.get(field).has_value(); });
}

}  // namespace plumbline::daemon
