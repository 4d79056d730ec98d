#include "compliance/drift.hpp"

#include "core/digest.hpp"

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

namespace {

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

Result<const std::vector<Acceptance>*> DriftBook::in_force() {
  if (!in_force_) {
    auto found = view_->acceptances(/*in_force_only=*/true);
    if (!found) {
      return found.error();
    }
    in_force_ = *std::move(found);
  }
  return &*in_force_;
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

Status DriftBook::cover_if_accepted(std::int64_t id, DriftFacts facts) {
  const auto acceptances = in_force();
  if (!acceptances) {
    return acceptances.error();
  }
  const auto found = std::ranges::find_if(
      **acceptances, [&](const Acceptance& acceptance) { return acceptance.covers(facts); });
  return found == (*acceptances)->end() ? Status::ok() : view_->cover_drift(id, *found);
}

Result<std::optional<Expectation>> DriftBook::expectation(const DriftFacts& facts, bool is_detail) {
  if (expected_.empty()) {
    return std::optional<Expectation>();
  }
  core::DriftRow row;
  row.item.kind = facts.kind;
  row.item.path = facts.path;
  row.item.opened_cycle = facts.opened_cycle;
  row.item.opened_at = changes_->now;
  row.resource_key = facts.resource_key;
  row.resource_type = facts.type;
  row.is_detail = is_detail;
  auto attribution = attribution_of(*view_, row);
  if (!attribution) {
    return attribution.error();
  }
  if (!*attribution) {
    return std::optional<Expectation>();
  }
  return expectation_of(expected_, facts.resource_key, facts.type, **attribution);
}

Status DriftBook::open(DriftItem item,
                       const DriftFacts& facts,
                       bool is_detail,
                       std::int64_t replaces) {
  const auto expected = expectation(facts, is_detail);
  if (!expected) {
    return expected.error();
  }
  if (*expected) {
    item.severity = severity_by((*expected)->effect, item.severity);
  }
  const auto id =
      replaces == 0 ? view_->open_drift_item(item) : view_->replace_drift(replaces, item);
  if (!id) {
    return id.error();
  }
  if (!*expected || (*expected)->effect != core::ExpectedRule::Effect::kAccept) {
    return cover_if_accepted(*id, facts);
  }
  Acceptance by_rule;
  by_rule.reason = "an expected change";
  by_rule.author = fmt::format("rule {}", (*expected)->rule);
  const auto accepted = accept_item(*id, std::move(by_rule));
  return accepted ? Status::ok() : Status(accepted.error());
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
  DriftItem item;
  item.kind = DriftKind::kBaseline;
  item.check = check;
  item.resource = resource.row;
  item.severity = severity;
  const DriftFacts facts{
      item.kind, resource.key, resource.type, "", assignment, reference, changes_->cycle};
  return open(std::move(item), facts, false);
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
  return flaps ? view_->quiet_drift(item) : view_->resolve_drift(item.id);
}

Status DriftBook::stand(const DriftItem& item) {
  return item.quiet_since ? view_->unquiet_drift(item.id) : Status::ok();
}

Status DriftBook::end_flapping() {
  const auto away = view_->drift_quiet_since(changes_->now - flapping_.window);
  if (!away) {
    return away.error();
  }
  for (const auto id : *away) {
    if (auto done = view_->resolve_drift(id); !done) {
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
  DriftItem item;
  item.kind = DriftKind::kConfiguration;
  item.resource = resource.row;
  item.path = difference.change.path;
  item.old_value = difference.change.old_value;
  item.new_value = difference.change.new_value;
  item.severity = difference.severity;
  item.old_version = from;
  item.new_version = to;
  const DriftFacts facts{
      item.kind, resource.key, resource.type, difference.change.path, "", "", changes_->cycle};
  return open(std::move(item), facts, resource.is_detail, replaces);
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
  DriftItem item;
  item.kind = DriftKind::kConfiguration;
  item.resource = resource.row;
  item.old_value = cut(old_body);
  item.new_value = cut(new_body);
  const DriftFacts facts{item.kind, resource.key, resource.type, "", "", "", changes_->cycle};
  return open(std::move(item), facts, false);
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
  const auto acceptances = in_force();
  if (!acceptances) {
    return acceptances.error();
  }
  return !item.quiet_since && std::ranges::any_of(**acceptances, [&](const auto& acceptance) {
    return acceptance.id == item.acceptance && !acceptance.snooze;
  });
}

Status DriftBook::end(const Acceptance& acceptance) {
  if (auto done = view_->end_acceptance(acceptance.id); !done) {
    return done;
  }
  in_force_.reset();
  core::DriftFilter filter;
  filter.states = {core::DriftState::kAccepted, core::DriftState::kSnoozed};
  filter.limit = std::numeric_limits<std::int32_t>::max();
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  for (const auto& row : *rows) {
    if (row.item.acceptance != acceptance.id) {
      continue;
    }
    if (auto done = view_->uncover_drift(row.item.id); !done) {
      return done;
    }
    if (auto done = cover_if_accepted(row.item.id, facts_of(row)); !done) {
      return done;
    }
  }
  return Status::ok();
}

Status DriftBook::end_expired() {
  const auto acceptances = in_force();
  if (!acceptances) {
    return acceptances.error();
  }
  std::vector<Acceptance> expired;
  std::ranges::copy_if(**acceptances, std::back_inserter(expired), [&](const auto& acceptance) {
    return acceptance.expires_at && *acceptance.expires_at <= changes_->now;
  });
  for (const auto& acceptance : expired) {
    if (auto done = end(acceptance); !done) {
      return done;
    }
  }
  return Status::ok();
}

Result<DriftBook::Accepted> DriftBook::accept(Acceptance acceptance) {
  auto id = view_->put_acceptance(acceptance);
  if (!id) {
    return id.error();
  }
  acceptance.id = *id;
  in_force_.reset();
  core::DriftFilter filter;
  filter.states = {core::DriftState::kOpen};
  filter.scope = acceptance.scope;
  filter.limit = std::numeric_limits<std::int32_t>::max();
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  Accepted accepted{acceptance.id, 0};
  for (const auto& row : *rows) {
    if (!acceptance.covers(facts_of(row))) {
      continue;
    }
    if (auto done = view_->cover_drift(row.item.id, acceptance); !done) {
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
  filter.states = {core::DriftState::kOpen};
  filter.id = id;
  auto rows = view_->drift(filter);
  if (!rows) {
    return rows.error();
  }
  if (rows->empty()) {
    return Error{Errc::kNotFound, fmt::format("no drift {} is open", id)};
  }
  const auto& row = rows->front();
  acceptance.drift = id;
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
  in_force_.reset();
  if (auto done = view_->cover_drift(id, acceptance); !done) {
    return done.error();
  }
  return acceptance.id;
}

Status DriftBook::withdraw(std::int64_t id) {
  const auto acceptances = in_force();
  if (!acceptances) {
    return acceptances.error();
  }
  const auto found = std::ranges::find(**acceptances, id, &Acceptance::id);
  if (found == (*acceptances)->end()) {
    return Error{Errc::kNotFound, fmt::format("no acceptance {} is in force", id)};
  }
  if (!found->name.empty()) {
    return Error{
        Errc::kInvalidArgument,
        fmt::format("acceptance {} is the file's `{}`: take it out there", id, found->name)};
  }
  return end(Acceptance(*found));
}

Status DriftBook::adopt_file(const std::vector<Acceptance>& wanted) {
  const auto acceptances = in_force();
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
  return {row.item.kind,
          row.resource_key,
          row.resource_type,
          row.item.path,
          row.assignment,
          row.reference,
          row.item.opened_cycle};
}

Result<bool> has_file_adopted(core::Snapshot& snapshot,
                              const std::vector<Acceptance>& wanted,
                              core::Time now) {
  auto stored = snapshot.acceptances(/*in_force_only=*/true);
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
