// A JSON document that remembers where each of its values stands, so that an error in a definition
// can name its line and column. Members keep their order and their repetitions.
#pragma once

#include "core/result.hpp"
#include "policy/value.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

struct JsonMember;

struct JsonNode {
  enum class Kind : std::uint8_t {
    kNull,
    kBool,
    kInt,
    kUnsigned,
    kDouble,
    kString,
    kArray,
    kObject
  };

  Kind kind = Kind::kNull;
  std::size_t offset = 0;  // of its first byte
  bool boolean = false;
  std::int64_t integer = 0;
  std::uint64_t large = 0;  // of kind kUnsigned
  double number = 0;
  std::string text;
  std::vector<JsonNode> items;
  std::vector<JsonMember> members;

  [[nodiscard]] bool is_string() const noexcept { return kind == Kind::kString; }

  [[nodiscard]] bool is_array() const noexcept { return kind == Kind::kArray; }

  [[nodiscard]] bool is_object() const noexcept { return kind == Kind::kObject; }

  /// The first member of that name, compared without regard to case; null where there is none.
  [[nodiscard]] const JsonNode* find(std::string_view name) const;
};

struct JsonMember {
  std::string name;
  std::size_t offset = 0;  // of the name
  JsonNode value;
};

/// `source:line:col`, lines and columns (bytes) counted from 1.
class SourceText {
 public:
  /// `text` must outlive this. `first_line`: where the text begins in its file (JSON lines).
  SourceText(std::string_view text, std::string_view source, std::size_t first_line = 1)
      : text_(text), source_(source), first_line_(first_line) {}

  [[nodiscard]] std::string locate(std::size_t offset) const;
  /// An error of kind kParse (or another) whose message begins with the place.
  [[nodiscard]] core::Error error(std::size_t offset,
                                  std::string_view message,
                                  core::Errc code = core::Errc::kParse) const;

 private:
  std::string_view text_;
  std::string_view source_;
  std::size_t first_line_;
};

inline constexpr std::size_t kMaxDefinitionBytes = std::size_t{4} << 20U;
inline constexpr std::size_t kMaxDefinitionNodes = 400'000;

/// Parses a document; fails with kParse or kLimit, naming the place.
[[nodiscard]] core::Result<JsonNode> parse_json_tree(const SourceText& source,
                                                     std::string_view text);

/// The value of a node, its strings kept by the arena.
[[nodiscard]] Value to_value(const JsonNode& node, Arena& arena);

}  // namespace plumbline::policy
