#include "daemon/notifications.hpp"

#include "daemon/azure_options.hpp"
#include "daemon/drift_json.hpp"
#include "daemon/sign_in.hpp"
#include "events/log_sink.hpp"
#include "events/webhook.hpp"

#include <fmt/format.h>

#include <random>
#include <utility>

namespace plumbline::daemon {

using core::Result;
using core::Status;

namespace {

/// What store and baseline say around an event.
class StoredFacts final : public events::Facts {
 public:
  StoredFacts(DriftRenderer renderer, std::shared_ptr<const compliance::Summary> summary)
      : summary_(std::move(summary)), renderer_(std::move(renderer)) {
    for (const auto& check : summary_->checks) {
      checks_.emplace(std::pair(check.check->assignment, check.check->reference), check.check);
    }
  }

  Result<nlohmann::json> drift(const core::DriftRow& row) override { return renderer_.render(row); }

  std::optional<events::CheckFacts> check(std::string_view assignment,
                                          std::string_view reference) override {
    const auto found = checks_.find({std::string(assignment), std::string(reference)});
    if (found == checks_.end()) {
      return std::nullopt;
    }
    const auto& check = *found->second;
    events::CheckFacts out;
    out.title = check.title;
    out.controls = check.controls;
    out.severity = check.severity;
    for (const auto& entry : summary_->assignments) {
      if (entry.assignment->name == check.assignment && entry.tally.score()) {
        out.score = entry.tally.score();
        out.share = static_cast<double>(compliance::severity_weight(check.severity)) /
                    static_cast<double>(entry.tally.weighted_counted);
      }
    }
    return out;
  }

 private:
  std::shared_ptr<const compliance::Summary> summary_;
  DriftRenderer renderer_;  // refers to it
  std::map<std::pair<std::string, std::string>, const compliance::Check*> checks_;
};

/// From 0 to 1. I/O thread only.
std::function<double()> make_chance() {
  return [engine = std::minstd_rand(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

events::WebhookOptions webhook_options(const config::Webhook& webhook,
                                       const collectors::Environment& environment,
                                       const std::string& source) {
  events::WebhookOptions out;
  out.name = webhook.name;
  out.url = webhook.url;
  out.source = source;
  out.filter = {webhook.drift, webhook.compliance, webhook.min_severity};
  out.give_up_after = webhook.give_up_after;
  out.secret = [place = secret_source(webhook.secret), environment]() {
    return collectors::read_secret(place, environment);
  };
  return out;
}

}  // namespace

Notifications::Notifications(Parts parts, const config::Settings& settings)
    : parts_(std::move(parts)),
      source_(settings.external_url.empty() ? "urn:plumbline:" + parts_.store_id
                                            : settings.external_url),
      metrics_(parts_.registry) {}

Result<std::unique_ptr<Notifications>> Notifications::make(
    const config::Settings& settings, const collectors::Environment& environment, Parts parts) {
  std::unique_ptr<Notifications> made(new Notifications(std::move(parts), settings));
  if (auto done = made->connect(settings, environment); !done) {
    return done.error().with_context("events");
  }
  return made;
}

Result<net::HttpTransport*> Notifications::transport(const config::Settings& settings,
                                                     const collectors::Environment& environment,
                                                     const std::string& ca_file) {
  auto& known = transports_[ca_file];
  if (known == nullptr) {
    auto options = client_options(settings, environment);
    if (!options) {
      return options.error();
    }
    options->ca_file = ca_file;
    auto made = net::make_http_client(parts_.io, *std::move(options));
    if (!made) {
      return made.error();
    }
    known = *std::move(made);
  }
  return known.get();
}

Status Notifications::connect(const config::Settings& settings,
                              const collectors::Environment& environment) {
  const auto make_facts =
      [this](core::Snapshot& snapshot) -> Result<std::unique_ptr<events::Facts>> {
    auto summary = parts_.summary();
    DriftRenderer renderer(snapshot, summary->baseline->owner_tags);
    return std::unique_ptr<events::Facts>(
        std::make_unique<StoredFacts>(std::move(renderer), std::move(summary)));
  };
  std::vector<std::unique_ptr<events::Sink>> sinks;
  for (const auto& webhook : settings.events.webhooks) {
    if (auto url = net::parse_url(webhook.url); !url) {
      return url.error().with_context(fmt::format("webhook {}", webhook.name));
    }
    auto way = transport(settings, environment, webhook.ca_file);
    if (!way) {
      return way.error().with_context(fmt::format("webhook {}", webhook.name));
    }
    sinks.push_back(std::make_unique<events::Webhook>(
        webhook_options(webhook, environment, source_), **way, parts_.clock));
  }
  if (settings.events.log) {
    sinks.push_back(std::make_unique<events::LogSink>(parts_.log));
  }
  outbox_ =
      std::make_unique<events::Outbox>(events::Outbox::Parts{.store = parts_.store,
                                                             .clock = parts_.clock,
                                                             .log = parts_.log,
                                                             .metrics = metrics_,
                                                             .io = parts_.io,
                                                             .cpu = parts_.cpu,
                                                             .storage = parts_.storage,
                                                             .make_facts = make_facts,
                                                             .external_url = settings.external_url,
                                                             .chance = make_chance()},
                                       std::move(sinks));
  const auto& alertmanager = settings.events.alertmanager;
  if (!alertmanager.urls.empty()) {
    for (const auto& text : alertmanager.urls) {
      if (auto url = net::parse_url(text); !url) {
        return url.error().with_context("alertmanager");
      }
    }
    auto way = transport(settings, environment, alertmanager.ca_file);
    if (!way) {
      return way.error().with_context("alertmanager");
    }
    alertmanager_ = std::make_unique<events::Alertmanager>(
        events::Alertmanager::Parts{.store = parts_.store,
                                    .clock = parts_.clock,
                                    .log = parts_.log,
                                    .metrics = metrics_,
                                    .io = parts_.io,
                                    .cpu = parts_.cpu,
                                    .make_facts = make_facts,
                                    .transport = **way},
        events::AlertOptions{.min_severity = alertmanager.min_severity,
                             .resend = alertmanager.resend,
                             .external_url = settings.external_url},
        alertmanager.urls);
  }
  return outbox_->open();
}

void Notifications::start() {
  started_ = true;
  outbox_->start();
  if (alertmanager_ != nullptr) {
    alertmanager_->start();
  }
}

void Notifications::notify() {
  outbox_->notify();
  if (alertmanager_ != nullptr) {
    alertmanager_->notify();
  }
}

void Notifications::stop() {
  outbox_->stop();
  if (alertmanager_ != nullptr) {
    alertmanager_->stop();
  }
}

void Notifications::wait(std::chrono::milliseconds patience) {
  if (started_) {
    outbox_->wait(patience, parts_.cpu);
  }
}

std::vector<events::SinkStatus> Notifications::statuses() const {
  auto out = outbox_->statuses();
  if (alertmanager_ != nullptr) {
    auto more = alertmanager_->statuses();
    out.insert(
        out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return out;
}

}  // namespace plumbline::daemon
