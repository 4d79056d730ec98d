#include "compliance/offline.hpp"

#include "compliance/decision.hpp"
#include "compliance/explain.hpp"
#include "compliance/memory_reads.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace plumbline::compliance {

using core::ComplianceState;
using core::Errc;
using core::Error;
using core::Status;

namespace {

constexpr std::string_view kSubscriptionType = "microsoft.resources/subscriptions";
// What is listed of a resource holds those of its group and subscription as well.
constexpr std::string_view kInheritedType = "microsoft.authorization/locks";
constexpr std::string_view kGroupType = "microsoft.resources/subscriptions/resourcegroups";

bool is_list_type(std::string_view type) {
  return core::resource_graph_table(type).empty();
}

class MemoryJudge final : public OfflineJudge {
 public:
  MemoryJudge(std::shared_ptr<const Baseline> baseline, core::Time now, bool whole, Visit visit)
      : baseline_(std::move(baseline)), now_(now), is_whole_(whole), visit_(std::move(visit)) {
    for (const auto& check : baseline_->checks) {
      if (check.is_disabled()) {
        continue;
      }
      const auto& types = check.definition->info().types;
      if (types.empty()) {
        for_any_type_.push_back(&check);
      }
      for (const auto& type : types) {
        by_type_[type].push_back(&check);
      }
      if (looks_around(check)) {
        keep_what_it_reads(check);
      }
    }
  }

  Status add(core::Observation resource, std::uint64_t place) override {
    if (!seen_.insert(std::hash<std::string>()(resource.key)).second) {
      return Error{Errc::kInvalidArgument, fmt::format("the resource {} comes twice", resource.id)};
    }
    note_source(resource);
    simdjson::dom::element body;
    if (const auto error = parser_.parse(resource.body).get(body); error != simdjson::SUCCESS) {
      return Error{Errc::kParse, simdjson::error_message(error)};
    }
    if (is_list_type(resource.type) && is_looked_up(resource.type)) {
      add_to_list(resource);
    }
    std::vector<const Check*> waiting;
    const auto& checks = checks_of(resource.type);
    if (checks.empty()) {
      ++unjudged_;
    }
    for (const Check* check : checks) {
      if (!judge_alone(*check, resource, body, place)) {
        waiting.push_back(check);
      }
    }
    if (!waiting.empty() || (is_looked_up(resource.type) && !is_list_type(resource.type))) {
      keep(std::move(resource), place, std::move(waiting));
    }
    return Status::ok();
  }

  Status finish() override {
    for (auto& [key, list] : lists_) {
      core::StoredResource document;
      document.key = key;
      document.id = key;
      document.type = list.type;
      document.source = core::detail_evidence_key(key);
      document.body = list.text + "]}";
      reads_.add(std::move(document));
    }
    lists_.clear();
    reads_.link(baseline_->relations);
    if (is_whole_) {
      reads_.set_whole(std::move(whole_));
    }
    SharedReads shared(reads_);
    for (const auto& [key, kept] : waiting_) {
      auto document = shared.find_row(kept.row);
      if (!document) {
        return document.error();
      }
      Surroundings surroundings(shared, *document);
      for (const Check* check : kept.checks) {
        auto decision = decision_of(evaluate_check(*check, surroundings, now_, /*explain=*/false));
        if (surroundings.failure()) {
          return *surroundings.failure();
        }
        const auto& stored = (*document)->stored;
        settle(*check, std::move(decision), stored, (*document)->root(), kept.place);
      }
    }
    return Status::ok();
  }

  [[nodiscard]] std::size_t kept() const override { return kept_; }

  [[nodiscard]] std::size_t unjudged() const override { return unjudged_; }

 private:
  struct Waiting {
    std::int64_t row = 0;
    std::uint64_t place = 0;
    std::vector<const Check*> checks;
  };

  /// A document that lists resources of one type, in the making.
  struct List {
    std::string type;
    std::string text;
  };

  /// Whether what is added besides the resource could decide a verdict that is open without it.
  [[nodiscard]] bool looks_around(const Check& check) const {
    const auto& info = check.definition->info();
    return !check.relations.empty() || info.reads_subscription || info.reads_resource_group ||
           (is_whole_ && (!info.lookups.empty() || check.may_be("manual")));
  }

  void keep_what_it_reads(const Check& check) {
    const auto& info = check.definition->info();
    const auto keep_types = [&](const std::vector<std::string>& types) {
      looked_up_.insert(types.begin(), types.end());
    };
    for (const Relation* relation : check.relations) {
      for (const Relation* forward : forward_relations(*relation)) {
        keep_types(forward->source_types);
        keep_types(forward->target_types);
        // What may be of any type is told by its id alone, unless all of it is to be there.
        keeps_all_ = keeps_all_ || forward->source_types.empty() ||
                     (is_whole_ && forward->target_types.empty());
      }
    }
    if (info.reads_subscription) {
      looked_up_.emplace(kSubscriptionType);
    }
    if (info.reads_resource_group) {
      looked_up_.emplace(kGroupType);
    }
    if (is_whole_) {
      for (const auto& lookup : info.lookups) {
        looked_up_.insert(lookup.type);
      }
      if (check.may_be("manual")) {
        looked_up_.emplace("microsoft.policyinsights/attestations");
      }
    }
  }

  [[nodiscard]] bool is_looked_up(const std::string& type) const {
    return keeps_all_ || looked_up_.contains(type);
  }

  /// What Resource Manager alone lists is no subject of rules for every type, as in the store.
  const std::vector<const Check*>& checks_of(const std::string& type) {
    const auto [entry, added] = checks_of_.try_emplace(type);
    if (added) {
      if (const auto found = by_type_.find(type); found != by_type_.end()) {
        entry->second = found->second;
      }
      if (!is_list_type(type)) {
        entry->second.insert(entry->second.end(), for_any_type_.begin(), for_any_type_.end());
      }
    }
    return entry->second;
  }

  void note_source(const core::Observation& resource) {
    if (!is_whole_) {
      return;
    }
    const auto subscription = core::subscription_of_key(resource.key);
    if (!whole_.subscriptions.contains(subscription)) {
      whole_.subscriptions.emplace(subscription);
    }
    const auto table = core::resource_graph_table(resource.type);
    if (table.empty()) {
      if (resource.type != kInheritedType) {
        whole_.lists.insert(resource.type);
      }
    } else if (!whole_.tables.contains(table)) {
      whole_.tables.emplace(table);
    }
  }

  void add_to_list(const core::Observation& resource) {
    const auto id = core::parse_resource_id(resource.id);
    if (!id) {
      return;
    }
    // What extends a group or subscription has no resource above it.
    std::string parent = !id->parent.empty()                 ? id->parent
                         : !id->resource_group_key().empty() ? id->resource_group_key()
                                                             : id->subscription_key();
    if (core::detail_parent_type(resource.type) == kSubscriptionType) {
      parent = id->subscription_key();
    }
    const auto key = core::detail_document_key(parent, resource.type);
    auto& list = lists_[key];
    if (list.text.empty()) {
      list.type = resource.type;
      list.text = R"({"value":[)";
      ++kept_;
    } else {
      list.text += ',';
    }
    list.text += resource.body;
  }

  void keep(core::Observation&& resource, std::uint64_t place, std::vector<const Check*> checks) {
    core::StoredResource stored;
    stored.key = resource.key;
    stored.id = std::move(resource.id);
    stored.type = std::move(resource.type);
    stored.source = std::move(resource.source);
    stored.body = std::move(resource.body);
    const auto row = reads_.add(std::move(stored));
    ++kept_;
    if (!checks.empty()) {
      waiting_.emplace(std::move(resource.key), Waiting{row, place, std::move(checks)});
    }
  }

  /// False: it hangs on what may still be added. Missing evidence decides nothing (truth 1), so
  /// whatever else comes out now stays.
  bool judge_alone(const Check& check,
                   const core::Observation& resource,
                   policy::Json body,
                   std::uint64_t place) {
    if (!concerns(*baseline_, check, resource.key, body)) {
      return true;
    }
    // Its state is what somebody attested, somewhere.
    if (check.may_be("manual")) {
      return false;
    }
    policy::EvaluationContext context;
    context.now = now_;
    context.policy = check.policy.root();
    auto decision = decision_of(policy::evaluate(check.definition_for(body), body, context));
    const bool is_open =
        decision.state == ComplianceState::kNoEvidence || decision.state == ComplianceState::kError;
    if (is_open && looks_around(check)) {
      return false;
    }
    settle(check, std::move(decision), resource, body, place);
    return true;
  }

  template <class Resource>
  void settle(const Check& check,
              Decision decision,
              const Resource& resource,
              policy::Json body,
              std::uint64_t place) {
    if (!decision.state) {
      return;
    }
    exempt(decision, check, resource.key, body, now_);
    visit_({&check,
            resource.key,
            resource.id,
            resource.type,
            place,
            *decision.state,
            decision.reason});
  }

  std::shared_ptr<const Baseline> baseline_;
  core::Time now_;
  bool is_whole_;
  Visit visit_;
  std::vector<const Check*> for_any_type_;
  std::unordered_map<std::string, std::vector<const Check*>> by_type_;
  std::unordered_map<std::string, std::vector<const Check*>> checks_of_;
  std::set<std::string, std::less<>> looked_up_;
  bool keeps_all_ = false;
  std::unordered_set<std::size_t> seen_;  // hashes of keys
  MemoryReads::Whole whole_;
  MemoryReads reads_;
  std::map<std::string, List> lists_;  // by document key
  std::map<std::string, Waiting> waiting_;
  std::size_t kept_ = 0;
  std::size_t unjudged_ = 0;
  simdjson::dom::parser parser_;
};

}  // namespace

std::unique_ptr<OfflineJudge> OfflineJudge::make(std::shared_ptr<const Baseline> baseline,
                                                 core::Time now,
                                                 bool whole,
                                                 Visit visit) {
  return std::make_unique<MemoryJudge>(std::move(baseline), now, whole, std::move(visit));
}

}  // namespace plumbline::compliance
