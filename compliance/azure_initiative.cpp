#include "compliance/azure_initiative.hpp"

#include "core/json_limits.hpp"
#include "core/json_member.hpp"
#include "core/resource_id.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <set>

namespace plumbline::compliance {

using core::DefinitionKind;
using core::DefinitionReference;
using core::Errc;
using core::Error;
using core::Result;
using core::text_member;
using nlohmann::json;

namespace {

// Azure allows 1000 definitions in an initiative.
constexpr std::size_t kMaxMembers = 2'000;

Result<json> parse(std::string_view text) {
  if (auto limits = core::check_json_limits(text); !limits) {
    return limits.error();
  }
  auto document = json::parse(text, nullptr, false);
  if (document.is_discarded()) {
    return Error{Errc::kParse, "the answer is not JSON"};
  }
  return document;
}

std::string text_of(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// The last segment of an id.
std::string name_of(std::string_view id) {
  return std::string(id.substr(id.rfind('/') + 1));
}

/// `{"properties": ...}` of an initiative that is this definition alone.
json initiative_of(const json& definition, const std::string& id) {
  const auto& properties = definition.at("properties");
  json parameters = json::object();
  json passed = json::object();
  if (const auto declared = properties.find("parameters"); declared != properties.end()) {
    for (const auto& [name, declaration] : declared->items()) {
      parameters[name] = declaration;
      passed[name]["value"] = fmt::format("[parameters('{}')]", name);
    }
  }
  json out = {{"displayName", text_member(properties, "displayName")},
              {"metadata", properties.value("metadata", json::object())},
              {"parameters", std::move(parameters)}};
  out["policyDefinitions"] = json::array({{{"policyDefinitionId", id},
                                           {"policyDefinitionReferenceId", name_of(id)},
                                           {"parameters", std::move(passed)}}});
  if (const auto version = text_member(properties, "version"); !version.empty()) {
    out["version"] = version;
  }
  return {{"properties", std::move(out)}};
}

}  // namespace

Result<AzureDefinition> read_azure_definition(std::string_view body) {
  const auto document = parse(body);
  if (!document) {
    return document.error();
  }
  const auto properties = document->find("properties");
  if (properties == document->end() || !properties->is_object()) {
    return Error{Errc::kParse, "the answer has no `properties`"};
  }
  AzureDefinition out;
  out.version = text_member(*properties, "version");
  json kept = *properties;
  // What Azure adds to this list is no change of what is fetched.
  kept.erase("versions");
  if (const auto versions = properties->find("versions");
      versions != properties->end() && versions->is_array()) {
    for (const auto& version : *versions) {
      if (version.is_string()) {
        out.versions.push_back(version.get<std::string>());
      }
    }
  }
  out.text = text_of({{"id", text_member(*document, "id")},
                      {"name", text_member(*document, "name")},
                      {"properties", std::move(kept)}});
  return out;
}

Result<std::vector<DefinitionReference>> members_of(const AzureDefinition& definition,
                                                    const DefinitionReference& reference) {
  if (core::definition_kind(reference.id) == DefinitionKind::kDefinition) {
    return std::vector<DefinitionReference>{reference};
  }
  const auto document = parse(definition.text);
  if (!document) {
    return document.error();
  }
  const auto& properties = document->at("properties");
  const auto listed = properties.find("policyDefinitions");
  if (listed == properties.end() || !listed->is_array()) {
    return Error{Errc::kParse, "the initiative has no `policyDefinitions`"};
  }
  if (listed->size() > kMaxMembers) {
    return Error{Errc::kLimit, fmt::format("more than {} definitions", kMaxMembers)};
  }
  std::vector<DefinitionReference> out;
  std::set<std::string> seen;
  for (const auto& item : *listed) {
    DefinitionReference member{.id = text_member(item, "policyDefinitionId"),
                               .version = text_member(item, "definitionVersion")};
    if (seen.insert(core::key_of(member)).second) {
      out.push_back(std::move(member));
    }
  }
  return out;
}

std::string initiative_document(const AzureDefinition& definition,
                                const std::vector<FetchedMember>& members) {
  json list = json::array();
  for (const auto& member : members) {
    json item = {{"key", core::key_of(member.reference)}};
    item[member.error.empty() ? "text" : "error"] =
        member.error.empty() ? member.text : member.error;
    list.push_back(std::move(item));
  }
  return text_of({{"initiative", definition.text}, {"definitions", std::move(list)}});
}

Result<InitiativeFiles> read_initiative_document(std::string_view text,
                                                 const DefinitionReference& reference) {
  const auto document = parse(text);
  if (!document) {
    return document.error();
  }
  const Error damaged{Errc::kCorrupt, fmt::format("{}: the kept copy is damaged", reference.id)};
  const auto members = document->find("definitions");
  const auto initiative = parse(text_member(*document, "initiative"));
  if (!initiative || !initiative->is_object() || !initiative->contains("properties") ||
      members == document->end() || !members->is_array()) {
    return damaged;
  }
  InitiativeFiles out;
  out.is_fetched = true;
  out.directory = reference.id;
  out.initiative.path = reference.id;
  const bool is_single = core::definition_kind(reference.id) == DefinitionKind::kDefinition;
  out.initiative.text =
      is_single ? text_of(initiative_of(*initiative, reference.id)) : text_of(*initiative);
  for (const auto& member : *members) {
    // A definition fetched for its own sake is referred to by its id alone.
    auto key = is_single ? core::resource_key(reference.id) : text_member(member, "key");
    if (auto error = text_member(member, "error"); !error.empty()) {
      out.unreadable[std::move(key)] = std::move(error);
    } else {
      out.definitions.push_back({std::move(key), text_member(member, "text")});
    }
  }
  return out;
}

}  // namespace plumbline::compliance
