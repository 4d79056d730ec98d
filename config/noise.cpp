#include "config/noise.hpp"

#include "config/drift_reader.hpp"
#include "config/yaml_reader.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::config {

using core::NoiseRule;
using core::Result;
using core::Status;

namespace {

constexpr std::array<std::pair<std::string_view, NoiseRule::Kind>, 4> kKinds = {{
    {"ignore", NoiseRule::Kind::kIgnore},
    {"unordered", NoiseRule::Kind::kUnordered},
    {"default", NoiseRule::Kind::kDefault},
    {"case", NoiseRule::Kind::kCase},
}};

void read_rule(YamlReader& reader, NoiseRule& out) {
  reader.allow({"kind", "types", "paths", "by", "value", "reason"});
  std::string kind;
  reader.choice("kind", {"ignore", "unordered", "default", "case"}, kind);
  for (const auto& [name, known] : kKinds) {
    if (name == kind) {
      out.kind = known;
    }
  }
  read_types(reader, "types", out.types);
  read_paths(reader, "paths", out.paths);
  for (const auto& [key, missing] :
       {std::pair("types", out.types.empty()), std::pair("paths", out.paths.empty())}) {
    if (missing) {
      reader.fail("", fmt::format("a rule needs `{}`, a list of at least one", key));
    }
  }
  reader.texts("by", out.by);
  if (reader.has("by") && out.kind != NoiseRule::Kind::kUnordered) {
    reader.fail("by", "`by` tells the elements of an array apart: a rule of the kind unordered");
  }
  reader.json("value", out.value_json);
  if (reader.has("value") && out.kind != NoiseRule::Kind::kDefault) {
    reader.fail("value", "`value` is what absence says: a rule of the kind default");
  }
  reader.text("reason", out.reason);
  if (out.reason.empty()) {
    reader.fail("", "a rule needs a `reason`");
  }
}

}  // namespace

void read_types(YamlReader& reader, std::string_view key, std::vector<std::string>& out) {
  reader.items(key, [&](std::string_view type) -> std::string {
    if (type != "*" && (type.find('/') == std::string_view::npos || type.starts_with('/'))) {
      return fmt::format("`{}` is no type such as Microsoft.Insights/components, nor `*`", type);
    }
    out.push_back(core::to_lower(type));
    return {};
  });
}

void read_paths(YamlReader& reader, std::string_view key, std::vector<core::PathPattern>& out) {
  reader.items(key, [&](std::string_view path) -> std::string {
    auto pattern = core::PathPattern::parse(path);
    if (!pattern) {
      return fmt::format(
          "`{}` is no path such as /properties/*/etag (at most 32 segments and two of **)", path);
    }
    out.push_back(*std::move(pattern));
    return {};
  });
}

Result<std::vector<NoiseRule>> parse_noise(const std::string& text, const std::string& path) {
  auto document = parse_yaml(text, path);
  if (!document) {
    return document.error();
  }
  std::vector<NoiseRule> rules;
  Status status = Status::ok();
  YamlReader root(path, "", *document, status);
  if (status) {
    root.allow({"rules"});
    if (!root.has("rules")) {
      root.fail("", "the document needs `rules`, a list; `[]` for none");
    }
    root.sequence("rules", [&](YamlReader& item) { read_rule(item, rules.emplace_back()); });
  }
  if (!status) {
    return status.error();
  }
  return rules;
}

}  // namespace plumbline::config
