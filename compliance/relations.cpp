#include "compliance/relations.hpp"

#include "core/json_limits.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::compliance {

using core::Errc;
using core::Error;
using core::Result;
using simdjson::dom::element;

namespace {

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> segments;
  for (auto segment : core::split(path, '.')) {
    const bool each = segment.ends_with("[*]");
    if (each) {
      segment.remove_suffix(3);
    }
    segments.emplace_back(segment);
    if (each) {
      segments.emplace_back("[*]");
    }
  }
  return segments;
}

std::string member_text(element object, const char* name) {
  std::string_view text;
  return object[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

void collect(element value,
             const std::vector<std::string>& path,
             std::size_t at,
             std::vector<std::string>& out) {
  if (at == path.size()) {
    std::string_view id;
    if (value.get(id) == simdjson::SUCCESS && core::parse_resource_id(id)) {
      out.push_back(core::resource_key(id));
    }
    return;
  }
  if (path[at] == "[*]") {
    simdjson::dom::array array;
    if (value.get(array) == simdjson::SUCCESS) {
      for (const element item : array) {
        collect(item, path, at + 1, out);
      }
    }
    return;
  }
  simdjson::dom::object object;
  if (value.get(object) == simdjson::SUCCESS) {
    for (const auto member : object) {
      if (core::iequals(member.key, path[at])) {
        collect(member.value, path, at + 1, out);
      }
    }
  }
}

}  // namespace

Result<std::vector<Relation>> parse_relations(std::string_view json, std::string_view source) {
  if (auto limits = core::check_json_limits(json); !limits) {
    return limits.error().with_context(source);
  }
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root);
      error != simdjson::SUCCESS) {
    return Error{Errc::kParse, fmt::format("{}: {}", source, simdjson::error_message(error))};
  }
  simdjson::dom::array entries;
  if (root["relations"].get(entries) != simdjson::SUCCESS) {
    return Error{Errc::kParse, fmt::format("{}: `relations` must be an array", source)};
  }
  std::vector<Relation> relations;
  for (const element entry : entries) {
    Relation relation;
    relation.name = member_text(entry, "name");
    relation.inverse_of = member_text(entry, "inverseOf");
    if (relation.name.empty()) {
      return Error{Errc::kParse, fmt::format("{}: a relation has no name", source)};
    }
    if (find_relation(relations, relation.name) != nullptr) {
      return Error{Errc::kParse,
                   fmt::format("{}: relation {} is declared twice", source, relation.name)};
    }
    if (relation.is_inverse()) {
      const Relation* forward = find_relation(relations, relation.inverse_of);
      if (forward == nullptr || forward->is_inverse()) {
        return Error{
            Errc::kParse,
            fmt::format("{}: relation {} is the inverse of {}, which is not declared before it",
                        source,
                        relation.name,
                        relation.inverse_of)};
      }
      relation.source_type = forward->target_type;
      relation.target_type = forward->source_type;
    } else {
      relation.source_type = core::to_lower(member_text(entry, "sourceType"));
      relation.target_type = core::to_lower(member_text(entry, "targetType"));
      const std::string path = member_text(entry, "path");
      if (relation.source_type.empty() || relation.target_type.empty() || path.empty()) {
        return Error{
            Errc::kParse,
            fmt::format("{}: relation {} needs sourceType, targetType and path (or inverseOf)",
                        source,
                        relation.name)};
      }
      relation.path = split_path(path);
    }
    relations.push_back(std::move(relation));
  }
  return relations;
}

const Relation* find_relation(const std::vector<Relation>& relations, std::string_view name) {
  const auto found = std::ranges::find_if(
      relations, [&](const Relation& relation) { return core::iequals(relation.name, name); });
  return found == relations.end() ? nullptr : &*found;
}

std::vector<std::string> relation_targets(const Relation& relation, element resource) {
  std::vector<std::string> targets;
  collect(resource, relation.path, 0, targets);
  std::ranges::sort(targets);
  targets.erase(std::ranges::unique(targets).begin(), targets.end());
  return targets;
}

std::vector<element> source_elements(element body, bool is_detail) {
  if (!is_detail) {
    return {body};
  }
  std::vector<element> elements;
  simdjson::dom::array values;
  if (body["value"].get(values) == simdjson::SUCCESS) {
    for (const element item : values) {
      elements.push_back(item);
    }
  }
  return elements;
}

}  // namespace plumbline::compliance
