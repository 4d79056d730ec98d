// Patterns for property paths and type names, as people write them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::core {

/// `/properties/subnets/*/etag`: a path such as drift shows, in which `*` stands for any one
/// segment and `**` for any number of them, none included. Names in any letters.
class PathPattern {
 public:
  /// Nullopt: it does not begin with a slash, ends in one, has more than 32 segments, or more than
  /// two of `**`, each of which multiplies the work.
  [[nodiscard]] static std::optional<PathPattern> parse(std::string_view text);

  [[nodiscard]] bool matches(std::span<const std::string_view> path) const;
  /// Whether it matches the path or something above it.
  [[nodiscard]] bool covers(std::span<const std::string_view> path) const;
  /// The same, or whether what it matches may lie below the path, as far as no `**` leads there.
  [[nodiscard]] bool overlaps(std::span<const std::string_view> path) const;

  [[nodiscard]] const std::string& text() const { return text_; }

  bool operator==(const PathPattern& other) const { return text_ == other.text_; }

 private:
  struct Reach {
    bool above = false;
    bool below = false;
  };

  [[nodiscard]] bool match(std::size_t at,
                           std::span<const std::string_view> path,
                           Reach reach) const;

  std::string text_;
  std::vector<std::string> segments_;  // unescaped
};

/// Whether `pattern`, in which `*` stands for any text, is the whole of `text`. Any letters.
[[nodiscard]] bool matches_wildcard(std::string_view text, std::string_view pattern) noexcept;

}  // namespace plumbline::core
