#include "daemon/web/api.hpp"

#include "compliance/concerned.hpp"
#include "compliance/drift.hpp"
#include "compliance/explain.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/drift_json.hpp"
#include "daemon/explanation.hpp"
#include "daemon/history_json.hpp"
#include "daemon/json_values.hpp"
#include "daemon/summary_json.hpp"
#include "daemon/web/api_routes.hpp"
#include "daemon/web/conditional.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using nlohmann::json;

namespace {

constexpr std::int64_t kDefaultLimit = 100;
constexpr std::size_t kMaxLimit = 1000;
constexpr std::size_t kMaxScanned = 20'000;  // verdicts that one request for results reads
constexpr std::size_t kMaxDriftScanned = 5'000;

json cycle_json(const core::CycleRow& row) {
  return {{"number", row.number},
          {"kind", row.kind},
          {"scope", row.scope},
          {"started_at", core::to_rfc3339(row.started_at)},
          {"committed_at", core::to_rfc3339(row.committed_at)},
          {"complete", row.complete},
          {"observed", row.observed},
          {"changed", row.changed},
          {"deleted", row.deleted},
          {"evaluated", row.evaluated},
          {"transitions", row.transitions}};
}

/// One request's answer, over the published summary and a snapshot of its own.
class Api {
 public:
  Api(App& app, const net::ServerRequest& request)
      : app_(&app),
        request_(&request),
        published_(app.published()),
        summary_(published_->summary) {}

  Result<ApiAnswer> answer() {
    const auto* route = find_route(request_->path);
    if (route == nullptr) {
      return Error{Errc::kNotFound, "there is nothing at " + request_->path};
    }
    auto parameters = Parameters::read(*route, request_->query);
    if (!parameters) {
      return parameters.error();
    }
    parameters_ = *std::move(parameters);
    if (!summary_) {
      return Error{Errc::kUnavailable, "the last committed state is not served yet"};
    }
    auto snapshot = app_->store().snapshot();
    if (!snapshot) {
      return snapshot.error();
    }
    snapshot_ = *std::move(snapshot);
    const auto known = request_->headers.get("If-None-Match").value_or("");
    ApiAnswer answer;
    if (route->is_of_state) {
      auto tag = state_tag();
      if (!tag) {
        return tag.error();
      }
      answer.etag = *std::move(tag);
      // Whether the request is one that has an answer was found out when its tag was given.
      answer.is_known = names_etag(known, answer.etag) && known != "*";
      if (answer.is_known) {
        return answer;
      }
    }
    auto body = this->body(route->operation);
    if (!body) {
      return body.error();
    }
    answer.body = *std::move(body);
    if (!route->is_of_state) {
      answer.etag = etag_of(answer.body);
    }
    answer.is_known = names_etag(known, answer.etag);
    return answer;
  }

 private:
  /// Of all that is made from this publication and this state of the store.
  Result<std::string> state_tag() {
    const auto cycles = snapshot_->cycles(1);
    const auto horizon = snapshot_->horizon();
    if (!cycles || !horizon) {
      return !cycles ? cycles.error() : horizon.error();
    }
    return fmt::format("\"{}-{:x}-{:x}\"",
                       published_->tag,
                       cycles->empty() ? 0 : cycles->front().number,
                       horizon->cycle);
  }

  Result<std::string> body(Operation operation) {
    if (operation == Operation::kDocument) {
      return openapi_document();
    }
    auto answer = json_of(operation);
    if (!answer) {
      return answer.error();
    }
    // Bytes that are no UTF-8 are shown as such, not refused.
    return answer->dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }

  Result<json> json_of(Operation operation) {
    switch (operation) {
      case Operation::kStatus:
        return status();
      case Operation::kScores:
        return scores();
      case Operation::kControls:
        return controls();
      case Operation::kChecks:
        return checks();
      case Operation::kResults:
        return results();
      case Operation::kResource:
        return resource();
      case Operation::kResources:
        return resources();
      case Operation::kVersions:
        return versions();
      case Operation::kHistory:
        return history();
      case Operation::kExplain:
        return explain();
      case Operation::kDrift:
        return drift();
      case Operation::kAcceptances:
        return acceptances();
      case Operation::kEvents:
        return events();
      case Operation::kExemptions:
        return exemptions();
      case Operation::kTransitions:
        return transitions();
      case Operation::kCycles:
        return cycles();
      case Operation::kOutbox:
        return outbox();
      case Operation::kDocument:
        break;
    }
    return Error{Errc::kNotFound, "there is nothing at " + request_->path};
  }

  [[nodiscard]] std::string parameter(std::string_view name) const {
    return parameters_.text(name);
  }

  [[nodiscard]] std::size_t limit() const {
    return static_cast<std::size_t>(parameters_.number("limit").value_or(kDefaultLimit));
  }

  /// The cycle that was the last at `at`; nullopt where that is not given.
  Result<std::optional<std::int64_t>> past_cycle() {
    const auto at = core::parse_rfc3339(parameter("at"));
    if (!at) {
      return std::optional<std::int64_t>();
    }
    auto cycle = snapshot_->cycle_at(*at);
    if (!cycle) {
      return cycle.error();
    }
    if (!*cycle) {
      return Error{Errc::kNotFound, "nothing was known then"};
    }
    return cycle;
  }

  [[nodiscard]] const compliance::Check* find_check(std::string_view assignment,
                                                    std::string_view reference) const {
    for (const auto& entry : summary_->checks) {
      if (entry.check->assignment == assignment && entry.check->reference == reference) {
        return entry.check;
      }
    }
    return nullptr;
  }

  [[nodiscard]] std::string title_of(std::string_view assignment,
                                     std::string_view reference) const {
    const auto* check = find_check(assignment, reference);
    return check == nullptr ? std::string(reference) : check->title;
  }

  [[nodiscard]] json verdict_json(const core::VerdictRow& row) const {
    const auto* check = find_check(row.assignment, row.reference);
    return {{"assignment", row.assignment},
            {"reference", row.reference},
            {"title", title_of(row.assignment, row.reference)},
            {"severity", check == nullptr ? "" : core::to_string(check->severity)},
            {"resource_id", row.resource_id},
            {"resource_key", row.resource_key},
            {"type", row.resource_type},
            {"state", core::to_string(row.verdict.state)},
            {"reason", row.verdict.reason},
            {"cause", core::to_string(row.verdict.cause)},
            {"since_cycle", row.verdict.since_cycle},
            {"version", row.verdict.version},
            {"evaluated_at", core::to_rfc3339(row.verdict.evaluated_at)},
            {"observed_at", core::to_rfc3339(row.observed_at)}};
  }

  Result<json> status() {
    json subscriptions = json::array();
    for (const auto& subscription : summary_->subscriptions) {
      subscriptions.push_back({{"id", subscription.id},
                               {"name", subscription.name},
                               {"readable", subscription.readable}});
    }
    json missing = json::array();
    for (const auto& evidence : summary_->missing_evidence) {
      missing.push_back({{"source", evidence.key},
                         {"reason", evidence.reason},
                         {"message", evidence.message},
                         {"observed_at", core::to_rfc3339(evidence.observed_at)}});
    }
    json types = json::array();
    for (const auto& entry : summary_->types) {
      types.push_back({{"type", entry.type}, {"resources", entry.count}});
    }
    return json{{"version", PLUMBLINE_VERSION},
                {"ready", true},
                {"cycle", summary_->last_cycle ? cycle_json(*summary_->last_cycle) : json(nullptr)},
                {"subscriptions", std::move(subscriptions)},
                {"resources", summary_->resources()},
                {"types", std::move(types)},
                {"evidence_missing", std::move(missing)},
                {"sign_in_error", app_->collection().sign_in_error},
                {"storage_bytes", app_->store().size_bytes()}};
  }

  Result<json> scores() {
    const auto cycle = past_cycle();
    if (!cycle) {
      return cycle.error();
    }
    if (*cycle) {
      return past_scores(**cycle);
    }
    json out = scores_of(summary_->assignments);
    std::int64_t baseline = 0;
    std::int64_t configuration = 0;
    for (const auto& [key, count] : summary_->open_drift) {
      (std::get<0>(key) == core::DriftKind::kBaseline ? baseline : configuration) += count;
    }
    out["drift_open"] = {{"baseline", baseline}, {"configuration", configuration}};
    return out;
  }

  /// Of what was decided then, by the controls and severities of now. Verdicts of checks that are
  /// assigned no more have neither.
  Result<json> past_scores(std::int64_t cycle) {
    auto counts = snapshot_->past_counts(cycle);
    if (!counts) {
      return counts.error();
    }
    auto resources = snapshot_->past_resource_counts(cycle);
    if (!resources) {
      return resources.error();
    }
    auto past = compliance::tally_past(*summary_->baseline, *counts, *resources);
    json out = scores_of(past.assignments);
    out["at"] = parameter("at");
    out["cycle"] = cycle;
    out["left_out"] = past.left_out;
    return out;
  }

  [[nodiscard]] json scores_of(const std::vector<compliance::AssignmentSummary>& entries) const {
    json assignments = json::array();
    for (const auto& entry : entries) {
      json item = tally_json(entry.tally);
      item["name"] = entry.assignment->name;
      item["initiative"] = entry.assignment->initiative_name;
      item["version"] = entry.assignment->initiative_version;
      item["azure"] = azure_json(entry.resources);
      item["controls"] = json::array();
      for (const auto& control : entry.assignment->controls) {
        const auto tally = entry.by_control.find(control.name);
        json line =
            tally_json(tally == entry.by_control.end() ? compliance::Tally{} : tally->second);
        line["name"] = control.name;
        line["title"] = control.title;
        item["controls"].push_back(std::move(line));
      }
      item["subscriptions"] = json::array();
      for (const auto& subscription : summary_->subscriptions) {
        const auto tally = entry.by_subscription.find(subscription.id);
        json line =
            tally_json(tally == entry.by_subscription.end() ? compliance::Tally{} : tally->second);
        line["id"] = subscription.id;
        line["name"] = subscription.name;
        item["subscriptions"].push_back(std::move(line));
      }
      assignments.push_back(std::move(item));
    }
    return {{"overall", tally_json(compliance::overall(entries))},
            {"assignments", std::move(assignments)}};
  }

  Result<json> controls() { return json{{"controls", controls_json(*summary_)}}; }

  Result<json> checks() {
    json list = json::array();
    for (const auto& entry : summary_->checks) {
      json item = tally_json(entry.tally);
      item["assignment"] = entry.check->assignment;
      item["reference"] = entry.check->reference;
      item["title"] = entry.check->title;
      item["description"] = entry.check->description;
      item["severity"] = core::to_string(entry.check->severity);
      item["controls"] = entry.check->controls;
      item["remediation"] = entry.check->remediation;
      item["documentation"] = entry.check->documentation;
      item["effect"] = entry.check->definition->effect();
      list.push_back(std::move(item));
    }
    return json{{"checks", std::move(list)}};
  }

  Result<json> exemptions() {
    json list = json::array();
    for (const auto& entry : summary_->exemptions) {
      const auto& spec = entry.exemption->spec;
      list.push_back({{"name", spec.name},
                      {"state", compliance::to_string(entry.state)},
                      {"verdicts", entry.verdicts},
                      {"compliant", entry.compliant},
                      {"scope", spec.scope},
                      {"assignment", spec.assignment},
                      {"references", spec.references},
                      {"category", spec.category},
                      {"expires_on",
                       spec.expires_on ? json(core::to_rfc3339(*spec.expires_on)) : json(nullptr)},
                      {"display_name", spec.display_name},
                      {"description", spec.description},
                      {"owner", spec.owner}});
    }
    return json{{"exemptions", std::move(list)}};
  }

  /// What of the results is wanted. The store filters by the first half where it can; the rest, and
  /// all of it where the order is not the store's, is decided row by row.
  struct Wanted {
    core::VerdictFilter filter;
    std::string subscription;  // its key
    std::optional<core::Severity> severity;
    std::string control;
    std::string type;
    std::string text;

    [[nodiscard]] bool fits(const compliance::Check& check) const {
      return (filter.assignment.empty() || check.assignment == filter.assignment) &&
             (filter.reference.empty() || check.reference == filter.reference) &&
             (!severity || check.severity == *severity) &&
             (control.empty() ||
              std::ranges::find(check.controls, control) != check.controls.end());
    }

    [[nodiscard]] bool fits(const core::VerdictRow& row, std::string_view title) const {
      const auto holds = [this](std::string_view value) {
        return core::to_lower(value).find(text) != std::string::npos;
      };
      return (!filter.state || row.verdict.state == *filter.state) &&
             (filter.resource_key.empty() || row.resource_key == filter.resource_key) &&
             (subscription.empty() || row.resource_key == subscription ||
              row.resource_key.starts_with(subscription + "/")) &&
             (type.empty() || row.resource_type == type) &&
             (text.empty() || holds(row.resource_id) || holds(row.resource_type) ||
              holds(row.reference) || holds(title) || holds(row.verdict.reason));
    }
  };

  Result<Wanted> wanted() const {
    Wanted out;
    out.filter.state = core::parse_compliance_state(parameter("state"));
    out.severity = core::parse_severity(parameter("severity"));
    out.filter.assignment = parameter("assignment");
    out.filter.reference = parameter("reference");
    out.filter.subscription = core::to_lower(parameter("subscription"));
    if (!out.filter.subscription.empty()) {
      out.subscription = fmt::format("/subscriptions/{}", out.filter.subscription);
    }
    if (const auto id = parameter("resource"); !id.empty()) {
      out.filter.resource_key = core::resource_key(id);
    }
    out.control = parameter("control");
    out.type = core::to_lower(parameter("type"));
    out.text = core::to_lower(parameter("q"));
    if (const auto after = parameter("after"); !after.empty()) {
      const auto dash = after.find('-');
      const auto parse = [](std::string_view text, std::int64_t& value) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        return error == std::errc() && end == text.data() + text.size();
      };
      if (dash == std::string::npos ||
          !parse(std::string_view(after).substr(0, dash), out.filter.after_check) ||
          !parse(std::string_view(after).substr(dash + 1), out.filter.after_resource)) {
        return bad_cursor();
      }
    }
    return out;
  }

  /// The checks that are wanted, in the order that is wanted, from the cursor's on.
  Result<std::vector<const compliance::CheckSummary*>> runs(const Wanted& wanted,
                                                            std::string_view order) const {
    std::vector<const compliance::CheckSummary*> out;
    for (const auto& entry : summary_->checks) {
      if (wanted.fits(*entry.check)) {
        out.push_back(&entry);
      }
    }
    const auto rank = [order](const compliance::CheckSummary* entry) {
      const int urgency = order == "severity" ? -static_cast<int>(entry->check->severity) : 0;
      return std::pair(urgency, entry->row);
    };
    std::ranges::sort(out, std::ranges::less(), rank);
    if (wanted.filter.after_check != 0) {
      const auto at =
          std::ranges::find(out, wanted.filter.after_check, &compliance::CheckSummary::row);
      if (at == out.end()) {
        return Error{Errc::kInvalidArgument,
                     "`after` is a cursor of another filter, or of an earlier baseline"};
      }
      out.erase(out.begin(), at);
    }
    return out;
  }

  /// One page: rows, and where the next one begins. Reading stops after kMaxScanned rows, whatever
  /// was found, so that a rare text costs several short requests and not one long one.
  struct Page {
    json rows = json::array();
    std::size_t limit = 0;
    std::size_t scanned = 0;
    std::int64_t check = 0;
    std::int64_t resource = 0;
    bool more = false;
  };

  /// False where the page ends before this row.
  bool take(const core::VerdictRow& row, bool fits, Page& page) {
    if ((fits && page.rows.size() >= page.limit) || page.scanned >= kMaxScanned) {
      page.more = true;
      return false;
    }
    ++page.scanned;
    page.check = row.verdict.check;
    page.resource = row.verdict.resource;
    if (fits) {
      page.rows.push_back(verdict_json(row));
    }
    return true;
  }

  /// Reads on from the filter's cursor; `only` is the row of the check at whose end it stops, 0:
  /// none.
  Status scan(const Wanted& wanted, core::VerdictFilter filter, std::int64_t only, Page& page) {
    const compliance::Check* check = nullptr;
    std::int64_t check_row = 0;
    for (;;) {
      const auto rows = snapshot_->verdicts(filter);
      if (!rows) {
        return rows.error();
      }
      for (const auto& row : *rows) {
        if (only != 0 && row.verdict.check != only) {
          return Status::ok();
        }
        if (row.verdict.check != check_row) {
          check = find_check(row.assignment, row.reference);
          check_row = row.verdict.check;
        }
        const bool fits = wanted.fits(
            row, check == nullptr ? std::string_view() : std::string_view(check->title));
        if (!take(row, fits, page)) {
          return Status::ok();
        }
      }
      if (rows->size() < filter.limit) {
        return Status::ok();
      }
      filter.after_check = rows->back().verdict.check;
      filter.after_resource = rows->back().verdict.resource;
    }
  }

  /// Reads on from the filter's cursor, through the verdicts that held then.
  Status scan_past(const Wanted& wanted, std::int64_t cycle, Page& page) {
    core::VerdictFilter filter = wanted.filter;
    filter.limit = kMaxLimit;
    for (;;) {
      const auto rows = snapshot_->past_verdicts(filter, cycle);
      if (!rows) {
        return rows.error();
      }
      for (const auto& row : *rows) {
        const auto* check = find_check(row.assignment, row.reference);
        const bool fits = check == nullptr ? !wanted.severity && wanted.control.empty() &&
                                                 wanted.fits(row, std::string_view())
                                           : wanted.fits(*check) && wanted.fits(row, check->title);
        if (!take(row, fits, page)) {
          return Status::ok();
        }
      }
      if (rows->size() < filter.limit) {
        return Status::ok();
      }
      filter.after_check = rows->back().verdict.check;
      filter.after_resource = rows->back().verdict.resource;
    }
  }

  Result<json> results() {
    const auto wanted = this->wanted();
    if (!wanted) {
      return wanted.error();
    }
    const std::string order = parameter("order");
    const auto cycle = past_cycle();
    if (!cycle) {
      return cycle.error();
    }
    Page page;
    page.limit = limit();
    if (*cycle) {
      if (order == "severity") {
        return Error{Errc::kInvalidArgument, "with `at` the order is that of resources"};
      }
      if (const auto done = scan_past(*wanted, **cycle, page); !done) {
        return done.error();
      }
    } else if (order != "severity" && !wanted->severity && wanted->control.empty()) {
      core::VerdictFilter filter = wanted->filter;
      filter.limit = wanted->type.empty() && wanted->text.empty() ? limit() + 1 : kMaxLimit;
      if (const auto done = scan(*wanted, std::move(filter), 0, page); !done) {
        return done.error();
      }
    } else {
      const auto checks = runs(*wanted, order);
      if (!checks) {
        return checks.error();
      }
      for (const auto* entry : *checks) {
        // Filters would make the store look for the next match beyond the end of the check.
        core::VerdictFilter filter;
        filter.after_check = entry->row;
        filter.after_resource =
            entry->row == wanted->filter.after_check ? wanted->filter.after_resource : 0;
        const auto total = static_cast<std::size_t>(entry->tally.total());
        filter.limit = std::clamp<std::size_t>(total + 1, 1, kMaxLimit);
        if (const auto done = scan(*wanted, filter, entry->row, page); !done) {
          return done.error();
        }
        if (page.more) {
          break;
        }
      }
    }
    return json{
        {"results", std::move(page.rows)},
        {"next",
         page.more ? json(fmt::format("{}-{}", page.check, page.resource)) : json(nullptr)}};
  }

  Result<json> resources() {
    const auto cycle = past_cycle();
    if (!cycle) {
      return cycle.error();
    }
    core::ResourceFilter filter;
    filter.type = core::to_lower(parameter("type"));
    filter.subscription = core::to_lower(parameter("subscription"));
    filter.text = core::to_lower(parameter("q"));
    filter.cycle = *cycle;
    filter.limit = limit() + 1;
    if (!parameter("after").empty()) {
      const auto after = parameters_.number("after");
      if (!after) {
        return bad_cursor();
      }
      filter.after = *after;
    }
    auto rows = snapshot_->resources(filter);
    if (!rows) {
      return rows.error();
    }
    const bool more = rows->size() > limit();
    if (more) {
      rows->pop_back();
    }
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back({{"id", row.id},
                      {"key", row.key},
                      {"type", row.type},
                      {"subscription", row.subscription},
                      {"version", row.version},
                      {"from_cycle", row.from_cycle},
                      {"observed_at", core::to_rfc3339(row.observed_at)}});
    }
    return json{{"resources", std::move(list)},
                {"next", more ? json(fmt::format("{}", rows->back().row)) : json(nullptr)}};
  }

  Result<json> versions() {
    const auto key = core::resource_key(parameter("id"));
    const auto bound = before();
    if (!bound) {
      return bound.error();
    }
    auto list = versions_json(*snapshot_, key, *bound, limit() + 1);
    if (!list) {
      return list.error();
    }
    if (list->empty()) {
      return Error{Errc::kNotFound, fmt::format("no such version of a resource {} is kept", key)};
    }
    const bool more = list->size() > limit();
    if (more) {
      list->erase(list->size() - 1);
    }
    json next =
        more ? json(fmt::format("{}", list->back()["version"].get<std::int64_t>())) : json(nullptr);
    return json{{"versions", *std::move(list)}, {"next", std::move(next)}};
  }

  /// Of a list with the latest first: the row that ended the page before. What is added meanwhile
  /// stands above it.
  [[nodiscard]] Result<std::int64_t> before() const {
    if (parameter("after").empty()) {
      return core::Snapshot::kNoBound;
    }
    const auto after = parameters_.number("after");
    if (!after) {
      return bad_cursor();
    }
    return *after;
  }

  [[nodiscard]] static Error bad_cursor() {
    return {Errc::kInvalidArgument, "`after` is not a cursor that `next` gave"};
  }

  Result<core::StoredResource> find_resource(std::string_view name) {
    const std::string id = parameter(name);
    auto found = snapshot_->find(core::resource_key(id));
    if (!found) {
      return found.error();
    }
    if (!*found) {
      return Error{Errc::kNotFound, fmt::format("no resource {} is in the inventory", id)};
    }
    return **std::move(found);
  }

  Result<core::StoredResource> find_version(std::string_view key, std::int64_t version) {
    auto found = snapshot_->find_version(version);
    if (!found) {
      return found.error();
    }
    if (!*found || (*found)->key != key) {
      return Error{Errc::kNotFound, fmt::format("{} has no version {}", key, version)};
    }
    return **std::move(found);
  }

  Result<json> resource() {
    if (const auto at = core::parse_rfc3339(parameter("at"))) {
      return past_json(*snapshot_, core::resource_key(parameter("id")), *at);
    }
    auto stored = find_resource("id");
    if (!stored) {
      return stored.error();
    }
    const auto current = stored->version;
    if (const auto version = parameters_.number("version")) {
      auto earlier = find_version(stored->key, *version);
      if (!earlier) {
        return earlier.error();
      }
      stored = std::move(earlier);
    }
    json out = {{"id", stored->id},
                {"key", stored->key},
                {"type", stored->type},
                {"source", stored->source},
                {"observed_at", core::to_rfc3339(stored->observed_at)},
                {"version", stored->version},
                {"current_version", current},
                {"from_cycle", stored->from_cycle},
                {"configuration", json::parse(stored->body, nullptr, false)},
                {"versions", json::array()},
                {"verdicts", json::array()}};
    auto versions = snapshot_->versions(stored->key);
    if (!versions) {
      return versions.error();
    }
    for (const auto& version : *versions) {
      out["versions"].push_back(
          {{"version", version.row},
           {"from_cycle", version.from_cycle},
           {"to_cycle", version.to_cycle ? json(*version.to_cycle) : json(nullptr)},
           {"observed_at", core::to_rfc3339(version.observed_at)}});
    }
    core::VerdictFilter filter;
    filter.resource_key = stored->key;
    filter.limit = kMaxLimit;
    auto verdicts = snapshot_->verdicts(filter);
    if (!verdicts) {
      return verdicts.error();
    }
    for (const auto& verdict : *verdicts) {
      out["verdicts"].push_back(verdict_json(verdict));
    }
    return out;
  }

  /// When Resource Manager was asked about the body; null: nobody asked.
  static json confirmation_json(const compliance::Document& document) {
    if (!document.confirmation) {
      return nullptr;
    }
    return {{"observed_at", core::to_rfc3339(document.confirmation->observed_at)},
            {"api_version", document.confirmation->api_version}};
  }

  Result<json> explain() {
    const std::string assignment = parameter("assignment");
    const std::string reference = parameter("reference");
    const auto* check = find_check(assignment, reference);
    if (check == nullptr) {
      return Error{
          Errc::kNotFound,
          fmt::format("assignment `{}` has no definition reference `{}`", assignment, reference)};
    }
    auto stored = find_resource("resource");
    if (!stored) {
      return stored.error();
    }
    core::VerdictFilter filter;
    filter.assignment = assignment;
    filter.reference = reference;
    filter.resource_key = stored->key;
    auto verdicts = snapshot_->verdicts(filter);
    if (!verdicts) {
      return verdicts.error();
    }
    // The rule is evaluated again on the stored evidence, at the instant of the verdict.
    const auto now =
        verdicts->empty() ? app_->clock().now() : verdicts->front().verdict.evaluated_at;
    compliance::SharedReads reads(*snapshot_);
    auto document = reads.find(stored->key);
    if (!document) {
      return document.error();
    }
    if (*document == nullptr) {
      return Error{Errc::kNotFound, fmt::format("no resource `{}`", stored->key)};
    }
    compliance::Surroundings surroundings(reads, *document);
    const auto evaluation = compliance::evaluate_check(*check, surroundings, now, /*explain=*/true);
    if (surroundings.failure()) {
      return *surroundings.failure();
    }
    return json{
        {"assignment", assignment},
        {"reference", reference},
        {"title", check->title},
        {"resource_id", stored->id},
        {"state",
         verdicts->empty() ? "NotApplicable" : core::to_string(verdicts->front().verdict.state)},
        {"reason", verdicts->empty() ? std::string() : verdicts->front().verdict.reason},
        {"effect", evaluation.effect},
        {"version", stored->version},
        {"observed_at", core::to_rfc3339(stored->observed_at)},
        {"confirmation", confirmation_json(**document)},
        {"explanation",
         evaluation.explanation ? explanation_json(*evaluation.explanation) : json(nullptr)}};
  }

  Result<json> drift() {
    auto filter = drift_filter([&](std::string_view name) -> std::string {
      if (name != "state") {
        return parameter(name);
      }
      // `open` is from before there were other states.
      const auto states = parameter("states");
      return states.empty() && parameter("open") == "false" ? std::string("all") : states;
    });
    if (!filter) {
      return filter.error();
    }
    filter->limit = limit();
    DriftRenderer renderer(*snapshot_, summary_->baseline->owner_tags);
    DriftWish wish{.owner = parameter("owner"), .actor = parameter("actor"), .control = nullptr};
    std::optional<compliance::ConcernedChecks> of_control;
    if (const auto control = parameter("control"); !control.empty()) {
      wish.control = &of_control.emplace(*summary_->baseline, control);
    }
    auto page = read_drift(*snapshot_, renderer, *filter, wish, kMaxDriftScanned);
    if (!page) {
      return page.error();
    }
    for (auto& item : page->rows) {
      item["title"] =
          title_of(item["assignment"].get<std::string>(), item["reference"].get<std::string>());
    }
    if (filter->id != 0 && !page->rows.empty()) {
      if (auto done = add_life(*filter, page->rows.front()); !done) {
        return done.error();
      }
    }
    json out = {{"drift", std::move(page->rows)},
                {"next", page->next == 0 ? json(nullptr) : json(fmt::format("{}", page->next))}};
    if (parameter("counts") == "true") {
      auto counts = drift_counts(*filter, wish);
      if (!counts) {
        return counts.error();
      }
      out["counts"] = *std::move(counts);
    }
    return out;
  }

  /// The steps of an item, and the checks that it is about.
  Status add_life(const core::DriftFilter& filter, json& item) {
    const auto rows = snapshot_->drift(filter);
    const auto events = snapshot_->drift_events_of(filter.id);
    if (!rows || !events) {
      return !rows ? rows.error() : events.error();
    }
    item["events"] = json::array();
    for (const auto& event : *events) {
      item["events"].push_back(drift_event_json(event));
    }
    item["checks"] = json::array();
    const compliance::ConcernedChecks checks(*summary_->baseline, "");
    for (const auto* check : checks.of(rows->front())) {
      item["checks"].push_back({{"assignment", check->assignment},
                                {"reference", check->reference},
                                {"title", check->title},
                                {"severity", core::to_string(check->severity)},
                                {"controls", check->controls}});
    }
    return Status::ok();
  }

  /// How many have each state; null where only looking at each could tell.
  Result<json> drift_counts(const core::DriftFilter& filter, const DriftWish& wish) {
    if (!wish.empty()) {
      return json(nullptr);
    }
    const auto counts = snapshot_->drift_counts(filter);
    if (!counts) {
      return counts.error();
    }
    json out = json::object();
    for (const auto state : core::kDriftStates) {
      const auto found = counts->find(state);
      out[std::string(core::to_string(state))] = found == counts->end() ? 0 : found->second;
    }
    return out;
  }

  Result<json> history() {
    const auto key = core::resource_key(parameter("id"));
    DriftRenderer renderer(*snapshot_, summary_->baseline->owner_tags);
    auto timeline = timeline_json(*snapshot_, renderer, key, limit());
    if (!timeline) {
      return timeline.error();
    }
    if (timeline->entries.empty()) {
      return Error{Errc::kNotFound, fmt::format("nothing is kept of a resource {}", key)};
    }
    for (auto& entry : timeline->entries) {
      if (entry.contains("reference")) {
        entry["title"] =
            title_of(entry["assignment"].get<std::string>(), entry["reference"].get<std::string>());
      }
    }
    return json{{"id", key}, {"timeline", std::move(timeline->entries)}, {"more", timeline->more}};
  }

  Result<json> acceptances() {
    auto rows = snapshot_->acceptances(/*in_force_only=*/parameter("all") != "true");
    if (!rows) {
      return rows.error();
    }
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back(acceptance_json(row));
    }
    return json{{"acceptances", std::move(list)}};
  }

  Result<json> transitions() {
    const auto bound = before();
    if (!bound) {
      return bound.error();
    }
    auto rows = snapshot_->transitions(limit() + 1, *bound);
    if (!rows) {
      return rows.error();
    }
    const bool more = rows->size() > limit();
    rows->resize(std::min(rows->size(), limit()));
    json list = json::array();
    for (const auto& row : *rows) {
      json item = transition_json(row);
      item["title"] = title_of(row.assignment, row.reference);
      item["resource_key"] = row.resource_key;
      list.push_back(std::move(item));
    }
    return json{{"transitions", std::move(list)},
                {"next", more ? json(fmt::format("{}", rows->back().row)) : json(nullptr)}};
  }

  /// How far both kinds of events have been told. Retention takes the oldest away, never the place
  /// of what follows.
  struct Told {
    std::int64_t transition = 0;
    std::int64_t drift = 0;

    [[nodiscard]] std::string text() const { return fmt::format("{}-{}", transition, drift); }
  };

  Result<Told> told() const {
    Told out;
    const auto after = parameter("after");
    if (after.empty()) {
      return out;
    }
    const auto words = core::split(after, '-');
    const std::array parts = {&out.transition, &out.drift};
    if (words.size() != parts.size()) {
      return bad_cursor();
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto [end, error] =
          std::from_chars(words[i].data(), words[i].data() + words[i].size(), *parts.at(i));
      if (error != std::errc() || end != words[i].data() + words[i].size() || *parts.at(i) < 0) {
        return bad_cursor();
      }
    }
    return out;
  }

  [[nodiscard]] json transition_event(const core::TransitionRow& row) const {
    json change = transition_json(row);
    return {{"event", "transition"},
            {"id", core::event_id(row)},
            {"cycle", row.cycle},
            {"at", change["at"]},
            {"assignment", row.assignment},
            {"reference", row.reference},
            {"title", title_of(row.assignment, row.reference)},
            {"resource_key", row.resource_key},
            {"transition",
             {{"from", change["from"]},
              {"to", change["to"]},
              {"reason", change["reason"]},
              {"cause", change["cause"]}}}};
  }

  [[nodiscard]] Result<json> drift_event(const core::DriftEventRow& event) const {
    core::DriftFilter filter;
    filter.id = event.drift;
    const auto rows = snapshot_->drift(filter);
    if (!rows) {
      return rows.error();
    }
    if (rows->empty()) {
      return Error{Errc::kCorrupt, fmt::format("event {} is about no drift", event.id)};
    }
    const auto& row = rows->front();
    return json{{"event", fmt::format("drift_{}", core::to_string(event.step))},
                {"id", core::event_id(event)},
                {"cycle", event.cycle},
                {"at", core::to_rfc3339(event.at)},
                {"assignment", row.assignment},
                {"reference", row.reference},
                {"title", title_of(row.assignment, row.reference)},
                {"resource_key", row.resource_key},
                {"drift",
                 {{"id", row.item.id},
                  {"identity", compliance::identity_of(row)},
                  {"kind", core::to_string(row.item.kind)},
                  {"severity", core::to_string(row.item.severity)},
                  {"path", row.item.path},
                  {"old", row.item.old_value},
                  {"new", row.item.new_value}}}};
  }

  Result<json> events() {
    auto told = this->told();
    if (!told) {
      return told.error();
    }
    const auto most = limit();
    auto transitions = snapshot_->transitions_after(told->transition, most + 1);
    auto steps = snapshot_->drift_events(told->drift, most + 1);
    if (!transitions || !steps) {
      return !transitions ? transitions.error() : steps.error();
    }
    json list = json::array();
    auto transition = transitions->begin();
    auto step = steps->begin();
    while (list.size() < most && (transition != transitions->end() || step != steps->end())) {
      // What a cycle decided comes before what that means for drift.
      const bool is_transition = step == steps->end() || (transition != transitions->end() &&
                                                          transition->cycle <= step->cycle);
      if (is_transition) {
        list.push_back(transition_event(*transition));
        told->transition = transition->row;
        ++transition;
        continue;
      }
      auto event = drift_event(*step);
      if (!event) {
        return event.error();
      }
      list.push_back(*std::move(event));
      told->drift = step->id;
      ++step;
    }
    const bool more = transition != transitions->end() || step != steps->end();
    return json{{"events", std::move(list)}, {"next", told->text()}, {"more", more}};
  }

  Result<json> cycles() {
    const auto bound = before();
    if (!bound) {
      return bound.error();
    }
    auto rows = snapshot_->cycles(limit() + 1, *bound);
    if (!rows) {
      return rows.error();
    }
    const bool more = rows->size() > limit();
    rows->resize(std::min(rows->size(), limit()));
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back(cycle_json(row));
    }
    return json{{"cycles", std::move(list)},
                {"next", more ? json(fmt::format("{}", rows->back().number)) : json(nullptr)}};
  }

  [[nodiscard]] static json sink_json(const events::SinkStatus& sink) {
    return {
        {"name", sink.name},
        {"target", sink.target},
        {"position",
         {{"drift_event", sink.position.drift_event}, {"transition", sink.position.transition}}},
        {"pending", sink.pending},
        {"oldest_pending_at", time_or_null(sink.oldest)},
        {"delivered", sink.taken},
        {"failed", sink.failed},
        {"dead_letters", sink.dead_letters},
        {"last_error", sink.last_error},
        {"last_error_at", time_or_null(sink.last_error_at)},
        {"last_delivered_at", time_or_null(sink.last_taken_at)},
        {"next_attempt_at", time_or_null(sink.next_attempt_at)}};
  }

  Result<json> outbox() {
    auto letters = snapshot_->dead_letters(limit());
    if (!letters) {
      return letters.error();
    }
    json sinks = json::array();
    for (const auto& sink : app_->notifications().statuses()) {
      sinks.push_back(sink_json(sink));
    }
    json dead = json::array();
    for (const auto& letter : *letters) {
      dead.push_back({{"id", letter.id},
                      {"sink", letter.sink},
                      {"event", letter.event},
                      {"at", core::to_rfc3339(letter.at)},
                      {"error", letter.error}});
    }
    return json{{"sinks", std::move(sinks)}, {"dead_letters", std::move(dead)}};
  }

  App* app_;
  const net::ServerRequest* request_;
  std::shared_ptr<const Published> published_;
  std::shared_ptr<const compliance::Summary> summary_;
  Parameters parameters_;
  std::unique_ptr<core::Snapshot> snapshot_;
};

}  // namespace

Result<ApiAnswer> answer_api(App& app, const net::ServerRequest& request) {
  return Api(app, request).answer();
}

}  // namespace plumbline::daemon
