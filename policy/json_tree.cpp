#include "policy/json_tree.hpp"

#include "core/json_limits.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace plumbline::policy {

namespace {

namespace ondemand = simdjson::ondemand;

class TreeBuilder {
 public:
  TreeBuilder(const SourceText& source, const simdjson::padded_string& text)
      : source_(source), text_(text) {}

  core::Result<JsonNode> build() {
    if (const auto error = parser_.iterate(text_).get(document_)) {
      return source_.error(0, simdjson::error_message(error));
    }
    JsonNode root;
    bool scalar = false;
    if (const auto error = document_.is_scalar().get(scalar)) {
      return fail(error);
    }
    if (scalar) {
      return source_.error(0, "expected a JSON object or array");
    }
    ondemand::value value;
    if (const auto error = document_.get_value().get(value)) {
      return fail(error);
    }
    if (auto status = read(value, root); !status) {
      return status.error();
    }
    // Behind the last value there is no location any more.
    const char* rest = nullptr;
    if (document_.current_location().get(rest) == simdjson::SUCCESS) {
      return fail(simdjson::TRAILING_CONTENT);
    }
    return root;
  }

 private:
  [[nodiscard]] std::size_t offset_of(const char* at) const {
    const char* const begin = text_.data();
    return at >= begin && at <= begin + text_.size() ? static_cast<std::size_t>(at - begin) : 0;
  }

  [[nodiscard]] core::Error fail(simdjson::error_code code) {
    std::size_t offset = last_offset_;
    const char* at = nullptr;
    if (document_.current_location().get(at) == simdjson::SUCCESS) {
      offset = std::max(offset, offset_of(at));
    }
    return source_.error(offset, fmt::format("invalid JSON: {}", simdjson::error_message(code)));
  }

  core::Status read_number(ondemand::value value, JsonNode& node) {
    ondemand::number number;
    if (const auto error = value.get_number().get(number)) {
      return fail(error);
    }
    if (number.is_int64()) {
      node.kind = JsonNode::Kind::kInt;
      node.integer = number.get_int64();
    } else if (number.is_uint64()) {
      node.kind = JsonNode::Kind::kUnsigned;
      node.large = number.get_uint64();
    } else {
      node.kind = JsonNode::Kind::kDouble;
      node.number = number.as_double();
    }
    return core::Status::ok();
  }

  core::Status read_array(ondemand::value value, JsonNode& node) {
    node.kind = JsonNode::Kind::kArray;
    ondemand::array array;
    if (const auto error = value.get_array().get(array)) {
      return fail(error);
    }
    for (auto item : array) {
      ondemand::value element;
      if (const auto error = std::move(item).get(element)) {
        return fail(error);
      }
      if (auto status = read(element, node.items.emplace_back()); !status) {
        return status;
      }
    }
    return core::Status::ok();
  }

  core::Status read_object(ondemand::value value, JsonNode& node) {
    node.kind = JsonNode::Kind::kObject;
    ondemand::object object;
    if (const auto error = value.get_object().get(object)) {
      return fail(error);
    }
    for (auto entry : object) {
      ondemand::field field;
      if (const auto error = std::move(entry).get(field)) {
        return fail(error);
      }
      JsonMember& member = node.members.emplace_back();
      member.offset = offset_of(field.key().raw()) - 1;  // raw() stands behind the quote
      last_offset_ = member.offset;
      std::string_view name;
      if (const auto error = field.unescaped_key().get(name)) {
        return fail(error);
      }
      member.name = name;
      if (auto status = read(field.value(), member.value); !status) {
        return status;
      }
    }
    return core::Status::ok();
  }

  /// Recursion is bounded by the depth checked before.
  core::Status read(ondemand::value value, JsonNode& node) {
    if (++nodes_ > kMaxDefinitionNodes) {
      return source_.error(last_offset_, "too many JSON values", core::Errc::kLimit);
    }
    node.offset = offset_of(std::to_address(value.raw_json_token().begin()));
    last_offset_ = node.offset;
    ondemand::json_type type{};
    if (const auto error = value.type().get(type)) {
      return fail(error);
    }
    switch (type) {
      case ondemand::json_type::array:
        return read_array(value, node);
      case ondemand::json_type::object:
        return read_object(value, node);
      case ondemand::json_type::number:
        return read_number(value, node);
      case ondemand::json_type::string: {
        node.kind = JsonNode::Kind::kString;
        std::string_view text;
        if (const auto error = value.get_string().get(text)) {
          return fail(error);
        }
        node.text = text;
        return core::Status::ok();
      }
      case ondemand::json_type::boolean:
        node.kind = JsonNode::Kind::kBool;
        if (const auto error = value.get_bool().get(node.boolean)) {
          return fail(error);
        }
        return core::Status::ok();
      case ondemand::json_type::null: {
        if (!value.is_null()) {
          return fail(simdjson::N_ATOM_ERROR);
        }
        return core::Status::ok();
      }
    }
    return fail(simdjson::TAPE_ERROR);
  }

  const SourceText& source_;
  const simdjson::padded_string& text_;
  ondemand::parser parser_;
  ondemand::document document_;
  std::size_t last_offset_ = 0;
  std::size_t nodes_ = 0;
};

}  // namespace

const JsonNode* JsonNode::find(std::string_view name) const {
  for (const auto& member : members) {
    if (core::iequals(member.name, name)) {
      return &member.value;
    }
  }
  return nullptr;
}

std::string SourceText::locate(std::size_t offset) const {
  const std::string_view before = text_.substr(0, std::min(offset, text_.size()));
  const auto line = first_line_ + static_cast<std::size_t>(std::ranges::count(before, '\n'));
  const auto line_start = before.rfind('\n');
  const auto column =
      line_start == std::string_view::npos ? before.size() + 1 : before.size() - line_start;
  return fmt::format("{}:{}:{}", source_, line, column);
}

core::Error SourceText::error(std::size_t offset, std::string_view message, core::Errc code) const {
  return {code, fmt::format("{}: {}", locate(offset), message)};
}

core::Result<JsonNode> parse_json_tree(const SourceText& source, std::string_view text) {
  if (auto limits = core::check_json_limits(text, kMaxDefinitionBytes); !limits) {
    return source.error(0, limits.error().message, limits.error().code);
  }
  if (core::trim(text).empty()) {
    return source.error(0, "the document is empty");
  }
  const simdjson::padded_string padded(text);
  return TreeBuilder(source, padded).build();
}

Value to_value(const JsonNode& node, Arena& arena) {
  switch (node.kind) {
    case JsonNode::Kind::kNull:
      return Value::null();
    case JsonNode::Kind::kBool:
      return Value::boolean(node.boolean);
    case JsonNode::Kind::kInt:
      return Value::integer(node.integer);
    case JsonNode::Kind::kUnsigned:
      return Value::unsigned_integer(node.large);
    case JsonNode::Kind::kDouble:
      return Value::number(node.number);
    case JsonNode::Kind::kString:
      return arena.string(node.text);
    case JsonNode::Kind::kArray: {
      Elements elements;
      elements.reserve(node.items.size());
      for (const auto& item : node.items) {
        elements.push_back(to_value(item, arena));
      }
      return arena.array(std::move(elements));
    }
    case JsonNode::Kind::kObject: {
      Members members;
      members.reserve(node.members.size());
      for (const auto& [name, offset, value] : node.members) {
        members.push_back({arena.keep(name), to_value(value, arena)});
      }
      return arena.object(std::move(members));
    }
  }
  return Value::null();
}

}  // namespace plumbline::policy
