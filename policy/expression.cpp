#include "policy/expression.hpp"

#include "policy/value.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::policy {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

/// Recursive descent over the text between the outer brackets.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view text) : text_(text) {}

  core::Result<Expression> parse() {
    position_ = 1;
    auto expression = parse_one(0);
    if (!expression) {
      return expression;
    }
    if (height(*expression) > kMaxExpressionDepth) {
      return too_deep();
    }
    skip_blanks();
    if (position_ + 1 != text_.size()) {
      return fail(position_ >= text_.size() ? "unexpected end" : "unexpected text");
    }
    return expression;
  }

 private:
  [[nodiscard]] char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
      ++position_;
    }
  }

  [[nodiscard]] core::Error fail(std::string_view what) const {
    return {core::Errc::kParse,
            fmt::format("in expression, character {}: {}", position_ + 1, what)};
  }

  static core::Error too_deep() { return {core::Errc::kLimit, "the expression nests too deeply"}; }

  /// Accessors chain without nesting in the text, yet each is a level of the tree, and everything
  /// that walks the tree later is recursive.
  static std::size_t height(const Expression& expression) {
    std::size_t highest = 0;
    for (const auto& child : expression.children) {
      highest = std::max(highest, height(child));
    }
    return highest + 1;
  }

  core::Result<Expression> parse_one(std::size_t depth) {
    if (depth > kMaxExpressionDepth) {
      return too_deep();
    }
    skip_blanks();
    auto expression = parse_primary(depth);
    if (!expression) {
      return expression;
    }
    // Postfixes are a loop, yet each makes the tree one level deeper.
    for (std::size_t postfixes = 0;; ++postfixes) {
      if (postfixes > kMaxExpressionDepth) {
        return too_deep();
      }
      skip_blanks();
      if (peek() == '.') {
        ++position_;
        skip_blanks();
        const auto name = take_name();
        if (name.empty()) {
          return fail("expected a property name after '.'");
        }
        Expression property{.kind = Expression::Kind::kProperty, .text = std::string(name)};
        property.children.push_back(std::move(*expression));
        *expression = std::move(property);
      } else if (peek() == '[') {
        ++position_;
        auto index = parse_one(depth + 1);
        if (!index) {
          return index;
        }
        skip_blanks();
        if (peek() != ']') {
          return fail("expected ']'");
        }
        ++position_;
        Expression access{.kind = Expression::Kind::kIndex};
        access.children.push_back(std::move(*expression));
        access.children.push_back(std::move(*index));
        *expression = std::move(access);
      } else {
        return expression;
      }
    }
  }

  std::string_view take_name() {
    const std::size_t begin = position_;
    if (is_name_start(peek())) {
      while (is_name(peek())) {
        ++position_;
      }
    }
    return text_.substr(begin, position_ - begin);
  }

  core::Result<Expression> parse_primary(std::size_t depth) {
    const char c = peek();
    if (c == '\'') {
      return parse_string();
    }
    if (is_digit(c) || c == '-' || c == '+') {
      return parse_numeral();
    }
    const auto name = take_name();
    if (name.empty()) {
      return fail(position_ + 1 >= text_.size() ? "expected a value"
                                                : "expected a function, a string or a number");
    }
    skip_blanks();
    if (peek() != '(') {
      return fail(fmt::format("expected '(' after '{}'", name));
    }
    ++position_;
    Expression call{.kind = Expression::Kind::kCall, .text = std::string(name)};
    skip_blanks();
    if (peek() == ')') {
      ++position_;
      return call;
    }
    while (true) {
      auto argument = parse_one(depth + 1);
      if (!argument) {
        return argument;
      }
      call.children.push_back(std::move(*argument));
      skip_blanks();
      if (peek() == ',') {
        ++position_;
      } else if (peek() == ')') {
        ++position_;
        return call;
      } else {
        return fail("expected ',' or ')'");
      }
    }
  }

  core::Result<Expression> parse_string() {
    Expression literal{.kind = Expression::Kind::kString};
    ++position_;
    while (position_ < text_.size()) {
      const char c = text_[position_++];
      if (c != '\'') {
        literal.text += c;
      } else if (peek() == '\'') {
        literal.text += '\'';
        ++position_;
      } else {
        return literal;
      }
    }
    return fail("the string has no closing apostrophe");
  }

  core::Result<Expression> parse_numeral() {
    const std::size_t begin = position_;
    if (peek() == '-' || peek() == '+') {
      ++position_;
    }
    while (is_digit(peek()) || peek() == '.' || peek() == 'e' || peek() == 'E' ||
           ((peek() == '-' || peek() == '+') &&
            (text_[position_ - 1] == 'e' || text_[position_ - 1] == 'E'))) {
      ++position_;
    }
    const auto value = parse_number(text_.substr(begin, position_ - begin));
    if (!value) {
      position_ = begin;
      return fail("not a number");
    }
    if (value->is(Value::Kind::kInt)) {
      return Expression{.kind = Expression::Kind::kInteger, .integer = value->as_int()};
    }
    return Expression{.kind = Expression::Kind::kNumber, .number = value->as_double()};
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace

bool is_expression(std::string_view text) noexcept {
  return text.size() >= 2 && text.front() == '[' && text.back() == ']' && text[1] != '[';
}

std::string_view unescape_literal(std::string_view text) noexcept {
  return text.starts_with("[[") ? text.substr(1) : text;
}

core::Result<Expression> parse_expression(std::string_view text) {
  return ExpressionParser(text).parse();
}

}  // namespace plumbline::policy
