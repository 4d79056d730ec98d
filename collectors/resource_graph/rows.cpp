#include "collectors/resource_graph/rows.hpp"

#include "collectors/json_answer.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using simdjson::dom::element;

std::optional<core::Observation> observe_resource(element resource,
                                                  std::string_view table,
                                                  core::Time sent_at,
                                                  const core::Normaliser& normaliser) {
  const auto id_text = text_member(resource, "id");
  if (id_text.empty()) {
    return std::nullopt;
  }
  const auto id = core::parse_resource_id(id_text);
  core::Observation observation;
  observation.id = id_text;
  observation.key = id ? id->key : core::resource_key(id_text);
  observation.type = core::to_lower(text_member(resource, "type"));
  // Groups call themselves `Microsoft.Resources/resourceGroups` in ARM; the id says it one way
  // only.
  if (id &&
      (observation.type.empty() || observation.type == "microsoft.resources/resourcegroups")) {
    observation.type = id->type;
  }
  if (observation.type.empty()) {
    return std::nullopt;
  }
  auto subscription = core::to_lower(text_member(resource, "subscriptionId"));
  if (subscription.empty() && id) {
    subscription = id->subscription;
  }
  observation.source = core::partition_evidence_key(table, subscription);
  observation.observed_at = sent_at;
  auto normalised = normaliser.normalise(resource);
  observation.body = std::move(normalised.body);
  observation.fingerprint = normalised.fingerprint;
  return observation;
}

Result<GraphPage> parse_graph_page(std::string_view body,
                                   std::string_view table,
                                   core::Time sent_at,
                                   const core::Normaliser& normaliser) {
  simdjson::dom::parser parser;
  const auto parsed = parse_answer(parser, body);
  if (!parsed) {
    return parsed.error();
  }
  const element root = *parsed;
  simdjson::dom::array data;
  if (root["data"].get(data) != simdjson::SUCCESS) {
    return Error{Errc::kParse, "the answer has no `data` array"};
  }
  GraphPage page;
  page.skip_token = text_member(root, "$skipToken");
  page.truncated =
      core::iequals(text_member(root, "resultTruncated"), "true") && page.skip_token.empty();
  if (root["totalRecords"].get(page.total_records) != simdjson::SUCCESS) {
    page.total_records = -1;
  }
  for (const element row : data) {
    ++page.row_count;
    if (auto observation = observe_resource(row, table, sent_at, normaliser)) {
      page.rows.push_back(*std::move(observation));
    } else {
      ++page.unusable;
    }
  }
  return page;
}

}  // namespace plumbline::collectors
