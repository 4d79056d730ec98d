#include "policy/operators.hpp"

#include "core/text.hpp"
#include "policy/fold.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace plumbline::policy {

namespace {

/// The digits of a date's fraction of a second that an instant has no room for.
std::string_view below_microseconds(std::string_view date) {
  constexpr std::size_t kKept = 6;
  const auto point = date.find('.');
  if (point == std::string_view::npos) {
    return {};
  }
  std::string_view digits = date.substr(point + 1);
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  digits.remove_prefix(std::min(kKept, digits.size()));
  return digits.substr(0, digits.find_last_not_of('0') + 1);
}

std::string without_blanks(std::string_view text) {
  std::string out;
  std::ranges::copy_if(text, std::back_inserter(out), [](char c) { return c != ' '; });
  return out;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (core::iequals(text, "true")) {
    return true;
  }
  if (core::iequals(text, "false")) {
    return false;
  }
  return std::nullopt;
}

/// `*` stands for any run of characters; nothing else is special. Linear in the text for one
/// star, and never worse than text times pattern. `same` compares two characters.
template <class Same>
bool like_bytes(std::string_view t, std::string_view p, Same same) {
  std::size_t i = 0;
  std::size_t k = 0;
  std::size_t star = std::string::npos;
  std::size_t resume = 0;
  while (i < t.size()) {
    if (k < p.size() && p[k] == '*') {
      star = k++;
      resume = i;
    } else if (k < p.size() && same(p[k], t[i])) {
      ++i;
      ++k;
    } else if (star != std::string::npos) {
      k = star + 1;
      i = ++resume;
    } else {
      return false;
    }
  }
  while (k < p.size() && p[k] == '*') {
    ++k;
  }
  return k == p.size();
}

bool like(std::string_view text, std::string_view pattern) {
  if (is_ascii(text) && is_ascii(pattern)) {
    return like_bytes(
        text, pattern, [](char a, char b) { return core::ascii_lower(a) == core::ascii_lower(b); });
  }
  return like_bytes(fold_case(text), fold_case(pattern), std::equal_to<char>());
}

/// `#` is a digit, `?` a letter, `.` anything, all else itself.
bool match(std::string_view text, std::string_view pattern, bool ignore_case) {
  const auto t = code_points(text);
  const auto p = code_points(pattern);
  if (t.size() != p.size()) {
    return false;
  }
  for (std::size_t i = 0; i < t.size(); ++i) {
    if (p[i] == "#") {
      if (t[i].size() != 1 || t[i].front() < '0' || t[i].front() > '9') {
        return false;
      }
    } else if (p[i] == "?") {
      if (!is_letter(t[i])) {
        return false;
      }
    } else if (p[i] != ".") {
      if (ignore_case ? !equal_ignoring_case(t[i], p[i]) : t[i] != p[i]) {
        return false;
      }
    }
  }
  return true;
}

Truth loose_equality(const Value& left, const Value& right, bool location = false) {
  for (const Value* side : {&left, &right}) {
    if (side->is_unknown()) {
      return Truth::undetermined(side->text());
    }
  }
  if ((left.is_array() || left.is_object()) && left.kind() == right.kind()) {
    return deep_equality(left, right);
  }
  return Truth::of(loosely_equal(left, right, location));
}

Truth in(const Value& left, const Value& right, bool location) {
  if (left.is_nothing() || right.is_nothing()) {
    return Truth::of(false);
  }
  if (!right.is_array()) {
    return loose_equality(left, right, location);
  }
  Combination any(true);
  right.each_element([&](const Value& item) {
    return item.is_nothing() || any.add(loose_equality(left, item, location));
  });
  return any.result();
}

Truth contains(const Value& left, const Value& right) {
  if (left.is_array()) {
    return contains_element(left, right);
  }
  std::string part_buffer;
  const auto part = scalar_view(right, part_buffer);
  if (!part) {
    return Truth::of(false);
  }
  if (left.is_object()) {
    return Truth::of(!left.member(*part).is_missing());
  }
  std::string text_buffer;
  const auto text = scalar_view(left, text_buffer);
  return Truth::of(text && contains_ignoring_case(*text, *part));
}

/// Only a key itself counts; a member whose value is null is still a key.
bool contains_key(const Value& left, const Value& right) {
  std::string buffer;
  const auto key = scalar_view(right, buffer);
  if (!left.is_object() || !key) {
    return false;
  }
  bool found = false;
  left.each_member([&](std::string_view name, const Value&) {
    found = equal_ignoring_case(name, *key);
    return !found;
  });
  return found;
}

Truth equal_arrays(const Value& a, const Value& b) {
  const Extent a_extent = extent_of(a);
  const Extent b_extent = extent_of(b);
  if ((!b_extent.open && a_extent.known > b_extent.known) ||
      (!a_extent.open && b_extent.known > a_extent.known)) {
    return Truth::of(false);
  }
  // Collected once: a document's array has no random access.
  Elements others;
  others.reserve(b_extent.known);
  b.each_element([&](const Value& item) {
    others.push_back(item);
    return !item.is_open_end();
  });
  Combination all(false);
  std::size_t i = 0;
  a.each_element([&](const Value& item) {
    // From an open end on nobody knows which element stands where.
    if (item.is_open_end() || i == others.size() || others[i].is_open_end()) {
      return false;
    }
    const Value& other = others[i++];
    return all.add(deep_equality(item, other));
  });
  if (const auto& open = a_extent.open ? a_extent.open : b_extent.open) {
    all.add(Truth::undetermined(*open));
  }
  return all.result();
}

Truth order(Operator op, const Value& left, const Value& right) {
  if (left.is_nothing()) {
    return Truth::of(false);
  }
  int sign = 0;
  if (left.is_number() && right.is_number()) {
    sign = order_numbers(left, right);
  } else if (left.is_string() && right.is_string()) {
    const auto dates = order_dates(left.text(), right.text());
    sign = dates ? *dates : compare_ignoring_case(left.text(), right.text());
  } else if (left.kind() == right.kind()) {
    return Truth::of(false);  // booleans, arrays and objects have no order
  } else {
    return Truth::error("the values compared are of different types");
  }
  switch (op) {
    case Operator::kLess:
      return Truth::of(sign < 0);
    case Operator::kLessOrEquals:
      return Truth::of(sign <= 0);
    case Operator::kGreater:
      return Truth::of(sign > 0);
    default:
      return Truth::of(sign >= 0);
  }
}

Truth positive(Operator op, const Value& left, const Value& right, const Comparison& comparison) {
  switch (op) {
    case Operator::kEquals:
      if (left.is_missing() && comparison.inside_element) {
        return Truth::of(false);
      }
      // Neither side is unknown; only inside an array or an object can something still be.
      return left.is_array() || left.is_object()
                 ? loose_equality(left, right, comparison.location)
                 : Truth::of(loosely_equal(left, right, comparison.location));
    case Operator::kIn:
      return in(left, right, comparison.location);
    case Operator::kLike:
    case Operator::kMatch:
    case Operator::kMatchInsensitively: {
      std::string text_buffer;
      std::string pattern_buffer;
      const auto text = scalar_view(left, text_buffer);
      const auto pattern = scalar_view(right, pattern_buffer);
      if (!text || !pattern) {
        return Truth::of(false);
      }
      if (op == Operator::kLike) {
        return Truth::of(like(*text, *pattern));
      }
      return Truth::of(match(*text, *pattern, op == Operator::kMatchInsensitively));
    }
    case Operator::kContains:
      return contains(left, right);
    case Operator::kContainsKey:
      return Truth::of(contains_key(left, right));
    case Operator::kLess:
    case Operator::kLessOrEquals:
    case Operator::kGreater:
    case Operator::kGreaterOrEquals:
      return order(op, left, right);
    case Operator::kExists: {
      const bool wanted = right.is_bool()     ? right.as_bool()
                          : right.is_string() ? parse_bool(right.text()).value_or(false)
                                              : false;
      return Truth::of(!left.is_nothing() == wanted);
    }
  }
  return Truth::error("unknown operator");
}

}  // namespace

Truth deep_equality(const Value& a, const Value& b) {
  for (const Value* side : {&a, &b}) {
    if (side->is_unknown()) {
      return Truth::undetermined(side->text());
    }
  }
  if (a.is_number() && b.is_number()) {
    return Truth::of(order_numbers(a, b) == 0);
  }
  if (a.is_nothing() && b.is_nothing()) {
    return Truth::of(true);
  }
  if (a.kind() != b.kind()) {
    return Truth::of(false);
  }
  switch (a.kind()) {
    case Value::Kind::kBool:
      return Truth::of(a.as_bool() == b.as_bool());
    case Value::Kind::kString:
      return Truth::of(a.text() == b.text());
    case Value::Kind::kArray:
      return equal_arrays(a, b);
    case Value::Kind::kObject: {
      if (a.size() != b.size()) {
        return Truth::of(false);
      }
      Combination all(false);
      a.each_member([&](std::string_view name, const Value& item) {
        const Value other = b.exact_member(name);
        return all.add(other.is_missing() ? Truth::of(false) : deep_equality(item, other));
      });
      return all.result();
    }
    default:
      return Truth::of(false);
  }
}

bool deep_equal(const Value& a, const Value& b) {
  return deep_equality(a, b).is_true();
}

bool loosely_equal(const Value& left, const Value& right, bool location) {
  if (left.is_nothing() || right.is_nothing()) {
    const Value& other = left.is_nothing() ? right : left;
    return other.is_nothing() || (other.is_string() && other.text().empty());
  }
  if (left.is_string() && right.is_string()) {
    if (location) {
      return equal_ignoring_case(without_blanks(left.text()), without_blanks(right.text()));
    }
    return equal_ignoring_case(left.text(), right.text());
  }
  if (left.is_string() || right.is_string()) {
    const Value& text = left.is_string() ? left : right;
    const Value& other = left.is_string() ? right : left;
    if (other.is_number()) {
      const auto number = parse_number(text.text());
      return number && deep_equal(*number, other);
    }
    return other.is_bool() && parse_bool(text.text()) == other.as_bool();
  }
  return deep_equal(left, right);
}

Truth contains_element(const Value& array, const Value& item) {
  Combination any(true);
  array.each_element([&](const Value& element) { return any.add(loose_equality(element, item)); });
  return any.result();
}

std::optional<core::Time> parse_date(std::string_view text) {
  // Cheap rejection first: this runs for every ordering of two strings.
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') {
    return std::nullopt;
  }
  if (auto time = core::parse_rfc3339(text)) {
    return time;
  }
  if (text.size() > 10) {
    return core::parse_rfc3339(std::string(text) + "Z");
  }
  return std::nullopt;
}

std::optional<int> order_dates(std::string_view a, std::string_view b) {
  const auto first = parse_date(a);
  const auto second = first ? parse_date(b) : std::nullopt;
  if (!first || !second) {
    return std::nullopt;
  }
  if (*first != *second) {
    return *first < *second ? -1 : 1;
  }
  const int sign = below_microseconds(a).compare(below_microseconds(b));
  return sign < 0 ? -1 : sign > 0 ? 1 : 0;
}

Truth compare(Operator op,
              bool negated,
              const Value& left,
              const Value& right,
              const Comparison& comparison) {
  for (const Value* side : {&left, &right}) {
    if (side->is_unknown()) {
      return Truth::undetermined(side->text());
    }
  }
  for (const Value* side : {&left, &right}) {
    if (side->is_error()) {
      return Truth::error(side->text());
    }
  }
  const Truth truth = positive(op, left, right, comparison);
  return negated ? !truth : truth;
}

}  // namespace plumbline::policy
