#include "events/outbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plumbline::events {

using core::Result;
using core::Status;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kFirstWait{1000};
constexpr milliseconds kLongestWait{std::chrono::minutes(15)};
constexpr std::chrono::seconds kLongestAsked{3600};
// Whoever commits a cycle says so; this is for what was missed.
constexpr std::chrono::seconds kLookAgain{30};
// How much a crash may have told twice.
constexpr std::chrono::seconds kKeepAfter{1};

}  // namespace

milliseconds backoff(int failures, double chance, std::optional<std::chrono::seconds> asked) {
  const int doublings = std::clamp(failures - 1, 0, 20);
  const auto longest = std::min(kFirstWait * (1 << doublings), kLongestWait);
  const auto half = static_cast<double>(longest.count()) / 2;
  const milliseconds wait(static_cast<milliseconds::rep>(half + half * chance));
  return asked ? std::max<milliseconds>(wait, std::min(*asked, kLongestAsked)) : wait;
}

Outbox::Outbox(Parts parts, std::vector<std::unique_ptr<Sink>> sinks) : parts_(std::move(parts)) {
  for (auto& sink : sinks) {
    auto lane = std::make_unique<Lane>();
    lane->name = sink->name();
    lane->status.name = lane->name;
    lane->status.target = sink->target();
    lane->sink = std::move(sink);
    parts_.metrics.add_sink(lane->name);
    lanes_.push_back(std::move(lane));
  }
}

Status Outbox::open() {
  auto snapshot = parts_.store.snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  for (auto& lane : lanes_) {
    auto known = (*snapshot)->sink_position(lane->name);
    auto last = (*snapshot)->last_events();
    auto dead = (*snapshot)->count_dead_letters(lane->name);
    if (!known || !last || !dead) {
      return !known ? known.error() : !last ? last.error() : dead.error();
    }
    lane->position = lane->stored = known->value_or(*last);
    if (!*known) {
      if (auto put = parts_.store.put_sink(lane->name, lane->position, {}); !put) {
        return put;
      }
    }
    lane->status.position = lane->position;
    lane->status.dead_letters = *dead;
    parts_.metrics.set_dead_letters(lane->name, static_cast<double>(*dead));
  }
  return Status::ok();
}

void Outbox::start() {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    net::spawn(parts_.io, run(i));
  }
}

void Outbox::notify() {
  for (auto& lane : lanes_) {
    lane->wake.set();
  }
}

net::Task<void> Outbox::wake_all() {
  notify();
  co_return;
}

void Outbox::stop() {
  stopping_ = true;
  stop_.set();
  net::spawn(parts_.io, wake_all());
}

void Outbox::wait(milliseconds patience, const net::Executor& elsewhere) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto wait_for = [](net::Event ended,
                     std::chrono::steady_clock::duration left) -> net::Task<void> {
    co_await ended.wait_for(left);
  };
  for (auto& lane : lanes_) {
    const auto left = deadline - std::chrono::steady_clock::now();
    net::run_blocking(elsewhere, wait_for(lane->ended, std::max(left, decltype(left)::zero())));
  }
}

std::vector<SinkStatus> Outbox::statuses() const {
  const std::lock_guard lock(mutex_);
  std::vector<SinkStatus> out;
  out.reserve(lanes_.size());
  for (const auto& lane : lanes_) {
    out.push_back(lane->status);
  }
  return out;
}

net::Task<void> Outbox::run(std::size_t sink) {
  Lane* const lane = lanes_.at(sink).get();
  while (!stopping_) {
    lane->wake = {};  // before looking, so that what is committed meanwhile is not missed
    const auto wait = co_await round(sink);
    if (stopping_) {
      break;
    }
    if (wait) {
      co_await net::sleep_for(*wait, stop_);
    } else {
      co_await lane->wake.wait_for(kLookAgain);
    }
  }
  if (const auto kept = co_await keep(lane); !kept) {
    store_failed(*lane, kept.error());
  }
  lane->ended.set();
}

Result<Batch> Outbox::read(const Lane& lane) {
  auto snapshot = parts_.store.snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  auto facts = parts_.make_facts(**snapshot);
  if (!facts) {
    return facts.error();
  }
  return read_events(
      **snapshot, **facts, lane.position, lane.sink->filter(), parts_.external_url, kRowsAtOnce);
}

void Outbox::count_lost(Lane& lane, std::int64_t rows) {
  if (rows == 0) {
    return;
  }
  parts_.metrics.count_lost(lane.name, static_cast<double>(rows));
  parts_.log.warn("events_lost",
                  {{core::log_field::kSink, lane.name},
                   {core::log_field::kLost, fmt::format("{}", rows)},
                   {core::log_field::kReason, "retention removed them before they were taken"}});
}

net::Task<Outbox::Next> Outbox::offer(Lane* lane, const Event* event) {
  if (!event->error.empty()) {
    give_up(*lane, *event, event->error);
    co_return Next{true, std::nullopt};
  }
  const auto outcome = co_await lane->sink->deliver(*event);
  if (outcome.kind != Outcome::Kind::kTaken) {
    co_return not_taken(*lane, *event, outcome);
  }
  taken(*lane, *event);
  co_return Next{true, std::nullopt};
}

net::Task<std::optional<milliseconds>> Outbox::round(std::size_t sink) {
  Lane* const lane = lanes_.at(sink).get();
  auto job = [this, lane]() { return read(*lane); };
  auto batch = co_await net::offload(parts_.cpu, std::move(job));
  if (!batch) {
    co_return store_failed(*lane, batch.error());
  }
  const auto pending_after = [&batch](const core::EventPosition& position) {
    const auto dealt_with = position.drift_event - batch->begin.drift_event + position.transition -
                            batch->begin.transition;
    return std::max<std::int64_t>(0, batch->pending.count - dealt_with);
  };
  set_pending(*lane, batch->pending.count, batch->pending.oldest);
  std::optional<milliseconds> wait;
  for (const auto& event : batch->events) {
    if (stopping_ || wait) {
      break;
    }
    const auto next = co_await offer(lane, &event);
    wait = next.wait;
    if (next.is_passed) {
      lane->position = event.position;
      count_lost(*lane, event.lost);
    }
    set_pending(*lane,
                pending_after(std::max(lane->position, batch->begin)),
                wait ? std::optional(event.at) : batch->pending.oldest);
    if (!lane->refused.empty() || parts_.clock.steady_now() - lane->kept_at >= kKeepAfter) {
      if (const auto kept = co_await keep(lane); !kept) {
        co_return store_failed(*lane, kept.error());
      }
    }
  }
  const bool whole = !wait && !stopping_;
  if (whole) {
    lane->position = batch->end;
    count_lost(*lane, batch->lost);
    if (batch->has_more) {
      wait = milliseconds(0);
    } else {
      set_pending(*lane, 0, std::nullopt);
    }
  }
  // A long way past what the sink does not want is not worth a transaction each time.
  const bool is_soon =
      whole && batch->has_more && parts_.clock.steady_now() - lane->kept_at < kKeepAfter;
  if (!is_soon) {
    if (const auto kept = co_await keep(lane); !kept) {
      co_return store_failed(*lane, kept.error());
    }
  }
  if (std::exchange(lane->store_failures, 0) > 0 && lane->failures == 0) {
    const std::lock_guard lock(mutex_);
    lane->status.last_error.clear();
    lane->status.next_attempt_at.reset();
  }
  co_return wait;
}

void Outbox::taken(Lane& lane, const Event& event) {
  parts_.metrics.count_taken(lane.name);
  if (lane.failures > 0) {
    parts_.log.info("notifications_resumed",
                    {{core::log_field::kSink, lane.name}, {core::log_field::kId, event.id}});
  }
  lane.failures = 0;
  lane.failing_since.reset();
  const std::lock_guard lock(mutex_);
  ++lane.status.taken;
  lane.status.last_taken_at = parts_.clock.now();
  lane.status.last_error.clear();
  lane.status.next_attempt_at.reset();
}

void Outbox::give_up(Lane& lane, const Event& event, const std::string& error) {
  lane.refused.push_back({0, lane.name, event.id, parts_.clock.now(), error});
  parts_.log.error("dead_letter",
                   {{core::log_field::kSink, lane.name},
                    {core::log_field::kId, event.id},
                    {core::log_field::kError, error}});
}

Outbox::Next Outbox::not_taken(Lane& lane, const Event& event, const Outcome& outcome) {
  const auto now = parts_.clock.steady_now();
  const auto since = lane.failing_since.value_or(now);
  lane.failing_since = since;
  const auto wait = failed(lane, outcome.error, outcome.wait);
  if (outcome.kind == Outcome::Kind::kRefused) {
    give_up(lane, event, outcome.error);
    lane.failures = 0;  // whoever refuses is there
    lane.failing_since.reset();
    const std::lock_guard lock(mutex_);
    lane.status.next_attempt_at.reset();
    return {true, std::nullopt};
  }
  // Neither a daemon that was away nor a clock that was set has offered it meanwhile.
  const auto offered =
      std::min<std::chrono::nanoseconds>(parts_.clock.now() - event.at, now - since);
  const bool is_enough = offered >= lane.sink->give_up_after();
  if (is_enough) {
    give_up(lane, event, outcome.error);
  }
  return {is_enough, wait};
}

milliseconds Outbox::failed(Lane& lane,
                            const std::string& error,
                            std::optional<std::chrono::seconds> asked) {
  parts_.metrics.count_failed(lane.name);
  ++lane.failures;
  const auto wait = backoff(lane.failures, parts_.chance(), asked);
  parts_.log.warn("notification_failed",
                  {{core::log_field::kSink, lane.name}, {core::log_field::kError, error}});
  record_error(lane, error, wait);
  const std::lock_guard lock(mutex_);
  ++lane.status.failed;
  return wait;
}

milliseconds Outbox::store_failed(Lane& lane, const core::Error& error) {
  ++lane.store_failures;
  lane.failing_since.reset();  // nothing is offered meanwhile
  const auto wait = backoff(lane.store_failures, parts_.chance(), std::nullopt);
  parts_.log.error("outbox_failed",
                   {{core::log_field::kSink, lane.name}, {core::log_field::kError, error.message}});
  record_error(lane, error.message, wait);
  return wait;
}

void Outbox::record_error(Lane& lane, const std::string& error, milliseconds wait) {
  const std::lock_guard lock(mutex_);
  lane.status.last_error = error;
  lane.status.last_error_at = parts_.clock.now();
  lane.status.next_attempt_at = parts_.clock.now() + wait;
}

void Outbox::set_pending(Lane& lane, std::int64_t count, std::optional<core::Time> oldest) {
  parts_.metrics.set_pending(
      lane.name, static_cast<double>(count), count > 0 ? oldest : std::nullopt);
  const std::lock_guard lock(mutex_);
  lane.status.pending = count;
  lane.status.oldest = count > 0 ? oldest : std::nullopt;
}

net::Task<Status> Outbox::keep(Lane* lane) {
  if (lane->position == lane->stored && lane->refused.empty()) {
    co_return Status::ok();
  }
  auto job = [this, lane]() {
    return parts_.store.put_sink(lane->name, lane->position, lane->refused);
  };
  auto put = co_await net::offload(parts_.storage, std::move(job));
  if (!put) {
    co_return put;
  }
  lane->stored = lane->position;
  lane->kept_at = parts_.clock.steady_now();
  const auto dead = static_cast<std::int64_t>(lane->refused.size());
  lane->refused.clear();
  const std::lock_guard lock(mutex_);
  lane->status.position = lane->stored;
  if (dead > 0) {
    lane->status.dead_letters = std::min<std::int64_t>(lane->status.dead_letters + dead, 1000);
    parts_.metrics.set_dead_letters(lane->name, static_cast<double>(lane->status.dead_letters));
  }
  co_return Status::ok();
}

}  // namespace plumbline::events
