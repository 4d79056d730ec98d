#include "compliance/judge.hpp"

#include "compliance/explain.hpp"
#include "compliance/json_diff.hpp"
#include "compliance/related.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace plumbline::compliance {

using core::Cause;
using core::ComplianceState;
using core::Result;
using core::Status;
using core::Subject;

namespace {

std::optional<ComplianceState> state_of(policy::Outcome outcome) {
  switch (outcome) {
    case policy::Outcome::kCompliant:
      return ComplianceState::kCompliant;
    case policy::Outcome::kNonCompliant:
      return ComplianceState::kNonCompliant;
    case policy::Outcome::kNoEvidence:
      return ComplianceState::kNoEvidence;
    case policy::Outcome::kError:
      return ComplianceState::kError;
    case policy::Outcome::kUnknown:
      return ComplianceState::kUnknown;
    case policy::Outcome::kProtected:
      return ComplianceState::kProtected;
    case policy::Outcome::kNotApplicable:
    case policy::Outcome::kNotEvaluated:
      return std::nullopt;
  }
  return ComplianceState::kError;
}

/// What is decided about one subject before history comes in.
struct Decision {
  std::optional<ComplianceState> state;
  std::string reason;
};

class CycleJudge {
 public:
  CycleJudge(const Baseline& baseline, core::JudgeView& view, const core::CycleChanges& changes)
      : baseline_(&baseline), view_(&view), changes_(&changes) {}

  Status load_checks() {
    auto rows = view_->checks();
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      for (const auto& check : baseline_->checks) {
        if (check.assignment == row.assignment && check.reference == row.reference) {
          checks_.emplace(row.row, &check);
        }
      }
    }
    for (const auto& [row, check] : checks_) {
      const auto& types = check->definition->info().types;
      if (types.empty()) {
        for_any_type_.push_back(row);
      }
      for (const auto& type : types) {
        by_type_[type].push_back(row);
      }
    }
    return Status::ok();
  }

  Status adopt() {
    auto rows = view_->checks();
    if (!rows) {
      return rows.error();
    }
    std::map<std::pair<std::string, std::string>, core::CheckRow> stored;
    for (auto& row : *rows) {
      stored[{row.assignment, row.reference}] = row;
    }
    std::map<std::int64_t, Cause> changed;
    for (const auto& check : baseline_->checks) {
      const auto found = stored.find({check.assignment, check.reference});
      const bool same_definition =
          found != stored.end() && found->second.definition_hash == check.definition_hash;
      const bool same_parameters =
          found != stored.end() && found->second.parameters_hash == check.parameters_hash;
      if (found != stored.end()) {
        stored.erase(found);
      }
      if (same_definition && same_parameters) {
        continue;
      }
      auto row = view_->put_check(
          {0, check.assignment, check.reference, check.definition_hash, check.parameters_hash});
      if (!row) {
        return row.error();
      }
      changed[*row] = same_definition ? Cause::kParameters : Cause::kDefinition;
    }
    for (const auto& [name, row] : stored) {
      if (auto removed = view_->remove_check(row.row); !removed) {
        return removed;
      }
    }
    if (auto loaded = load_checks(); !loaded) {
      return loaded;
    }
    if (auto referenced = refresh_all_references(); !referenced) {
      return referenced;
    }
    for (const auto& [row, cause] : changed) {
      const auto found = checks_.find(row);
      if (found == checks_.end()) {
        continue;
      }
      auto resources = view_->resource_rows(found->second->definition->info().types);
      if (!resources) {
        return resources.error();
      }
      for (const auto resource : *resources) {
        mark({row, resource}, cause);
      }
    }
    return decide_marked();
  }

  Status judge() {
    if (auto loaded = load_checks(); !loaded) {
      return loaded;
    }
    for (const auto& change : changes_->resources) {
      if (auto done = mark_change(change); !done) {
        return done;
      }
    }
    for (const auto& change : changes_->evidence) {
      if (auto done = mark_evidence(change); !done) {
        return done;
      }
    }
    if (auto done = mark_time_dependent(); !done) {
      return done;
    }
    for (const auto& [target, cause] : touched_) {
      auto subjects = view_->dependents(target);
      if (!subjects) {
        return subjects.error();
      }
      for (const auto& subject : *subjects) {
        mark(subject, cause);
      }
    }
    return decide_marked();
  }

 private:
  /// Causes are ordered by what says most; a stronger one replaces a weaker one.
  void mark(const Subject& subject, Cause cause) {
    const auto [entry, added] = marked_.try_emplace({subject.resource, subject.check}, cause);
    if (!added) {
      entry->second = std::min(entry->second, cause);
    }
  }

  void touch(std::string target, Cause cause) {
    const auto [entry, added] = touched_.try_emplace(std::move(target), cause);
    if (!added) {
      entry->second = std::min(entry->second, cause);
    }
  }

  /// Rules that read utcNow() may change their mind without any change of a resource.
  Status mark_time_dependent() {
    for (const auto& [row, check] : checks_) {
      if (!check->definition->info().reads_time) {
        continue;
      }
      auto resources = view_->resource_rows(check->definition->info().types);
      if (!resources) {
        return resources.error();
      }
      for (const auto resource : *resources) {
        mark({row, resource}, Cause::kTime);
      }
    }
    return Status::ok();
  }

  Status mark_change(const core::ResourceChange& change) {
    const auto id = core::parse_resource_id(change.key);
    const Cause own = change.normaliser_only ? Cause::kNormaliser : Cause::kResource;
    const Cause related = change.normaliser_only ? Cause::kNormaliser : Cause::kRelated;
    touch(target_of_key(change.key), related);
    if (id) {
      touch(target_of_type(change.type, id->subscription_key()), related);
      touch(target_of_type(change.type, id->resource_group_key()), related);
      // Child and extension resources in Resource Graph are looked up by the resource they belong
      // to.
      touch(target_of_type(change.type, id->parent), related);
    }
    if (auto done =
            refresh_references(change.row, change.type, change.is_detail, change.new_version == 0);
        !done) {
      return done;
    }
    if (change.new_version == 0) {
      return forget(change);
    }
    if (!change.is_detail) {
      for (const auto check : checks_for(change.type)) {
        mark({check, change.row}, own);
      }
    }
    if (change.old_version != 0 && !change.normaliser_only) {
      return record_configuration_drift(change);
    }
    return Status::ok();
  }

  Status mark_evidence(const core::EvidenceChange& change) {
    touch(target_of_evidence(change.now.key), Cause::kEvidence);
    auto rows = rows_concerned(change.now.key);
    if (!rows) {
      return rows.error();
    }
    for (const auto row : *rows) {
      auto resource = view_->find_row(row);
      if (!resource) {
        return resource.error();
      }
      if (*resource) {
        for (const auto check : checks_for((*resource)->type)) {
          mark({check, row}, Cause::kEvidence);
        }
      }
    }
    for (const auto& relation : baseline_->relations) {
      const auto table = core::resource_graph_table(relation->source_type);
      const bool concerned =
          table.empty() ? change.now.key.starts_with("detail:")
                        : change.now.key.starts_with(core::partition_evidence_key(table, ""));
      if (concerned && !relation->is_inverse()) {
        touch(target_of_relation_sources(relation->name), Cause::kEvidence);
      }
    }
    return Status::ok();
  }

  /// The resources whose own evidence this is: one resource's, or a whole partition's.
  Result<std::vector<std::int64_t>> rows_concerned(const std::string& evidence_key) {
    if (!evidence_key.starts_with(core::kResourceEvidencePrefix)) {
      return view_->rows_of_source(evidence_key);
    }
    auto resource = view_->find(evidence_key.substr(core::kResourceEvidencePrefix.size()));
    if (!resource) {
      return resource.error();
    }
    std::vector<std::int64_t> rows;
    if (*resource) {
      rows.push_back((*resource)->row);
    }
    return rows;
  }

  /// A deleted resource has no verdicts and no open drift.
  Status forget(const core::ResourceChange& change) {
    auto subjects = view_->verdicts_of(change.row);
    if (!subjects) {
      return subjects.error();
    }
    for (const auto& subject : *subjects) {
      auto before = view_->verdict(subject.check, subject.resource);
      if (!before) {
        return before.error();
      }
      core::Transition transition;
      transition.check = subject.check;
      transition.resource = subject.resource;
      transition.from = *before ? std::optional((*before)->state) : std::nullopt;
      transition.reason = "deleted";
      transition.cause = Cause::kResource;
      if (auto done = view_->add_transition(transition); !done) {
        return done;
      }
      if (auto done = view_->remove_verdict(subject.check, subject.resource); !done) {
        return done;
      }
      if (auto done = view_->set_dependencies(subject, {}); !done) {
        return done;
      }
    }
    auto items = view_->open_drift(change.row);
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

  std::vector<std::int64_t> checks_for(const std::string& type) const {
    auto out = for_any_type_;
    if (const auto found = by_type_.find(type); found != by_type_.end()) {
      out.insert(out.end(), found->second.begin(), found->second.end());
    }
    return out;
  }

  Status refresh_all_references() {
    for (const auto& relation : baseline_->relations) {
      if (relation->is_inverse()) {
        continue;
      }
      std::vector<std::pair<std::int64_t, bool>> rows;
      const bool is_detail = core::resource_graph_table(relation->source_type).empty();
      auto visited =
          view_->for_each_of_type(relation->source_type, "", [&](const core::StoredResource& r) {
            rows.emplace_back(r.row, is_detail);
          });
      if (!visited) {
        return visited;
      }
      for (const auto& [row, detail] : rows) {
        if (auto done = refresh_references(row, relation->source_type, detail, false); !done) {
          return done;
        }
      }
    }
    return Status::ok();
  }

  Status refresh_references(std::int64_t row,
                            const std::string& type,
                            bool is_detail,
                            bool deleted) {
    for (const auto& relation : baseline_->relations) {
      if (relation->is_inverse() || relation->source_type != type) {
        continue;
      }
      std::set<std::string> targets;
      if (!deleted) {
        auto resource = view_->find_row(row);
        if (!resource) {
          return resource.error();
        }
        simdjson::dom::parser parser;
        simdjson::dom::element body;
        if (*resource && parser.parse((*resource)->body).get(body) == simdjson::SUCCESS) {
          for (const auto item : source_elements(body, is_detail)) {
            targets.merge(as_set(relation_targets(*relation, item)));
          }
        }
      }
      auto before = view_->set_references(row, relation->name, {targets.begin(), targets.end()});
      if (!before) {
        return before.error();
      }
      // The sources are objects that rules read, so a target that stays is touched as well.
      targets.insert(before->begin(), before->end());
      for (const auto& target : targets) {
        touch(target_of_relation(relation->name, target), Cause::kRelated);
      }
    }
    return Status::ok();
  }

  static std::set<std::string> as_set(std::vector<std::string> values) {
    return {std::make_move_iterator(values.begin()), std::make_move_iterator(values.end())};
  }

  Status decide_marked() {
    std::int64_t evaluations = 0;
    auto next = marked_.begin();
    while (next != marked_.end()) {
      const std::int64_t row = next->first.first;
      auto resource = view_->find_row(row);
      if (!resource) {
        return resource.error();
      }
      for (; next != marked_.end() && next->first.first == row; ++next) {
        const auto check = checks_.find(next->first.second);
        if (!*resource || check == checks_.end()) {
          continue;
        }
        ++evaluations;
        if (auto done = decide({next->first.second, row}, *check->second, **resource, next->second);
            !done) {
          return done;
        }
      }
    }
    view_->count_evaluations(evaluations);
    return Status::ok();
  }

  /// A resource whose own partition could not be read has no verdict but NoEvidence.
  Result<std::optional<std::string>> own_evidence_missing(const std::string& source) {
    const auto found = source_state_.find(source);
    if (found != source_state_.end()) {
      return found->second;
    }
    auto evidence = view_->evidence(source);
    if (!evidence) {
      return evidence.error();
    }
    std::optional<std::string> missing;
    if (*evidence && !(*evidence)->complete) {
      missing = (*evidence)->reason;
    }
    source_state_.emplace(source, missing);
    return missing;
  }

  Result<Decision> evaluate(const Subject& subject,
                            const Check& check,
                            const core::StoredResource& resource) {
    const Assignment* assignment = baseline_->find_assignment(check.assignment);
    if (assignment == nullptr || !in_scope(*assignment, resource.key)) {
      return Decision{};
    }
    Surroundings surroundings(*view_, resource.key);
    const auto evaluation =
        evaluate_check(check, resource, surroundings, changes_->now, /*explain=*/false);
    if (surroundings.failure()) {
      return *surroundings.failure();
    }
    if (auto done = view_->set_dependencies(subject, surroundings.dependencies()); !done) {
      return done.error();
    }
    Decision decision{state_of(evaluation.outcome), evaluation.reason};
    if (!decision.state) {
      return decision;
    }
    const std::string own = std::string(core::kResourceEvidencePrefix) + resource.key;
    for (const auto& source : {resource.source, own}) {
      auto missing = own_evidence_missing(source);
      if (!missing) {
        return missing.error();
      }
      if (*missing) {
        return Decision{ComplianceState::kNoEvidence, **missing};
      }
    }
    return decision;
  }

  static Cause cause_of(const Decision& decision,
                        const std::optional<core::Verdict>& before,
                        std::int64_t version,
                        Cause trigger) {
    if (decision.state == ComplianceState::kNoEvidence) {
      return trigger == Cause::kDefinition || trigger == Cause::kParameters ? trigger
                                                                            : Cause::kEvidence;
    }
    // A state after a gap is compared with the last one that rested on evidence: what changed in
    // between decides, not that the evidence came back.
    if (before && before->state == ComplianceState::kNoEvidence && trigger >= Cause::kRelated &&
        trigger != Cause::kDefinition && trigger != Cause::kParameters) {
      if (!before->known_state) {
        return Cause::kResource;
      }
      if (before->known_state == decision.state) {
        return Cause::kEvidence;
      }
      return before->known_version != version ? Cause::kResource : Cause::kRelated;
    }
    return trigger;
  }

  Status decide(const Subject& subject,
                const Check& check,
                const core::StoredResource& resource,
                Cause trigger) {
    auto decision = evaluate(subject, check, resource);
    if (!decision) {
      return decision.error();
    }
    auto before = view_->verdict(subject.check, subject.resource);
    if (!before) {
      return before.error();
    }
    const std::optional<core::Verdict>& old = *before;
    const std::optional<ComplianceState> old_state = old ? std::optional(old->state) : std::nullopt;
    if (!decision->state && !old) {
      return Status::ok();
    }
    const Cause cause = cause_of(*decision, old, resource.version, trigger);
    const bool same = old && decision->state == old->state && decision->reason == old->reason;
    if (same && old->version == resource.version) {
      return Status::ok();
    }
    if (!decision->state) {
      if (auto done = view_->remove_verdict(subject.check, subject.resource); !done) {
        return done;
      }
    } else {
      core::Verdict verdict;
      verdict.check = subject.check;
      verdict.resource = subject.resource;
      verdict.state = *decision->state;
      verdict.reason = decision->reason;
      verdict.cause = same ? old->cause : cause;
      verdict.version = resource.version;
      verdict.since_cycle = same ? old->since_cycle : changes_->cycle;
      verdict.evaluated_at = changes_->now;
      if (*decision->state == ComplianceState::kNoEvidence) {
        verdict.known_state = old ? old->known_state : std::nullopt;
        verdict.known_version = old ? old->known_version : 0;
      } else {
        verdict.known_state = decision->state;
        verdict.known_version = resource.version;
      }
      if (auto done = view_->put_verdict(verdict); !done) {
        return done;
      }
    }
    if (same) {
      return Status::ok();
    }
    if (decision->state != old_state || decision->reason != (old ? old->reason : std::string())) {
      core::Transition transition{
          subject.check, subject.resource, old_state, decision->state, decision->reason, cause};
      if (auto done = view_->add_transition(transition); !done) {
        return done;
      }
    }
    return update_baseline_drift(subject, check, *decision, cause);
  }

  Status update_baseline_drift(const Subject& subject,
                               const Check& check,
                               const Decision& decision,
                               Cause cause) {
    if (decision.state == ComplianceState::kNoEvidence ||
        decision.state == ComplianceState::kError) {
      return Status::ok();  // what was open stays open: nothing is known of its end
    }
    auto items = view_->open_drift(subject.resource);
    if (!items) {
      return items.error();
    }
    const auto open = std::ranges::find_if(*items, [&](const core::DriftItem& item) {
      return item.kind == core::DriftKind::kBaseline && item.check == subject.check;
    });
    if (decision.state == ComplianceState::kNonCompliant) {
      if (open != items->end() || !core::opens_drift(cause)) {
        return Status::ok();
      }
      core::DriftItem item;
      item.kind = core::DriftKind::kBaseline;
      item.check = subject.check;
      item.resource = subject.resource;
      item.severity = check.severity;
      return view_->add_drift(item);
    }
    return open == items->end() ? Status::ok() : view_->resolve_drift(open->id);
  }

  /// Properties that differ from the version before. An item's old value is the one from before it
  /// opened, so that putting a property back resolves it.
  Status record_configuration_drift(const core::ResourceChange& change) {
    auto before = view_->find_version(change.old_version);
    auto after = view_->find_version(change.new_version);
    if (!before || !after) {
      return !before ? before.error() : after.error();
    }
    simdjson::dom::parser old_parser;
    simdjson::dom::parser new_parser;
    simdjson::dom::element old_body;
    simdjson::dom::element new_body;
    if (!*before || !*after ||
        old_parser.parse((*before)->body).get(old_body) != simdjson::SUCCESS ||
        new_parser.parse((*after)->body).get(new_body) != simdjson::SUCCESS) {
      return core::Error{core::Errc::kCorrupt,
                         fmt::format("{}: a stored version does not parse", change.key)};
    }
    auto open = view_->open_drift(change.row);
    if (!open) {
      return open.error();
    }
    for (const auto& difference : diff_json(old_body, new_body)) {
      core::DriftItem item;
      item.kind = core::DriftKind::kConfiguration;
      item.resource = change.row;
      item.path = difference.path;
      item.old_value = difference.old_value;
      item.new_value = difference.new_value;
      const auto same_path = std::ranges::find_if(*open, [&](const core::DriftItem& other) {
        return other.kind == core::DriftKind::kConfiguration && other.path == difference.path;
      });
      if (same_path != open->end()) {
        if (auto done = view_->resolve_drift(same_path->id); !done) {
          return done;
        }
        item.old_value = same_path->old_value;
      }
      if (item.old_value != item.new_value) {
        if (auto done = view_->add_drift(item); !done) {
          return done;
        }
      }
    }
    return Status::ok();
  }

  const Baseline* baseline_;
  core::JudgeView* view_;
  const core::CycleChanges* changes_;
  std::map<std::int64_t, const Check*> checks_;
  std::vector<std::int64_t> for_any_type_;
  std::unordered_map<std::string, std::vector<std::int64_t>> by_type_;
  std::map<std::string, Cause> touched_;
  // Ordered by resource, so that each is loaded once.
  std::map<std::pair<std::int64_t, std::int64_t>, Cause> marked_;
  std::map<std::string, std::optional<std::string>> source_state_;
};

}  // namespace

Status adopt_baseline(const Baseline& baseline,
                      core::JudgeView& view,
                      const core::CycleChanges& changes) {
  return CycleJudge(baseline, view, changes).adopt();
}

Result<bool> is_adopted(const Baseline& baseline, core::Snapshot& snapshot) {
  auto rows = snapshot.checks();
  if (!rows) {
    return rows.error();
  }
  if (rows->size() != baseline.checks.size()) {
    return false;
  }
  return std::ranges::all_of(baseline.checks, [&](const Check& check) {
    return std::ranges::any_of(*rows, [&](const core::CheckRow& row) {
      return row.assignment == check.assignment && row.reference == check.reference &&
             row.definition_hash == check.definition_hash &&
             row.parameters_hash == check.parameters_hash;
    });
  });
}

Status judge_changes(const Baseline& baseline,
                     core::JudgeView& view,
                     const core::CycleChanges& changes) {
  return CycleJudge(baseline, view, changes).judge();
}

}  // namespace plumbline::compliance
