#include "compliance/plan.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace plumbline::compliance {

namespace {

class Planner {
 public:
  void add_type(const std::string& type) {
    const auto table = core::resource_graph_table(type);
    if (!table.empty()) {
      tables_[std::string(table)].insert(type);
    }
  }

  /// Every resource, but none of the lists that each of them might have.
  void add_all_resources() {
    all_.insert("resources");
    all_.insert("resourcecontainers");
    tables_["resources"];
    tables_["resourcecontainers"];
    for (const auto type : core::other_inventory_types()) {
      add_type(std::string(type));
    }
  }

  void add_everything() {
    add_all_resources();
    for (const auto type : core::detail_types()) {
      add_detail(std::string(type));
    }
  }

  /// A list that its own kind of parent has.
  void add_detail(const std::string& type) {
    const auto parent = core::detail_parent_type(type);
    if (!core::detail_api_version(parent).empty()) {
      add_detail(std::string(parent));
    }
    add_detail(type,
               parent.empty() ? std::vector<std::string>{} : std::vector{std::string(parent)});
  }

  /// `parents` empty: every collected resource.
  void add_detail(const std::string& type, const std::vector<std::string>& parents) {
    if (core::detail_api_version(type).empty()) {
      return;  // nobody lists it; what reads it has no evidence
    }
    auto& wanted = details_[type];
    if (parents.empty()) {
      detail_of_all_.insert(type);
    }
    wanted.insert(parents.begin(), parents.end());
    for (const auto& parent : parents) {
      add_type(parent);
    }
  }

  void add_lookup(const policy::Lookup& lookup, const std::vector<std::string>& subjects) {
    if (!core::resource_graph_table(lookup.type).empty()) {
      add_type(lookup.type);
    } else if (lookup.scope == policy::ExistenceScope::kResource &&
               core::detail_parent_type(lookup.type) != "microsoft.resources/subscriptions") {
      add_detail(lookup.type, subjects);
    } else {
      add_detail(lookup.type);
    }
  }

  [[nodiscard]] core::CollectionPlan finish() const {
    core::CollectionPlan plan;
    for (const auto& [table, types] : tables_) {
      core::TablePlan entry{table, {}};
      if (!all_.contains(table)) {
        entry.types.assign(types.begin(), types.end());
      }
      plan.tables.push_back(std::move(entry));
    }
    for (const auto& [type, parents] : details_) {
      core::DetailPlan entry{type, std::string(core::detail_api_version(type)), {}};
      if (!detail_of_all_.contains(type)) {
        entry.parent_types.assign(parents.begin(), parents.end());
      }
      plan.details.push_back(std::move(entry));
    }
    return plan;
  }

  /// Both ends of a forward relation. A target of any type adds nothing: what else is collected
  /// decides whether it is known.
  void add_relation(const Relation& relation) {
    for (const auto& type : relation.source_types) {
      add_end(type, parents_pointed_at(relation));
    }
    for (const auto& type : relation.target_types) {
      add_end(type, {});
    }
  }

 private:
  /// Where a list matters only for the resource it is of: the types of those resources.
  static std::vector<std::string> parents_pointed_at(const Relation& relation) {
    const bool only_parent =
        !relation.ancestor && std::ranges::all_of(relation.paths, [](const RelationPath& path) {
          return path.kind == RelationPath::Kind::kParent;
        });
    return only_parent ? relation.target_types : std::vector<std::string>();
  }

  void add_end(const std::string& type, const std::vector<std::string>& parents) {
    if (!core::resource_graph_table(type).empty()) {
      add_type(type);
    } else if (core::is_extension_type(type)) {
      add_detail(type, parents);
    } else {
      add_detail(type);
    }
  }

  std::map<std::string, std::set<std::string>> tables_;
  std::set<std::string> all_;
  std::map<std::string, std::set<std::string>> details_;
  std::set<std::string> detail_of_all_;
};

void add_check(Planner& planner, const Check& check) {
  if (check.is_disabled()) {
    return;  // switched off: nothing is asked for its sake
  }
  const auto& info = check.definition->info();
  for (const auto& type : info.types) {
    planner.add_type(type);
  }
  if (info.types.empty() && info.mode != policy::Mode::kProvider) {
    planner.add_all_resources();
  }
  for (const auto& lookup : info.lookups) {
    planner.add_lookup(lookup, info.types);
  }
  if (check.may_be("manual")) {
    planner.add_detail("microsoft.policyinsights/attestations");
  }
  for (const Relation* relation : check.relations) {
    for (const Relation* forward : forward_relations(*relation)) {
      planner.add_relation(*forward);
    }
  }
}

}  // namespace

core::CollectionPlan make_plan(const Baseline& baseline, bool everything) {
  Planner planner;
  // Names, tags and groups of the containers are read by rules, labels and scopes alike.
  planner.add_type("microsoft.resources/subscriptions");
  planner.add_type("microsoft.resources/subscriptions/resourcegroups");
  if (everything) {
    planner.add_everything();
  }
  for (const auto& check : baseline.checks) {
    add_check(planner, check);
  }
  return planner.finish();
}

std::map<std::string, std::vector<std::string>> readers_of_types(const Baseline& baseline) {
  std::map<std::string, std::set<std::string>> readers;
  for (const auto& check : baseline.checks) {
    Planner planner;
    add_check(planner, check);
    const auto plan = planner.finish();
    for (const auto& table : plan.tables) {
      for (const auto& type : table.types) {
        readers[type].insert(check.reference);
      }
    }
    for (const auto& detail : plan.details) {
      readers[detail.type].insert(check.reference);
    }
  }
  std::map<std::string, std::vector<std::string>> sorted;
  for (const auto& [type, references] : readers) {
    sorted.emplace(type, std::vector<std::string>(references.begin(), references.end()));
  }
  return sorted;
}

}  // namespace plumbline::compliance
