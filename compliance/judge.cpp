#include "compliance/judge.hpp"

#include "compliance/confirmation.hpp"
#include "compliance/decision.hpp"
#include "compliance/drift.hpp"
#include "compliance/drift_rules.hpp"
#include "compliance/explain.hpp"
#include "compliance/related.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

constexpr std::chrono::minutes kTimeStep{10};
// Where more in a row are about drift alone, rules that read the clock are asked once more.
constexpr std::size_t kCyclesLookedAt = 50;

/// Whether a check is the one that the store's verdicts were decided by.
bool is_same(const Check& check, const core::CheckRow& row) {
  return check.assignment == row.assignment && check.reference == row.reference &&
         check.definition_hash == row.definition_hash &&
         check.parameters_hash == row.parameters_hash &&
         check.exemptions_hash == row.exemptions_hash;
}

class CycleJudge {
 public:
  CycleJudge(const Baseline& baseline,
             core::JudgeView& view,
             const core::CycleChanges& changes,
             Confirming confirming)
      : confirming_(confirming),
        baseline_(&baseline),
        view_(&view),
        changes_(&changes),
        reads_(view),
        drift_(view, changes, baseline.expected, baseline.flapping) {}

  Status load_checks() {
    auto rows = view_->checks();
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      for (const auto& check : baseline_->checks) {
        if (is_same(check, row)) {
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
      const bool same_exemptions =
          found != stored.end() && found->second.exemptions_hash == check.exemptions_hash;
      if (found != stored.end()) {
        stored.erase(found);
      }
      if (same_definition && same_parameters && same_exemptions) {
        continue;
      }
      auto row = view_->put_check({0,
                                   check.assignment,
                                   check.reference,
                                   check.definition_hash,
                                   check.parameters_hash,
                                   check.exemptions_hash});
      if (!row) {
        return row.error();
      }
      changed[*row] = !same_definition   ? Cause::kDefinition
                      : !same_parameters ? Cause::kParameters
                                         : Cause::kExemption;
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
      // Resources of types that the definition no longer applies to have verdicts still.
      core::VerdictFilter filter;
      filter.assignment = found->second->assignment;
      filter.reference = found->second->reference;
      auto marked = each_verdict(std::move(filter), [&](const core::Verdict& verdict) {
        mark({verdict.check, verdict.resource}, cause);
      });
      if (!marked) {
        return marked;
      }
    }
    if (auto done = mark_expired_exemptions(); !done) {
      return done;
    }
    if (auto done = decide_marked(); !done) {
      return done;
    }
    return drift_.adopt_file(baseline_->acceptances);
  }

  Status judge() {
    if (auto loaded = load_checks(); !loaded) {
      return loaded;
    }
    if (auto done = drift_.end_expired(); !done) {
      return done;
    }
    if (auto done = drift_.end_flapping(); !done) {
      return done;
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
    if (auto done = mark_gaps(); !done) {
      return done;
    }
    if (auto done = mark_time_dependent(); !done) {
      return done;
    }
    if (auto done = mark_expired_exemptions(); !done) {
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

  /// Rules that read utcNow() may change their mind without any change of a resource. They are
  /// asked again when another step of time has begun, not with each of many small cycles.
  Status mark_time_dependent() {
    auto last = view_->cycles(kCyclesLookedAt);
    if (!last) {
      return last.error();
    }
    // Those are about drift alone: nothing was asked again.
    std::erase_if(*last, [](const core::CycleRow& row) { return row.kind == "acceptance"; });
    const auto step = [](core::Time time) {
      return std::chrono::floor<std::chrono::minutes>(time).time_since_epoch() / kTimeStep;
    };
    if (!last->empty() && step(last->front().committed_at) == step(changes_->now)) {
      return Status::ok();
    }
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

  /// What exemptions still cover that have expired.
  Status mark_expired_exemptions() {
    std::set<std::string, std::less<>> expired;
    for (const auto& exemption : baseline_->exemptions) {
      if (exemption->is_expired(changes_->now)) {
        expired.insert(exemption->spec.name);
      }
    }
    const auto counts = expired.empty() ? std::vector<core::ExemptCount>() : view_->exempt_counts();
    if (!counts) {
      return counts.error();
    }
    if (std::ranges::none_of(*counts, [&](const core::ExemptCount& count) {
          return expired.contains(count.exemption);
        })) {
      return Status::ok();
    }
    core::VerdictFilter filter;
    filter.state = ComplianceState::kExempt;
    return each_verdict(std::move(filter), [&](const core::Verdict& verdict) {
      if (expired.contains(verdict.reason)) {
        mark({verdict.check, verdict.resource}, Cause::kExemption);
      }
    });
  }

  template <class Visit>
  Status each_verdict(core::VerdictFilter filter, Visit visit) {
    filter.limit = 1000;
    for (;;) {
      auto rows = view_->verdicts(filter);
      if (!rows) {
        return rows.error();
      }
      for (const auto& row : *rows) {
        visit(row.verdict);
      }
      if (rows->size() < filter.limit) {
        return Status::ok();
      }
      filter.after_check = rows->back().verdict.check;
      filter.after_resource = rows->back().verdict.resource;
    }
  }

  Status mark_change(const core::ResourceChange& change) {
    if (change.type == core::kConfirmationType) {
      return mark_confirmation(change);
    }
    const Cause own = change.normaliser_only ? Cause::kNormaliser : Cause::kResource;
    const Cause related = change.normaliser_only ? Cause::kNormaliser
                          : change.retired       ? Cause::kParameters
                                                 : Cause::kRelated;
    touch_readers(change.key, change.type, related);
    if (auto done = refresh_references(change, related); !done) {
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
    if (change.normaliser_only) {
      return Status::ok();
    }
    if (change.old_version != 0) {
      return drift_.configuration_changed({change.row, change.key, change.type, change.is_detail},
                                          change.old_version,
                                          change.new_version,
                                          *baseline_->drift);
    }
    return change.is_detail ? Status::ok() : record_addition(change);
  }

  /// What Resource Manager says of a resource is evidence for every check that reads it, and no
  /// change of it.
  Status mark_confirmation(const core::ResourceChange& change) {
    if (change.new_version == 0) {
      return Status::ok();  // with the resource, which is told apart
    }
    auto confirmed = view_->find(core::confirmed_by(core::detail_evidence_key(change.key)));
    if (!confirmed) {
      return confirmed.error();
    }
    if (!*confirmed) {
      return Status::ok();
    }
    const auto& resource = **confirmed;
    const auto changed = says_something_else(change, resource);
    if (!changed) {
      return changed.error();
    }
    // What Resource Graph hides has changed there.
    for (const auto check : checks_for(resource.type)) {
      mark({check, resource.row}, *changed ? Cause::kResource : Cause::kEvidence);
    }
    const Cause related = *changed ? Cause::kRelated : Cause::kEvidence;
    touch_readers(resource.key, resource.type, related);
    core::ResourceChange same;
    same.row = resource.row;
    same.key = resource.key;
    same.type = resource.type;
    same.old_version = same.new_version = resource.version;
    return refresh_references(same, related);
  }

  /// Whether Resource Manager was asked about the same body before, and said something else.
  Result<bool> says_something_else(const core::ResourceChange& change,
                                   const core::StoredResource& resource) {
    if (change.old_version == 0 || change.normaliser_only) {
      return false;
    }
    auto before = view_->find_version(change.old_version);
    auto after = view_->find_version(change.new_version);
    if (!before || !after) {
      return !before ? before.error() : after.error();
    }
    if (!*before || !*after) {
      return false;
    }
    std::array<simdjson::dom::parser, 2> parsers;
    const auto old_answer = confirms(**before, resource, parsers[0]);
    const auto new_answer = confirms(**after, resource, parsers[1]);
    return old_answer && new_answer &&
           simdjson::minify((*old_answer)["apiVersion"].value_unsafe()) ==
               simdjson::minify((*new_answer)["apiVersion"].value_unsafe());
  }

  /// Those who look a resource up, by its key or its type.
  void touch_readers(const std::string& key, const std::string& type, Cause cause) {
    touch(target_of_key(key), cause);
    if (const auto id = core::parse_resource_id(key)) {
      touch(target_of_type(type, id->subscription_key()), cause);
      touch(target_of_type(type, id->resource_group_key()), cause);
      // Child and extension resources in Resource Graph are looked up by the resource they belong
      // to.
      touch(target_of_type(type, id->parent), cause);
    }
  }

  Status mark_evidence(const core::EvidenceChange& change) {
    touch(target_of_evidence(change.now.key), Cause::kEvidence);
    if (const auto resource = core::confirmed_by(change.now.key); !resource.empty()) {
      touch(core::confirming_target(resource), Cause::kEvidence);
      return Status::ok();
    }
    auto rows = rows_concerned(change.now.key);
    if (!rows) {
      return rows.error();
    }
    // What was read for the first time, and read well, was in no doubt before.
    const bool doubted = change.was_known || !change.now.complete;
    for (const auto& row : *rows) {
      if (!row.is_detail) {
        for (const auto check : checks_for(row.type)) {
          mark({check, row.row}, Cause::kEvidence);
        }
      }
      if (doubted) {
        if (auto done = touch_targets(row); !done) {
          return done;
        }
      }
    }
    return Status::ok();
  }

  /// Whoever reads a relation backwards asks whether all its sources could be read.
  Status mark_gaps() {
    for (const auto& relation : baseline_->relations) {
      if (!relation->is_forward()) {
        continue;
      }
      for (const auto& type : relation->source_types) {
        auto changed = gap_changed(*relation, type);
        if (!changed) {
          return changed.error();
        }
        if (*changed) {
          touch(target_of_relation_sources(relation->name), Cause::kEvidence);
        }
      }
    }
    return Status::ok();
  }

  Result<bool> gap_changed(const Relation& relation, const std::string& type) {
    const auto [known, added] = sources_changed_.try_emplace(type, false);
    if (added) {
      const auto sources = sources_of(type, "");
      known->second = std::ranges::any_of(
          changes_->evidence,
          [&](const core::EvidenceChange& change) { return sources.contain(change.now.key); });
    }
    // Of what only points at its container a target sees its own part, so any change may matter.
    if (!known->second || !relation.reads_body()) {
      return known->second;
    }
    auto before = reads_.type_was_incomplete(type, changes_->evidence);
    auto after = reads_.type_incomplete(type, "");
    if (!before || !after) {
      return !before ? before.error() : after.error();
    }
    return *before != *after;
  }

  /// What points at something is in doubt for it as well.
  Status touch_targets(const core::TypedRow& row) {
    const auto relations = relations_from(row.type);
    if (relations.empty()) {
      return Status::ok();
    }
    auto document = reads_.find_row(row.row);
    if (!document || *document == nullptr) {
      return document ? Status::ok() : Status(document.error());
    }
    const auto ends = ends_of((*document)->stored.key, row.type, (*document)->root());
    for (const Relation* relation : relations) {
      for (const auto& target : all_targets(*relation, ends)) {
        touch(target_of_relation(relation->name, target), Cause::kEvidence);
      }
    }
    return Status::ok();
  }

  /// The resources whose own evidence this is: one resource's, or a whole source's.
  Result<std::vector<core::TypedRow>> rows_concerned(const std::string& evidence_key) {
    if (!evidence_key.starts_with(core::kResourceEvidencePrefix)) {
      return view_->rows_of_source(evidence_key);
    }
    auto resource = view_->find(evidence_key.substr(core::kResourceEvidencePrefix.size()));
    if (!resource) {
      return resource.error();
    }
    std::vector<core::TypedRow> rows;
    if (*resource) {
      rows.push_back({(*resource)->row, (*resource)->type, false});
    }
    return rows;
  }

  /// A deleted resource has no verdicts, and no drift but that it is gone.
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
      transition.reason = change.retired ? "out_of_scope" : "deleted";
      transition.cause = change.retired ? Cause::kParameters : Cause::kResource;
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
    return record_removal(change);
  }

  std::vector<std::int64_t> checks_for(const std::string& type) const {
    auto out = for_any_type_;
    if (const auto found = by_type_.find(type); found != by_type_.end()) {
      out.insert(out.end(), found->second.begin(), found->second.end());
    }
    return out;
  }

  /// Forward relations that start at a type.
  std::vector<const Relation*> relations_from(const std::string& type) const {
    std::vector<const Relation*> out;
    for (const auto& relation : baseline_->relations) {
      if (relation->is_forward() && relation->starts_at(type)) {
        out.push_back(relation.get());
      }
    }
    return out;
  }

  Status refresh_all_references() {
    std::set<std::string> types;
    for (const auto& relation : baseline_->relations) {
      if (relation->is_forward()) {
        types.insert(relation->source_types.begin(), relation->source_types.end());
      }
    }
    for (const auto& type : types) {
      const auto relations = relations_from(type);
      Status done = Status::ok();
      simdjson::dom::parser parser;
      auto visited = view_->for_each_of_type(type, "", [&](const core::StoredResource& resource) {
        simdjson::dom::element body;
        DocumentPointer confirmed;
        if (done && resource.has_confirmation) {
          auto found = reads_.find_row(resource.row);
          done = found ? Status::ok() : Status(found.error());
          confirmed = found ? *found : nullptr;
        }
        if (!done ||
            parser.parse(confirmed == nullptr ? resource.body : confirmed->stored.body).get(body) !=
                simdjson::SUCCESS) {
          return;
        }
        const auto ends = ends_of(resource.key, type, body);
        for (const Relation* relation : relations) {
          auto before =
              view_->set_references(resource.row, relation->name, all_targets(*relation, ends));
          if (!before) {
            done = before.error();
            return;
          }
        }
      });
      if (!visited || !done) {
        return !visited ? visited : done;
      }
    }
    return Status::ok();
  }

  static std::vector<std::string> all_targets(const Relation& relation,
                                              const std::vector<RelationEnd>& ends) {
    std::set<std::string> targets;
    for (const auto& end : ends) {
      targets.merge(as_set(relation_targets(relation, end)));
    }
    return {targets.begin(), targets.end()};
  }

  /// The elements of a version of a list, as text, with what they point at through any of
  /// `relations`.
  Result<std::map<std::string, std::set<std::string>>> elements_of(
      const core::ResourceChange& change,
      std::int64_t version,
      const std::vector<const Relation*>& relations) {
    std::map<std::string, std::set<std::string>> elements;
    auto stored = view_->find_version(version);
    if (!stored) {
      return stored.error();
    }
    simdjson::dom::parser parser;
    simdjson::dom::element body;
    if (*stored && parser.parse((*stored)->body).get(body) == simdjson::SUCCESS) {
      for (const auto& end : ends_of(change.key, change.type, body)) {
        auto& targets = elements[simdjson::minify(*end.body)];
        for (const Relation* relation : relations) {
          for (const auto& target : relation_targets(*relation, end)) {
            targets.insert(target_of_relation(relation->name, target));
          }
        }
      }
    }
    return elements;
  }

  /// Touches what the elements point at that are in one version of a list and not in the other.
  Status touch_changed_elements(const core::ResourceChange& change,
                                const std::vector<const Relation*>& relations,
                                Cause cause) {
    auto before = elements_of(change, change.old_version, relations);
    auto after = elements_of(change, change.new_version, relations);
    if (!before || !after) {
      return !before ? before.error() : after.error();
    }
    for (const auto& [some, others] :
         {std::pair(&*before, &*after), std::pair(&*after, &*before)}) {
      for (const auto& [text, targets] : *some) {
        if (!others->contains(text)) {
          for (const auto& target : targets) {
            touch(target, cause);
          }
        }
      }
    }
    return Status::ok();
  }

  Status refresh_references(const core::ResourceChange& change, Cause cause) {
    const auto relations = relations_from(change.type);
    if (relations.empty()) {
      return Status::ok();
    }
    std::vector<RelationEnd> ends;
    DocumentPointer document;
    if (change.new_version != 0) {
      auto found = reads_.find_row(change.row);
      if (!found) {
        return found.error();
      }
      document = *std::move(found);
    }
    if (document != nullptr) {
      ends = ends_of(change.key, change.type, document->root());
    }
    const bool changed_list =
        change.is_detail && change.old_version != 0 && change.new_version != 0;
    for (const Relation* relation : relations) {
      const auto targets = all_targets(*relation, ends);
      auto before = view_->set_references(change.row, relation->name, targets);
      if (!before) {
        return before.error();
      }
      // The sources are objects that rules read, so a target that stays is touched as well.
      if (!changed_list) {
        for (const auto& some : {targets, *before}) {
          for (const auto& target : some) {
            touch(target_of_relation(relation->name, target), cause);
          }
        }
      }
    }
    return changed_list ? touch_changed_elements(change, relations, cause) : Status::ok();
  }

  static std::set<std::string> as_set(std::vector<std::string> values) {
    return {std::make_move_iterator(values.begin()), std::make_move_iterator(values.end())};
  }

  Status decide_marked() {
    std::int64_t evaluations = 0;
    auto next = marked_.begin();
    while (next != marked_.end()) {
      const std::int64_t row = next->first.first;
      auto resource = reads_.find_row(row);
      if (!resource) {
        return resource.error();
      }
      std::optional<Surroundings> surroundings;
      if (*resource != nullptr) {
        surroundings.emplace(reads_, *resource);
      }
      for (; next != marked_.end() && next->first.first == row; ++next) {
        const auto check = checks_.find(next->first.second);
        if (!surroundings || check == checks_.end()) {
          continue;
        }
        ++evaluations;
        if (auto done = decide(
                {next->first.second, row}, *check->second, **resource, *surroundings, next->second);
            !done) {
          return done;
        }
      }
    }
    view_->count_evaluations(evaluations);
    return Status::ok();
  }

  Result<Decision> evaluate(const Subject& subject,
                            const Check& check,
                            const Document& document,
                            const std::optional<core::Verdict>& before,
                            Surroundings& surroundings) {
    const core::StoredResource& resource = document.stored;
    if (!concerns(*baseline_, check, resource.key, surroundings.resource())) {
      return Decision{};
    }
    const auto evaluation = evaluate_check(check, surroundings, changes_->now, /*explain=*/false);
    if (surroundings.failure()) {
      return *surroundings.failure();
    }
    auto dependencies = surroundings.take_dependencies();
    Decision decision = decision_of(evaluation);
    if (decision.state) {
      if (auto confirmed = apply_own_evidence(decision, resource); !confirmed) {
        return confirmed.error();
      }
      exempt(decision, check, resource.key, surroundings.resource(), changes_->now);
      if (auto held = hold_back(decision, check, document, before, surroundings); !held) {
        return held.error();
      }
    }
    if (decision.held_back) {
      dependencies.push_back(core::confirming_target(resource.key));
    }
    if (auto done = view_->set_dependencies(subject, dependencies); !done) {
      return done.error();
    }
    return decision;
  }

  static bool is_held(const std::optional<core::Verdict>& before) {
    return before && before->state == ComplianceState::kNoEvidence &&
           before->reason.starts_with(core::kConfirming);
  }

  /// Whether a NonCompliant would be one that was published before, or was until evidence was lost.
  static bool is_published(const std::optional<core::Verdict>& before) {
    if (!before || is_held(before)) {
      return false;
    }
    return before->state == ComplianceState::kNonCompliant ||
           (!core::rests_on_evidence(before->state) &&
            before->known_state == ComplianceState::kNonCompliant);
  }

  /// Truth 2: what Resource Graph does not show may be there all the same.
  Status hold_back(Decision& decision,
                   const Check& check,
                   const Document& document,
                   const std::optional<core::Verdict>& before,
                   Surroundings& surroundings) {
    // What comes from Resource Manager itself has nothing to be confirmed by.
    if (confirming_ == Confirming::kNobodyAsks ||
        decision.state != ComplianceState::kNonCompliant || document.confirmation ||
        !document.stored.source.starts_with("arg:") || is_published(before)) {
      return Status::ok();
    }
    if (check.severity < core::Severity::kHigh) {
      const auto explained = evaluate_check(check, surroundings, changes_->now, /*explain=*/true);
      static_cast<void>(surroundings.take_dependencies());  // those that are known already
      if (surroundings.failure()) {
        return *surroundings.failure();
      }
      if (!explained.explanation ||
          !rests_on_absent(
              check.definition->info(), document.stored, document.root(), *explained.explanation)) {
        return Status::ok();
      }
    }
    auto refused =
        reads_.incomplete(core::detail_evidence_key(core::confirmation_key(document.stored.key)));
    if (!refused) {
      return refused.error();
    }
    if (confirming_ == Confirming::kAsItStood && !*refused) {
      return Status::ok();
    }
    decision.state = ComplianceState::kNoEvidence;
    decision.reason = *refused && !(*refused)->empty()
                          ? fmt::format("{}_{}", core::kConfirming, **refused)
                          : std::string(core::kConfirming);
    decision.held_back = true;
    return Status::ok();
  }

  Status apply_own_evidence(Decision& decision, const core::StoredResource& resource) {
    // A resource whose own partition could not be read has no verdict but NoEvidence.
    const std::string own = std::string(core::kResourceEvidencePrefix) + resource.key;
    for (const auto& source : {resource.source, own}) {
      auto missing = reads_.incomplete(source);
      if (!missing) {
        return missing.error();
      }
      if (*missing) {
        decision = Decision{ComplianceState::kNoEvidence, **missing};
        return Status::ok();
      }
    }
    return Status::ok();
  }

  /// Not Azure's doing.
  static bool is_ours(Cause cause) {
    return cause == Cause::kDefinition || cause == Cause::kParameters;
  }

  /// A changed check that could not be decided since: whatever comes of it, the change is the
  /// cause.
  static bool is_pending(const std::optional<core::Verdict>& before) {
    return before && before->state == ComplianceState::kNoEvidence && !before->known_state &&
           is_ours(before->cause);
  }

  static Cause cause_of(const Decision& decision,
                        const std::optional<core::Verdict>& before,
                        std::int64_t version,
                        Cause trigger) {
    // What is held back has the cause that it would have had at once, and keeps it.
    if (is_held(before) &&
        (decision.held_back || decision.state == ComplianceState::kNonCompliant)) {
      return is_ours(trigger) ? trigger : before->cause;
    }
    if (decision.state == ComplianceState::kNoEvidence && !decision.held_back) {
      return is_ours(trigger) ? trigger : is_pending(before) ? before->cause : Cause::kEvidence;
    }
    // Nobody drifts by an exemption's beginning or end.
    if (decision.state == ComplianceState::kExempt ||
        (before && before->state == ComplianceState::kExempt)) {
      return trigger == Cause::kDefinition || trigger == Cause::kParameters ? trigger
                                                                            : Cause::kExemption;
    }
    if (is_pending(before)) {
      return is_ours(trigger) ? trigger : before->cause;
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
                const Document& document,
                Surroundings& surroundings,
                Cause trigger) {
    const core::StoredResource& resource = document.stored;
    auto before = view_->verdict(subject.check, subject.resource);
    if (!before) {
      return before.error();
    }
    auto decision = evaluate(subject, check, document, *before, surroundings);
    if (!decision) {
      return decision.error();
    }
    const std::optional<core::Verdict>& old = *before;
    const std::optional<ComplianceState> old_state = old ? std::optional(old->state) : std::nullopt;
    if (!decision->state && !old) {
      return Status::ok();
    }
    const Cause cause = cause_of(*decision, old, resource.version, trigger);
    const bool same = old && decision->state == old->state && decision->reason == old->reason;
    const bool same_underneath = decision->state != ComplianceState::kExempt ||
                                 !decision->known() ||
                                 (old && old->known_state == decision->known());
    // What was known under another definition or other parameters is nothing to compare with.
    const bool starts_anew =
        decision->state == ComplianceState::kNoEvidence && is_ours(trigger) && old;
    if (same && old->version == resource.version && same_underneath && !starts_anew) {
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
      verdict.cause = same && !starts_anew ? old->cause : cause;
      verdict.version = resource.version;
      verdict.since_cycle = same ? old->since_cycle : changes_->cycle;
      verdict.evaluated_at = changes_->now;
      if (const auto known = decision->known()) {
        verdict.known_state = known;
        verdict.known_version = resource.version;
      } else {
        const bool keep = old && !starts_anew;
        verdict.known_state = keep ? old->known_state : std::nullopt;
        verdict.known_version = keep ? old->known_version : 0;
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
    const bool has_waited = old_state == ComplianceState::kNoEvidence && cause == Cause::kResource;
    return update_baseline_drift(subject, check, resource, *decision, cause, has_waited);
  }

  Status update_baseline_drift(const Subject& subject,
                               const Check& check,
                               const core::StoredResource& resource,
                               const Decision& decision,
                               Cause cause,
                               bool has_waited) {
    if (decision.state && !core::rests_on_evidence(*decision.state)) {
      return Status::ok();  // what was open stays open: nothing is known of its end
    }
    if (decision.state != ComplianceState::kNonCompliant) {
      return drift_.resolve_baseline(subject.resource, subject.check);
    }
    return core::opens_drift(cause)
               ? drift_.open_baseline(
                     {resource.row, resource.key, resource.type, false, has_waited},
                     subject.check,
                     check.assignment,
                     check.reference,
                     check.severity)
               : Status::ok();
  }

  /// A type that no check in force looks at may not have been asked for before.
  [[nodiscard]] bool is_watched_whole(const std::string& type) const {
    return baseline_->drift->counts_whole(type) && !checks_for(type).empty();
  }

  /// A resource of a type that is watched, where its source had been read whole before: it was not
  /// there then.
  Status record_addition(const core::ResourceChange& change) {
    if (const auto back = drift_.resource_is_back(change.row); !back || *back) {
      return back ? Status::ok() : Status(back.error());
    }
    if (!is_watched_whole(change.type)) {
      return Status::ok();
    }
    auto added = view_->find_row(change.row);
    if (!added) {
      return added.error();
    }
    if (!*added) {
      return Status::ok();
    }
    auto known = view_->evidence((*added)->source);
    if (!known) {
      return known.error();
    }
    const bool read_before =
        *known && (*known)->complete &&
        std::ranges::none_of(changes_->evidence, [&](const core::EvidenceChange& evidence) {
          return evidence.now.key == (*added)->source;
        });
    return read_before
               ? drift_.resource_added({change.row, change.key, change.type}, (*added)->body)
               : Status::ok();
  }

  Status record_removal(const core::ResourceChange& change) {
    auto last = view_->find_version(change.old_version);
    if (!last) {
      return last.error();
    }
    if (!*last || change.is_detail || change.retired || !is_watched_whole(change.type)) {
      return drift_.resolve_all(change.row);
    }
    return drift_.resource_removed({change.row, change.key, change.type}, (*last)->body);
  }

  Confirming confirming_;
  const Baseline* baseline_;
  core::JudgeView* view_;
  const core::CycleChanges* changes_;
  SharedReads reads_;
  DriftBook drift_;
  std::map<std::int64_t, const Check*> checks_;
  std::vector<std::int64_t> for_any_type_;
  std::unordered_map<std::string, std::vector<std::int64_t>> by_type_;
  std::map<std::string, Cause> touched_;
  std::map<std::string, bool> sources_changed_;  // by type: any of its evidence
  // Ordered by resource, so that each is loaded once.
  std::map<std::pair<std::int64_t, std::int64_t>, Cause> marked_;
};

}  // namespace

Status adopt_baseline(const Baseline& baseline,
                      core::JudgeView& view,
                      const core::CycleChanges& changes,
                      Confirming confirming) {
  return CycleJudge(baseline, view, changes, confirming).adopt();
}

Result<bool> is_adopted(const Baseline& baseline, core::Snapshot& snapshot, core::Time now) {
  auto rows = snapshot.checks();
  if (!rows) {
    return rows.error();
  }
  if (rows->size() != baseline.checks.size()) {
    return false;
  }
  const bool same_checks = std::ranges::all_of(baseline.checks, [&](const Check& check) {
    return std::ranges::any_of(*rows,
                               [&](const core::CheckRow& row) { return is_same(check, row); });
  });
  return same_checks ? has_file_adopted(snapshot, baseline.acceptances, now) : Result<bool>(false);
}

Status judge_changes(const Baseline& baseline,
                     core::JudgeView& view,
                     const core::CycleChanges& changes,
                     Confirming confirming) {
  return CycleJudge(baseline, view, changes, confirming).judge();
}

}  // namespace plumbline::compliance
