#include "core/result.hpp"

#include <fmt/format.h>

namespace plumbline::core {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::kInvalidArgument:
      return "invalid_argument";
    case Errc::kParse:
      return "parse";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kLimit:
      return "limit";
    case Errc::kIo:
      return "io";
    case Errc::kNetwork:
      return "network";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kTls:
      return "tls";
    case Errc::kHttp:
      return "http";
    case Errc::kUnauthorized:
      return "unauthorized";
    case Errc::kForbidden:
      return "forbidden";
    case Errc::kThrottled:
      return "throttled";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kTruncated:
      return "truncated";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kBusy:
      return "busy";
    case Errc::kNewerSchema:
      return "newer_schema";
    case Errc::kCorrupt:
      return "corrupt";
    case Errc::kInternal:
      return "internal";
  }
  return "internal";
}

Error Error::with_context(std::string_view context) const& {
  return {code, fmt::format("{}: {}", context, message)};
}

}  // namespace plumbline::core
