// What a request's Host and Origin tell about who made it. Plain decisions.
#pragma once

#include "net/http.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::daemon {

/// Names of the daemon besides addresses and `localhost`.
struct OwnNames {
  std::string machine;                   // what the system is called
  std::optional<net::Url> external_url;  // under which a proxy shows it
};

/// An address of 127.0.0.0/8, or ::1.
[[nodiscard]] bool is_loopback_address(std::string_view address);

/// The host of a Host field without port and brackets, lower case; nullopt when it is none.
[[nodiscard]] std::optional<std::string> host_of(std::string_view host_field);

/// Whether a page that has this Host could be the daemon's own. A name that is none of the daemon's
/// but leads to loopback has been rebound, to read through somebody's browser what only this
/// machine may read. An address cannot be rebound.
[[nodiscard]] bool is_own_host(std::string_view host_field, const OwnNames& names);

/// `localhost` or a loopback address.
[[nodiscard]] bool is_loopback_host(std::string_view host_field);

/// Whether a request that changes something may come from where it says that it comes from: a
/// browser tells, and other programs say nothing.
[[nodiscard]] bool is_same_origin(const net::Headers& headers, bool is_tls, const OwnNames& names);

/// Whether a proxy says that it has passed the request on.
[[nodiscard]] bool is_forwarded(const net::Headers& headers);

}  // namespace plumbline::daemon
