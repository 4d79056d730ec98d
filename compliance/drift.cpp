#include "compliance/drift.hpp"

#include "core/digest.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace plumbline::compliance {

using core::Acceptance;
using core::DriftFacts;
using core::DriftItem;
using core::DriftKind;
using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using Effect = core::ExpectedRule::Effect;

namespace {

std::string rule_author(std::string_view rule) {
  return fmt::format("rule {}", rule);
}

core::DriftRow row_of(const DriftSubject& resource, DriftKind kind) {
  core::DriftRow out;
  out.item.kind = kind;
  out.item.resource = resource.row;
  out.resource_key = resource.key;
  out.resource_type = resource.type;
  out.is_detail = resource.is_detail;
  out.has_waited = resource.has_waited;
  return out;
}

/// Drift of an entry of a list is that of the list.
std::string list_key_of(const std::string& scope) {
  const auto id = core::parse_resource_id(scope);
  return id && !core::detail_api_version(id->type).empty() ? scope.substr(0, scope.rfind('/'))
                                                           : scope;
}

/// Whether a rule has put one item off: only it does so in the name of a rule.
bool is_by_rule(const Acceptance& acceptance) {
  return acceptance.snooze && acceptance.drift != 0 &&
         acceptance.author.starts_with(rule_author(""));
}

Result<Ruling> ruling_of_row(core::Snapshot& snapshot,
                             std::span<const core::ExpectedRule> rules,
                             const core::DriftRow& row) {
  const auto attribution = attribution_of(snapshot, row);
  if (!attribution) {
    return attribution.error();
  }
  // Where the resource itself did not change, nobody changed it as expected.
  return *attribution ? ruling_of(rules, row.resource_key, row.resource_type, **attribution)
                      : Ruling();
}

std::string cut(std::string_view body) {
  std::string out(body.substr(0, kMaxDiffValue));
  if (body.size() > kMaxDiffValue) {
    out.replace(out.size() - 3, 3, "...");
  }
  return out;
}

/// Whether one is the other, or what it lies in.
bool overlap(std::string_view one, std::string_view other) {
  const auto shorter = one.size() < other.size() ? one : other;
  const auto longer = one.size() < other.size() ? other : one;
  return longer.starts_with(shorter) &&
         (longer.size() == shorter.size() || longer[shorter.size()] == '/');
}

/// Everything that the file says of an acceptance.
auto as_written(const Acceptance& acceptance) {
  return std::tie(acceptance.name,
                  acceptance.kind,
                  acceptance.scope,
                  acceptance.type,
                  acceptance.path,
                  acceptance.assignment,
                  acceptance.reference,
                  acceptance.snooze,
                  acceptance.reason,
                  acceptance.author,
                  acceptance.expires_at);
}

bool is_written_in(const std::vector<Acceptance>& file, const Acceptance& acceptance) {
  return std::ranges::any_of(
      file, [&](const Acceptance& other) { return as_written(other) == as_written(acceptance); });
}

}  // namespace

Result<const std::vector<Acceptance>*> DriftBook::general() {
  if (!general_) {
    auto found = view_->general_acceptances();
    if (!found) {
      return found.error();
    }
    general_ = *std::move(found);
  }
  return &*general_;
}

Result<std::optional<DriftItem>> DriftBook::open_item(std::int64_t resource,
                                                      DriftKind kind,
                                                      std::int64_t check,
                                                      std::string_view path) {
  auto items = view_->open_drift(resource);
  if (!items) {
    return items.error();
  }
  const auto found = std::ranges::find_if(*items, [&](const DriftItem& item) {
    return item.kind == kind && item.check == check && item.path == path;
  });
  return found == items->end() ? std::nullopt : std::optional(*std::move(found));
}

Result<std::vector<std::string>> DriftBook::management_groups(std::string_view resource_key) {
  const auto subscription = core::subscription_of_key(resource_key);
  const auto [entry, is_new] = management_groups_.try_emplace(std::string(subscription));
  if (!is_new || subscription.empty()) {
    return entry->second;
  }
  const auto stored = view_->find(fmt::format("/subscriptions/{}", subscription));
  if (!stored) {
    return stored.error();
  }
  simdjson::dom::parser parser;
  simdjson::dom::element body;
  simdjson::dom::array chain;
  if (!*stored || parser.parse((*stored)->body).get(body) != simdjson::SUCCESS ||
      body["properties"]["managementGroupAncestorsChain"].get(chain) != simdjson::SUCCESS) {
    return entry->second;
  }
  for (const auto group : chain) {
    std::string_view name;
    if (group["name"].get(name) == simdjson::SUCCESS) {
      entry->second.push_back(core::management_group_key(name));
    }
  }
  return entry->second;
}

Result<bool> DriftBook::does_cover(const Acceptance& acceptance, const core::DriftRow& row) {
  auto facts = facts_of(row);
  std::vector<std::string> groups;
  if (core::is_management_group_key(acceptance.scope)) {
    auto found = management_groups(row.resource_key);
    if (!found) {
      return found.error();
    }
    groups = *std::move(found);
    facts.management_groups = groups;
  }
  return acceptance.covers(facts);
}

Status DriftBook::cover_if_accepted(const core::DriftRow& row) {
  const auto acceptances = general();
  if (!acceptances) {
    return acceptances.error();
  }
  for (const auto& acceptance : **acceptances) {
    const auto covers = does_cover(acceptance, row);
    if (!covers) {
      return covers.error();
    }
    if (*covers) {
      return view_->cover_drift(row.item.id, acceptance);
    }
  }
  return Status::ok();
}

Status DriftBook::open(core::DriftRow row, std::int64_t replaces) {
  row.item.opened_cycle = changes_->cycle;
  row.item.opened_at = changes_->now;
  const auto ruling =
      expected_.empty() ? Result<Ruling>(Ruling()) : ruling_of_row(*view_, expected_, row);
  if (!ruling) {
    return ruling.error();
  }
  const auto& expected = ruling->expectation;
  row.item.awaits_records = !ruling->is_final;
  // What is raised needlessly does less harm than what is raised late.
  if (expected && (ruling->is_final || expected->effect == Effect::kEscalate)) {
    row.item.severity = severity_by(expected->effect, row.item.severity);
    row.item.awaits_records = false;
  }
  const auto id =
      replaces == 0 ? view_->open_drift_item(row.item) : view_->replace_drift(replaces, row.item);
  if (!id) {
    return id.error();
  }
  row.item.id = *id;
  return expected && expected->effect == Effect::kAccept
             ? cover_by_rule(row, expected->rule, ruling->is_final)
             : cover_if_accepted(row);
}

Status DriftBook::cover_by_rule(const core::DriftRow& row, const std::string& rule, bool is_final) {
  Acceptance by_rule;
  by_rule.author = rule_author(rule);
  by_rule.reason =
      is_final ? "an expected change" : "an expected change, unless Azure tells of somebody else";
  by_rule.snooze = !is_final;
  if (!is_final) {
    by_rule.expires_at = row.item.opened_at + kWaitForRecords;
  }
  const auto covering = put_for_item(row, std::move(by_rule));
  return covering ? view_->cover_drift(row.item.id, *covering) : Status(covering.error());
}

Status DriftBook::carry_out(const RuleStep& step) {
  const auto& item = step.row.item;
  // Before what put it off ends, so that its last step says that it is open.
  if (step.severity != item.severity) {
    if (auto done = view_->rate_drift(item, step.severity); !done) {
      return done;
    }
  }
  if (step.covers) {
    // In place of what put it off: it is not open in between.
    if (step.put_off_by) {
      if (auto done = view_->end_acceptance(step.put_off_by->id); !done) {
        return done;
      }
    }
    if (auto done = cover_by_rule(step.row, step.rule, step.is_final); !done) {
      return done;
    }
  } else if (step.uncovers) {
    if (auto done = end(*step.put_off_by); !done) {
      return done;
    }
  }
  return step.is_final ? view_->end_waiting(item.id) : Status::ok();
}

Status DriftBook::decide_expected() {
  const auto steps = rule_steps(*view_, expected_, changes_->now);
  if (!steps) {
    return steps.error();
  }
  for (const auto& step : *steps) {
    if (auto done = carry_out(step); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status DriftBook::open_baseline(const DriftSubject& resource,
                                std::int64_t check,
                                std::string_view assignment,
                                std::string_view reference,
                                core::Severity severity) {
  auto before = open_item(resource.row, DriftKind::kBaseline, check, "");
  if (!before || *before) {
    return before ? stand(**before) : Status(before.error());
  }
  auto row = row_of(resource, DriftKind::kBaseline);
  row.item.check = check;
  row.item.severity = severity;
  row.assignment = assignment;
  row.reference = reference;
  return open(std::move(row));
}

Status DriftBook::resolve_baseline(std::int64_t resource, std::int64_t check) {
  auto item = open_item(resource, DriftKind::kBaseline, check, "");
  if (!item) {
    return item.error();
  }
  return *item ? settle(**item) : Status::ok();
}

Status DriftBook::settle(const DriftItem& item) {
  if (item.quiet_since) {
    return Status::ok();
  }
  bool flaps = item.flapping;
  if (!flaps && flapping_.openings > 0) {
    const auto openings = view_->drift_openings(item, changes_->now - flapping_.window);
    if (!openings) {
      return openings.error();
    }
    flaps = *openings >= flapping_.openings;
  }
  if (!flaps) {
    return view_->resolve_drift(item.id);
  }
  if (auto done = view_->quiet_drift(item); !done) {
    return done;
  }
  // Whoever brings it back may be another.
  return item.awaits_records ? end_waiting(item) : Status::ok();
}

Status DriftBook::end_waiting(const DriftItem& item) {
  const auto by = item.acceptance == 0 ? Result<std::optional<Acceptance>>(std::nullopt)
                                       : view_->find_acceptance(item.acceptance);
  if (!by) {
    return by.error();
  }
  if (auto done = *by && is_by_rule(**by) ? end(**by) : Status::ok(); !done) {
    return done;
  }
  return view_->end_waiting(item.id);
}

Status DriftBook::stand(const DriftItem& item) {
  return item.quiet_since ? view_->unquiet_drift(item.id) : Status::ok();
}

Result<bool> DriftBook::is_seen_away(std::int64_t id) {
  core::DriftFilter filter;
  filter.id = id;
  const auto rows = view_->drift(filter);
  if (!rows || rows->empty()) {
    return rows ? Result<bool>(true) : rows.error();
  }
  const auto& row = rows->front();
  if (row.item.kind == DriftKind::kBaseline) {
    const auto verdict = view_->verdict(row.item.check, row.item.resource);
    if (!verdict) {
      return verdict.error();
    }
    return !*verdict || core::rests_on_evidence((*verdict)->state);
  }
  const auto resource = view_->find_row(row.item.resource);
  const auto evidence = resource && *resource ? view_->evidence((*resource)->source)
                                              : Result<std::optional<core::Evidence>>(std::nullopt);
  if (!resource || !evidence) {
    return !resource ? resource.error() : evidence.error();
  }
  return !*evidence || (*evidence)->complete;
}

Status DriftBook::end_flapping() {
  const auto away = view_->drift_quiet_since(changes_->now - flapping_.window);
  if (!away) {
    return away.error();
  }
  for (const auto id : *away) {
    const auto seen = is_seen_away(id);
    if (!seen) {
      return seen.error();
    }
    if (auto done = *seen ? view_->resolve_drift(id) : Status::ok(); !done) {
      return done;
    }
  }
  return Status::ok();
}

/// A new body, and what differs from it in the versions that drift is measured against.
struct DriftBook::Comparison {
  const DriftRules* rules;
  std::string type;
  bool is_detail;
  std::int64_t version;
  simdjson::dom::parser parser{};
  simdjson::dom::element body{};
  /// By version; nullopt: it is not kept.
  std::map<std::int64_t, std::optional<std::vector<DriftChange>>> known{};
};

Result<const std::vector<DriftChange>*> DriftBook::differences(Comparison& comparison,
                                                               std::int64_t from) {
  const auto [entry, added] = comparison.known.try_emplace(from);
  if (added && from != 0) {
    auto stored = view_->find_version(from);
    if (!stored) {
      return stored.error();
    }
    simdjson::dom::parser parser;
    simdjson::dom::element body;
    if (*stored && parser.parse((*stored)->body).get(body) == simdjson::SUCCESS) {
      entry->second = comparison.rules->differences(
          comparison.type, comparison.is_detail, body, comparison.body);
    }
  }
  return entry->second ? &*entry->second : nullptr;
}

Status DriftBook::open_difference(const DriftSubject& resource,
                                  const DriftChange& difference,
                                  std::int64_t from,
                                  std::int64_t to,
                                  std::int64_t replaces) {
  auto row = row_of(resource, DriftKind::kConfiguration);
  row.item.path = difference.change.path;
  row.item.old_value = difference.change.old_value;
  row.item.new_value = difference.change.new_value;
  row.item.severity = difference.severity;
  row.item.old_version = from;
  row.item.new_version = to;
  return open(std::move(row), replaces);
}

Status DriftBook::reconcile(const DriftSubject& resource,
                            const DriftItem& item,
                            bool agreed,
                            Comparison& comparison) {
  const auto from = agreed ? item.new_version : item.old_version;
  const auto found = differences(comparison, from);
  if (!found) {
    return found.error();
  }
  // What an older schema opened, without a version to measure it against, ends with the next
  // change.
  if (*found == nullptr) {
    return view_->resolve_drift(item.id);
  }
  const auto same = std::ranges::find(
      **found, item.path, [](const DriftChange& difference) { return difference.change.path; });
  if (same == (*found)->end()) {
    // What was agreed stands: nothing has gone that may come again.
    return agreed ? view_->resolve_drift(item.id) : settle(item);
  }
  if (!agreed && same->change.new_value == item.new_value) {
    return stand(item);
  }
  return open_difference(resource, *same, from, comparison.version, item.id);
}

Status DriftBook::configuration_changed(const DriftSubject& resource,
                                        std::int64_t old_version,
                                        std::int64_t new_version,
                                        const DriftRules& rules) {
  Comparison comparison{.rules = &rules,
                        .type = std::string(resource.type),
                        .is_detail = resource.is_detail,
                        .version = new_version};
  const auto after = view_->find_version(new_version);
  const auto items = view_->open_drift(resource.row);
  if (!after || !items) {
    return !after ? after.error() : items.error();
  }
  if (!*after ||
      comparison.parser.parse((*after)->body).get(comparison.body) != simdjson::SUCCESS) {
    return Error{Errc::kCorrupt, fmt::format("{}: a stored version does not parse", resource.key)};
  }
  std::vector<DriftItem> told;
  std::ranges::copy_if(*items, std::back_inserter(told), [](const DriftItem& item) {
    return item.kind == DriftKind::kConfiguration && !item.path.empty();
  });
  std::set<std::int64_t> versions = {old_version};
  std::map<std::int64_t, std::int64_t> measured_from;  // by item
  for (const auto& item : told) {
    const auto agreed = is_agreed(item);
    if (!agreed) {
      return agreed.error();
    }
    measured_from[item.id] = *agreed ? item.new_version : item.old_version;
    versions.insert(measured_from[item.id]);
    if (auto done = reconcile(resource, item, *agreed, comparison); !done) {
      return done;
    }
  }
  // What is new; and what lies above or below something that was told, measured as that was.
  for (const auto from : versions) {
    const auto found = differences(comparison, from);
    if (!found) {
      return found.error();
    }
    for (const auto& difference : *found == nullptr ? std::vector<DriftChange>() : **found) {
      const auto& path = difference.change.path;
      bool is_told = false;
      bool related = false;
      bool measured_so = false;
      for (const auto& item : told) {
        if (overlap(item.path, path)) {
          is_told = is_told || item.path == path;
          related = true;
          measured_so = measured_so || measured_from.at(item.id) == from;
        }
      }
      if (is_told || (related ? !measured_so : from != old_version)) {
        continue;
      }
      if (auto done = open_difference(resource, difference, from, new_version, 0); !done) {
        return done;
      }
    }
  }
  return Status::ok();
}

Result<bool> DriftBook::resource_is_back(std::int64_t resource) {
  const auto removed = open_item(resource, DriftKind::kConfiguration, 0, "");
  if (!removed) {
    return removed.error();
  }
  const auto agreed = *removed ? is_agreed(**removed) : Result<bool>(true);
  if (!agreed) {
    return agreed.error();
  }
  if (*agreed || !(*removed)->new_value.empty()) {
    return false;
  }
  if (auto done = view_->resolve_drift((*removed)->id); !done) {
    return done.error();
  }
  return true;
}

Status DriftBook::whole_resource(const DriftSubject& resource,
                                 std::string_view old_body,
                                 std::string_view new_body) {
  const auto before = open_item(resource.row, DriftKind::kConfiguration, 0, "");
  if (!before) {
    return before.error();
  }
  const auto agreed = *before ? is_agreed(**before) : Result<bool>(false);
  if (!agreed) {
    return agreed.error();
  }
  if (auto done = resolve_all(resource.row); !done) {
    return done;
  }
  // It was removed and is back, or was added and is gone.
  if (*before && !*agreed && (*before)->new_value.empty() == old_body.empty()) {
    return Status::ok();
  }
  auto row = row_of(resource, DriftKind::kConfiguration);
  row.item.old_value = cut(old_body);
  row.item.new_value = cut(new_body);
  return open(std::move(row));
}

Status DriftBook::resource_added(const DriftSubject& resource, std::string_view body) {
  return whole_resource(resource, "", body);
}

Status DriftBook::resource_removed(const DriftSubject& resource, std::string_view body) {
  return whole_resource(resource, body, "");
}

Status DriftBook::resolve_all(std::int64_t resource) {
  auto items = view_->open_drift(resource);
  if (!items) {
    return items.error();
  }
  for (const auto& item : *items) {
    if (auto done = view_->resolve_drift(item.id); !done) {
      return done;
    }
  }
  return Status::ok();
}

Result<bool> DriftBook::is_agreed(const DriftItem& item) {
  if (item.quiet_since || item.acceptance == 0) {
    return false;
  }
  const auto by = view_->find_acceptance(item.acceptance);
  if (!by) {
    return by.error();
  }
  return *by && !(*by)->ended_at && !(*by)->snooze;
}

Status DriftBook::end(const Acceptance& acceptance) {
  if (auto done = view_->end_acceptance(acceptance.id); !done) {
    return done;
  }
  if (general_) {
    std::erase_if(*general_, [&](const Acceptance& other) { return other.id == acceptance.id; });
  }
  core::DriftFilter filter;
  filter.acceptance = acceptance.id;
  filter.limit = std::numeric_limits<std::int32_t>::max();
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  for (const auto& row : *rows) {
    if (auto done = view_->uncover_drift(row.item.id); !done) {
      return done;
    }
    if (auto done = cover_if_accepted(row); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status DriftBook::end_expired() {
  const auto expired = view_->expired_acceptances(changes_->now);
  if (!expired) {
    return expired.error();
  }
  for (const auto& acceptance : *expired) {
    if (auto done = end(acceptance); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status DriftBook::cover_in_place(const core::DriftRow& row, const Acceptance& acceptance) {
  // What a rule has put off is open to whoever decides before it does.
  if (row.item.acceptance != 0) {
    if (auto done = view_->end_acceptance(row.item.acceptance); !done) {
      return done;
    }
  }
  if (auto done = view_->end_waiting(row.item.id); !done) {
    return done;
  }
  return view_->cover_drift(row.item.id, acceptance);
}

Result<bool> DriftBook::is_undecided(const core::DriftRow& row) {
  if (row.state != core::DriftState::kSnoozed || !row.item.awaits_records) {
    return row.state == core::DriftState::kOpen;
  }
  const auto by = view_->find_acceptance(row.item.acceptance);
  if (!by) {
    return by.error();
  }
  return *by && is_by_rule(**by);
}

Result<DriftBook::Accepted> DriftBook::accept(Acceptance acceptance) {
  auto id = view_->put_acceptance(acceptance);
  if (!id) {
    return id.error();
  }
  acceptance.id = *id;
  if (general_) {
    general_->push_back(acceptance);
  }
  core::DriftFilter filter;
  filter.states = {core::DriftState::kOpen, core::DriftState::kSnoozed};
  filter.scope = core::is_management_group_key(acceptance.scope) ? std::string()
                                                                 : list_key_of(acceptance.scope);
  filter.limit = std::numeric_limits<std::int32_t>::max();
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  Accepted accepted{acceptance.id, 0};
  for (const auto& row : *rows) {
    const auto covers = does_cover(acceptance, row);
    if (!covers) {
      return covers.error();
    }
    const auto undecided = *covers ? is_undecided(row) : Result<bool>(false);
    if (!undecided) {
      return undecided.error();
    }
    if (!*undecided) {
      continue;
    }
    if (auto done = cover_in_place(row, acceptance); !done) {
      return done.error();
    }
    ++accepted.covered;
  }
  return accepted;
}

Result<DriftBook::Accepted> DriftBook::accept_open(Acceptance acceptance) {
  acceptance.up_to_cycle = changes_->cycle;
  return accept(std::move(acceptance));
}

Result<std::int64_t> DriftBook::accept_item(std::int64_t id, Acceptance acceptance) {
  core::DriftFilter filter;
  filter.states = {core::DriftState::kOpen, core::DriftState::kSnoozed};
  filter.id = id;
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  const auto undecided = rows->empty() ? Result<bool>(false) : is_undecided(rows->front());
  if (!undecided) {
    return undecided.error();
  }
  if (!*undecided) {
    return Error{Errc::kNotFound, fmt::format("no drift {} is open", id)};
  }
  const auto covering = put_for_item(rows->front(), std::move(acceptance));
  if (!covering) {
    return covering.error();
  }
  if (auto done = cover_in_place(rows->front(), *covering); !done) {
    return done.error();
  }
  return covering->id;
}

Result<Acceptance> DriftBook::put_for_item(const core::DriftRow& row, Acceptance acceptance) {
  acceptance.drift = row.item.id;
  acceptance.kind = row.item.kind;
  acceptance.scope = row.resource_key;
  acceptance.type = row.resource_type;
  acceptance.path = row.item.path;
  acceptance.assignment = row.assignment;
  acceptance.reference = row.reference;
  acceptance.up_to_cycle = changes_->cycle;
  const auto put = view_->put_acceptance(acceptance);
  if (!put) {
    return put.error();
  }
  acceptance.id = *put;
  return acceptance;
}

Status DriftBook::withdraw(std::int64_t id) {
  const auto found = view_->find_acceptance(id);
  if (!found) {
    return found.error();
  }
  if (!*found || (*found)->ended_at) {
    return Error{Errc::kNotFound, fmt::format("no acceptance {} is in force", id)};
  }
  if (!(*found)->name.empty()) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format("acceptance {} is the file's `{}`: take it out there", id, (*found)->name)};
  }
  // Else the rule that put it off would do so again.
  if ((*found)->drift != 0) {
    if (auto done = view_->end_waiting((*found)->drift); !done) {
      return done;
    }
  }
  return end(**found);
}

Status DriftBook::adopt_file(const std::vector<Acceptance>& wanted) {
  const auto acceptances = general();
  if (!acceptances) {
    return acceptances.error();
  }
  const std::vector<Acceptance> before = **acceptances;
  for (const auto& acceptance : before) {
    if (!acceptance.name.empty() && !is_written_in(wanted, acceptance)) {
      if (auto done = end(acceptance); !done) {
        return done;
      }
    }
  }
  for (const auto& acceptance : wanted) {
    const bool expired = acceptance.expires_at && *acceptance.expires_at <= changes_->now;
    if (expired || is_written_in(before, acceptance)) {
      continue;
    }
    if (auto covered = accept(acceptance); !covered) {
      return covered.error();
    }
  }
  return Status::ok();
}

Result<std::vector<RuleStep>> rule_steps(core::Snapshot& snapshot,
                                         std::span<const core::ExpectedRule> rules,
                                         core::Time now) {
  core::DriftFilter filter;
  filter.awaits_records = true;
  filter.limit = std::numeric_limits<std::int32_t>::max();
  const auto rows = snapshot.drift(filter);
  std::vector<RuleStep> out;
  if (!rows || rows->empty()) {
    return rows ? Result<std::vector<RuleStep>>(std::move(out)) : rows.error();
  }
  for (const auto& row : *rows) {
    const auto ruling = ruling_of_row(snapshot, rules, row);
    if (!ruling) {
      return ruling.error();
    }
    RuleStep step;
    step.row = row;
    step.severity = row.item.severity;
    const auto cover = row.item.acceptance == 0 ? Result<std::optional<Acceptance>>(std::nullopt)
                                                : snapshot.find_acceptance(row.item.acceptance);
    if (!cover) {
      return cover.error();
    }
    const bool by_rule = *cover && is_by_rule(**cover);
    step.put_off_by = by_rule ? *cover : std::nullopt;
    const bool in_vain = !ruling->is_final && now - row.item.opened_at >= kWaitForRecords;
    const auto expected = in_vain ? std::nullopt : ruling->expectation;
    const bool accepts = expected && expected->effect == Effect::kAccept;
    step.rule = expected ? expected->rule : std::string();
    step.is_final = ruling->is_final || in_vain;
    // What somebody else has accepted or put off stays so.
    const bool is_free = row.item.acceptance == 0 || by_rule;
    step.covers = accepts && is_free && (step.is_final || !by_rule);
    step.uncovers = by_rule && !accepts;
    if (expected && !accepts && (step.is_final || expected->effect == Effect::kEscalate)) {
      step.severity = severity_by(expected->effect, row.item.severity);
      step.is_final = true;
    }
    if (step.covers || step.uncovers || step.is_final) {
      out.push_back(std::move(step));
    }
  }
  return out;
}

std::string identity_of(const core::DriftRow& row) {
  const auto text = fmt::format("{}\n{}\n{}\n{}\n{}",
                                core::to_string(row.item.kind),
                                row.assignment,
                                row.reference,
                                row.resource_key,
                                row.item.path);
  return core::to_hex(core::sha256(text)).substr(0, 16);
}

DriftFacts facts_of(const core::DriftRow& row) {
  DriftFacts out;
  out.kind = row.item.kind;
  out.resource_key = row.resource_key;
  out.type = row.resource_type;
  out.path = row.item.path;
  out.assignment = row.assignment;
  out.reference = row.reference;
  out.opened_cycle = row.item.opened_cycle;
  out.list_entry = row.is_detail ? list_entry_key(row.resource_key, row.item.path) : std::string();
  return out;
}

Result<bool> has_file_adopted(core::Snapshot& snapshot,
                              const std::vector<Acceptance>& wanted,
                              core::Time now) {
  auto stored = snapshot.general_acceptances();
  if (!stored) {
    return stored.error();
  }
  const bool none_gone = std::ranges::all_of(*stored, [&](const Acceptance& acceptance) {
    return acceptance.name.empty() || is_written_in(wanted, acceptance);
  });
  const bool none_new = std::ranges::all_of(wanted, [&](const Acceptance& acceptance) {
    return (acceptance.expires_at && *acceptance.expires_at <= now) ||
           is_written_in(*stored, acceptance);
  });
  return none_gone && none_new;
}

}  // namespace plumbline::compliance
