#include "core/path_pattern.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace plumbline::core {

namespace {

constexpr std::size_t kMaxSegments = 32;
constexpr std::ptrdiff_t kMaxOpenEnds = 2;

std::string unescape(std::string_view segment) {
  std::string out;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const bool escape = segment[i] == '~' && i + 1 < segment.size() &&
                        (segment[i + 1] == '0' || segment[i + 1] == '1');
    out += !escape ? segment[i] : segment[++i] == '0' ? '~' : '/';
  }
  return out;
}

}  // namespace

std::optional<PathPattern> PathPattern::parse(std::string_view text) {
  if (text.size() < 2 || text.front() != '/' || text.back() == '/') {
    return std::nullopt;
  }
  PathPattern out;
  out.text_ = text;
  for (const auto segment : split(text.substr(1), '/')) {
    out.segments_.push_back(unescape(segment));
  }
  if (out.segments_.size() > kMaxSegments ||
      std::ranges::count(out.segments_, "**") > kMaxOpenEnds) {
    return std::nullopt;
  }
  return out;
}

bool PathPattern::matches(std::span<const std::string_view> path) const {
  return match(0, path, {});
}

bool PathPattern::covers(std::span<const std::string_view> path) const {
  return match(0, path, {.above = true});
}

bool PathPattern::overlaps(std::span<const std::string_view> path) const {
  return match(0, path, {.above = true, .below = true});
}

bool PathPattern::match(std::size_t at, std::span<const std::string_view> path, Reach reach) const {
  for (; at < segments_.size(); ++at) {
    const std::string& segment = segments_[at];
    if (segment == "**") {
      for (std::size_t skip = 0; skip <= path.size(); ++skip) {
        if (match(at + 1, path.subspan(skip), {.above = reach.above})) {
          return true;
        }
      }
      return false;
    }
    if (path.empty()) {
      return reach.below;
    }
    if (segment != "*" && !iequals(segment, path.front())) {
      return false;
    }
    path = path.subspan(1);
  }
  return reach.above || path.empty();
}

bool matches_wildcard(std::string_view text, std::string_view pattern) noexcept {
  // Where the last star was, and how much of the text it has taken: only it ever takes more.
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = i;
    } else if (at < pattern.size() && ascii_lower(pattern[at]) == ascii_lower(text[i])) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') {
    ++at;
  }
  return at == pattern.size();
}

}  // namespace plumbline::core
