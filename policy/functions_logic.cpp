// Numbers, comparisons, conversions, dates and addresses.
#include "core/clock.hpp"
#include "core/text.hpp"
#include "policy/fold.hpp"
#include "policy/function_groups.hpp"
#include "policy/operators.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace plumbline::policy::functions {

namespace {

using Limits = std::numeric_limits<std::int64_t>;

std::optional<std::int64_t> truncate(double d) {
  if (!std::isfinite(d) || d < -9.2e18 || d > 9.2e18) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(d);
}

template <class Whole, class Real>
Value arithmetic(
    FunctionContext& context, std::string_view name, Arguments args, Whole whole, Real real) {
  const Value& a = args[0];
  const Value& b = args[1];
  if (!a.is_number() || !b.is_number()) {
    return context.fail(
        fmt::format("{}() takes numbers, not {} and {}", name, kind_name(a), kind_name(b)));
  }
  if (a.is(Value::Kind::kInt) && b.is(Value::Kind::kInt)) {
    std::int64_t result = 0;
    if (!whole(a.as_int(), b.as_int(), &result)) {
      return context.fail(fmt::format("{}(): out of range", name));
    }
    return Value::integer(result);
  }
  const double result = real(a.as_double(), b.as_double());
  if (!std::isfinite(result)) {
    return context.fail(fmt::format("{}(): out of range", name));
  }
  return Value::number(result);
}

Value extreme(FunctionContext& context, std::string_view name, Arguments args, int wanted) {
  std::optional<Value> best;
  bool failed = false;
  const auto offer = [&](const Value& value) {
    if (!value.is_number()) {
      failed = true;
      return false;
    }
    if (!best || order(value, *best).value_or(0) * wanted > 0) {
      best = value;
    }
    return true;
  };
  for (const auto& argument : args) {
    if (argument.is_array()) {
      argument.each_element(offer);
    } else {
      offer(argument);
    }
  }
  if (failed || !best) {
    return context.fail(fmt::format("{}() takes integers or an array of them", name));
  }
  return *best;
}

Value ordered(FunctionContext& context, std::string_view name, Arguments args, bool (*holds)(int)) {
  // A property that is not there counts as empty text beside a text.
  const auto text = [](const Value& v) { return v.is_nothing() ? Value::string("") : v; };
  const auto sign = order(text(args[0]), text(args[1]));
  if (!sign) {
    return context.fail(fmt::format("{}() takes two numbers or two strings, not {} and {}",
                                    name,
                                    kind_name(args[0]),
                                    kind_name(args[1])));
  }
  return Value::boolean(holds(*sign));
}

/// A date moved by a distance, within the years of four digits.
Value moved_date(FunctionContext& context,
                 std::string_view name,
                 core::Time time,
                 std::chrono::seconds distance) {
  constexpr std::chrono::seconds kWidest = std::chrono::days(3'652'059);
  if (distance > kWidest || distance < -kWidest) {
    return context.fail(fmt::format("{}(): beyond the calendar", name));
  }
  const core::Time moved = time + distance;
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(moved));
  if (date.year() < std::chrono::year(1) || date.year() > std::chrono::year(9999)) {
    return context.fail(fmt::format("{}(): beyond the calendar", name));
  }
  return context.text(core::to_rfc3339(moved));
}

/// `P1DT2H30M`, with a sign; a year counts as 365 days and a month as 30.
std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) {
    text.remove_prefix(1);
  }
  if (text.size() < 3 || core::ascii_lower(text.front()) != 'p') {
    return std::nullopt;
  }
  text.remove_prefix(1);
  std::int64_t total = 0;
  bool in_time = false;
  bool complete = true;  // at least one part stands behind the T
  while (!text.empty()) {
    if (core::ascii_lower(text.front()) == 't' && !in_time) {
      in_time = true;
      complete = false;
      text.remove_prefix(1);
      continue;
    }
    std::int64_t number = 0;
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos || digits > 9) {
      return std::nullopt;
    }
    const std::string_view run = text.substr(0, digits);
    std::from_chars(run.data(), run.data() + run.size(), number);
    constexpr std::int64_t kDay = 86'400;
    std::int64_t unit = 0;
    switch (core::ascii_lower(text[digits])) {
      case 'y':
        unit = in_time ? 0 : 365 * kDay;
        break;
      case 'm':
        unit = in_time ? 60 : 30 * kDay;
        break;
      case 'w':
        unit = in_time ? 0 : 7 * kDay;
        break;
      case 'd':
        unit = in_time ? 0 : kDay;
        break;
      case 'h':
        unit = in_time ? 3600 : 0;
        break;
      case 's':
        unit = in_time ? 1 : 0;
        break;
      default:
        break;
    }
    if (unit == 0) {
      return std::nullopt;
    }
    total += number * unit;  // at most 10^9 years of seconds: far from overflow
    text.remove_prefix(digits + 1);
    complete = true;
  }
  if (!complete) {
    return std::nullopt;
  }
  return std::chrono::seconds(negative ? -total : total);
}

/// An address as 16 bytes, with the family kept beside it.
struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // an IPv4 address fills the first four

  [[nodiscard]] std::size_t size() const { return v6 ? 16 : 4; }
};

struct AddressRange {
  Address low;
  Address high;
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string copy(core::trim(text));
  Address address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
    return address;
  }
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
    address.v6 = true;
    return address;
  }
  return std::nullopt;
}

/// An address, `address/bits` or `first-last`.
std::optional<AddressRange> parse_range(std::string_view text) {
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    const auto low = parse_address(text.substr(0, dash));
    const auto high = parse_address(text.substr(dash + 1));
    if (!low || !high || low->v6 != high->v6 || low->bytes > high->bytes) {
      return std::nullopt;
    }
    return AddressRange{*low, *high};
  }
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  AddressRange range{*address, *address};
  if (slash == std::string_view::npos) {
    return range;
  }
  const std::string_view bits = text.substr(slash + 1);
  const char* const end = bits.data() + bits.size();
  std::size_t prefix = 0;
  if (const auto [at, error] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
      error != std::errc() || at != end || prefix > 8 * address->size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < address->size(); ++i) {
    const std::size_t kept = prefix > 8 * i ? std::min<std::size_t>(8, prefix - 8 * i) : 0;
    const auto mask = static_cast<std::uint8_t>(0xFFU << (8 - kept));
    range.low.bytes[i] = static_cast<std::uint8_t>(range.low.bytes[i] & mask);
    range.high.bytes[i] =
        static_cast<std::uint8_t>(range.high.bytes[i] | static_cast<std::uint8_t>(~mask));
  }
  return range;
}

}  // namespace

std::optional<int> order(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return order_numbers(a, b);
  }
  if (a.is_string() && b.is_string()) {
    if (const auto dates = order_dates(a.text(), b.text())) {
      return dates;
    }
    if (const int sign = compare_ignoring_case(a.text(), b.text()); sign != 0) {
      return sign;
    }
    // Where only case differs, lower case orders before upper case.
    return -a.text().compare(b.text());
  }
  return std::nullopt;
}

std::optional<std::int64_t> whole_number(const Value& value) {
  if (value.is(Value::Kind::kInt)) {
    return value.as_int();
  }
  if (value.is(Value::Kind::kDouble)) {
    const auto whole = truncate(value.as_double());
    return whole && static_cast<double>(*whole) == value.as_double() ? whole : std::nullopt;
  }
  if (value.is_string()) {
    const auto number = parse_number(value.text());
    return number ? whole_number(*number) : std::nullopt;
  }
  return std::nullopt;
}

Value add(FunctionContext& context, Arguments args) {
  return arithmetic(
      context,
      "add",
      args,
      [](std::int64_t a, std::int64_t b, std::int64_t* r) {
        return !__builtin_add_overflow(a, b, r);
      },
      [](double a, double b) { return a + b; });
}

Value sub(FunctionContext& context, Arguments args) {
  return arithmetic(
      context,
      "sub",
      args,
      [](std::int64_t a, std::int64_t b, std::int64_t* r) {
        return !__builtin_sub_overflow(a, b, r);
      },
      [](double a, double b) { return a - b; });
}

Value mul(FunctionContext& context, Arguments args) {
  return arithmetic(
      context,
      "mul",
      args,
      [](std::int64_t a, std::int64_t b, std::int64_t* r) {
        return !__builtin_mul_overflow(a, b, r);
      },
      [](double a, double b) { return a * b; });
}

Value div(FunctionContext& context, Arguments args) {
  return arithmetic(
      context,
      "div",
      args,
      [](std::int64_t a, std::int64_t b, std::int64_t* r) {
        if (b == 0 || (a == Limits::min() && b == -1)) {
          return false;
        }
        *r = a / b;
        return true;
      },
      [](double a, double b) { return std::trunc(a / b); });
}

Value mod(FunctionContext& context, Arguments args) {
  return arithmetic(
      context,
      "mod",
      args,
      [](std::int64_t a, std::int64_t b, std::int64_t* r) {
        if (b == 0 || (a == Limits::min() && b == -1)) {
          return false;
        }
        *r = a % b;
        return true;
      },
      [](double a, double b) { return std::fmod(a, b); });
}

Value min(FunctionContext& context, Arguments args) {
  return extreme(context, "min", args, -1);
}

Value max(FunctionContext& context, Arguments args) {
  return extreme(context, "max", args, 1);
}

Value to_int(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  std::optional<Value> number;
  if (value.is_number()) {
    number = value;
  } else if (value.is_string()) {
    number = parse_number(value.text());
  }
  if (number && number->is(Value::Kind::kInt)) {
    return *number;
  }
  if (const auto whole = number ? truncate(number->as_double()) : std::nullopt) {
    return Value::integer(*whole);
  }
  return context.fail(fmt::format("int(): {} is no integer", to_json(value, 100)));
}

Value to_float(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  if (value.is_number()) {
    return Value::number(value.as_double());
  }
  if (value.is_string()) {
    if (const auto number = parse_number(value.text())) {
      return Value::number(number->as_double());
    }
  }
  return context.fail(fmt::format("float(): {} is no number", to_json(value, 100)));
}

Value to_bool(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  if (value.is_bool()) {
    return value;
  }
  if (value.is_number()) {
    return Value::boolean(value.as_double() != 0);
  }
  if (value.is_string()) {
    const auto text = core::trim(value.text());
    if (core::iequals(text, "true") || text == "1") {
      return Value::boolean(true);
    }
    if (core::iequals(text, "false") || text == "0") {
      return Value::boolean(false);
    }
  }
  return context.fail(fmt::format("bool(): {} is neither true nor false", to_json(value, 100)));
}

Value negation(FunctionContext& context, Arguments args) {
  if (!args[0].is_bool()) {
    return context.fail(fmt::format("not() takes a boolean, not {}", kind_name(args[0])));
  }
  return Value::boolean(!args[0].as_bool());
}

Value equals(FunctionContext& /*context*/, Arguments args) {
  return Value::boolean(loosely_equal(args[0], args[1]));
}

Value less(FunctionContext& context, Arguments args) {
  return ordered(context, "less", args, [](int sign) { return sign < 0; });
}

Value less_or_equals(FunctionContext& context, Arguments args) {
  return ordered(context, "lessOrEquals", args, [](int sign) { return sign <= 0; });
}

Value greater(FunctionContext& context, Arguments args) {
  return ordered(context, "greater", args, [](int sign) { return sign > 0; });
}

Value greater_or_equals(FunctionContext& context, Arguments args) {
  return ordered(context, "greaterOrEquals", args, [](int sign) { return sign >= 0; });
}

Value constant_true(FunctionContext& /*context*/, Arguments /*args*/) {
  return Value::boolean(true);
}

Value constant_false(FunctionContext& /*context*/, Arguments /*args*/) {
  return Value::boolean(false);
}

Value constant_null(FunctionContext& /*context*/, Arguments /*args*/) {
  return Value::null();
}

Value add_days(FunctionContext& context, Arguments args) {
  const auto time = args[0].is_string() ? parse_date(args[0].text()) : std::nullopt;
  if (!time) {
    return context.fail(fmt::format("addDays(): {} is no date", to_json(args[0], 100)));
  }
  const auto days = whole_number(args[1]);
  // Wide enough for every date that has four digits of year.
  constexpr std::int64_t kMaxDays = 3'652'059;
  if (!days || *days < -kMaxDays || *days > kMaxDays) {
    return context.fail(fmt::format("addDays(): {} is no number of days", to_json(args[1], 100)));
  }
  return moved_date(context, "addDays", *time, std::chrono::days(*days));
}

Value date_time_add(FunctionContext& context, Arguments args) {
  const auto time = args[0].is_string() ? parse_date(args[0].text()) : std::nullopt;
  const auto shift = args[1].is_string() ? parse_duration(args[1].text()) : std::nullopt;
  if (!time || !shift) {
    return context.fail("dateTimeAdd() takes a date and an ISO 8601 duration");
  }
  return moved_date(context, "dateTimeAdd", *time, *shift);
}

Value date_time_from_epoch(FunctionContext& context, Arguments args) {
  const auto seconds = whole_number(args[0]);
  if (!seconds) {
    return context.fail("dateTimeFromEpoch() takes a number of seconds");
  }
  return moved_date(context, "dateTimeFromEpoch", core::Time{}, std::chrono::seconds(*seconds));
}

Value date_time_to_epoch(FunctionContext& context, Arguments args) {
  const auto time = args[0].is_string() ? parse_date(args[0].text()) : std::nullopt;
  if (!time) {
    return context.fail("dateTimeToEpoch() takes a date");
  }
  return Value::integer(std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count());
}

Value ip_range_contains(FunctionContext& context, Arguments args) {
  std::array<AddressRange, 2> ranges;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto range = args[i].is_string() ? parse_range(args[i].text()) : std::nullopt;
    if (!range) {
      return context.fail(
          fmt::format("ipRangeContains(): {} is no address range", to_json(args[i], 100)));
    }
    ranges[i] = *range;
  }
  const auto& [outer, inner] = ranges;
  if (outer.low.v6 != inner.low.v6) {
    return context.fail("ipRangeContains(): IPv4 and IPv6 do not mix");
  }
  return Value::boolean(outer.low.bytes <= inner.low.bytes && inner.high.bytes <= outer.high.bytes);
}

}  // namespace plumbline::policy::functions
