#include "policy/field_path.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace plumbline::policy {

namespace {

/// The step inside a pair of brackets.
std::optional<PathStep> bracket_step(std::string_view inner) {
  if (inner == "*") {
    return PathStep{.kind = PathStep::Kind::kStar};
  }
  if (inner.size() >= 2 && inner.front() == '\'' && inner.back() == '\'') {
    return PathStep{.kind = PathStep::Kind::kKey,
                    .key = std::string(inner.substr(1, inner.size() - 2))};
  }
  std::size_t index = 0;
  if (const auto [at, error] = std::from_chars(inner.data(), inner.data() + inner.size(), index);
      error == std::errc() && at == inner.data() + inner.size()) {
    return PathStep{.kind = PathStep::Kind::kIndex, .index = index};
  }
  if (inner.empty()) {
    return std::nullopt;
  }
  return PathStep{.kind = PathStep::Kind::kKey, .key = std::string(inner)};
}

}  // namespace

std::optional<Path> parse_path(std::string_view text) {
  Path path;
  bool expect_key = true;
  while (!text.empty()) {
    if (path.size() >= kMaxPathSteps) {
      return std::nullopt;
    }
    if (text.front() == '[') {
      const bool quoted = text.size() > 1 && text[1] == '\'';
      const auto close = quoted ? text.find("']", 2) : text.find(']');
      if (close == std::string_view::npos) {
        return std::nullopt;
      }
      const auto inner_end = quoted ? close + 1 : close;
      auto step = bracket_step(text.substr(1, inner_end - 1));
      if (!step) {
        return std::nullopt;
      }
      path.push_back(std::move(*step));
      text.remove_prefix(inner_end + 1);
      expect_key = false;
      continue;
    }
    if (text.front() == '.') {
      if (expect_key) {
        return std::nullopt;
      }
      text.remove_prefix(1);
      expect_key = true;
      continue;
    }
    if (!expect_key) {
      return std::nullopt;
    }
    const auto end = std::min(text.find_first_of(".["), text.size());
    path.push_back({.kind = PathStep::Kind::kKey, .key = std::string(text.substr(0, end))});
    text.remove_prefix(end);
    expect_key = false;
  }
  if (expect_key) {
    return std::nullopt;
  }
  return path;
}

std::size_t count_stars(const Path& path) noexcept {
  return static_cast<std::size_t>(std::ranges::count(path, PathStep::Kind::kStar, &PathStep::kind));
}

std::string path_text(const Path& path) {
  std::string out;
  for (const auto& step : path) {
    switch (step.kind) {
      case PathStep::Kind::kStar:
        out += "[*]";
        break;
      case PathStep::Kind::kIndex:
        fmt::format_to(std::back_inserter(out), "[{}]", step.index);
        break;
      case PathStep::Kind::kKey:
        if (step.key.find_first_of(".[]' ") != std::string::npos) {
          fmt::format_to(std::back_inserter(out), "['{}']", step.key);
        } else {
          if (!out.empty()) {
            out += '.';
          }
          out += step.key;
        }
        break;
    }
  }
  return out;
}

std::optional<std::string> tag_name(std::string_view field) {
  static constexpr std::string_view kTags = "tags";
  if (!core::istarts_with(field, kTags) || field.size() <= kTags.size() + 1) {
    return std::nullopt;
  }
  std::string_view rest = field.substr(kTags.size());
  if (rest.front() == '.') {
    return std::string(rest.substr(1));
  }
  if (rest.front() != '[') {
    return std::nullopt;
  }
  // Everything up to the last bracket is the name, dots and brackets included.
  const auto close = rest.rfind(']');
  if (close == std::string_view::npos || close + 1 != rest.size()) {
    return std::nullopt;
  }
  std::string_view name = rest.substr(1, close - 1);
  if (name.size() < 2 || name.front() != '\'' || name.back() != '\'') {
    return std::string(name);
  }
  name = name.substr(1, name.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    out += name[i];
    if (name[i] == '\'' && i + 1 < name.size() && name[i + 1] == '\'') {
      ++i;
    }
  }
  return out;
}

}  // namespace plumbline::policy
