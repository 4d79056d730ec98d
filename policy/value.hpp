// What expressions and fields evaluate to. A Value borrows: from the resource's simdjson document,
// from the compiled definition, or from the Arena of the running evaluation.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plumbline::policy {

class Value;
using Elements = std::vector<Value>;
struct Member;
using Members = std::vector<Member>;

/// A JSON value, or one of three that are not: missing (a property that is not there), unknown
/// (evidence is missing) and error (a function failed). Trivially copyable; does not own what it
/// refers to.
class Value {
 public:
  enum class Kind : std::uint8_t {
    kMissing,
    kNull,
    kBool,
    kInt,
    kUnsigned,  // an integer beyond those of kInt
    kDouble,
    kString,
    kArray,
    kObject,
    kUnknown,
    kError,
  };

  Value() = default;
  [[nodiscard]] static Value null();
  [[nodiscard]] static Value boolean(bool b);
  [[nodiscard]] static Value integer(std::int64_t i);
  /// Of kind kInt where it fits.
  [[nodiscard]] static Value unsigned_integer(std::uint64_t i);
  [[nodiscard]] static Value number(double d);
  [[nodiscard]] static Value string(std::string_view text);
  [[nodiscard]] static Value array(const Elements* elements);
  [[nodiscard]] static Value object(const Members* members);
  [[nodiscard]] static Value unknown(std::string_view reason);
  /// An unknown that stands, as element of an array, for any number of elements.
  [[nodiscard]] static Value open_end(std::string_view reason);
  [[nodiscard]] static Value error(std::string_view message);
  /// A value of a resource. An object that marks missing evidence becomes unknown, and still gives
  /// its id, type and name through `member`; without an id it is an open end.
  [[nodiscard]] static Value element(simdjson::dom::element element);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }

  [[nodiscard]] bool is(Kind kind) const noexcept { return kind_ == kind; }

  [[nodiscard]] bool is_missing() const noexcept { return kind_ == Kind::kMissing; }

  /// Missing or null.
  [[nodiscard]] bool is_nothing() const noexcept {
    return kind_ == Kind::kMissing || kind_ == Kind::kNull;
  }

  [[nodiscard]] bool is_unknown() const noexcept { return kind_ == Kind::kUnknown; }

  [[nodiscard]] bool is_open_end() const noexcept { return open_end_; }

  /// The value as one element of an array, even where it is not known.
  [[nodiscard]] Value as_one() const noexcept {
    Value one = *this;
    one.open_end_ = false;
    return one;
  }

  [[nodiscard]] bool is_error() const noexcept { return kind_ == Kind::kError; }

  [[nodiscard]] bool is_string() const noexcept { return kind_ == Kind::kString; }

  [[nodiscard]] bool is_array() const noexcept { return kind_ == Kind::kArray; }

  [[nodiscard]] bool is_object() const noexcept { return kind_ == Kind::kObject; }

  [[nodiscard]] bool is_bool() const noexcept { return kind_ == Kind::kBool; }

  [[nodiscard]] bool is_number() const noexcept {
    return kind_ == Kind::kInt || kind_ == Kind::kUnsigned || kind_ == Kind::kDouble;
  }

  // Each of these requires the kind it names.
  [[nodiscard]] bool as_bool() const noexcept { return boolean_; }

  [[nodiscard]] std::int64_t as_int() const noexcept { return integer_; }

  [[nodiscard]] std::uint64_t as_unsigned() const noexcept { return unsigned_; }

  /// Of any number, rounded.
  [[nodiscard]] double as_double() const noexcept {
    return kind_ == Kind::kInt        ? static_cast<double>(integer_)
           : kind_ == Kind::kUnsigned ? static_cast<double>(unsigned_)
                                      : number_;
  }

  /// The string; the reason of an unknown; the message of an error.
  [[nodiscard]] std::string_view text() const noexcept {
    return from_document_ ? marker_reason() : text_;
  }

  /// Roughly how long it takes to look at the value once, in steps; at least 1.
  [[nodiscard]] std::size_t cost() const;
  /// Number of elements, members, or 0. An open end counts as one.
  [[nodiscard]] std::size_t size() const;
  /// Element of an array; missing when out of range, unknown from an open end on.
  [[nodiscard]] Value at(std::size_t index) const;
  /// The same from the end, the last element being 1.
  [[nodiscard]] Value from_end(std::size_t index) const;
  /// Member of an object, its name compared without regard to case (an exact match wins); missing
  /// where there is none or this is no object. Of a marker: unknown, but for id, type and name.
  [[nodiscard]] Value member(std::string_view name) const;
  /// The same by its exact name.
  [[nodiscard]] Value exact_member(std::string_view name) const;

  /// Calls `f(Value)` for each element of an array until it returns false.
  template <class F>
  void each_element(F&& f) const;
  /// Calls `f(std::string_view, Value)` for each member of an object until it returns false.
  template <class F>
  void each_member(F&& f) const;

 private:
  /// The member that has this name apart from the case of letters beyond ASCII.
  [[nodiscard]] Value folded_member(std::string_view name) const;
  /// The reason that a marker gives: this is an unknown from a document.
  [[nodiscard]] std::string_view marker_reason() const noexcept;

  Kind kind_ = Kind::kMissing;
  /// An array, an object or a marker of a document: `element_` holds.
  bool from_document_ = false;
  bool open_end_ = false;

  union {
    std::int64_t integer_ = 0;
    std::uint64_t unsigned_;
    bool boolean_;
    double number_;
    const Elements* elements_;
    const Members* members_;
    std::string_view text_;
    simdjson::dom::element element_;
  };
};

struct Member {
  std::string_view name;
  Value value;
};

static_assert(std::is_trivially_copyable_v<Value>);
// Values are passed and kept by the thousand.
static_assert(sizeof(Value) == 24);

/// Owns what computed values refer to. Not thread-safe; Values must not outlive it.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = delete;
  Arena& operator=(Arena&&) = delete;
  ~Arena() = default;

  [[nodiscard]] std::string_view keep(std::string text);

  [[nodiscard]] Value string(std::string text) { return Value::string(keep(std::move(text))); }

  [[nodiscard]] Value error(std::string message) { return Value::error(keep(std::move(message))); }

  [[nodiscard]] Value array(Elements elements);
  [[nodiscard]] Value object(Members members);
  /// A copy that depends on this arena alone.
  [[nodiscard]] Value copy(const Value& value);
  /// Parses JSON text; nullopt when it is not valid or beyond the limits.
  [[nodiscard]] std::optional<Value> parse(std::string_view json);

  /// Bytes kept, roughly.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  // Lists, since most evaluations compute nothing, and an empty list costs nothing.
  std::forward_list<std::string> strings_;
  std::forward_list<Elements> arrays_;
  std::forward_list<Members> objects_;
  std::size_t bytes_ = 0;
};

/// How many elements an array has: `known`, and any number more where there is an open end.
struct Extent {
  std::size_t known = 0;
  std::optional<std::string_view> open;  // the reason of the first open end
};

[[nodiscard]] Extent extent_of(const Value& array);
/// Negative, zero or positive; exact for integers beyond the precision of a double.
[[nodiscard]] int order_numbers(const Value& a, const Value& b);
/// The value is, or holds somewhere inside, missing evidence: its reason.
[[nodiscard]] std::optional<std::string_view> missing_evidence_in(const Value& value);
/// A whole text as a number: optional sign, digits, fraction, exponent, blanks around it.
[[nodiscard]] std::optional<Value> parse_number(std::string_view text);
/// Text of a number or boolean, and a string itself; nullopt for anything else.
[[nodiscard]] std::optional<std::string> scalar_text(const Value& value);
/// The same without a copy of a string: views the value's own text or `buffer`.
[[nodiscard]] std::optional<std::string_view> scalar_view(const Value& value, std::string& buffer);
[[nodiscard]] std::string number_text(const Value& value);
/// JSON text, cut off near `max_bytes`.
[[nodiscard]] std::string to_json(const Value& value, std::size_t max_bytes = SIZE_MAX);
/// `string`, `integer`, ... for messages.
[[nodiscard]] std::string_view kind_name(const Value& value) noexcept;

template <class F>
void Value::each_element(F&& f) const {
  if (kind_ != Kind::kArray) {
    return;
  }
  if (from_document_) {
    for (const auto item : simdjson::dom::array(element_)) {
      if (!f(Value::element(item))) {
        return;
      }
    }
    return;
  }
  for (const auto& item : *elements_) {
    if (!f(item)) {
      return;
    }
  }
}

template <class F>
void Value::each_member(F&& f) const {
  if (kind_ != Kind::kObject) {
    return;
  }
  if (from_document_) {
    for (const auto field : simdjson::dom::object(element_)) {
      if (!f(field.key, Value::element(field.value))) {
        return;
      }
    }
    return;
  }
  for (const auto& [name, value] : *members_) {
    if (!f(name, value)) {
      return;
    }
  }
}

}  // namespace plumbline::policy
