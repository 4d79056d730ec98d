// Conditional requests (RFC 9110 section 13): what a client has already is not sent again.
#pragma once

#include <string>
#include <string_view>

namespace plumbline::daemon {

/// A strong ETag of these bytes.
[[nodiscard]] std::string etag_of(std::string_view bytes);

/// Whether an If-None-Match field names this ETag, or is `*`.
[[nodiscard]] bool names_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace plumbline::daemon
