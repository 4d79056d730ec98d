// The comparison operators of conditions.
#pragma once

#include "core/clock.hpp"
#include "policy/ast.hpp"
#include "policy/truth.hpp"
#include "policy/value.hpp"

#include <optional>
#include <string_view>

namespace plumbline::policy {

/// What the left side is, where that changes the comparison.
struct Comparison {
  /// `location`: blanks do not count ("East US 2" equals eastus2).
  bool location = false;
  /// A property of an element selected by `[*]`: when it is missing it equals nothing, not even "".
  bool inside_element = false;
};

/// `left op right`, or its negation. Undetermined when a side is unknown, an error when a side is
/// one or the types cannot be compared.
[[nodiscard]] Truth compare(Operator op,
                            bool negated,
                            const Value& left,
                            const Value& right,
                            const Comparison& comparison = {});

/// Equality of JSON values: numbers by value, strings exactly, arrays and objects deeply. What is
/// unknown inside them makes it undetermined unless something else decides.
[[nodiscard]] Truth deep_equality(const Value& a, const Value& b);
/// Certainly equal.
[[nodiscard]] bool deep_equal(const Value& a, const Value& b);
/// Equality as conditions see it: strings ignoring case, a string and a number or boolean by value.
[[nodiscard]] bool loosely_equal(const Value& left, const Value& right, bool location = false);

/// A date with a time, or a bare date: its instant. A time without a zone is UTC.
[[nodiscard]] std::optional<core::Time> parse_date(std::string_view text);

/// Whether an array has an element that equals the item, as conditions see equality.
[[nodiscard]] Truth contains_element(const Value& array, const Value& item);

/// The order of two dates (negative, zero or positive); nullopt unless both are dates.
[[nodiscard]] std::optional<int> order_dates(std::string_view a, std::string_view b);

}  // namespace plumbline::policy
