#include "daemon/web/api.hpp"

#include "compliance/explain.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/explanation.hpp"
#include "daemon/history_json.hpp"
#include "daemon/summary_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using nlohmann::json;

namespace {

constexpr std::size_t kDefaultLimit = 100;
constexpr std::size_t kMaxLimit = 1000;
constexpr std::size_t kMaxScanned = 20'000;  // verdicts that one request for results reads

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
      : app_(&app), request_(&request), summary_(app.published()->summary) {}

  Result<std::string> answer() {
    using Method = Result<json> (Api::*)();
    constexpr std::array<std::pair<std::string_view, Method>, 11> kRoutes = {{
        {"status", &Api::status},
        {"scores", &Api::scores},
        {"controls", &Api::controls},
        {"checks", &Api::checks},
        {"results", &Api::results},
        {"resource", &Api::resource},
        {"explain", &Api::explain},
        {"drift", &Api::drift},
        {"exemptions", &Api::exemptions},
        {"transitions", &Api::transitions},
        {"cycles", &Api::cycles},
    }};
    if (!summary_) {
      return Error{Errc::kUnavailable, "the last committed state is not served yet"};
    }
    const auto name = std::string_view(request_->path).substr(std::string_view("/api/v1/").size());
    for (const auto& [route, method] : kRoutes) {
      if (route == name) {
        auto snapshot = app_->store().snapshot();
        if (!snapshot) {
          return snapshot.error();
        }
        snapshot_ = *std::move(snapshot);
        auto body = (this->*method)();
        if (!body) {
          return body.error();
        }
        // Bytes that are no UTF-8 are shown as such, not refused.
        return body->dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
      }
    }
    return Error{Errc::kNotFound, "there is nothing at " + request_->path};
  }

 private:
  [[nodiscard]] std::string parameter(std::string_view name) const {
    return request_->query_value(name).value_or("");
  }

  Result<std::size_t> limit() const {
    const std::string text = parameter("limit");
    if (text.empty()) {
      return kDefaultLimit;
    }
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0 ||
        value > kMaxLimit) {
      return Error{Errc::kInvalidArgument, fmt::format("`limit` must be 1 to {}", kMaxLimit)};
    }
    return value;
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
    json assignments = json::array();
    for (const auto& entry : summary_->assignments) {
      json item = tally_json(entry.tally);
      item["name"] = entry.assignment->name;
      item["initiative"] = entry.assignment->initiative_name;
      item["version"] = entry.assignment->initiative_version;
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
    std::int64_t baseline = 0;
    std::int64_t configuration = 0;
    for (const auto& [key, count] : summary_->open_drift) {
      (std::get<0>(key) == core::DriftKind::kBaseline ? baseline : configuration) += count;
    }
    return json{{"overall", tally_json(summary_->overall())},
                {"assignments", std::move(assignments)},
                {"drift_open", {{"baseline", baseline}, {"configuration", configuration}}}};
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
    if (const auto state = parameter("state"); !state.empty()) {
      out.filter.state = core::parse_compliance_state(state);
      if (!out.filter.state) {
        return Error{Errc::kInvalidArgument, fmt::format("`{}` is not a compliance state", state)};
      }
    }
    if (const auto severity = parameter("severity"); !severity.empty()) {
      out.severity = core::parse_severity(severity);
      if (!out.severity) {
        return Error{Errc::kInvalidArgument, fmt::format("`{}` is not a severity", severity)};
      }
    }
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
        return Error{Errc::kInvalidArgument, "`after` is not a cursor that `next` gave"};
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
        if ((fits && page.rows.size() >= page.limit) || page.scanned >= kMaxScanned) {
          page.more = true;
          return Status::ok();
        }
        ++page.scanned;
        page.check = row.verdict.check;
        page.resource = row.verdict.resource;
        if (fits) {
          page.rows.push_back(verdict_json(row));
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
    const auto rows_wanted = limit();
    if (!rows_wanted) {
      return rows_wanted.error();
    }
    const std::string order = parameter("order");
    if (!order.empty() && order != "check" && order != "severity") {
      return Error{Errc::kInvalidArgument, "`order` must be check or severity"};
    }
    Page page;
    page.limit = *rows_wanted;
    if (order != "severity" && !wanted->severity && wanted->control.empty()) {
      core::VerdictFilter filter = wanted->filter;
      filter.limit = wanted->type.empty() && wanted->text.empty() ? *rows_wanted + 1 : kMaxLimit;
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

  Result<core::StoredResource> find_resource(std::string_view name) {
    const std::string id = parameter(name);
    if (id.empty()) {
      return Error{Errc::kInvalidArgument, fmt::format("`{}` must be a resource id", name)};
    }
    auto found = snapshot_->find(core::resource_key(id));
    if (!found) {
      return found.error();
    }
    if (!*found) {
      return Error{Errc::kNotFound, fmt::format("no resource {} is in the inventory", id)};
    }
    return **std::move(found);
  }

  Result<core::StoredResource> find_version(std::string_view key, std::string_view text) {
    std::int64_t version = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Error{Errc::kInvalidArgument, "`version` must be a number that `versions` lists"};
    }
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
    if (const auto text = parameter("at"); !text.empty()) {
      const auto at = core::parse_rfc3339(text);
      const auto id = parameter("id");
      if (!at || id.empty()) {
        return Error{Errc::kInvalidArgument,
                     "`at` must be an instant such as 2026-11-22T10:00:00Z, `id` a resource id"};
      }
      return past_json(*snapshot_, core::resource_key(id), *at);
    }
    auto stored = find_resource("id");
    if (!stored) {
      return stored.error();
    }
    const auto current = stored->version;
    if (const auto text = parameter("version"); !text.empty()) {
      auto earlier = find_version(stored->key, text);
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
        {"explanation",
         evaluation.explanation ? explanation_json(*evaluation.explanation) : json(nullptr)}};
  }

  Result<json> drift() {
    const std::string open = parameter("open");
    if (!open.empty() && open != "true" && open != "false") {
      return Error{Errc::kInvalidArgument, "`open` must be true or false"};
    }
    const auto rows_wanted = limit();
    if (!rows_wanted) {
      return rows_wanted.error();
    }
    auto rows = snapshot_->drift(open != "false", *rows_wanted);
    if (!rows) {
      return rows.error();
    }
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back(
          {{"id", row.item.id},
           {"kind", core::to_string(row.item.kind)},
           {"severity", core::to_string(row.item.severity)},
           {"assignment", row.assignment},
           {"reference", row.reference},
           {"title", title_of(row.assignment, row.reference)},
           {"resource_id", row.resource_id},
           {"resource_key", row.resource_key},
           {"type", row.resource_type},
           {"path", row.item.path},
           {"old", row.item.old_value},
           {"new", row.item.new_value},
           {"opened_cycle", row.item.opened_cycle},
           {"opened_at", core::to_rfc3339(row.item.opened_at)},
           {"resolved_at",
            row.item.resolved_at ? json(core::to_rfc3339(*row.item.resolved_at)) : json(nullptr)}});
    }
    return json{{"drift", std::move(list)}};
  }

  Result<json> transitions() {
    const auto rows_wanted = limit();
    if (!rows_wanted) {
      return rows_wanted.error();
    }
    auto rows = snapshot_->transitions(*rows_wanted);
    if (!rows) {
      return rows.error();
    }
    const auto state = [](const std::optional<core::ComplianceState>& value) {
      return value ? json(core::to_string(*value)) : json(nullptr);
    };
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back({{"cycle", row.cycle},
                      {"at", core::to_rfc3339(row.at)},
                      {"assignment", row.assignment},
                      {"reference", row.reference},
                      {"title", title_of(row.assignment, row.reference)},
                      {"resource_key", row.resource_key},
                      {"from", state(row.transition.from)},
                      {"to", state(row.transition.to)},
                      {"reason", row.transition.reason},
                      {"cause", core::to_string(row.transition.cause)}});
    }
    return json{{"transitions", std::move(list)}};
  }

  Result<json> cycles() {
    const auto rows_wanted = limit();
    if (!rows_wanted) {
      return rows_wanted.error();
    }
    auto rows = snapshot_->cycles(*rows_wanted);
    if (!rows) {
      return rows.error();
    }
    json list = json::array();
    for (const auto& row : *rows) {
      list.push_back(cycle_json(row));
    }
    return json{{"cycles", std::move(list)}};
  }

  App* app_;
  const net::ServerRequest* request_;
  std::shared_ptr<const compliance::Summary> summary_;
  std::unique_ptr<core::Snapshot> snapshot_;
};

}  // namespace

Result<std::string> answer_api(App& app, const net::ServerRequest& request) {
  return Api(app, request).answer();
}

}  // namespace plumbline::daemon
