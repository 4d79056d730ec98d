// Arrays and objects.
#include "core/text.hpp"
#include "policy/fold.hpp"
#include "policy/function_groups.hpp"
#include "policy/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace plumbline::policy::functions {

namespace {

Elements elements_of(const Value& array) {
  Elements out;
  array.each_element([&](const Value& item) {
    out.push_back(item);
    return true;
  });
  return out;
}

bool holds(const Elements& elements, const Value& value) {
  return std::ranges::any_of(elements, [&](const Value& e) { return deep_equal(e, value); });
}

Members members_of(const Value& object) {
  Members out;
  object.each_member([&](std::string_view name, const Value& value) {
    out.push_back({name, value});
    return true;
  });
  return out;
}

/// Objects merge deeply; anything else is replaced. Recursion is bounded by the documents' depth.
Value merge(FunctionContext& context, const Value& a, const Value& b, bool deep) {
  Members out = members_of(a);
  b.each_member([&](std::string_view name, const Value& value) {
    const auto found =
        std::ranges::find_if(out, [&](const Member& m) { return same_name(m.name, name); });
    if (found == out.end()) {
      out.push_back({name, value});
    } else if (deep && found->value.is_object() && value.is_object()) {
      found->value = merge(context, found->value, value, deep);
    } else {
      found->value = value;
    }
    return true;
  });
  return context.arena().object(std::move(out));
}

/// Comparing each element with each is quadratic: whether these lists are short enough for it.
bool comparable(Arguments args) {
  constexpr std::size_t kMaxTogether = 3'000;
  std::size_t together = 0;
  for (const auto& argument : args) {
    together += argument.size();
  }
  return together <= kMaxTogether;
}

bool all_are(Arguments args, Value::Kind kind) {
  return std::ranges::all_of(args, [&](const Value& v) { return v.is(kind); });
}

Value part(FunctionContext& context, std::string_view name, Arguments args, bool keep_front) {
  const auto count = whole_number(args[1]);
  if (!count) {
    return context.fail(fmt::format("{}(): the second argument must be an integer", name));
  }
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, *count));
  if (args[0].is_array()) {
    Elements all = elements_of(args[0]);
    const auto open = std::ranges::find_if(all, &Value::is_open_end);
    if (open != all.end() && static_cast<std::size_t>(open - all.begin()) < wanted) {
      // How many of its elements are among those wanted cannot be told.
      return context.list(keep_front ? Elements(all.begin(), std::next(open)) : Elements{*open});
    }
    const auto cut = static_cast<std::ptrdiff_t>(std::min(wanted, all.size()));
    return context.list(keep_front ? Elements(all.begin(), all.begin() + cut)
                                   : Elements(all.begin() + cut, all.end()));
  }
  if (args[0].is_string() || args[0].is_nothing()) {
    const auto points = code_points(args[0].is_string() ? args[0].text() : std::string_view());
    std::string out;
    const std::size_t cut = std::min(wanted, points.size());
    for (std::size_t i = keep_front ? 0 : cut; i < (keep_front ? cut : points.size()); ++i) {
      out += points[i];
    }
    return context.text(std::move(out));
  }
  return context.fail(
      fmt::format("{}() takes an array or a string, not {}", name, kind_name(args[0])));
}

std::optional<Value> from_end(const Value& array, const Value& index) {
  const auto wanted = whole_number(index);
  if (!array.is_array() || !wanted || *wanted < 1) {
    return std::nullopt;
  }
  const Value item = array.from_end(static_cast<std::size_t>(*wanted));
  return item.is_missing() ? std::nullopt : std::optional(item);
}

}  // namespace

Value array(FunctionContext& context, Arguments args) {
  return args[0].is_array() ? args[0] : context.list({args[0]});
}

Value create_array(FunctionContext& context, Arguments args) {
  Elements elements;
  elements.reserve(args.size());
  for (const auto& argument : args) {
    elements.push_back(argument.as_one());
  }
  return context.list(std::move(elements));
}

Value create_object(FunctionContext& context, Arguments args) {
  if (args.size() % 2 != 0) {
    return context.fail("createObject() takes pairs of a key and a value");
  }
  Members members;
  for (std::size_t i = 0; i < args.size(); i += 2) {
    if (args[i].is_unknown()) {
      return Value::unknown(args[i].text());
    }
    const auto key = scalar_text(args[i]);
    if (!key) {
      return context.fail(fmt::format("createObject(): a key cannot be {}", kind_name(args[i])));
    }
    members.push_back({context.arena().keep(*key), args[i + 1]});
  }
  return context.arena().object(std::move(members));
}

Value contains(FunctionContext& context, Arguments args) {
  const Value& container = args[0];
  const Value& item = args[1];
  if (container.is_array()) {
    const Truth found = contains_element(container, item);
    return found.is_undetermined() ? Value::unknown(found.reason) : Value::boolean(found.is_true());
  }
  if (container.is_nothing()) {
    return Value::boolean(item.is_string() && item.text().empty());
  }
  const auto text = scalar_text(item);
  if (!text) {
    return context.fail(fmt::format("contains() cannot look for {}", kind_name(item)));
  }
  if (container.is_object()) {
    bool found = false;
    container.each_member([&](std::string_view name, const Value&) {
      found = equal_ignoring_case(name, *text);
      return !found;
    });
    return Value::boolean(found);
  }
  if (container.is_string()) {
    return Value::boolean(container.text().contains(*text));
  }
  return context.fail(fmt::format("contains() takes an array, an object or a string, not {}",
                                  kind_name(container)));
}

Value empty(FunctionContext& /*context*/, Arguments args) {
  const Value& value = args[0];
  if (value.is_nothing()) {
    return Value::boolean(true);
  }
  if (value.is_string()) {
    return Value::boolean(value.text().empty());
  }
  if (value.is_array()) {
    const Extent extent = extent_of(value);
    return extent.known == 0 && extent.open ? Value::unknown(*extent.open)
                                            : Value::boolean(extent.known == 0);
  }
  if (value.is_object()) {
    return Value::boolean(value.size() == 0);
  }
  // A number or a boolean is something.
  return Value::boolean(false);
}

Value first(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  if (value.is_array()) {
    const Value item = value.at(0);
    return item.is_missing() ? Value::null() : item;
  }
  if (value.is_string()) {
    return value.text().empty()
               ? value
               : Value::string(value.text().substr(0, code_point_size(value.text())));
  }
  if (value.is_nothing()) {
    return value;
  }
  return context.fail(fmt::format("first() takes an array or a string, not {}", kind_name(value)));
}

Value last(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  if (value.is_array()) {
    const Value item = value.from_end(1);
    return item.is_missing() ? Value::null() : item;
  }
  if (value.is_string()) {
    const auto points = code_points(value.text());
    return points.empty() ? value : Value::string(points.back());
  }
  if (value.is_nothing()) {
    return value;
  }
  return context.fail(fmt::format("last() takes an array or a string, not {}", kind_name(value)));
}

Value length(FunctionContext& context, Arguments args) {
  const Value& value = args[0];
  if (value.is_missing()) {
    return Value::integer(0);
  }
  if (value.is_array()) {
    const Extent extent = extent_of(value);
    return extent.open ? Value::unknown(*extent.open)
                       : Value::integer(static_cast<std::int64_t>(extent.known));
  }
  if (value.is_object()) {
    return Value::integer(static_cast<std::int64_t>(value.size()));
  }
  if (value.is_string()) {
    return Value::integer(static_cast<std::int64_t>(count_code_points(value.text())));
  }
  return context.fail(
      fmt::format("length() takes an array, an object or a string, not {}", kind_name(value)));
}

Value intersection(FunctionContext& context, Arguments args) {
  if (!comparable(args)) {
    return context.fail("intersection(): too many elements to compare");
  }
  if (all_are(args, Value::Kind::kArray)) {
    Elements out;
    for (const auto& item : elements_of(args[0])) {
      const bool everywhere = std::ranges::all_of(
          args.subspan(1), [&](const Value& other) { return holds(elements_of(other), item); });
      if (everywhere && !holds(out, item)) {
        out.push_back(item);
      }
    }
    return context.list(std::move(out));
  }
  if (all_are(args, Value::Kind::kObject)) {
    Members out;
    for (const auto& member : members_of(args[0])) {
      if (std::ranges::all_of(args.subspan(1), [&](const Value& other) {
            const Value value = other.member(member.name);
            return !value.is_missing() && deep_equal(value, member.value);
          })) {
        out.push_back(member);
      }
    }
    return context.arena().object(std::move(out));
  }
  return context.fail("intersection() takes arrays or objects");
}

Value union_of(FunctionContext& context, Arguments args) {
  if (!comparable(args)) {
    return context.fail("union(): too many elements to compare");
  }
  if (all_are(args, Value::Kind::kArray)) {
    Elements out;
    for (const auto& argument : args) {
      for (const auto& item : elements_of(argument)) {
        if (!holds(out, item)) {
          out.push_back(item);
        }
      }
    }
    return context.list(std::move(out));
  }
  if (all_are(args, Value::Kind::kObject)) {
    Value out = args[0];
    for (const auto& argument : args.subspan(1)) {
      out = merge(context, out, argument, true);
    }
    return out;
  }
  return context.fail("union() takes arrays or objects");
}

Value shallow_merge(FunctionContext& context, Arguments args) {
  Value out = context.arena().object({});
  bool objects = args[0].is_array();
  args[0].each_element([&](const Value& item) {
    objects = item.is_object();
    if (objects) {
      out = merge(context, out, item, false);
    }
    return objects;
  });
  return objects ? out : context.fail("shallowMerge() takes an array of objects");
}

Value items(FunctionContext& context, Arguments args) {
  if (!args[0].is_object()) {
    return context.fail(fmt::format("items() takes an object, not {}", kind_name(args[0])));
  }
  Members members = members_of(args[0]);
  std::ranges::sort(members, {}, &Member::name);
  Elements out;
  for (const auto& [name, value] : members) {
    out.push_back(context.arena().object({{"key", Value::string(name)}, {"value", value}}));
  }
  return context.list(std::move(out));
}

Value object_keys(FunctionContext& context, Arguments args) {
  if (!args[0].is_object()) {
    return context.fail(fmt::format("objectKeys() takes an object, not {}", kind_name(args[0])));
  }
  Elements out;
  for (const auto& member : members_of(args[0])) {
    out.push_back(Value::string(member.name));
  }
  return context.list(std::move(out));
}

Value range(FunctionContext& context, Arguments args) {
  const auto start = whole_number(args[0]);
  const auto count = whole_number(args[1]);
  constexpr std::int64_t kMaxCount = 10'000;
  constexpr std::int64_t kMaxLast = 2'147'483'647;
  if (!start || !count || *count < 0 || *count > kMaxCount || *start < -kMaxLast - 1 ||
      *start + *count - 1 > kMaxLast) {
    return context.fail("range(): out of range");
  }
  Elements out;
  for (std::int64_t i = 0; i < *count; ++i) {
    out.push_back(Value::integer(*start + i));
  }
  return context.list(std::move(out));
}

Value skip(FunctionContext& context, Arguments args) {
  return part(context, "skip", args, false);
}

Value take(FunctionContext& context, Arguments args) {
  return part(context, "take", args, true);
}

Value index_from_end(FunctionContext& context, Arguments args) {
  const auto item = from_end(args[0], args[1]);
  return item ? *item : context.fail("indexFromEnd(): no such element");
}

Value try_index_from_end(FunctionContext& /*context*/, Arguments args) {
  return from_end(args[0], args[1]).value_or(Value::null());
}

Value try_get(FunctionContext& /*context*/, Arguments args) {
  Value at = args[0];
  for (const auto& key : args.subspan(1)) {
    if (key.is_string()) {
      at = at.member(key.text());
    } else if (key.is(Value::Kind::kInt) && key.as_int() >= 0) {
      at = at.at(static_cast<std::size_t>(key.as_int()));
    } else {
      at = {};
    }
    if (at.is_unknown()) {
      return at;
    }
    if (at.is_missing()) {
      return Value::null();
    }
  }
  return at;
}

}  // namespace plumbline::policy::functions
