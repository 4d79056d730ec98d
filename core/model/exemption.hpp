// An exemption as it is written down.
#pragma once

#include "core/clock.hpp"

#include <optional>
#include <string>
#include <vector>

namespace plumbline::core {

/// In the shape of Azure's policyExemptions ("Azure Policy exemption structure").
struct ExemptionSpec {
  std::string name;
  std::string scope;       // `/`, or the id of a subscription, resource group or resource
  std::string assignment;  // policyAssignmentId: an assignment's name or Azure id; empty: every one
  std::vector<std::string> references;  // policyDefinitionReferenceIds; empty: all
  std::string category;                 // Waiver or Mitigated
  std::optional<Time> expires_on;
  std::string display_name;
  std::string description;  // the reason
  std::string owner;        // metadata.owner
  std::string resource_selectors_json = "[]";
  std::string place;  // `file:line:col`, for messages
};

}  // namespace plumbline::core
