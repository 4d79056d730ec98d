#include "daemon/summary_json.hpp"

#include <algorithm>

namespace plumbline::daemon {

using nlohmann::json;

namespace {

json optional_number(std::optional<double> value) {
  return value ? json(*value) : json(nullptr);
}

compliance::Tally find_tally(const std::map<std::string, compliance::Tally>& tallies,
                             const std::string& name) {
  const auto found = tallies.find(name);
  return found == tallies.end() ? compliance::Tally{} : found->second;
}

/// The checks under a row: what they come to, and which they are.
json checks_json(const compliance::Summary& summary,
                 const compliance::AssignmentSummary& entry,
                 const std::string& row,
                 const std::vector<std::string>& references) {
  json out = tally_json(find_tally(entry.by_row, row));
  out["references"] = references;
  out["off"] = std::ranges::count_if(summary.checks, [&](const auto& check) {
    return check.check->assignment == entry.assignment->name && check.check->is_disabled() &&
           std::ranges::find(references, check.check->reference) != references.end();
  });
  return out;
}

json features_json(const compliance::Summary& summary,
                   const compliance::AssignmentSummary& entry,
                   const std::string& control) {
  const auto& structure = entry.assignment->structure;
  json list = json::array();
  for (const auto& feature : structure.features) {
    if (feature.control != control) {
      continue;
    }
    json information = json::array();
    for (const auto& row : structure.information) {
      if (row.feature == feature.id) {
        information.push_back(
            {{"id", row.id}, {"state", row.state}, {"name", row.name}, {"text", row.text}});
      }
    }
    auto checks = checks_json(summary, entry, feature.id, feature.checks);
    const bool is_scored = feature.state == compliance::FeatureState::kCustomer;
    list.push_back({{"id", feature.id},
                    {"name", feature.name},
                    {"supported", feature.supported},
                    {"enabled_by_default", feature.enabled_by_default},
                    {"responsibility", feature.responsibility},
                    {"state", compliance::to_string(feature.state)},
                    {"score", is_scored ? checks["score"] : json(nullptr)},
                    {"summary", feature.summary},
                    {"checks", std::move(checks)},
                    {"see_also", feature.see_also},
                    {"information", std::move(information)}});
  }
  return list;
}

json recommendations_json(const compliance::Summary& summary,
                          const compliance::AssignmentSummary& entry,
                          const std::string& control) {
  json list = json::array();
  for (const auto& row : entry.assignment->structure.recommendations) {
    if (row.control != control) {
      continue;
    }
    auto checks = checks_json(summary, entry, row.id, row.checks);
    list.push_back({{"id", row.id},
                    {"name", row.name},
                    {"area", row.area},
                    {"note", row.note},
                    {"score", checks["score"]},
                    {"checks", std::move(checks)},
                    {"see_also", row.see_also}});
  }
  return list;
}

}  // namespace

json tally_json(const compliance::Tally& tally) {
  json counts = json::object();
  for (const auto state : core::kComplianceStates) {
    if (tally.of(state) > 0) {
      counts[std::string(core::to_string(state))] = tally.of(state);
    }
  }
  return {{"score", optional_number(tally.score())},
          {"coverage", optional_number(tally.coverage())},
          {"counts", std::move(counts)}};
}

json azure_json(const compliance::ResourceTally& resources) {
  json counts = json::object();
  for (const auto state : core::kComplianceStates) {
    if (resources.of(state) > 0) {
      counts[std::string(core::to_string(state))] = resources.of(state);
    }
  }
  return {{"compliance", optional_number(resources.azure_ratio())}, {"counts", std::move(counts)}};
}

json controls_json(const compliance::Summary& summary) {
  json list = json::array();
  for (const auto& entry : summary.assignments) {
    for (const auto& control : entry.assignment->controls) {
      json item = tally_json(find_tally(entry.by_control, control.name));
      item["assignment"] = entry.assignment->name;
      item["name"] = control.name;
      item["title"] = control.title;
      item["features"] = features_json(summary, entry, control.name);
      item["recommendations"] = recommendations_json(summary, entry, control.name);
      list.push_back(std::move(item));
    }
  }
  return list;
}

}  // namespace plumbline::daemon
