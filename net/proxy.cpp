#include "net/proxy.hpp"

#include "core/text.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>

namespace plumbline::net {

namespace ip = boost::asio::ip;
using core::Errc;
using core::Error;
using core::Result;

namespace {

std::optional<ip::address> address_of(const std::string& text) {
  boost::system::error_code error;
  const auto address = ip::make_address(text, error);
  return error ? std::nullopt : std::optional(address);
}

bool is_in_block(const ip::address& address, const std::string& block) {
  boost::system::error_code error;
  if (address.is_v4()) {
    const auto network = ip::make_network_v4(block, error);
    const ip::network_v4 host(address.to_v4(), 32);
    return !error && (host.is_subnet_of(network) || host.network() == network.network());
  }
  const auto network = ip::make_network_v6(block, error);
  const ip::network_v6 host(address.to_v6(), 128);
  return !error && (host.is_subnet_of(network) || host.network() == network.network());
}

/// Takes the port off an entry; an IPv6 address has one only behind brackets.
std::string take_port(std::string& entry) {
  const auto bracket = entry.find(']');
  const auto colon = entry.find(':', bracket == std::string::npos ? 0 : bracket);
  std::string port;
  if (colon != std::string::npos &&
      (bracket != std::string::npos || entry.find(':', colon + 1) == std::string::npos)) {
    port = entry.substr(colon + 1);
    entry.resize(colon);
  }
  if (entry.starts_with('[') && entry.ends_with(']')) {
    entry = entry.substr(1, entry.size() - 2);
  }
  return port;
}

bool matches(std::string entry, const Url& url) {
  if (entry == "*") {
    return true;
  }
  const auto address = address_of(url.host);
  if (entry.contains('/')) {
    return address && is_in_block(*address, entry);
  }
  const std::string port = take_port(entry);
  if (!port.empty() && port != url.port) {
    return false;
  }
  if (address) {
    return address_of(entry) == address;
  }
  if (entry.starts_with("*.")) {
    entry.erase(0, 1);
  }
  if (entry.starts_with('.')) {
    return url.host.ends_with(entry);
  }
  return !entry.empty() && (url.host == entry || url.host.ends_with("." + entry));
}

}  // namespace

Result<ProxyOptions> parse_proxy(std::string_view url) {
  std::string text(url);
  if (!text.contains("://")) {
    text.insert(0, "http://");
  }
  ProxyOptions options;
  const auto start = text.find("://") + 3;
  const auto end = std::min(text.find_first_of("/?#", start), text.size());
  if (const auto at = text.rfind('@', end); at != std::string::npos && at >= start) {
    const std::string login = core::percent_decode(text.substr(start, at - start));
    options.login = [login]() -> Result<std::string> { return login; };
    text.erase(start, at + 1 - start);
  }
  const auto parsed = parse_url(text);
  if (!parsed) {
    return Error{Errc::kInvalidArgument, "the proxy is not an http or https URL"};
  }
  options.url = parsed->origin();
  return options;
}

std::vector<std::string> parse_no_proxy(std::string_view text) {
  std::string separated(text);
  std::ranges::replace(separated, ' ', ',');
  std::vector<std::string> out;
  for (const std::string_view part : core::split(separated, ',')) {
    if (const auto entry = core::trim(part); !entry.empty()) {
      out.push_back(core::to_lower(entry));
    }
  }
  return out;
}

bool bypasses_proxy(const std::vector<std::string>& no_proxy, const Url& url) {
  return std::ranges::any_of(no_proxy, [&](const auto& entry) { return matches(entry, url); });
}

std::string basic_authorization(std::string_view login) {
  std::string out((login.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(login.data()),
                                   static_cast<int>(login.size()));
  out.resize(static_cast<std::size_t>(size));
  return "Basic " + out;
}

}  // namespace plumbline::net
