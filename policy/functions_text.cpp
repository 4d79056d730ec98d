// Text.
#include "core/text.hpp"
#include "policy/fold.hpp"
#include "policy/function_groups.hpp"
#include "policy/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace plumbline::policy::functions {

namespace {

/// The text an argument gives: a scalar's, and "" for what is not there.
std::optional<std::string> text_of(const Value& value) {
  return value.is_nothing() ? std::optional(std::string()) : scalar_text(value);
}

Value wrong_type(FunctionContext& context, std::string_view name, const Value& value) {
  return context.fail(fmt::format("{}() takes a string, not {}", name, kind_name(value)));
}

template <class F>
Value on_text(FunctionContext& context, std::string_view name, const Value& value, F f) {
  const auto text = text_of(value);
  return text ? context.text(f(*text)) : wrong_type(context, name, value);
}

/// White space as .NET's Trim understands it.
bool is_blank(std::string_view point) {
  static constexpr std::string_view kAscii = " \t\r\n\v\f";
  static constexpr std::string_view kBeyond[] = {"\u0085",
                                                 "\u00A0",
                                                 "\u1680",
                                                 "\u2000",
                                                 "\u2001",
                                                 "\u2002",
                                                 "\u2003",
                                                 "\u2004",
                                                 "\u2005",
                                                 "\u2006",
                                                 "\u2007",
                                                 "\u2008",
                                                 "\u2009",
                                                 "\u200A",
                                                 "\u2028",
                                                 "\u2029",
                                                 "\u202F",
                                                 "\u205F",
                                                 "\u3000"};
  return point.size() == 1 ? kAscii.contains(point.front())
                           : std::ranges::find(kBeyond, point) != std::end(kBeyond);
}

std::string_view trim_view(std::string_view text) {
  while (!text.empty()) {
    const auto size = code_point_size(text);
    if (!is_blank(text.substr(0, size))) {
      break;
    }
    text.remove_prefix(size);
  }
  while (!text.empty()) {
    std::size_t size = 1;
    while (size < text.size() && size < 4 &&
           (static_cast<unsigned char>(text[text.size() - size]) & 0xC0U) == 0x80U) {
      ++size;
    }
    if (!is_blank(text.substr(text.size() - size))) {
      break;
    }
    text.remove_suffix(size);
  }
  return text;
}

Value index_in(FunctionContext& context, std::string_view name, Arguments args, bool last) {
  if (args[0].is_array()) {
    std::int64_t at = 0;
    std::int64_t found = -1;
    args[0].each_element([&](const Value& item) {
      if (loosely_equal(item, args[1])) {
        found = at;
        if (!last) {
          return false;
        }
      }
      ++at;
      return true;
    });
    return Value::integer(found);
  }
  const auto text = text_of(args[0]);
  const auto part = text_of(args[1]);
  if (!text || !part) {
    return wrong_type(context, name, text ? args[1] : args[0]);
  }
  const auto found = find_ignoring_case(*text, *part, last);
  return Value::integer(found ? static_cast<std::int64_t>(*found) : -1);
}

/// What stands inside a placeholder of format(): index[,width][:spec].
struct Placeholder {
  std::size_t index = 0;
  std::int64_t width = 0;
  std::string_view spec;
};

constexpr std::int64_t kMaxWidth = 10'000;

std::optional<Placeholder> parse_placeholder(std::string_view text) {
  Placeholder out;
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    out.spec = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (const auto comma = text.find(','); comma != std::string_view::npos) {
    const auto width = parse_number(text.substr(comma + 1));
    if (!width || !width->is(Value::Kind::kInt) || std::abs(width->as_int()) > kMaxWidth) {
      return std::nullopt;
    }
    out.width = width->as_int();
    text = text.substr(0, comma);
  }
  text = core::trim(text);
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out.index);
  if (error != std::errc() || at != end || text.empty()) {
    return std::nullopt;
  }
  return out;
}

std::string group_thousands(std::string digits) {
  const auto point = digits.find('.');
  std::size_t at = point == std::string::npos ? digits.size() : point;
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  while (at > first + 3) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

/// A number under a standard numeric format of one letter and an optional precision.
std::optional<std::string> format_number(const Value& value, std::string_view spec) {
  const char letter = core::ascii_lower(spec.front());
  int precision = -1;
  if (spec.size() > 1) {
    const std::string_view digits = spec.substr(1);
    const char* const end = digits.data() + digits.size();
    const auto [at, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), precision);
    if (error != std::errc() || at != end || precision < 0 || precision > 99) {
      return std::nullopt;
    }
  }
  const bool whole = value.is(Value::Kind::kInt);
  switch (letter) {
    case 'd':
      return whole ? std::optional(fmt::format(
                         "{}{:0{}d}",
                         value.as_int() < 0 ? "-" : "",
                         value.as_int() < 0
                             ? std::uint64_t{0} - static_cast<std::uint64_t>(value.as_int())
                             : static_cast<std::uint64_t>(value.as_int()),
                         std::max(precision, 1)))
                   : std::nullopt;
    case 'x':
      if (!whole) {
        return std::nullopt;
      }
      if (spec.front() == 'X') {
        return fmt::format(
            "{:0{}X}", static_cast<std::uint64_t>(value.as_int()), std::max(precision, 1));
      }
      return fmt::format(
          "{:0{}x}", static_cast<std::uint64_t>(value.as_int()), std::max(precision, 1));
    case 'f':
      return fmt::format("{:.{}f}", value.as_double(), precision < 0 ? 2 : precision);
    case 'n':
      return group_thousands(
          fmt::format("{:.{}f}", value.as_double(), precision < 0 ? 2 : precision));
    case 'p':
      return group_thousands(
                 fmt::format("{:.{}f}", value.as_double() * 100, precision < 0 ? 2 : precision)) +
             " %";
    case 'e':
      return fmt::format("{:.{}e}", value.as_double(), precision < 0 ? 6 : precision);
    case 'g':
      return number_text(value);
    default:
      return std::nullopt;
  }
}

std::string text_for_format(const Value& value) {
  if (value.is_bool()) {
    return value.as_bool() ? "True" : "False";
  }
  if (value.is_nothing()) {
    return {};
  }
  return scalar_text(value).value_or(to_json(value));
}

}  // namespace

Value concat(FunctionContext& context, Arguments args) {
  if (std::ranges::any_of(args, [](const Value& v) { return v.is_array(); })) {
    Elements out;
    for (const auto& argument : args) {
      if (argument.is_nothing()) {
        continue;
      }
      if (!argument.is_array()) {
        return context.fail(fmt::format("concat() joins strings or arrays, not an array and {}",
                                        kind_name(argument)));
      }
      argument.each_element([&](const Value& item) {
        out.push_back(item);
        return out.size() <= kMaxListSize;
      });
    }
    return context.list(std::move(out));
  }
  std::string out;
  for (const auto& argument : args) {
    const auto text = argument.is_bool() ? std::nullopt : text_of(argument);
    if (!text) {
      return wrong_type(context, "concat", argument);
    }
    out += *text;
  }
  return context.text(std::move(out));
}

Value replace(FunctionContext& context, Arguments args) {
  std::string parts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    const auto text = text_of(args[i]);
    if (!text) {
      return wrong_type(context, "replace", args[i]);
    }
    parts[i] = *text;
  }
  const auto& [text, old_text, new_text] = parts;
  if (old_text.empty()) {
    return context.text(text);
  }
  std::string out;
  std::size_t at = 0;
  while (out.size() <= kMaxTextBytes) {
    const auto next = text.find(old_text, at);
    if (next == std::string::npos) {
      out.append(text, at);
      break;
    }
    out.append(text, at, next - at);
    out += new_text;
    at = next + old_text.size();
  }
  return context.text(std::move(out));
}

Value split(FunctionContext& context, Arguments args) {
  const auto text = text_of(args[0]);
  if (!text) {
    return wrong_type(context, "split", args[0]);
  }
  std::vector<std::string> delimiters;
  bool valid = true;
  const auto add_delimiter = [&](const Value& value) {
    valid = value.is_string();
    if (valid && !value.text().empty()) {
      delimiters.emplace_back(value.text());
    }
    return valid;
  };
  if (args[1].is_array()) {
    args[1].each_element(add_delimiter);
  } else {
    add_delimiter(args[1]);
  }
  if (!valid) {
    return context.fail("split(): a delimiter must be a string");
  }
  Elements out;
  std::size_t begin = 0;
  std::size_t at = 0;
  while (at < text->size()) {
    const std::string* hit = nullptr;
    for (const auto& delimiter : delimiters) {
      if (std::string_view(*text).substr(at).starts_with(delimiter)) {
        hit = &delimiter;
        break;
      }
    }
    if (hit == nullptr) {
      ++at;
      continue;
    }
    out.push_back(context.arena().string(text->substr(begin, at - begin)));
    at += hit->size();
    begin = at;
  }
  out.push_back(context.arena().string(text->substr(begin)));
  return context.list(std::move(out));
}

Value join(FunctionContext& context, Arguments args) {
  const auto delimiter = text_of(args[1]);
  if (!args[0].is_array() || !delimiter) {
    return context.fail("join() takes an array and a delimiter");
  }
  std::string out;
  bool first = true;
  const Value* wrong = nullptr;
  Value culprit;
  args[0].each_element([&](const Value& item) {
    const auto text = text_of(item);
    if (!text) {
      culprit = item;
      wrong = &culprit;
      return false;
    }
    if (!first) {
      out += *delimiter;
    }
    first = false;
    out += *text;
    return out.size() <= kMaxTextBytes;
  });
  return wrong != nullptr ? wrong_type(context, "join", *wrong) : context.text(std::move(out));
}

Value pad_left(FunctionContext& context, Arguments args) {
  const auto text = text_of(args[0]);
  const auto width = whole_number(args[1]);
  if (!text || !width || *width < 0 || *width > static_cast<std::int64_t>(kMaxTextBytes)) {
    return context.fail("padLeft() takes a string and a length");
  }
  std::string pad = " ";
  if (args.size() > 2) {
    const auto given = scalar_text(args[2]);
    if (!given || count_code_points(*given) != 1) {
      return context.fail("padLeft(): the third argument must be one character");
    }
    pad = *given;
  }
  std::string out;
  const auto wanted = static_cast<std::size_t>(*width);
  for (std::size_t i = count_code_points(*text); i < wanted; ++i) {
    out += pad;
  }
  return context.text(out + *text);
}

Value to_lower(FunctionContext& context, Arguments args) {
  return on_text(context, "toLower", args[0], [](const std::string& t) { return lower_text(t); });
}

Value to_upper(FunctionContext& context, Arguments args) {
  return on_text(context, "toUpper", args[0], [](const std::string& t) { return upper_text(t); });
}

Value trim(FunctionContext& context, Arguments args) {
  return on_text(
      context, "trim", args[0], [](const std::string& t) { return std::string(trim_view(t)); });
}

Value substring(FunctionContext& context, Arguments args) {
  const auto text = text_of(args[0]);
  if (!text) {
    return wrong_type(context, "substring", args[0]);
  }
  const auto points = code_points(*text);
  const auto size = static_cast<std::int64_t>(points.size());
  const auto start = whole_number(args[1]);
  const auto count = args.size() > 2 ? whole_number(args[2])
                     : start         ? std::optional(size - *start)
                                     : start;
  if (!start || !count || *start < 0 || *start > size || *count < 0 || *count > size - *start) {
    return context.fail(fmt::format("substring(): outside of a text of {} characters", size));
  }
  std::string out;
  for (std::int64_t i = *start; i < *start + *count; ++i) {
    out += points[static_cast<std::size_t>(i)];
  }
  return context.text(std::move(out));
}

Value starts_with(FunctionContext& context, Arguments args) {
  const auto text = text_of(args[0]);
  const auto part = text_of(args[1]);
  if (!text || !part) {
    return wrong_type(context, "startsWith", text ? args[1] : args[0]);
  }
  return Value::boolean(starts_with_ignoring_case(*text, *part));
}

Value ends_with(FunctionContext& context, Arguments args) {
  const auto text = text_of(args[0]);
  const auto part = text_of(args[1]);
  if (!text || !part) {
    return wrong_type(context, "endsWith", text ? args[1] : args[0]);
  }
  return Value::boolean(ends_with_ignoring_case(*text, *part));
}

Value index_of(FunctionContext& context, Arguments args) {
  return index_in(context, "indexOf", args, false);
}

Value last_index_of(FunctionContext& context, Arguments args) {
  return index_in(context, "lastIndexOf", args, true);
}

Value string(FunctionContext& context, Arguments args) {
  if (const auto text = scalar_text(args[0])) {
    return context.text(*text);
  }
  return context.text(args[0].is_missing() ? std::string() : to_json(args[0], kMaxTextBytes));
}

Value format(FunctionContext& context, Arguments args) {
  if (!args[0].is_string()) {
    return wrong_type(context, "format", args[0]);
  }
  const std::string_view text = args[0].text();
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    const auto close = c == '{' ? text.find('}', i) : std::string_view::npos;
    if (close == std::string_view::npos) {
      return context.fail("format(): a brace has no partner");
    }
    const auto placeholder = parse_placeholder(text.substr(i + 1, close - i - 1));
    if (!placeholder || placeholder->index + 1 >= args.size()) {
      return context.fail(
          fmt::format("format(): bad placeholder '{}'", text.substr(i, close - i + 1)));
    }
    const Value& value = args[placeholder->index + 1];
    std::string piece;
    if (!placeholder->spec.empty() && value.is_number()) {
      const auto number = format_number(value, placeholder->spec);
      if (!number) {
        return context.fail(fmt::format("format(): unsupported format '{}'", placeholder->spec));
      }
      piece = *number;
    } else {
      piece = text_for_format(value);
    }
    const auto size = static_cast<std::int64_t>(count_code_points(piece));
    const auto blanks = std::max<std::int64_t>(0, std::abs(placeholder->width) - size);
    const std::string filler(static_cast<std::size_t>(blanks), ' ');
    out += placeholder->width < 0 ? piece + filler : filler + piece;
    if (out.size() > kMaxTextBytes) {
      break;
    }
    i = close;
  }
  return context.text(std::move(out));
}

}  // namespace plumbline::policy::functions
