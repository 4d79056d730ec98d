#include "collectors/collection.hpp"

#include "collectors/resource_manager/arm_list.hpp"
#include "core/resource_id.hpp"

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

core::Evidence evidence_of(std::string key, core::Time at, const Status& status) {
  core::Evidence evidence;
  evidence.key = std::move(key);
  evidence.observed_at = at;
  evidence.complete = status.has_value();
  if (!status) {
    evidence.reason = core::to_string(status.error().code);
    evidence.message = status.error().message;
  }
  return evidence;
}

Error cycle_failed(const Collection& parts, Error error) {
  parts.log.error("cycle_failed",
                  {{core::log_field::kReason, std::string(core::to_string(error.code))},
                   {core::log_field::kError, error.message},
                   {core::log_field::kCorrelationId, parts.azure.correlation_id()}});
  return error;
}

net::Task<Result<core::CycleReport>> commit_cycle(
    const Collection* parts,
    std::shared_ptr<core::Cycle> cycle,
    bool complete,
    std::function<void(const core::CycleChanges&)> observe) {
  auto judge = [inner = parts->judge, observe = std::move(observe)](
                   core::JudgeView& view, const core::CycleChanges& changes) {
    if (observe) {
      observe(changes);
    }
    return inner(view, changes);
  };
  auto job = [cycle, complete, judge]() { return cycle->commit(complete, judge); };
  auto report = co_await net::offload(parts->storage, std::move(job));
  if (!report) {
    auto error = cycle_failed(*parts, report.error());
    parts->azure.renew_correlation();
    co_return error;
  }
  if (parts->azure.has_asked()) {
    report->correlation_id = parts->azure.correlation_id();
  }
  parts->azure.renew_correlation();
  co_await parts->on_commit(*report);
  co_return report;
}

bool is_outage(Errc code) noexcept {
  return code == Errc::kThrottled || code == Errc::kUnavailable || code == Errc::kTimeout ||
         code == Errc::kNetwork || code == Errc::kTls || code == Errc::kUnauthorized;
}

net::Task<Result<Deleted>> recently_deleted(const Collection* parts) {
  const auto since = parts->clock.now() - kGraphShowsDeleted;
  auto job = [store = &parts->store, since]() -> Result<Deleted> {
    auto snapshot = store->snapshot();
    auto keys = snapshot ? (*snapshot)->deleted_since(since) : snapshot.error();
    if (!keys) {
      return keys.error();
    }
    return Deleted(std::make_shared<const std::set<std::string>>(keys->begin(), keys->end()));
  };
  co_return co_await net::offload(parts->cpu, std::move(job));
}

net::Task<CheckedRows> without_deleted(const Collection* parts,
                                       Deleted deleted,
                                       std::vector<core::Observation> rows) {
  CheckedRows checked;
  if (deleted->empty()) {
    checked.rows = std::move(rows);
    co_return checked;
  }
  for (auto& row : rows) {
    if (!deleted->contains(row.key)) {
      checked.rows.push_back(std::move(row));
      continue;
    }
    const std::string key = row.key;
    auto gone = co_await is_gone(parts, key);
    if (gone && !*gone) {
      checked.rows.push_back(std::move(row));
      continue;
    }
    checked.complete = checked.complete && gone.has_value();
    const std::string said = gone ? std::string("ResourceNotFound") : gone.error().message;
    parts->log.info("deleted_row_shown",
                    {{core::log_field::kResourceId, key},
                     {core::log_field::kError, said},
                     {core::log_field::kCorrelationId, parts->azure.correlation_id()}});
  }
  co_return checked;
}

net::Task<Result<bool>> is_gone(const Collection* parts, std::string key) {
  const auto id = core::parse_resource_id(key);
  if (!id) {
    co_return false;
  }
  std::string version(resource_api_version(id->type));
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto response = co_await parts->azure.get(detail_path(key, version));
    if (response) {
      co_return false;
    }
    const std::string& message = response.error().message;
    if (response.error().code == Errc::kNotFound) {
      // Only these two say that the resource is gone; SubscriptionNotFound says the reader is.
      co_return message.contains(" ResourceNotFound") || message.contains(" ResourceGroupNotFound");
    }
    const std::string other = supported_api_version(message);
    if (other.empty() || other == version) {
      co_return response.error();
    }
    version = other;
  }
  co_return false;
}

}  // namespace plumbline::collectors
