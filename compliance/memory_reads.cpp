#include "compliance/memory_reads.hpp"

#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::compliance {

using core::Result;
using core::Status;

namespace {

constexpr std::string_view kPartitions = "arg:";

const std::string& lists() {
  static const std::string kLists = core::detail_evidence_key("");
  return kLists;
}

}  // namespace

std::int64_t MemoryReads::add(core::StoredResource resource) {
  const auto row = static_cast<std::int64_t>(rows_.size()) + 1;
  resource.row = row;
  resource.version = row;
  by_key_.emplace(resource.key, row);
  by_type_[resource.type].emplace(resource.key, row);
  rows_.push_back(std::move(resource));
  return row;
}

void MemoryReads::link(const std::vector<std::shared_ptr<const Relation>>& relations) {
  simdjson::dom::parser parser;
  for (const auto& resource : rows_) {
    simdjson::dom::element body;
    bool parsed = false;
    for (const auto& relation : relations) {
      if (!relation->is_forward() || !relation->starts_at(resource.type)) {
        continue;
      }
      if (!parsed && parser.parse(resource.body).get(body) != simdjson::SUCCESS) {
        break;
      }
      parsed = true;
      std::set<std::string> targets;
      for (const auto& end : ends_of(resource.key, resource.type, body)) {
        auto found = relation_targets(*relation, end);
        targets.insert(std::make_move_iterator(found.begin()),
                       std::make_move_iterator(found.end()));
      }
      for (const auto& target : targets) {
        referring_[fmt::format("{}|{}", relation->name, target)].push_back(resource.row);
      }
    }
  }
}

Result<std::optional<core::StoredResource>> MemoryReads::find(std::string_view key) {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? std::optional<core::StoredResource>()
                                : std::optional(rows_[static_cast<std::size_t>(found->second) - 1]);
}

Result<std::optional<core::StoredResource>> MemoryReads::find_row(std::int64_t row) {
  const bool known = row >= 1 && row <= static_cast<std::int64_t>(rows_.size());
  return known ? std::optional(rows_[static_cast<std::size_t>(row) - 1])
               : std::optional<core::StoredResource>();
}

Status MemoryReads::for_each_of_type(std::string_view type,
                                     std::string_view scope,
                                     const ResourceVisitor& visit) {
  const auto of_type = by_type_.find(type);
  if (of_type == by_type_.end()) {
    return Status::ok();
  }
  const std::string below = std::string(scope) + "/";
  for (auto at = of_type->second.lower_bound(below);
       at != of_type->second.end() && at->first.starts_with(below);
       ++at) {
    visit(rows_[static_cast<std::size_t>(at->second) - 1]);
  }
  return Status::ok();
}

Result<std::vector<std::int64_t>> MemoryReads::referring(std::string_view relation,
                                                         std::string_view target) {
  const auto found = referring_.find(fmt::format("{}|{}", relation, target));
  return found == referring_.end() ? std::vector<std::int64_t>() : found->second;
}

bool MemoryReads::is_listed(std::string_view detail_key_end) const {
  return std::ranges::any_of(whole_.lists, [&](const std::string& type) {
    return detail_key_end.ends_with(core::detail_document_key("", type));
  });
}

Result<std::optional<core::Evidence>> MemoryReads::evidence(std::string_view key) {
  bool known = false;
  if (key.starts_with(kPartitions)) {
    const auto bar = key.find('|');
    known = bar != std::string_view::npos &&
            whole_.tables.contains(key.substr(kPartitions.size(), bar - kPartitions.size())) &&
            whole_.subscriptions.contains(key.substr(bar + 1));
  } else if (key.starts_with(lists())) {
    known = is_listed(key) &&
            whole_.subscriptions.contains(core::subscription_of_key(key.substr(lists().size())));
  }
  if (!known) {
    return std::optional<core::Evidence>();
  }
  core::Evidence evidence;
  evidence.key = key;
  evidence.complete = true;
  return std::optional(std::move(evidence));
}

Result<std::vector<core::Evidence>> MemoryReads::incomplete_evidence() {
  return std::vector<core::Evidence>();
}

Result<std::int64_t> MemoryReads::count_evidence(std::string_view prefix,
                                                 std::string_view suffix,
                                                 std::int64_t at_most) {
  if (at_most < 1) {
    return 0;
  }
  if (prefix.starts_with(lists())) {
    return is_listed(suffix) ? 1 : 0;
  }
  return std::ranges::any_of(whole_.tables,
                             [&](const std::string& table) {
                               return prefix == core::partition_evidence_key(table, "");
                             })
             ? 1
             : 0;
}

}  // namespace plumbline::compliance
