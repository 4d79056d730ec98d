#include "daemon/web/conditional.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace plumbline::daemon {

std::string etag_of(std::string_view bytes) {
  return fmt::format("\"{}\"", core::to_hex(core::sha256(bytes)).substr(0, 32));
}

bool names_etag(std::string_view if_none_match, std::string_view etag) {
  // Tags that a client sends back are the daemon's own, so none holds a comma.
  for (auto tag : core::split(if_none_match, ',')) {
    tag = core::trim(tag);
    if (tag == "*") {
      return true;
    }
    if (tag.starts_with("W/")) {
      tag.remove_prefix(2);
    }
    if (tag == etag) {
      return true;
    }
  }
  return false;
}

}  // namespace plumbline::daemon
