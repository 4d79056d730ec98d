// Strict reading of YAML: known keys only, no duplicates, explicit types, a position in every
// error. Private to config/.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::config {

/// What one file says of a mapping.
struct YamlLayer {
  std::string file;
  YAML::Node node;
};

/// One mapping, and what may be in it. Collects the first error instead of returning each.
///
/// A mapping may be spread over layers, one for each file that has it: later ones go before earlier
/// ones, mappings in them are put together, anything else replaces, and a key without a value
/// changes nothing. Errors name the file of the layer that they are about.
class YamlReader {
 public:
  YamlReader(std::string file, std::string path, YAML::Node node, core::Status& status);
  /// At least one layer.
  YamlReader(std::vector<YamlLayer> layers, std::string path, core::Status& status);

  /// Declares the keys that may occur; unknown and repeated ones are errors.
  void allow(std::initializer_list<std::string_view> keys);

  /// `file:line:col` of the mapping.
  [[nodiscard]] std::string place() const;
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] bool is_scalar(std::string_view key) const;
  void text(std::string_view key, std::string& out);
  /// A path: absolute, below `$CREDENTIALS_DIRECTORY/`, or relative to `base`. Empty stays empty.
  void path(std::string_view key, const std::filesystem::path& base, std::string& out);
  /// One of `choices`.
  void choice(std::string_view key,
              std::initializer_list<std::string_view> choices,
              std::string& out);
  void choice(std::string_view key, std::span<const std::string_view> choices, std::string& out);
  /// `true` or `false`.
  void boolean(std::string_view key, bool& out);
  /// `90s`, `5m`, `1h`, `30d`.
  void duration(std::string_view key, std::chrono::seconds minimum, std::chrono::seconds& out);
  /// The same, or `off` and `0s` for zero.
  void duration_or_off(std::string_view key,
                       std::chrono::seconds minimum,
                       std::chrono::seconds& out);
  /// Bytes: `512MiB`, `20GiB`, `1TiB`, or `0` for none.
  void size(std::string_view key, std::int64_t minimum, std::int64_t& out);
  /// A whole number, in decimal.
  void integer(std::string_view key, std::int64_t minimum, std::int64_t maximum, std::int64_t& out);
  /// RFC 3339: `2027-01-31T00:00:00Z`.
  void instant(std::string_view key, std::optional<core::Time>& out);
  void texts(std::string_view key, std::vector<std::string>& out);
  /// A list of strings; `read` takes each and gives what is wrong with it, or nothing.
  void items(std::string_view key, const std::function<std::string(std::string_view)>& read);
  /// Every member of this mapping, all strings; `read` takes name and value and gives what is
  /// wrong.
  void members(const std::function<std::string(std::string_view, std::string_view)>& read);
  /// Any value, as JSON text.
  void json(std::string_view key, std::string& out);
  void mapping(std::string_view key, const std::function<void(YamlReader&)>& read);
  void sequence(std::string_view key, const std::function<void(YamlReader&)>& read);

  /// `file:line:col` of a key's value.
  [[nodiscard]] std::string place(std::string_view key) const;
  /// Records an error at a key's value, or at the mapping where the key is empty.
  void fail(std::string_view key, std::string_view message);

 private:
  /// The value that is in force, and the file that it is from; undefined if there is none.
  [[nodiscard]] YamlLayer find(std::string_view key) const;
  void fail_at(const std::string& file, const YAML::Node& node, std::string_view message);

  std::vector<YamlLayer> layers_;
  std::string path_;
  core::Status* status_;
};

[[nodiscard]] core::Result<YAML::Node> parse_yaml(const std::string& text, const std::string& file);

}  // namespace plumbline::config
