// What a scrape gets: verdict metrics, made and compressed once for each summary, and the
// operational ones of the moment.
#pragma once

#include "net/gzip.hpp"

#include <prometheus/registry.h>

#include <optional>
#include <string>
#include <string_view>

namespace plumbline::daemon {

struct VerdictText {
  std::string plain;
  std::optional<net::GzipPart> compressed;  // nullopt: it could not be made
};

[[nodiscard]] VerdictText compress_verdicts(std::string text);

/// Both kinds of metrics. The large part is not compressed again for each scrape.
struct Exposition {
  std::string body;
  bool is_compressed = false;
};

[[nodiscard]] Exposition expose(const VerdictText& verdicts,
                                const prometheus::Registry& registry,
                                bool compressed);

/// Whether an Accept-Encoding field allows gzip (RFC 9110 section 12.5.3).
[[nodiscard]] bool accepts_gzip(std::string_view accept_encoding);

}  // namespace plumbline::daemon
