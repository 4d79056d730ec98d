#include "daemon/web/api_routes.hpp"

#include "core/clock.hpp"
#include "core/text.hpp"
#include "daemon/web/assets.hpp"
#include "net/http.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <ranges>
#include <vector>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::string_view kPrefix = "/api/v1/";

// Where order matters to the reader it is that of the daemon's tables; clients look up by name.
constexpr std::array kRoutes = {
    Route{.name = "status",
          .operation = Operation::kStatus,
          .summary = "What the daemon knows and what it cannot see",
          .parameters = "",
          .schema = "Status",
          .is_of_state = false},
    Route{.name = "scores",
          .operation = Operation::kScores,
          .summary = "Scores, coverage and counts",
          .parameters = "at",
          .schema = "Scores",
          .may_miss = true},
    Route{.name = "controls",
          .operation = Operation::kControls,
          .summary = "Controls with the features and recommendations of their documents",
          .parameters = "",
          .schema = "Controls"},
    Route{.name = "checks",
          .operation = Operation::kChecks,
          .summary = "Every check with its counts",
          .parameters = "",
          .schema = "Checks"},
    Route{.name = "results",
          .operation = Operation::kResults,
          .summary = "Verdicts",
          .parameters =
              "state assignment reference severity control subscription resource type q order at "
              "limit after",
          .schema = "Results",
          .may_miss = true},
    Route{.name = "resources",
          .operation = Operation::kResources,
          .summary = "Resources, without their configuration",
          .parameters = "type subscription q at limit after",
          .schema = "Resources",
          .may_miss = true},
    Route{.name = "resource",
          .operation = Operation::kResource,
          .summary = "One resource with configuration, versions and verdicts",
          .parameters = "id! version at",
          .schema = "Resource",
          .may_miss = true},
    Route{.name = "versions",
          .operation = Operation::kVersions,
          .summary = "The versions of a resource, the latest first, with what each changed",
          .parameters = "id! limit after",
          .schema = "Versions",
          .may_miss = true},
    Route{.name = "history",
          .operation = Operation::kHistory,
          .summary = "All that happened to a resource, the latest first",
          .parameters = "id! limit",
          .schema = "History",
          .may_miss = true},
    Route{.name = "explain",
          .operation = Operation::kExplain,
          .summary = "Why a verdict is what it is",
          .parameters = "assignment! reference! resource!",
          .schema = "Explanation",
          .may_miss = true,
          .is_of_state = false},
    Route{
        .name = "drift",
        .operation = Operation::kDrift,
        .summary = "What moved, the latest first",
        .parameters =
            "open states kind severity subscription type scope control assignment reference actor "
            "owner item counts limit after",
        .schema = "Drift"},
    Route{.name = "acceptances",
          .operation = Operation::kAcceptances,
          .summary = "Drift that is agreed to",
          .parameters = "all",
          .schema = "Acceptances"},
    Route{.name = "events",
          .operation = Operation::kEvents,
          .summary = "Changes of verdicts and of drift in the order in which they happened",
          .parameters = "limit after",
          .schema = "Events"},
    Route{.name = "exemptions",
          .operation = Operation::kExemptions,
          .summary = "Exemptions and how they fare",
          .parameters = "",
          .schema = "Exemptions"},
    Route{.name = "transitions",
          .operation = Operation::kTransitions,
          .summary = "Changes of verdicts, the latest first",
          .parameters = "limit after",
          .schema = "Transitions"},
    Route{.name = "cycles",
          .operation = Operation::kCycles,
          .summary = "Commits, the latest first",
          .parameters = "limit after",
          .schema = "Cycles"},
    Route{.name = "outbox",
          .operation = Operation::kOutbox,
          .summary = "Who is told of events, how far, and what was not taken",
          .parameters = "limit",
          .schema = "Outbox",
          .is_of_state = false},
    Route{.name = "openapi.json",
          .operation = Operation::kDocument,
          .summary = "This document",
          .parameters = "",
          .schema = "Document",
          .is_of_state = false},
};

enum class Kind : std::uint8_t { kText, kLimit, kNumber, kInstant, kChoice };

struct Parameter {
  std::string_view name;
  Kind kind = Kind::kText;
  std::string_view description;
  std::string_view choices{};  // separated by blanks
};

constexpr std::array kParameters = {
    Parameter{.name = "actor",
              .description = "Who changed it, where that is certain; in any letters"},
    Parameter{.name = "after", .description = "The `next` of the page before"},
    Parameter{.name = "all",
              .kind = Kind::kChoice,
              .description = "`true` lists what has ended, too",
              .choices = "true false"},
    Parameter{.name = "assignment", .description = "An assignment's name"},
    Parameter{.name = "at",
              .kind = Kind::kInstant,
              .description = "As it was at this instant; now where it is not given"},
    Parameter{.name = "control", .description = "A control's name"},
    Parameter{.name = "counts",
              .kind = Kind::kChoice,
              .description = "`true`: also how many have each state",
              .choices = "true false"},
    Parameter{.name = "id", .description = "A resource's id"},
    Parameter{.name = "item", .kind = Kind::kNumber, .description = "A drift item's id"},
    Parameter{.name = "kind",
              .kind = Kind::kChoice,
              .description = "A kind of drift",
              .choices = "baseline configuration"},
    Parameter{
        .name = "limit", .kind = Kind::kLimit, .description = "How many rows, 100 if not given"},
    Parameter{.name = "open",
              .kind = Kind::kChoice,
              .description = "`false` lists what was resolved, too",
              .choices = "true false"},
    Parameter{.name = "order",
              .kind = Kind::kChoice,
              .description = "`severity`: those of the severest checks first",
              .choices = "check severity"},
    Parameter{.name = "owner", .description = "Whose it is, by its tags; in any letters"},
    Parameter{.name = "q", .description = "A text to look for; ASCII letters ignore case"},
    Parameter{.name = "reference", .description = "A policyDefinitionReferenceId"},
    Parameter{.name = "resource", .description = "A resource's id"},
    Parameter{.name = "severity",
              .kind = Kind::kChoice,
              .description = "A check's severity",
              .choices = "critical high medium low"},
    Parameter{
        .name = "state",
        .kind = Kind::kChoice,
        .description = "A compliance state",
        .choices = "NonCompliant NoEvidence Compliant Error Conflict Protected Exempt Unknown"},
    Parameter{.name = "scope",
              .description = "The id of a subscription, group or resource: it and what lies below"},
    Parameter{.name = "states",
              .description = "`all`, or some of open, accepted, snoozed and resolved, with commas"},
    Parameter{.name = "subscription", .description = "A subscription's id"},
    Parameter{.name = "type", .description = "A type of resources"},
    Parameter{.name = "version",
              .kind = Kind::kNumber,
              .description = "One of the resource's versions, in place of the current one"},
};

/// What a route's text says of one of its parameters.
struct Wanted {
  std::string_view name;
  bool required = false;
};

std::vector<Wanted> parameters_of(const Route& route) {
  std::vector<Wanted> out;
  for (const auto word : core::split(route.parameters, ' ')) {
    if (!word.empty()) {
      const bool required = word.ends_with('!');
      out.push_back({word.substr(0, word.size() - (required ? 1 : 0)), required});
    }
  }
  return out;
}

const Parameter& parameter(std::string_view name) {
  return *std::ranges::find(kParameters, name, &Parameter::name);
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

constexpr std::int64_t kMaxLimit = 1000;

core::Status check_value(const Parameter& parameter, const std::string& value) {
  const auto fail = [&](std::string_view what) {
    return Error{Errc::kInvalidArgument, fmt::format("`{}` must be {}", parameter.name, what)};
  };
  switch (parameter.kind) {
    case Kind::kText:
      break;
    case Kind::kLimit:
      if (const auto number = parse_number(value); !number || *number < 1 || *number > kMaxLimit) {
        return fail(fmt::format("1 to {}", kMaxLimit));
      }
      break;
    case Kind::kNumber:
      if (!parse_number(value)) {
        return fail("a number");
      }
      break;
    case Kind::kInstant:
      if (!core::parse_rfc3339(value)) {
        return fail("an instant such as 2026-11-22T10:00:00Z");
      }
      break;
    case Kind::kChoice: {
      const auto choices = core::split(parameter.choices, ' ');
      if (std::ranges::find(choices, value) == choices.end()) {
        return fail(fmt::format("one of {}", fmt::join(choices, ", ")));
      }
      break;
    }
  }
  return core::Status::ok();
}

json schema_of(const Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::kText:
      return {{"type", "string"}};
    case Kind::kLimit:
      return {{"type", "integer"}, {"minimum", 1}, {"maximum", kMaxLimit}, {"default", 100}};
    case Kind::kNumber:
      return {{"type", "integer"}};
    case Kind::kInstant:
      return {{"type", "string"}, {"format", "date-time"}};
    case Kind::kChoice:
      return {{"type", "string"}, {"enum", core::split(parameter.choices, ' ')}};
  }
  return {};
}

json answer(std::string_view description, std::string_view type, std::string_view schema) {
  return {{"description", description},
          {"content",
           {{type, {{"schema", {{"$ref", fmt::format("#/components/schemas/{}", schema)}}}}}}}};
}

json operation_json(const Route& route) {
  json parameters = json::array();
  for (const auto& wanted : parameters_of(route)) {
    const auto& known = parameter(wanted.name);
    parameters.push_back({{"name", known.name},
                          {"in", "query"},
                          {"required", wanted.required},
                          {"description", known.description},
                          {"schema", schema_of(known)}});
  }
  parameters.push_back({{"name", "If-None-Match"},
                        {"in", "header"},
                        {"required", false},
                        {"description", "The ETag of an earlier answer"},
                        {"schema", {{"type", "string"}}}});
  json answers = json::object();
  answers["200"] = answer(route.summary, "application/json", route.schema);
  answers["200"]["headers"] = {{"ETag", {{"schema", {{"type", "string"}}}}}};
  answers["304"] = {{"description", "What `If-None-Match` names is still the answer"}};
  const auto refuse = [&](const char* status, std::string_view description) {
    answers[status] = answer(description, "application/problem+json", "Problem");
  };
  refuse("400", "A parameter is unknown, missing, given twice or has no such value");
  refuse("401", "A user and a password are needed");
  refuse("403", "Not for whoever asks, or not by this name of the host");
  if (route.may_miss) {
    refuse("404", "There is no such thing, or there was none then");
  }
  refuse("405", "Only GET and HEAD are answered");
  refuse("500", "The store cannot be read");
  refuse("503", "Too many logins at once, or nothing is published yet");
  return {{"operationId", route.name == "openapi.json" ? "document" : route.name},
          {"summary", route.summary},
          {"parameters", std::move(parameters)},
          {"responses", std::move(answers)}};
}

json make_document() {
  json paths = json::object();
  for (const auto& route : kRoutes) {
    paths[fmt::format("{}{}", kPrefix, route.name)] = {{"get", operation_json(route)}};
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Plumbline"},
            {"version", PLUMBLINE_VERSION},
            {"description", "How Azure Monitor is configured, judged and drifting. Read-only."}}},
          {"security", {json::object(), {{"basic", json::array()}}}},
          {"paths", std::move(paths)},
          {"components",
           {{"schemas", json::parse(api_schemas())},
            {"securitySchemes", {{"basic", {{"type", "http"}, {"scheme", "basic"}}}}}}}};
}

}  // namespace

std::span<const Route> api_routes() {
  return kRoutes;
}

const Route* find_route(std::string_view path) {
  if (!path.starts_with(kPrefix)) {
    return nullptr;
  }
  const auto found = std::ranges::find(kRoutes, path.substr(kPrefix.size()), &Route::name);
  return found == kRoutes.end() ? nullptr : &*found;
}

Result<Parameters> Parameters::read(const Route& route, std::string_view query) {
  Parameters out;
  const auto known = parameters_of(route);
  for (auto& [name, value] : net::parse_query(query)) {
    const auto wanted = std::ranges::find(known, name, &Wanted::name);
    if (wanted == known.end()) {
      return Error{
          Errc::kInvalidArgument,
          known.empty()
              ? fmt::format("`{}` takes no parameters", route.name)
              : fmt::format("`{}` is no parameter of `{}`; it takes {}",
                            name,
                            route.name,
                            fmt::join(known | std::views::transform(&Wanted::name), ", "))};
    }
    if (out.values_.contains(name)) {
      return Error{Errc::kInvalidArgument, fmt::format("`{}` is given twice", name)};
    }
    if (!value.empty()) {
      if (auto checked = check_value(parameter(name), value); !checked) {
        return checked.error();
      }
    }
    out.values_.emplace(std::move(name), std::move(value));
  }
  for (const auto& wanted : known) {
    if (wanted.required && out.text(wanted.name).empty()) {
      return Error{Errc::kInvalidArgument, fmt::format("`{}` must be given", wanted.name)};
    }
  }
  return out;
}

std::string Parameters::text(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

std::optional<std::int64_t> Parameters::number(std::string_view name) const {
  return parse_number(text(name));
}

const std::string& openapi_document() {
  static const std::string kDocument = make_document().dump(2) + "\n";
  return kDocument;
}

}  // namespace plumbline::daemon
