#include "collectors/activity/feed.hpp"

#include "collectors/json_answer.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace plumbline::collectors {

using core::ChangeRecord;
using core::Errc;
using core::Error;
using core::Result;
using simdjson::dom::element;

namespace {

// Azure keeps 14 days; what is about to go may be gone when the query runs.
constexpr std::chrono::hours kFeedRetention{14 * 24 - 1};
// A watermark that lies further ahead than clocks differ was written by a clock that was wrong.
constexpr std::chrono::minutes kAhead{5};

/// The text of a `{value, localizedValue}` pair, or the text itself.
std::string_view value_member(element object, const char* name) {
  element member;
  if (object[name].get(member) != simdjson::SUCCESS) {
    return {};
  }
  std::string_view text;
  return member.get(text) == simdjson::SUCCESS ? text : text_member(member, "value");
}

std::optional<ChangeRecord> change_of_row(element row) {
  element properties;
  if (row["properties"].get(properties) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const auto target = text_member(properties, "targetResourceId");
  const auto id = core::parse_resource_id(target);
  ChangeRecord change;
  change.id = text_member(row, "id");
  change.kind = text_member(properties, "changeType");
  const bool known = change.kind == "Create" || change.kind == "Update" || change.kind == "Delete";
  element attributes;
  if (!id || change.id.empty() || !known ||
      properties["changeAttributes"].get(attributes) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  const auto at = core::parse_rfc3339(text_member(attributes, "timestamp"));
  if (!at) {
    return std::nullopt;
  }
  change.at = *at;
  change.key = id->key;
  change.type = core::to_lower(text_member(properties, "targetResourceType"));
  if (change.type.empty() || change.type == "microsoft.resources/resourcegroups") {
    change.type = id->type;
  }
  change.changed_by = text_member(attributes, "changedBy");
  change.changed_by_type = text_member(attributes, "changedByType");
  change.client_type = text_member(attributes, "clientType");
  change.operation = text_member(attributes, "operation");
  change.correlation_id = text_member(attributes, "correlationId");
  simdjson::dom::object changes;
  if (properties["changes"].get(changes) == simdjson::SUCCESS) {
    for (const auto& [path, detail] : changes) {
      change.paths.emplace_back(path);
    }
  }
  return change;
}

/// A successful write or delete; nullopt for every other event.
std::optional<ChangeRecord> change_of_event(element event) {
  const auto operation = core::to_lower(value_member(event, "operationName"));
  const bool is_delete = operation.ends_with("/delete");
  if ((!is_delete && !operation.ends_with("/write")) ||
      !core::iequals(value_member(event, "status"), "Succeeded")) {
    return std::nullopt;
  }
  const auto id = core::parse_resource_id(text_member(event, "resourceId"));
  const auto at = core::parse_rfc3339(text_member(event, "eventTimestamp"));
  ChangeRecord change;
  change.id = text_member(event, "eventDataId");
  if (!id || !at || change.id.empty()) {
    return std::nullopt;
  }
  change.at = *at;
  change.key = id->key;
  change.type = id->type;
  change.kind = is_delete                                                         ? "Delete"
                : core::istarts_with(value_member(event, "subStatus"), "Created") ? "Create"
                                                                                  : "Update";
  change.changed_by = text_member(event, "caller");
  change.operation = operation;
  change.correlation_id = text_member(event, "correlationId");
  return change;
}

}  // namespace

Result<ChangePage> parse_change_page(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "data", "the answer");
  if (!answer) {
    return answer.error();
  }
  const auto& [root, data] = *answer;
  ChangePage page;
  page.skip_token = text_member(root, "$skipToken");
  page.truncated =
      core::iequals(text_member(root, "resultTruncated"), "true") && page.skip_token.empty();
  if (root["totalRecords"].get(page.total_records) != simdjson::SUCCESS) {
    page.total_records = -1;
  }
  for (const element row : data) {
    ++page.row_count;
    if (auto change = change_of_row(row)) {
      page.changes.push_back(*std::move(change));
    } else {
      ++page.unusable;
    }
  }
  return page;
}

std::string activity_path(std::string_view subscription,
                          std::string_view provider,
                          core::Time since,
                          core::Time until) {
  const auto filter =
      fmt::format("eventTimestamp ge '{}' and eventTimestamp le '{}' and resourceProvider eq '{}'",
                  core::to_rfc3339(since),
                  core::to_rfc3339(until),
                  provider);
  return fmt::format(
      "/subscriptions/{}/providers/Microsoft.Insights/eventtypes/management/values"
      "?api-version=2015-04-01&$filter={}&$select=eventDataId,eventTimestamp,operationName,status,"
      "subStatus,resourceId,caller,correlationId",
      core::percent_encode(subscription),
      core::percent_encode(filter));
}

Result<ActivityPage> parse_activity_page(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "value", "the activity log");
  if (!answer) {
    return answer.error();
  }
  const auto& [root, values] = *answer;
  ActivityPage page;
  page.next_link = text_member(root, "nextLink");
  for (const element event : values) {
    if (auto change = change_of_event(event)) {
      page.changes.push_back(*std::move(change));
    }
  }
  return page;
}

FeedWindow feed_window(std::optional<core::Time> watermark,
                       std::optional<core::Time> swept,
                       core::Time now) {
  const auto oldest = now - kFeedRetention;
  FeedWindow window;
  if (watermark && *watermark >= oldest && *watermark <= now + kAhead) {
    window.since = *watermark - kFeedOverlap;
    return window;
  }
  window.gap = !watermark            ? "it was never read"
               : *watermark < oldest ? "it was last read before what it still holds"
                                     : "it was last read by a clock that ran ahead";
  // What came before the sweep is in it, what came since is still in the feed.
  const bool covered = swept && *swept >= oldest;
  window.sweep_needed = !covered;
  window.since = (covered ? *swept : now) - kFeedOverlap;
  return window;
}

core::Time activity_since(std::optional<core::Time> watermark,
                          core::Time passed,
                          core::Time now,
                          std::chrono::seconds oldest_list) {
  const auto from = watermark && *watermark <= now + kAhead ? *watermark : std::min(passed, now);
  // Lists that were fetched longer ago than this are due anyway.
  return std::max(from, now - oldest_list) - kActivityOverlap;
}

}  // namespace plumbline::collectors
