#include "collectors/retirement.hpp"

#include "core/model/resource.hpp"
#include "core/resource_id.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace plumbline::collectors {

using core::Result;

namespace {

class Planned {
 public:
  explicit Planned(const core::CollectionPlan& plan) {
    for (const auto& table : plan.tables) {
      tables_.emplace(table.table,
                      std::set<std::string, std::less<>>(table.types.begin(), table.types.end()));
    }
    for (const auto& detail : plan.details) {
      details_.insert(detail.type);
      endings_.push_back(core::detail_document_key("", detail.type));
    }
  }

  [[nodiscard]] bool has_table(std::string_view name) const { return tables_.contains(name); }

  [[nodiscard]] bool has_row(std::string_view table, std::string_view type) const {
    return std::ranges::any_of(tables_, [&](const auto& entry) {
      return entry.second.empty() ? entry.first == table : entry.second.contains(type);
    });
  }

  [[nodiscard]] bool has_list(std::string_view type) const { return details_.contains(type); }

  [[nodiscard]] bool has_document(std::string_view key) const {
    return std::ranges::any_of(endings_,
                               [&](const std::string& ending) { return key.ends_with(ending); });
  }

 private:
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> tables_;
  std::set<std::string, std::less<>> details_;
  std::vector<std::string> endings_;
};

struct Partition {
  std::string_view table;
  std::string_view subscription;
};

/// Of an evidence key `arg:<table>|<subscription>`; an empty table for other keys.
Partition partition_of(std::string_view evidence_key) {
  constexpr std::string_view kPrefix = "arg:";
  const auto bar = evidence_key.find('|');
  if (!evidence_key.starts_with(kPrefix) || bar == std::string_view::npos) {
    return {};
  }
  return {evidence_key.substr(kPrefix.size(), bar - kPrefix.size()), evidence_key.substr(bar + 1)};
}

/// Those that were deleted and are drift for it, while nobody will ever see them come back.
core::Status add_deleted(core::Snapshot& snapshot,
                         const Planned& planned,
                         const std::function<bool(std::string_view)>& left,
                         std::vector<std::string>& keys) {
  core::DriftFilter filter;
  filter.states = {
      core::DriftState::kOpen, core::DriftState::kAccepted, core::DriftState::kSnoozed};
  filter.kind = core::DriftKind::kConfiguration;
  filter.limit = std::numeric_limits<std::int32_t>::max();
  const auto rows = snapshot.drift(filter);
  if (!rows) {
    return rows.error();
  }
  for (const auto& row : *rows) {
    // Of a resource that is gone nothing else is drift.
    if (!row.item.path.empty() || !row.item.new_value.empty()) {
      continue;
    }
    const auto table = core::resource_graph_table(row.resource_type);
    if (!planned.has_row(table, row.resource_type) ||
        left(core::subscription_of_key(row.resource_key))) {
      keys.push_back(row.resource_key);
    }
  }
  return core::Status::ok();
}

}  // namespace

Result<Unplanned> find_unplanned(core::Snapshot& snapshot,
                                 const core::CollectionPlan& plan,
                                 const std::function<bool(std::string_view)>& in_scope) {
  const Planned planned(plan);
  const auto left = [&](std::string_view subscription) {
    return !subscription.empty() && !in_scope(subscription);
  };
  Unplanned out;
  auto visited = snapshot.for_each_live([&](const core::LiveRow& row) {
    const auto table = partition_of(row.source).table;
    const bool asked = row.type == core::kConfirmationType ? true  // goes with its resource
                       : row.is_detail                     ? planned.has_list(row.type)
                                       : table.empty() || planned.has_row(table, row.type);
    if (!asked || left(core::subscription_of_key(row.key))) {
      out.keys.emplace_back(row.key);
    }
  });
  if (!visited) {
    return visited.error();
  }
  if (auto done = add_deleted(snapshot, planned, left, out.keys); !done) {
    return done.error();
  }
  auto evidence = snapshot.all_evidence();
  if (!evidence) {
    return evidence.error();
  }
  const auto lists = core::detail_evidence_key("");
  for (auto& item : *evidence) {
    const std::string_view key = item.key;
    const auto partition = partition_of(key);
    bool asked = true;
    std::string_view subscription = partition.subscription;
    if (!partition.table.empty()) {
      asked = planned.has_table(partition.table);
    } else if (key.starts_with(lists)) {
      asked = planned.has_document(key) || key.ends_with(core::confirmation_key(""));
      subscription = core::subscription_of_key(key.substr(lists.size()));
    }
    if (!asked || left(subscription)) {
      out.evidence.push_back(std::move(item.key));
    }
  }
  return out;
}

}  // namespace plumbline::collectors
