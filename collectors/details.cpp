#include "collectors/details.hpp"

#include "collectors/parallel.hpp"
#include "collectors/resource_manager/arm_list.hpp"

#include <algorithm>

namespace plumbline::collectors {

using core::Result;
using core::Status;

std::vector<std::string> lists_of_type(const core::DetailPlan& detail,
                                       const std::string& key,
                                       std::string_view type,
                                       const std::vector<core::DetailPlan>& planned) {
  std::vector<std::string> lists{core::detail_document_key(key, detail.type)};
  if (!core::is_extension_type(detail.type)) {
    return lists;
  }
  // A child's own settings matter where the children themselves do.
  for (const auto& child : core::singleton_children(key, type)) {
    const auto id = core::parse_resource_id(child);
    if (id && std::ranges::find(planned, id->type, &core::DetailPlan::type) != planned.end()) {
      lists.push_back(core::detail_document_key(child, detail.type));
    }
  }
  return lists;
}

std::vector<DetailList> lists_of(const std::string& key,
                                 std::string_view type,
                                 const core::CollectionPlan& plan) {
  std::vector<DetailList> lists;
  for (const auto& detail : plan.details) {
    const auto& types = detail.parent_types;
    if (types.empty() || std::ranges::find(types, type) != types.end()) {
      for (auto& list : lists_of_type(detail, key, type, plan.details)) {
        lists.emplace_back(std::move(list), detail);
      }
    }
  }
  return lists;
}

std::optional<DetailList> list_showing(const core::ResourceId& id,
                                       const core::CollectionPlan& plan) {
  if (std::ranges::find(plan.details, id.type, &core::DetailPlan::type) == plan.details.end()) {
    return std::nullopt;
  }
  // An extension is in the list of what it extends, anything else in that of one of its ancestors.
  const bool extends = core::is_extension_type(id.type);
  const auto extended = extends ? id.key.substr(0, id.key.rfind("/providers/")) : std::string();
  std::vector<core::ResourceId> owners;
  for (auto above = core::parse_resource_id(extends ? extended : id.parent); above;
       above = core::parse_resource_id(above->parent)) {
    owners.push_back(*above);
  }
  if (const auto subscription = core::parse_resource_id(id.subscription_key());
      subscription && !extends) {
    owners.push_back(*subscription);
  }
  for (const auto& owner : owners) {
    for (auto& list : lists_of(owner.key, owner.type, plan)) {
      if (list.second.type == id.type &&
          (!extends || list.first == core::detail_document_key(extended, id.type))) {
        return std::move(list);
      }
    }
  }
  return std::nullopt;
}

namespace {

struct Answers {
  std::vector<core::Observation> observations;
  std::vector<core::Evidence> evidence;
  std::vector<std::string> failed;
};

net::Task<void> fetch_list(const Collection* parts,
                           std::shared_ptr<Answers> answers,
                           std::string key,
                           core::DetailPlan plan,
                           bool keep_through_outage) {
  const auto sent_at = parts->clock.now();
  auto response = co_await parts->azure.get(detail_path(key, plan.api_version));
  Status status = Status::ok();
  std::string body = R"({"value":[]})";
  if (response) {
    body = std::move(response->body);
  } else if (!response.error().message.contains("ResourceTypeNotSupported")) {
    status = response.error();
  }
  if (status) {
    auto observation = parse_detail(body, key, plan.type, sent_at, parts->normaliser);
    if (observation) {
      answers->observations.push_back(*std::move(observation));
    } else {
      status = observation.error();
    }
  }
  if (!status) {
    answers->failed.push_back(key);
    parts->metrics.count_error("arm:" + plan.type,
                               std::string(core::to_string(status.error().code)));
    if (keep_through_outage && is_outage(status.error().code)) {
      co_return;
    }
  }
  answers->evidence.push_back(evidence_of(core::detail_evidence_key(key), sent_at, status));
}

net::Task<void> no_list() {
  co_return;
}

/// A plain function object that makes the coroutine; it outlives every coroutine it makes.
struct Fetch {
  const Collection* parts;
  std::shared_ptr<Answers> answers;
  std::shared_ptr<const DetailBatch> batch;
  const std::atomic<bool>* cancelled;

  net::Task<void> operator()(std::size_t index) const {
    const auto& [key, plan] = batch->lists[index];
    return *cancelled ? no_list()
                      : fetch_list(parts, answers, key, plan, batch->keep_through_outage);
  }
};

}  // namespace

net::Task<Result<CollectedDetails>> collect_details(const Collection* parts,
                                                    DetailBatch requested,
                                                    const std::atomic<bool>* cancelled) {
  auto batch = std::make_shared<const DetailBatch>(std::move(requested));
  auto answers = std::make_shared<Answers>();
  Fetch fetch{parts, answers, batch, cancelled};
  co_await for_each_parallel(parts->io, batch->lists.size(), batch->parallel, fetch);
  CollectedDetails collected;
  if (*cancelled) {
    co_return collected;
  }
  collected.failed = answers->failed;
  if (answers->evidence.empty() && !batch->also) {
    co_return collected;  // nothing was learned
  }
  auto stage = [store = &parts->store, answers, batch]() -> Result<std::shared_ptr<core::Cycle>> {
    auto begun = store->begin_cycle("details", batch->scope);
    if (!begun) {
      return begun.error();
    }
    std::shared_ptr<core::Cycle> cycle = *std::move(begun);
    if (auto staged = cycle->stage(std::move(answers->observations)); !staged) {
      return staged.error();
    }
    for (auto& evidence : answers->evidence) {
      if (auto staged = cycle->stage_evidence(std::move(evidence)); !staged) {
        return staged.error();
      }
    }
    if (batch->also) {
      if (auto staged = batch->also(*cycle); !staged) {
        return staged.error();
      }
    }
    return cycle;
  };
  auto cycle = co_await net::offload(parts->storage, std::move(stage));
  if (!cycle) {
    co_return cycle.error();
  }
  auto report = co_await commit_cycle(parts, *cycle, collected.failed.empty(), nullptr);
  if (!report) {
    co_return report.error();
  }
  collected.report = *std::move(report);
  co_return collected;
}

}  // namespace plumbline::collectors
