#include "collectors/confirmations.hpp"

#include "collectors/json_answer.hpp"
#include "collectors/parallel.hpp"
#include "collectors/resource_manager/arm_list.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

// What tells a resource from others is Resource Graph's to spell.
constexpr std::array kColumns = {"extendedLocation",
                                 "identity",
                                 "kind",
                                 "managedBy",
                                 "plan",
                                 "properties",
                                 "sku",
                                 "tags",
                                 "zones"};
constexpr std::chrono::minutes kFirstDelay{1};
constexpr std::chrono::minutes kLongestDelay{60};

net::Task<void> no_question() {
  co_return;
}

}  // namespace

std::chrono::minutes confirmation_delay(int failures) {
  std::chrono::minutes delay = kFirstDelay;
  for (int i = 1; i < failures && delay < kLongestDelay; ++i) {
    delay *= 2;
  }
  return std::min(delay, kLongestDelay);
}

Result<core::Observation> parse_confirmation(std::string_view body,
                                             const core::ConfirmationRequest& request,
                                             const std::string& api_version,
                                             core::Time sent_at,
                                             const core::Normaliser& normaliser) {
  simdjson::dom::parser parser;
  const auto root = parse_answer(parser, body);
  if (!root) {
    return root.error();
  }
  if (text_member(*root, "id").empty()) {
    return Error{Errc::kParse, "the answer is no resource: it has no id"};
  }
  std::string columns = "{";
  for (const char* const name : kColumns) {
    simdjson::dom::element value;
    if ((*root)[name].get(value) == simdjson::SUCCESS) {
      columns += fmt::format(R"({}"{}":{})",
                             columns.size() == 1 ? "" : ",",
                             name,
                             std::string(simdjson::minify(value)));
    }
  }
  simdjson::dom::parser again;
  const auto resource = parse_answer(again, columns + "}");
  if (!resource) {
    return resource.error();
  }
  const auto normalised = normaliser.normalise(*resource);
  const auto confirmed = core::to_hex(request.fingerprint);
  core::Observation observation;
  observation.key = core::confirmation_key(request.key);
  observation.id = observation.key;
  observation.type = core::kConfirmationType;
  observation.is_detail = true;
  observation.source = core::detail_evidence_key(observation.key);
  observation.observed_at = sent_at;
  observation.body =
      fmt::format(R"({{"apiVersion":{},"fingerprint":"{}","id":{},"resource":{},"type":{}}})",
                  core::json_quote(api_version),
                  confirmed,
                  core::json_quote(observation.key),
                  normalised.body,
                  core::json_quote(observation.type));
  observation.fingerprint = core::sha256(fmt::format("{} {} {} {}",
                                                     api_version,
                                                     confirmed,
                                                     request.from_cycle,
                                                     core::to_hex(normalised.fingerprint)));
  return observation;
}

Confirmations::Confirmations(Collection parts, Questions questions, ConfirmationOptions options)
    : parts_(std::move(parts)), questions_(std::move(questions)), options_(options) {}

net::Task<Result<core::PendingConfirmations>> Confirmations::pending(std::size_t limit,
                                                                     std::set<std::string> later,
                                                                     bool renew) {
  const auto renew_before =
      renew ? std::optional(parts_.clock.now() - options_.renew_after) : std::nullopt;
  const auto now = parts_.clock.steady_now();
  for (const auto& [key, failures] : failures_) {
    if (failures.next > now) {
      later.insert(key);
    }
  }
  auto job = [store = &parts_.store,
              ask = questions_.pending,
              limit,
              renew_before,
              later = std::move(later)]() -> Result<core::PendingConfirmations> {
    auto snapshot = store->snapshot();
    const auto skip = [&](const std::string& key) { return later.contains(key); };
    return snapshot ? ask(**snapshot, limit, skip, renew_before)
                    : Result<core::PendingConfirmations>(snapshot.error());
  };
  co_return co_await net::offload(parts_.cpu, std::move(job));
}

net::Task<Result<net::HttpResponse>> Confirmations::get(core::ConfirmationRequest request,
                                                        std::string* api_version) {
  const auto learned = api_versions_.find(request.type);
  *api_version = learned == api_versions_.end() ? std::string(resource_api_version(request.type))
                                                : learned->second;
  auto response = co_await parts_.azure.get(detail_path(request.key, *api_version));
  if (response) {
    co_return response;
  }
  const auto other = supported_api_version(response.error().message);
  if (other.empty() || other == *api_version) {
    co_return response;
  }
  api_versions_[request.type] = other;
  *api_version = other;
  co_return co_await parts_.azure.get(detail_path(request.key, other));
}

net::Task<void> Confirmations::ask(std::shared_ptr<Batch> batch, std::size_t index) {
  const core::ConfirmationRequest request = batch->requests[index];
  const auto evidence = core::detail_evidence_key(core::confirmation_key(request.key));
  const auto sent_at = parts_.clock.now();
  std::string api_version;
  auto response = co_await get(request, &api_version);
  Status status = response ? Status::ok() : Status(response.error());
  if (response) {
    auto parse = [body = std::move(response->body),
                  request,
                  api_version,
                  sent_at,
                  normaliser = &parts_.normaliser]() {
      return parse_confirmation(body, request, api_version, sent_at, *normaliser);
    };
    auto observation = co_await net::offload(parts_.cpu, std::move(parse));
    if (observation) {
      batch->observations.push_back(*std::move(observation));
    } else {
      status = observation.error();
    }
  }
  if (status) {
    batch->only_outages = false;
    batch->evidence.push_back(evidence_of(evidence, sent_at, status));
    failures_.erase(request.key);
    co_return;
  }
  batch->only_outages = batch->only_outages && is_outage(status.error().code);
  auto& failures = failures_[request.key];
  ++failures.count;
  failures.next = parts_.clock.steady_now() + confirmation_delay(failures.count);
  const std::string reason(core::to_string(status.error().code));
  parts_.metrics.count_confirmation("failed", 1);
  parts_.metrics.count_error("arm:confirmations", reason);
  parts_.log.warn("confirmation_failed",
                  {{core::log_field::kResourceId, request.id},
                   {core::log_field::kReason, reason},
                   {core::log_field::kError, status.error().message},
                   {core::log_field::kCorrelationId, parts_.azure.correlation_id()}});
  batch->is_complete = false;
  batch->evidence.push_back(evidence_of(evidence, sent_at, status));
}

net::Task<Result<core::CycleRow>> Confirmations::commit(std::shared_ptr<Batch> batch) {
  auto stage = [store = &parts_.store, batch]() -> Result<std::shared_ptr<core::Cycle>> {
    auto begun = store->begin_cycle("details", "confirmations");
    if (!begun) {
      return begun.error();
    }
    std::shared_ptr<core::Cycle> cycle = *std::move(begun);
    auto done = cycle->stage(std::move(batch->observations));
    for (auto& evidence : batch->evidence) {
      done = done ? cycle->stage_evidence(std::move(evidence)) : done;
    }
    if (!done) {
      return done.error();
    }
    return cycle;
  };
  const bool complete = batch->is_complete;
  auto cycle = co_await net::offload(parts_.storage, std::move(stage));
  if (!cycle) {
    co_return cycle_failed(parts_, cycle.error());
  }
  auto committed = co_await commit_cycle(&parts_, *std::move(cycle), complete, nullptr);
  if (!committed) {
    co_return committed.error();
  }
  co_return committed->row;
}

net::Task<Status> Confirmations::report(std::shared_ptr<Batch> batch) {
  auto job = [store = &parts_.store,
              ask = questions_.outcome,
              batch]() -> Result<core::ConfirmationOutcome> {
    auto snapshot = store->snapshot();
    return snapshot ? ask(**snapshot, batch->requests)
                    : Result<core::ConfirmationOutcome>(snapshot.error());
  };
  auto outcome = co_await net::offload(parts_.cpu, std::move(job));
  if (!outcome) {
    co_return outcome.error();
  }
  parts_.metrics.count_confirmation("confirmed", outcome->confirmed);
  parts_.metrics.count_confirmation("contradicted", outcome->contradicted);
  for (const auto& found : outcome->contradictions) {
    parts_.log.warn("confirmation_contradicted",
                    {{core::log_field::kResourceId, found.key},
                     {core::log_field::kAssignment, found.assignment},
                     {core::log_field::kCheck, found.reference},
                     {core::log_field::kPath, fmt::format("{}", fmt::join(found.paths, ","))},
                     {core::log_field::kTo, found.state}});
  }
  co_return Status::ok();
}

net::Task<Confirmations::Report> Confirmations::run(bool renew) {
  Report out;
  std::set<std::string> done_with;
  auto waiting = co_await pending(options_.budget, done_with, renew);
  while (waiting && !waiting->requests.empty() && !cancelled_) {
    auto batch = std::make_shared<Batch>();
    const auto end = std::min(waiting->requests.size(), options_.per_cycle);
    std::move(waiting->requests.begin(),
              waiting->requests.begin() + static_cast<std::ptrdiff_t>(end),
              std::back_inserter(batch->requests));
    out.asked += end;
    for (const auto& request : batch->requests) {
      done_with.insert(request.key);
    }
    auto question = [this, batch](std::size_t index) {
      return cancelled_ ? no_question() : ask(batch, index);
    };
    co_await for_each_parallel(parts_.io, batch->requests.size(), options_.parallel, question);
    if (cancelled_) {
      co_return out;
    }
    auto committed = co_await commit(batch);
    if (!committed) {
      co_return out;  // logged; the verdicts go on waiting
    }
    out.cycles.push_back(*std::move(committed));
    auto told = co_await report(batch);
    if (!told) {
      parts_.log.error("confirmations_failed", {{core::log_field::kError, told.error().message}});
    }
    // Who does not answer for a hundred resources does not for the others.
    const bool go_on = !batch->only_outages && out.asked < options_.budget;
    const std::size_t left = go_on ? options_.budget - out.asked : 0;
    waiting = co_await pending(left, done_with, renew);
  }
  if (!waiting) {
    parts_.log.error("confirmations_failed", {{core::log_field::kError, waiting.error().message}});
    co_return out;
  }
  parts_.metrics.set_confirmations_pending(waiting->resources);
  if (waiting->resources == 0) {
    failures_.clear();
  }
  co_return out;
}

}  // namespace plumbline::collectors
