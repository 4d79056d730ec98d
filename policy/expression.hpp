// Template expressions as text: `[concat(parameters('prefix'), '-', field('name'))]`.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

/// The syntax tree of an expression.
struct Expression {
  enum class Kind : std::uint8_t {
    kString,    // text
    kInteger,   // integer
    kNumber,    // number
    kCall,      // text(children...)
    kProperty,  // children[0].text
    kIndex,     // children[0][children[1]]
  };

  Kind kind = Kind::kString;
  std::string text{};
  std::int64_t integer = 0;
  double number = 0;
  std::vector<Expression> children{};
};

/// A string that holds an expression: it starts with `[` (but not `[[`) and ends with `]`.
[[nodiscard]] bool is_expression(std::string_view text) noexcept;
/// What a string that is no expression stands for: a leading `[[` means `[`.
[[nodiscard]] std::string_view unescape_literal(std::string_view text) noexcept;

/// Calls and accessors, one inside the other.
inline constexpr std::size_t kMaxExpressionDepth = 64;

/// Parses the text including its brackets. Errors name the character at fault.
[[nodiscard]] core::Result<Expression> parse_expression(std::string_view text);

}  // namespace plumbline::policy
