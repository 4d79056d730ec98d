#include "daemon/web/exposition.hpp"

#include "core/text.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>

namespace plumbline::daemon {

namespace {

constexpr int kOnce = 6;  // for each summary
constexpr int kEachScrape = 1;

/// Whether the parameters of an element say `q=0`.
bool is_refused(std::string_view parameters) {
  const auto words = core::split(parameters, ';');
  return std::ranges::any_of(words, [](std::string_view word) {
    word = core::trim(word);
    return core::istarts_with(word, "q=0") &&
           word.find_first_not_of("0.", word.find('=') + 1) == std::string_view::npos;
  });
}

}  // namespace

VerdictText compress_verdicts(std::string text) {
  VerdictText out;
  if (auto part = net::gzip_part(text, kOnce)) {
    out.compressed = *std::move(part);
  }
  out.plain = std::move(text);
  return out;
}

Exposition expose(const VerdictText& verdicts,
                  const prometheus::Registry& registry,
                  bool compressed) {
  auto operational = prometheus::TextSerializer().Serialize(registry.Collect());
  if (compressed && verdicts.compressed) {
    if (const auto part = net::gzip_part(operational, kEachScrape)) {
      return {net::gzip_join(*verdicts.compressed, *part), true};
    }
  }
  return {verdicts.plain + operational, false};
}

bool accepts_gzip(std::string_view accept_encoding) {
  const auto elements = core::split(accept_encoding, ',');
  return std::ranges::any_of(elements, [](std::string_view element) {
    const auto cut = std::min(element.find(';'), element.size());
    const auto coding = core::trim(element.substr(0, cut));
    return (core::iequals(coding, "gzip") || coding == "*") && !is_refused(element.substr(cut));
  });
}

}  // namespace plumbline::daemon
