#include "policy/value.hpp"

#include "core/json_limits.hpp"
#include "core/text.hpp"
#include "policy/engine.hpp"
#include "policy/fold.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace plumbline::policy {

namespace {

constexpr std::size_t kMaxParsedBytes = std::size_t{1} << 20U;

/// An object whose first key says that evidence is missing.
bool is_marker(simdjson::dom::object object) {
  const auto first = object.begin();
  return first != object.end() && first.key() == kNoEvidenceKey;
}

/// is_ascii for the few bytes of a name, inlined: most look-ups of what is not there end with it.
bool plain(std::string_view name) {
  std::uint8_t seen = 0;
  for (const char c : name) {
    seen |= static_cast<std::uint8_t>(c);
  }
  return seen < 0x80;
}

bool readable_on_marker(std::string_view name) {
  return core::iequals(name, "id") || core::iequals(name, "type") || core::iequals(name, "name");
}

}  // namespace

Value Value::null() {
  Value v;
  v.kind_ = Kind::kNull;
  return v;
}

Value Value::boolean(bool b) {
  Value v;
  v.kind_ = Kind::kBool;
  v.boolean_ = b;
  return v;
}

Value Value::integer(std::int64_t i) {
  Value v;
  v.kind_ = Kind::kInt;
  v.integer_ = i;
  return v;
}

Value Value::unsigned_integer(std::uint64_t i) {
  if (std::in_range<std::int64_t>(i)) {
    return integer(static_cast<std::int64_t>(i));
  }
  Value v;
  v.kind_ = Kind::kUnsigned;
  v.unsigned_ = i;
  return v;
}

Value Value::number(double d) {
  Value v;
  v.kind_ = Kind::kDouble;
  v.number_ = d;
  return v;
}

Value Value::string(std::string_view text) {
  Value v;
  v.kind_ = Kind::kString;
  v.text_ = text;
  return v;
}

Value Value::array(const Elements* elements) {
  Value v;
  v.kind_ = Kind::kArray;
  v.elements_ = elements;
  return v;
}

Value Value::object(const Members* members) {
  Value v;
  v.kind_ = Kind::kObject;
  v.members_ = members;
  return v;
}

Value Value::unknown(std::string_view reason) {
  Value v;
  v.kind_ = Kind::kUnknown;
  v.text_ = reason;
  return v;
}

Value Value::open_end(std::string_view reason) {
  Value v = unknown(reason);
  v.open_end_ = true;
  return v;
}

Value Value::error(std::string_view message) {
  Value v;
  v.kind_ = Kind::kError;
  v.text_ = message;
  return v;
}

Value Value::element(simdjson::dom::element element) {
  using Type = simdjson::dom::element_type;
  Value v;
  switch (element.type()) {
    case Type::NULL_VALUE:
      v.kind_ = Kind::kNull;
      break;
    case Type::BOOL:
      v.kind_ = Kind::kBool;
      v.boolean_ = element.get_bool().value_unsafe();
      break;
    case Type::INT64:
      v.kind_ = Kind::kInt;
      v.integer_ = element.get_int64().value_unsafe();
      break;
    case Type::UINT64:
      v.kind_ = Kind::kUnsigned;
      v.unsigned_ = element.get_uint64().value_unsafe();
      break;
    case Type::DOUBLE:
      v.kind_ = Kind::kDouble;
      v.number_ = element.get_double().value_unsafe();
      break;
    case Type::STRING:
      v.kind_ = Kind::kString;
      v.text_ = element.get_string().value_unsafe();
      break;
    case Type::ARRAY:
      v.kind_ = Kind::kArray;
      v.from_document_ = true;
      v.element_ = element;
      break;
    case Type::OBJECT:
      v.kind_ = Kind::kObject;
      v.from_document_ = true;
      v.element_ = element;
      if (is_marker(simdjson::dom::object(element))) {
        v.kind_ = Kind::kUnknown;
        v.open_end_ = v.member("id").is_unknown();
      }
      break;
  }
  return v;
}

std::string_view Value::marker_reason() const noexcept {
  std::string_view reason;
  const auto first = simdjson::dom::object(element_).begin();
  if (first.value().get(reason) != simdjson::SUCCESS || reason.empty()) {
    return "missing";
  }
  return reason;
}

std::size_t Value::cost() const {
  constexpr std::size_t kBytesPerStep = 64;
  switch (kind_) {
    case Kind::kString:
      return 1 + text_.size() / kBytesPerStep;
    case Kind::kArray:
      return 1 + (from_document_ ? simdjson::dom::array(element_).size() : elements_->size());
    case Kind::kObject:
      return 1 + (from_document_ ? simdjson::dom::object(element_).size() : members_->size());
    default:
      return 1;
  }
}

std::size_t Value::size() const {
  if (kind_ == Kind::kArray) {
    if (!from_document_) {
      return elements_->size();
    }
    std::size_t count = 0;
    for ([[maybe_unused]] const auto item : simdjson::dom::array(element_)) {
      ++count;
    }
    return count;
  }
  if (kind_ == Kind::kObject) {
    if (!from_document_) {
      return members_->size();
    }
    std::size_t count = 0;
    for ([[maybe_unused]] const auto field : simdjson::dom::object(element_)) {
      ++count;
    }
    return count;
  }
  return 0;
}

Value Value::at(std::size_t index) const {
  Value found;
  std::size_t i = 0;
  each_element([&](const Value& item) {
    if (item.is_open_end()) {
      found = unknown(item.text());
      return false;
    }
    if (i++ == index) {
      found = item;
      return false;
    }
    return true;
  });
  return found;
}

Value Value::from_end(std::size_t index) const {
  const std::size_t count = size();
  const std::size_t begin = index > count ? 0 : count - index;
  Value found;
  std::size_t i = 0;
  each_element([&](const Value& item) {
    const std::size_t at = i++;
    if (at >= begin && item.is_open_end()) {
      found = unknown(item.text());
      return false;
    }
    if (at == begin && index <= count) {
      found = item;
    }
    return true;
  });
  return found;
}

Value Value::member(std::string_view name) const {
  if (kind_ == Kind::kUnknown) {
    if (from_document_ && readable_on_marker(name)) {
      for (const auto field : simdjson::dom::object(element_)) {
        if (core::iequals(field.key, name)) {
          return Value::element(field.value);
        }
      }
    }
    return Value::unknown(text());
  }
  if (kind_ != Kind::kObject) {
    return {};
  }
  if (from_document_) {
    // Converting an element is not free, so only the match is converted.
    bool found = false;
    simdjson::dom::element match;
    for (const auto field : simdjson::dom::object(element_)) {
      const std::string_view key = field.key;
      if (key.size() != name.size()) {
        continue;
      }
      if (key == name) {
        return Value::element(field.value);
      }
      if (!found && core::iequals(key, name)) {
        found = true;
        match = field.value;
      }
    }
    return found ? Value::element(match) : plain(name) ? Value() : folded_member(name);
  }
  const Value* match = nullptr;
  for (const auto& candidate : *members_) {
    if (candidate.name == name) {
      return candidate.value;
    }
    if (match == nullptr && core::iequals(candidate.name, name)) {
      match = &candidate.value;
    }
  }
  return match != nullptr ? *match : plain(name) ? Value() : folded_member(name);
}

Value Value::folded_member(std::string_view name) const {
  Value found;
  each_member([&](std::string_view key, const Value& value) {
    if (!same_name(key, name)) {
      return true;
    }
    found = value;
    return false;
  });
  return found;
}

Value Value::exact_member(std::string_view name) const {
  if (kind_ != Kind::kObject) {
    return {};
  }
  if (from_document_) {
    for (const auto field : simdjson::dom::object(element_)) {
      if (field.key == name) {
        return Value::element(field.value);
      }
    }
    return {};
  }
  const auto found = std::ranges::find(*members_, name, &Member::name);
  return found != members_->end() ? found->value : Value();
}

std::string_view Arena::keep(std::string text) {
  bytes_ += text.size() + sizeof(std::string);
  return strings_.emplace_front(std::move(text));
}

Value Arena::array(Elements elements) {
  bytes_ += elements.size() * sizeof(Value) + sizeof(Elements);
  return Value::array(&arrays_.emplace_front(std::move(elements)));
}

Value Arena::object(Members members) {
  bytes_ += members.size() * sizeof(Member) + sizeof(Members);
  return Value::object(&objects_.emplace_front(std::move(members)));
}

Value Arena::copy(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kString:
      return string(std::string(value.text()));
    case Value::Kind::kUnknown:
      return value.is_open_end() ? Value::open_end(keep(std::string(value.text())))
                                 : Value::unknown(keep(std::string(value.text())));
    case Value::Kind::kError:
      return Value::error(keep(std::string(value.text())));
    case Value::Kind::kArray: {
      Elements elements;
      value.each_element([&](const Value& item) {
        elements.push_back(copy(item));
        return true;
      });
      return array(std::move(elements));
    }
    case Value::Kind::kObject: {
      Members members;
      value.each_member([&](std::string_view name, const Value& item) {
        members.push_back({keep(std::string(name)), copy(item)});
        return true;
      });
      return object(std::move(members));
    }
    default:
      return value;
  }
}

std::optional<Value> Arena::parse(std::string_view json) {
  if (!core::check_json_limits(json, kMaxParsedBytes)) {
    return std::nullopt;
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(simdjson::padded_string(json)).get(root) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return copy(Value::element(root));
}

Extent extent_of(const Value& array) {
  Extent extent;
  array.each_element([&](const Value& item) {
    if (!item.is_open_end()) {
      ++extent.known;
    } else if (!extent.open) {
      extent.open = item.text();
    }
    return true;
  });
  return extent;
}

namespace {

template <class T>
int sign_of(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/// An integer against a float: as a double the integer might round to the other side.
template <class Whole>
int order_whole(Whole a, double d, double lowest, double beyond) {
  if (d < lowest || d >= beyond) {
    return d < lowest ? 1 : -1;
  }
  const auto whole = static_cast<Whole>(d);
  const int order = sign_of(a, whole);
  return order != 0 ? order : sign_of(static_cast<double>(whole), d);
}

}  // namespace

int order_numbers(const Value& a, const Value& b) {
  using Kind = Value::Kind;
  if (a.kind() == b.kind()) {
    return a.is(Kind::kInt)        ? sign_of(a.as_int(), b.as_int())
           : a.is(Kind::kUnsigned) ? sign_of(a.as_unsigned(), b.as_unsigned())
                                   : sign_of(a.as_double(), b.as_double());
  }
  if (a.is(Kind::kDouble)) {
    return -order_numbers(b, a);
  }
  if (!b.is(Kind::kDouble)) {
    return a.is(Kind::kUnsigned) ? 1 : -1;
  }
  return a.is(Kind::kInt) ? order_whole(a.as_int(), b.as_double(), -0x1p63, 0x1p63)
                          : order_whole(a.as_unsigned(), b.as_double(), 0, 0x1p64);
}

std::optional<std::string_view> missing_evidence_in(const Value& value) {
  std::optional<std::string_view> reason;
  switch (value.kind()) {
    case Value::Kind::kUnknown:
      return value.text();
    case Value::Kind::kArray:
      value.each_element([&](const Value& item) {
        reason = missing_evidence_in(item);
        return !reason;
      });
      return reason;
    case Value::Kind::kObject:
      value.each_member([&](std::string_view, const Value& item) {
        reason = missing_evidence_in(item);
        return !reason;
      });
      return reason;
    default:
      return std::nullopt;
  }
}

std::optional<Value> parse_number(std::string_view text) {
  text = core::trim(text);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) {
      return std::nullopt;
    }
  }
  if (text.empty()) {
    return std::nullopt;
  }
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
      error == std::errc() && at == end) {
    return Value::integer(integer);
  }
  std::uint64_t large = 0;
  if (const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), large);
      error == std::errc() && at == end) {
    return Value::unsigned_integer(large);
  }
  // from_chars also takes "inf" and "nan", which are no numbers here.
  if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) {
    return std::nullopt;
  }
  double number = 0;
  if (const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      error == std::errc() && at == end) {
    return Value::number(number);
  }
  return std::nullopt;
}

std::string number_text(const Value& value) {
  if (value.is(Value::Kind::kInt)) {
    return fmt::format("{}", value.as_int());
  }
  if (value.is(Value::Kind::kUnsigned)) {
    return fmt::format("{}", value.as_unsigned());
  }
  const double d = value.as_double();
  if (std::nearbyint(d) == d && std::fabs(d) < 1e15) {
    return fmt::format("{:.0f}", d);
  }
  return fmt::format("{}", d);
}

std::optional<std::string_view> scalar_view(const Value& value, std::string& buffer) {
  if (value.is_string()) {
    return value.text();
  }
  if (value.is_number()) {
    return buffer = number_text(value);
  }
  if (value.is_bool()) {
    return value.as_bool() ? "true" : "false";
  }
  return std::nullopt;
}

std::optional<std::string> scalar_text(const Value& value) {
  std::string buffer;
  const auto view = scalar_view(value, buffer);
  return view ? std::optional<std::string>(*view) : std::nullopt;
}

namespace {

void append_json(const Value& value, std::size_t max_bytes, std::string& out) {
  if (out.size() > max_bytes) {
    return;
  }
  switch (value.kind()) {
    case Value::Kind::kMissing:
    case Value::Kind::kNull:
    case Value::Kind::kError:
    case Value::Kind::kUnknown:
      out += "null";
      return;
    case Value::Kind::kBool:
      out += value.as_bool() ? "true" : "false";
      return;
    case Value::Kind::kInt:
    case Value::Kind::kUnsigned:
    case Value::Kind::kDouble:
      out += number_text(value);
      return;
    case Value::Kind::kString: {
      std::string_view text = value.text();
      if (text.size() > max_bytes) {
        text = text.substr(0, max_bytes);
      }
      core::append_json_quoted(out, text);
      return;
    }
    case Value::Kind::kArray: {
      out += '[';
      bool first = true;
      value.each_element([&](const Value& item) {
        if (!first) {
          out += ',';
        }
        first = false;
        append_json(item, max_bytes, out);
        return out.size() <= max_bytes;
      });
      out += ']';
      return;
    }
    case Value::Kind::kObject: {
      out += '{';
      bool first = true;
      value.each_member([&](std::string_view name, const Value& item) {
        if (!first) {
          out += ',';
        }
        first = false;
        core::append_json_quoted(out, name);
        out += ':';
        append_json(item, max_bytes, out);
        return out.size() <= max_bytes;
      });
      out += '}';
      return;
    }
  }
}

}  // namespace

std::string to_json(const Value& value, std::size_t max_bytes) {
  std::string out;
  append_json(value, max_bytes, out);
  if (out.size() > max_bytes) {
    std::size_t cut = max_bytes;
    while (cut > 0 && (static_cast<unsigned char>(out[cut]) & 0xC0U) == 0x80U) {
      --cut;
    }
    out.resize(cut);
    out += "...";
  }
  return out;
}

std::string_view kind_name(const Value& value) noexcept {
  switch (value.kind()) {
    case Value::Kind::kMissing:
      return "nothing";
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return "a boolean";
    case Value::Kind::kInt:
    case Value::Kind::kUnsigned:
      return "an integer";
    case Value::Kind::kDouble:
      return "a number";
    case Value::Kind::kString:
      return "a string";
    case Value::Kind::kArray:
      return "an array";
    case Value::Kind::kObject:
      return "an object";
    case Value::Kind::kUnknown:
      return "unknown";
    case Value::Kind::kError:
      return "an error";
  }
  return "nothing";
}

}  // namespace plumbline::policy
