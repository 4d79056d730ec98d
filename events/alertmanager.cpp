#include "events/alertmanager.hpp"

#include "events/webhook.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace plumbline::events {

using core::Result;

namespace {

constexpr std::string_view kPath = "/api/v2/alerts";
constexpr std::chrono::seconds kTryAgain{10};
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 10U;
constexpr net::Deadlines kDeadlines{.connect = std::chrono::seconds(5),
                                    .headers = std::chrono::seconds(10),
                                    .body = std::chrono::seconds(10),
                                    .total = std::chrono::seconds(15)};

std::string origin_of(const std::string& url) {
  const auto parsed = net::parse_url(url);
  return parsed ? parsed->origin() : std::string();
}

net::HttpRequest make_request(const std::string& url, std::string body) {
  net::HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  request.deadlines = kDeadlines;
  request.max_body_bytes = kMaxAnswerBytes;
  return request;
}

}  // namespace

Alertmanager::Alertmanager(Parts parts, AlertOptions options, const std::vector<std::string>& urls)
    : parts_(std::move(parts)), options_(std::move(options)) {
  for (std::string url : urls) {
    while (url.ends_with('/')) {
      url.pop_back();
    }
    auto target = std::make_unique<Target>();
    target->url = url + std::string(kPath);
    target->status.target = origin_of(url);
    target->status.name = "alertmanager/" + target->status.target;
    parts_.metrics.add_sink(target->status.name);
    targets_.push_back(std::move(target));
  }
}

void Alertmanager::start() {
  net::spawn(parts_.io, run());
}

void Alertmanager::notify() {
  wake_.set();
}

net::Task<void> Alertmanager::wake_up() {
  notify();
  co_return;
}

void Alertmanager::stop() {
  stopping_ = true;
  net::spawn(parts_.io, wake_up());
}

std::vector<SinkStatus> Alertmanager::statuses() const {
  const std::lock_guard lock(mutex_);
  std::vector<SinkStatus> out;
  out.reserve(targets_.size());
  for (const auto& target : targets_) {
    out.push_back(target->status);
  }
  return out;
}

net::Task<void> Alertmanager::run() {
  while (!stopping_) {
    wake_ = {};
    const bool all = co_await send();
    const auto wait = all ? options_.resend : std::min(options_.resend, kTryAgain);
    const auto due = parts_.clock.steady_now() + wait;
    bool changed = false;
    while (!stopping_ && !changed && parts_.clock.steady_now() < due) {
      const bool woken = co_await wake_.wait_for(due - parts_.clock.steady_now());
      if (woken && !stopping_) {
        wake_ = {};
        changed = co_await has_changed();
      }
    }
  }
}

net::Task<bool> Alertmanager::has_changed() {
  auto job = [this]() -> Result<core::EventPosition> {
    auto snapshot = parts_.store.snapshot();
    return snapshot ? (*snapshot)->last_events() : snapshot.error();
  };
  const auto last = co_await net::offload(parts_.cpu, std::move(job));
  co_return last && last->drift_event != told_.drift_event;
}

Result<std::vector<Alert>> Alertmanager::read() {
  auto snapshot = parts_.store.snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  auto facts = parts_.make_facts(**snapshot);
  auto last = (*snapshot)->last_events();
  if (!facts || !last) {
    return !facts ? facts.error() : last.error();
  }
  told_ = *last;
  return read_alerts(**snapshot, **facts, options_, parts_.clock.now());
}

net::Task<bool> Alertmanager::send() {
  auto job = [this]() { return read(); };
  auto alerts = co_await net::offload(parts_.cpu, std::move(job));
  if (!alerts) {
    for (auto& target : targets_) {
      record(*target, 0, Outcome{Outcome::Kind::kFailed, alerts.error().message, std::nullopt});
    }
    co_return false;
  }
  memory_.complete(*alerts, parts_.clock.now());
  const auto shared = std::make_shared<const std::vector<Alert>>(*std::move(alerts));
  bool all = true;
  for (auto& target : targets_) {
    const bool taken = co_await send_to(target.get(), shared);
    all = all && taken;
  }
  co_return all;
}

net::Task<bool> Alertmanager::send_to(Target* target,
                                      std::shared_ptr<const std::vector<Alert>> alerts) {
  std::span<const Alert> left(*alerts);
  while (!left.empty() && !stopping_) {
    const auto some = left.first(std::min(left.size(), kAlertsAtOnce));
    left = left.subspan(some.size());
    auto request =
        make_request(target->url, alerts_body(some, parts_.clock.now(), options_.resend));
    const auto answer = co_await parts_.transport.send(std::move(request));
    const auto outcome = outcome_of(answer, parts_.clock.now());
    record(*target, some.size(), outcome);
    if (outcome.kind == Outcome::Kind::kFailed) {
      co_return false;  // it is away: the others of them would only wait, too
    }
  }
  co_return true;
}

void Alertmanager::record(Target& target, std::size_t alerts, const Outcome& outcome) {
  const bool is_taken = outcome.kind == Outcome::Kind::kTaken;
  if (is_taken) {
    parts_.metrics.count_taken(target.status.name, static_cast<double>(alerts));
  } else {
    parts_.metrics.count_failed(target.status.name);
    parts_.log.warn(
        "notification_failed",
        {{core::log_field::kSink, target.status.name}, {core::log_field::kError, outcome.error}});
  }
  const std::lock_guard lock(mutex_);
  auto& status = target.status;
  status.last_error = outcome.error;
  if (is_taken) {
    status.taken += static_cast<std::int64_t>(alerts);
    status.last_taken_at = parts_.clock.now();
  } else {
    ++status.failed;
    status.last_error_at = parts_.clock.now();
  }
}

}  // namespace plumbline::events
