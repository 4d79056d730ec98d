#include "config/yaml_reader.hpp"

#include "config/credentials.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace plumbline::config {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxNodes = 200'000;

std::string place_of(const std::string& file, const YAML::Mark& mark) {
  // yaml-cpp counts from 0 and gives -1 for nodes without a position.
  return fmt::format("{}:{}:{}", file, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1);
}

Error error_at(const std::string& file, const YAML::Mark& mark, std::string_view message) {
  return {Errc::kParse, fmt::format("{}: {}", place_of(file, mark), message)};
}

/// How deep a document nests and how much it holds, before anything recurses over it. Aliases count
/// as often as they are used: a few lines of them can stand for any amount.
bool too_large(const YAML::Node& node, int depth, std::size_t& nodes) {
  if (depth > kMaxDepth || ++nodes > kMaxNodes) {
    return true;
  }
  if (node.IsSequence()) {
    return std::any_of(node.begin(), node.end(), [&](const auto& item) {
      return too_large(item, depth + 1, nodes);
    });
  }
  if (node.IsMap()) {
    return std::any_of(node.begin(), node.end(), [&](const auto& item) {
      return too_large(item.second, depth + 1, nodes);
    });
  }
  return false;
}

void append_json(std::string& out, const YAML::Node& node) {
  if (node.IsMap()) {
    out += '{';
    for (const auto& member : node) {
      if (!out.ends_with('{')) {
        out += ',';
      }
      core::append_json_quoted(out, member.first.Scalar());
      out += ':';
      append_json(out, member.second);
    }
    out += '}';
  } else if (node.IsSequence()) {
    out += '[';
    bool first = true;
    for (const auto& item : node) {
      if (!first) {
        out += ',';
      }
      first = false;
      append_json(out, item);
    }
    out += ']';
  } else if (node.IsNull()) {
    out += "null";
  } else {
    const std::string& scalar = node.Scalar();
    double number = 0;
    const auto [end, error] = std::from_chars(scalar.data(), scalar.data() + scalar.size(), number);
    const bool leading_zero = scalar.size() > 1 && scalar[0] == '0' && scalar[1] != '.';
    const bool numeric = error == std::errc() && end == scalar.data() + scalar.size() &&
                         !leading_zero &&
                         scalar.find_first_not_of("0123456789.-+eE") == std::string::npos;
    // A tag of `!` marks a quoted scalar, which is a string whatever it looks like.
    if (node.Tag() != "!" && (scalar == "true" || scalar == "false" || numeric)) {
      out += scalar;
    } else {
      core::append_json_quoted(out, scalar);
    }
  }
}

YAML::Node member_of(const YAML::Node& node, std::string_view key) {
  if (node.IsMap()) {
    for (const auto& member : node) {
      if (member.first.IsScalar() && member.first.Scalar() == key) {
        return member.second;
      }
    }
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

}  // namespace

Result<YAML::Node> parse_yaml(const std::string& text, const std::string& file) {
  try {
    YAML::Node node = YAML::Load(text);
    std::size_t nodes = 0;
    if (too_large(node, 0, nodes)) {
      return Error{Errc::kLimit,
                   nodes > kMaxNodes
                       ? fmt::format("{}:1:1: holds more than {} values", file, kMaxNodes)
                       : fmt::format("{}:1:1: nests deeper than {} levels", file, kMaxDepth)};
    }
    return node;
  } catch (const YAML::Exception& error) {
    return error_at(file, error.mark, error.msg);
  }
}

YamlReader::YamlReader(std::string file, std::string path, YAML::Node node, core::Status& status)
    : YamlReader(std::vector<YamlLayer>{{std::move(file), node}}, std::move(path), status) {}

YamlReader::YamlReader(std::vector<YamlLayer> layers, std::string path, core::Status& status)
    : layers_(std::move(layers)), path_(std::move(path)), status_(&status) {
  for (const auto& [file, node] : layers_) {
    if (!node.IsMap()) {
      fail_at(
          file, node, fmt::format("{} must be a mapping", path_.empty() ? "the document" : path_));
    }
  }
}

void YamlReader::fail_at(const std::string& file,
                         const YAML::Node& node,
                         std::string_view message) {
  if (*status_) {
    *status_ = error_at(file, node.Mark(), message);
  }
}

void YamlReader::fail(std::string_view key, std::string_view message) {
  if (key.empty()) {
    fail_at(layers_.back().file, layers_.back().node, message);
    return;
  }
  const auto [file, node] = find(key);
  if (node.IsDefined()) {
    fail_at(file, node, message);
  } else {
    fail_at(layers_.front().file, layers_.front().node, message);
  }
}

YamlLayer YamlReader::find(std::string_view key) const {
  YamlLayer found{layers_.front().file, YAML::Node(YAML::NodeType::Undefined)};
  for (const auto& [file, node] : layers_) {
    const auto value = member_of(node, key);
    if (value.IsDefined() && (!value.IsNull() || !found.node.IsDefined())) {
      found.file = file;
      found.node.reset(value);
    }
  }
  return found;
}

std::string YamlReader::place() const {
  return place_of(layers_.back().file, layers_.back().node.Mark());
}

std::string YamlReader::place(std::string_view key) const {
  const auto [file, node] = find(key);
  return place_of(file, node.Mark());
}

bool YamlReader::has(std::string_view key) const {
  return find(key).node.IsDefined();
}

bool YamlReader::is_scalar(std::string_view key) const {
  const auto node = find(key).node;
  return node.IsDefined() && node.IsScalar();
}

void YamlReader::allow(std::initializer_list<std::string_view> keys) {
  for (const auto& [file, node] : layers_) {
    if (!node.IsMap()) {
      continue;
    }
    std::set<std::string> seen;
    for (const auto& member : node) {
      const std::string name = member.first.IsScalar() ? member.first.Scalar() : std::string();
      if (std::ranges::find(keys, name) == keys.end()) {
        fail_at(file,
                member.first,
                fmt::format("unknown key `{}`; known here: {}", name, fmt::join(keys, ", ")));
      } else if (!seen.insert(name).second) {
        fail_at(file, member.first, fmt::format("the key `{}` is given twice", name));
      }
    }
  }
}

void YamlReader::text(std::string_view key, std::string& out) {
  const auto [file, node] = find(key);
  if (!node.IsDefined()) {
    return;
  }
  if (!node.IsScalar()) {
    fail_at(file, node, fmt::format("`{}` must be a string", key));
    return;
  }
  out = node.Scalar();
}

void YamlReader::path(std::string_view key, const std::filesystem::path& base, std::string& out) {
  if (!has(key)) {
    // A default stands, but starts where paths start.
    out = out.empty() ? out : (base / out).lexically_normal().string();
    return;
  }
  text(key, out);
  if (out.empty()) {
    return;
  }
  auto resolved = resolve_path(out, base);
  if (resolved) {
    out = *std::move(resolved);
  } else {
    fail(key, resolved.error().message);
  }
}

void YamlReader::choice(std::string_view key,
                        std::initializer_list<std::string_view> choices,
                        std::string& out) {
  choice(key, std::span(choices.begin(), choices.size()), out);
}

void YamlReader::choice(std::string_view key,
                        std::span<const std::string_view> choices,
                        std::string& out) {
  std::string value = out;
  text(key, value);
  if (std::ranges::find(choices, value) == choices.end()) {
    fail(key,
         fmt::format("`{}` must be one of {}, not `{}`", key, fmt::join(choices, ", "), value));
    return;
  }
  out = value;
}

void YamlReader::boolean(std::string_view key, bool& out) {
  if (!has(key)) {
    return;
  }
  std::string value;
  text(key, value);
  if (value != "true" && value != "false") {
    fail(key, fmt::format("`{}` must be true or false, not `{}`", key, value));
    return;
  }
  out = value == "true";
}

void YamlReader::duration(std::string_view key,
                          std::chrono::seconds minimum,
                          std::chrono::seconds& out) {
  if (!has(key)) {
    return;
  }
  std::string value;
  text(key, value);
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(value.data() + value.size() - end));
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  const auto* found =
      std::ranges::find(kUnits, unit, &std::pair<std::string_view, std::int64_t>::first);
  constexpr std::int64_t kMaxSeconds = std::int64_t{36500} * 86400;
  if (error != std::errc() || found == std::end(kUnits) || count < 0 ||
      count > kMaxSeconds / found->second) {
    fail(key,
         fmt::format("`{}` must be a duration such as 90s, 5m, 1h or 30d, not `{}`", key, value));
    return;
  }
  const std::chrono::seconds duration(count * found->second);
  if (duration < minimum) {
    fail(key, fmt::format("`{}` must be at least {}s", key, minimum.count()));
    return;
  }
  out = duration;
}

void YamlReader::size(std::string_view key, std::int64_t minimum, std::int64_t& out) {
  if (!has(key)) {
    return;
  }
  std::string value;
  text(key, value);
  if (value == "0") {
    out = 0;
    return;
  }
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(value.data() + value.size() - end));
  constexpr std::pair<std::string_view, unsigned> kUnits[] = {
      {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  const auto* found =
      std::ranges::find(kUnits, unit, &std::pair<std::string_view, unsigned>::first);
  if (error != std::errc() || found == std::end(kUnits) || count < 1 || count > 999'999) {
    fail(key,
         fmt::format("`{}` must be a size such as 512MiB or 20GiB, or 0, not `{}`", key, value));
    return;
  }
  if (count << found->second < minimum) {
    fail(key, fmt::format("`{}` must be at least {} MiB", key, minimum >> 20U));
    return;
  }
  out = count << found->second;
}

void YamlReader::instant(std::string_view key, std::optional<core::Time>& out) {
  std::string text_of;
  text(key, text_of);
  if (text_of.empty()) {
    return;
  }
  out = core::parse_rfc3339(text_of);
  if (!out) {
    fail(key, fmt::format("`{}` is no instant such as 2027-01-31T00:00:00Z", text_of));
  }
}

void YamlReader::integer(std::string_view key,
                         std::int64_t minimum,
                         std::int64_t maximum,
                         std::int64_t& out) {
  std::string value = fmt::format("{}", out);
  text(key, value);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < minimum ||
      number > maximum) {
    fail(key,
         fmt::format(
             "`{}` must be a whole number from {} to {}, not `{}`", key, minimum, maximum, value));
    return;
  }
  out = number;
}

void YamlReader::duration_or_off(std::string_view key,
                                 std::chrono::seconds minimum,
                                 std::chrono::seconds& out) {
  std::string value;
  text(key, value);
  if (value == "off" || value == "0s") {
    out = std::chrono::seconds::zero();
  } else {
    duration(key, minimum, out);
  }
}

void YamlReader::texts(std::string_view key, std::vector<std::string>& out) {
  const auto [file, node] = find(key);
  if (!node.IsDefined()) {
    return;
  }
  if (!node.IsSequence()) {
    fail_at(file, node, fmt::format("`{}` must be a list of strings", key));
    return;
  }
  for (const auto& item : node) {
    if (!item.IsScalar()) {
      fail_at(file, item, fmt::format("`{}` must be a list of strings", key));
      return;
    }
    out.push_back(item.Scalar());
  }
}

void YamlReader::items(std::string_view key,
                       const std::function<std::string(std::string_view)>& read) {
  std::vector<std::string> values;
  texts(key, values);
  const auto [file, node] = find(key);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (const std::string wrong = read(values[i]); !wrong.empty()) {
      fail_at(file, node[i], wrong);
    }
  }
}

void YamlReader::members(
    const std::function<std::string(std::string_view, std::string_view)>& read) {
  for (const auto& [file, node] : layers_) {
    if (!node.IsMap()) {
      continue;
    }
    for (const auto& member : node) {
      if (!member.first.IsScalar() || !member.second.IsScalar()) {
        // What is left out has no place of its own.
        fail_at(file,
                member.second.IsNull() ? member.first : member.second,
                fmt::format("every value of {} must be a string", path_));
      } else if (const std::string wrong = read(member.first.Scalar(), member.second.Scalar());
                 !wrong.empty()) {
        fail_at(file, member.second, wrong);
      }
    }
  }
}

void YamlReader::json(std::string_view key, std::string& out) {
  const auto [file, node] = find(key);
  if (node.IsDefined() && !node.IsNull()) {
    out.clear();
    append_json(out, node);
  }
}

void YamlReader::mapping(std::string_view key, const std::function<void(YamlReader&)>& read) {
  std::vector<YamlLayer> below;
  for (const auto& [file, node] : layers_) {
    const auto value = member_of(node, key);
    if (!value.IsDefined() || value.IsNull()) {
      continue;
    }
    if (!below.empty() && !(value.IsMap() && below.back().node.IsMap())) {
      below.clear();
    }
    below.push_back({file, value});
  }
  if (below.empty()) {
    return;
  }
  const bool is_map = below.back().node.IsMap();
  YamlReader reader(std::move(below),
                    path_.empty() ? std::string(key) : path_ + "." + std::string(key),
                    *status_);
  if (is_map) {
    read(reader);
  }
}

void YamlReader::sequence(std::string_view key, const std::function<void(YamlReader&)>& read) {
  const auto [file, node] = find(key);
  if (!node.IsDefined() || node.IsNull()) {
    return;
  }
  if (!node.IsSequence()) {
    fail_at(file, node, fmt::format("`{}` must be a list", key));
    return;
  }
  for (const auto& item : node) {
    YamlReader reader(file, std::string(key), item, *status_);
    if (item.IsMap()) {
      read(reader);
    }
  }
}

}  // namespace plumbline::config
