#include "config/exemptions.hpp"

#include "config/yaml_reader.hpp"

#include <fmt/format.h>

namespace plumbline::config {

using core::ExemptionSpec;
using core::Result;
using core::Status;

namespace {

/// As Azure's `properties`; what has no meaning here is let through so that they can be copied.
void read_properties(YamlReader& properties, ExemptionSpec& out) {
  properties.allow({"policyAssignmentId",
                    "policyDefinitionReferenceIds",
                    "exemptionCategory",
                    "expiresOn",
                    "displayName",
                    "description",
                    "metadata",
                    "assignmentScopeValidation",
                    "resourceSelectors"});
  properties.text("policyAssignmentId", out.assignment);
  properties.texts("policyDefinitionReferenceIds", out.references);
  properties.choice("exemptionCategory", {"Waiver", "Mitigated"}, out.category);
  properties.instant("expiresOn", out.expires_on);
  properties.text("displayName", out.display_name);
  properties.text("description", out.description);
  if (out.description.empty()) {
    properties.fail("", "an exemption needs a `description`: the reason");
  }
  properties.mapping("metadata", [&](YamlReader& metadata) { metadata.text("owner", out.owner); });
  std::string validation = "Default";
  properties.choice("assignmentScopeValidation", {"Default", "DoNotValidate"}, validation);
  properties.json("resourceSelectors", out.resource_selectors_json);
}

void read_exemption(YamlReader& reader, ExemptionSpec& out) {
  reader.allow({"name", "scope", "properties"});
  out.place = reader.place();
  reader.text("name", out.name);
  reader.text("scope", out.scope);
  for (const auto& [key, value] : {std::pair("name", &out.name), std::pair("scope", &out.scope)}) {
    if (value->empty()) {
      reader.fail("", fmt::format("an exemption needs a `{}`", key));
    }
  }
  if (!reader.has("properties")) {
    reader.fail("", "an exemption needs `properties`");
  }
  reader.mapping("properties", [&](YamlReader& properties) { read_properties(properties, out); });
}

}  // namespace

Result<std::vector<ExemptionSpec>> parse_exemptions(const std::string& text,
                                                    const std::string& path) {
  auto document = parse_yaml(text, path);
  if (!document) {
    return document.error();
  }
  std::vector<ExemptionSpec> exemptions;
  Status status = Status::ok();
  YamlReader root(path, "", *document, status);
  if (status) {
    root.allow({"exemptions"});
    if (!root.has("exemptions")) {
      root.fail("", "the document needs `exemptions`, a list; `[]` for none");
    }
    root.sequence("exemptions",
                  [&](YamlReader& item) { read_exemption(item, exemptions.emplace_back()); });
  }
  if (!status) {
    return status.error();
  }
  return exemptions;
}

}  // namespace plumbline::config
