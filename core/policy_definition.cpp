#include "core/policy_definition.hpp"

#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace plumbline::core {

namespace {

constexpr std::size_t kParts = 3;
constexpr std::uint32_t kAny = UINT32_MAX;

struct Version {
  std::array<std::uint32_t, kParts> parts{};  // kAny: `*`
  std::string suffix;                         // lower case
};

std::optional<Version> parse_version(std::string_view text) {
  Version out;
  const auto dash = text.find('-');
  if (dash != std::string_view::npos) {
    out.suffix = to_lower(text.substr(dash + 1));
    if (out.suffix.empty()) {
      return std::nullopt;
    }
  }
  const auto parts = split(text.substr(0, dash), '.');
  if (parts.size() != kParts) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < kParts; ++i) {
    const std::string part(parts[i]);
    if (part == "*") {
      out.parts.at(i) = kAny;
      continue;
    }
    const char* const end = part.data() + part.size();
    const auto [at, error] = std::from_chars(part.data(), end, out.parts.at(i));
    if (part.empty() || error != std::errc() || at != end || out.parts.at(i) == kAny) {
      return std::nullopt;
    }
  }
  return out;
}

bool is_exact(const Version& version) {
  return std::ranges::find(version.parts, kAny) == version.parts.end();
}

}  // namespace

std::optional<DefinitionKind> definition_kind(std::string_view id) {
  // Not to be mistaken for a path of the file system, nor to reach out of its place in a URL.
  if (!id.starts_with('/') || id.ends_with('/')) {
    return std::nullopt;
  }
  const auto segments = split(id.substr(1), '/');
  if (std::ranges::any_of(segments, [](auto segment) {
        return segment.empty() || segment == "." || segment == ".." ||
               std::ranges::any_of(segment,
                                   [](char c) { return static_cast<unsigned char>(c) < ' '; });
      })) {
    return std::nullopt;
  }
  const auto is = [&](std::size_t at, std::string_view text) {
    return at < segments.size() && iequals(segments[at], text);
  };
  std::size_t at = 0;
  if (is(0, "subscriptions")) {
    at = 2;
  } else if (is(0, "providers") && is(1, "Microsoft.Management") && is(2, "managementGroups")) {
    at = 4;
  }
  if (segments.size() != at + 4 || !is(at, "providers") || !is(at + 1, "Microsoft.Authorization")) {
    return std::nullopt;
  }
  return is(at + 2, "policySetDefinitions") ? std::optional(DefinitionKind::kInitiative)
         : is(at + 2, "policyDefinitions")  ? std::optional(DefinitionKind::kDefinition)
                                            : std::nullopt;
}

std::string key_of(const DefinitionReference& reference) {
  const auto key = resource_key(reference.id);
  return reference.version.empty() ? key : key + "@" + to_lower(reference.version);
}

bool is_version_pattern(std::string_view text) {
  const auto version = parse_version(text);
  // What follows a `*` is any, too.
  return version && version->parts.front() != kAny &&
         (version->parts[1] != kAny || version->parts[2] == kAny);
}

bool is_version_of(std::string_view version, std::string_view pattern) {
  const auto of = parse_version(version);
  const auto wanted = parse_version(pattern);
  return of && wanted && is_exact(*of) && (of->suffix.empty() || of->suffix == wanted->suffix) &&
         std::ranges::equal(of->parts, wanted->parts, [](auto part, auto any) {
           return any == kAny || part == any;
         });
}

std::optional<std::string> newest_version(const std::vector<std::string>& versions,
                                          std::string_view pattern) {
  std::optional<std::string> newest;
  // A release comes after its own previews.
  std::pair<std::array<std::uint32_t, kParts>, bool> best;
  for (const auto& version : versions) {
    if (!is_version_of(version, pattern)) {
      continue;
    }
    const auto parsed = parse_version(version);
    const std::pair candidate(parsed->parts, parsed->suffix.empty());
    if (!newest || candidate > best) {
      newest = version;
      best = candidate;
    }
  }
  return newest;
}

}  // namespace plumbline::core
