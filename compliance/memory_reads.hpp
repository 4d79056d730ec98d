// Resources in memory, as evaluations read them. Private to compliance/.
#pragma once

#include "compliance/baseline.hpp"
#include "core/ports/snapshot.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace plumbline::compliance {

class MemoryReads final : public core::ResourceReads {
 public:
  /// What its sources are known to have held. Nothing: whatever is not there was never asked for.
  struct Whole {
    std::set<std::string, std::less<>> subscriptions;  // lower case
    std::set<std::string, std::less<>> tables;         // of Resource Graph
    std::set<std::string, std::less<>> lists;          // types that Resource Manager lists
  };

  /// Its row, from 1 on.
  std::int64_t add(core::StoredResource resource);
  /// Reads off what points where, once everything is there.
  void link(const std::vector<std::shared_ptr<const Relation>>& relations);

  void set_whole(Whole whole) { whole_ = std::move(whole); }

  core::Result<std::optional<core::StoredResource>> find(std::string_view key) override;
  core::Result<std::optional<core::StoredResource>> find_row(std::int64_t row) override;
  core::Status for_each_of_type(std::string_view type,
                                std::string_view scope,
                                const ResourceVisitor& visit) override;

  core::Result<bool> was_deleted(std::string_view) override { return false; }

  core::Result<std::vector<std::int64_t>> referring(std::string_view relation,
                                                    std::string_view target) override;
  core::Result<std::optional<core::Evidence>> evidence(std::string_view key) override;
  core::Result<std::vector<core::Evidence>> incomplete_evidence() override;
  core::Result<std::int64_t> count_evidence(std::string_view prefix,
                                            std::string_view suffix,
                                            std::int64_t at_most) override;

 private:
  [[nodiscard]] bool is_listed(std::string_view detail_key_end) const;

  std::vector<core::StoredResource> rows_;
  std::map<std::string, std::int64_t, std::less<>> by_key_;
  std::map<std::string, std::map<std::string, std::int64_t, std::less<>>, std::less<>> by_type_;
  std::unordered_map<std::string, std::vector<std::int64_t>> referring_;  // by relation|target
  Whole whole_;
};

}  // namespace plumbline::compliance
