// Lists of Resource Manager that Resource Graph does not hold: which there are, and asking for
// them.
#pragma once

#include "collectors/collection.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumbline::collectors {

/// An ARM list, by the key of its document.
using DetailList = std::pair<std::string, core::DetailPlan>;

/// Keys of the lists of one type that a resource has: its own, and those of children that it always
/// has. `planned`: everything the plan asks for.
[[nodiscard]] std::vector<std::string> lists_of_type(const core::DetailPlan& detail,
                                                     const std::string& key,
                                                     std::string_view type,
                                                     const std::vector<core::DetailPlan>& planned);

/// Every list of the plan that is asked of a resource.
[[nodiscard]] std::vector<DetailList> lists_of(const std::string& key,
                                               std::string_view type,
                                               const core::CollectionPlan& plan);

/// The list of the plan that shows a resource; nullopt where none does.
[[nodiscard]] std::optional<DetailList> list_showing(const core::ResourceId& id,
                                                     const core::CollectionPlan& plan);

struct DetailBatch {
  std::vector<DetailList> lists;
  std::string scope;  // of the cycle
  std::size_t parallel = 8;
  /// Who asks again soon: a list for which Azure did not answer keeps the evidence it has.
  bool keep_through_outage = false;
  /// What else belongs into the cycle; may be empty.
  std::function<core::Status(core::Cycle&)> also;
};

struct CollectedDetails {
  std::optional<core::CycleReport> report;  // nullopt: nothing was written
  std::vector<std::string> failed;          // keys of the lists that could not be read
};

/// Asks for every list and commits what came, with evidence for each, as one cycle.
net::Task<core::Result<CollectedDetails>> collect_details(const Collection* parts,
                                                          DetailBatch batch,
                                                          const std::atomic<bool>* cancelled);

}  // namespace plumbline::collectors
