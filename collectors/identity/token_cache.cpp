#include "collectors/identity/token_cache.hpp"

#include <algorithm>
#include <utility>

namespace plumbline::collectors {

using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto kPendingTimeout = 5min;
constexpr auto kQuiet = 30s;
constexpr auto kMaxRefusal = 3600s;  // contracts 1.7

}  // namespace

TokenCache::TokenCache(net::Executor io,
                       Credential& credential,
                       const core::Clock& clock,
                       core::Log& log,
                       CollectorMetrics& metrics)
    : io_(std::move(io)),
      credential_(&credential),
      clock_(&clock),
      log_(&log),
      metrics_(&metrics) {}

void TokenCache::discard(const std::string& audience) {
  if (const auto entry = entries_.find(audience); entry != entries_.end()) {
    entry->second.token.reset();
    entry->second.quiet_until = {};
  }
}

net::Task<Result<AccessToken>> TokenCache::fetch(std::string audience) {
  for (int attempt = 0;; ++attempt) {
    TokenAttempt tried = co_await credential_->ask(audience);
    if (tried.token) {
      metrics_->set_token_expiry(
          audience, static_cast<double>(core::to_micros(tried.token->expires_at)) / 1e6);
      co_return std::move(tried.token);
    }
    const Error error = tried.token.error().with_context(credential_->name());
    log_->warn("token_failed",
               {{core::log_field::kAudience, audience},
                {core::log_field::kReason, std::string(core::to_string(error.code))},
                {core::log_field::kError, error.message}});
    const auto delay = credential_->retry_delay(tried, attempt);
    if (!delay) {
      if (tried.retry_after) {
        Entry& entry = entries_[audience];
        const auto pause = std::min<std::chrono::seconds>(*tried.retry_after, kMaxRefusal);
        entry.refused_until = clock_->steady_now() + pause;
        entry.refusal = error;
      }
      co_return error;
    }
    if (const bool slept = co_await net::sleep_for(*delay); !slept) {
      co_return error;
    }
  }
}

net::Task<void> TokenCache::refresh(std::string audience, std::shared_ptr<Pending> mine) {
  Result<AccessToken> fetched = co_await fetch(audience);
  Entry& entry = entries_[audience];
  if (fetched) {
    entry.token = *std::move(fetched);
    mine->result = entry.token->value;
  } else if (entry.token && clock_->now() < entry.token->expires_at) {
    entry.quiet_until = clock_->steady_now() + kQuiet;
    mine->result = entry.token->value;  // the last good token serves while it lasts
  } else {
    mine->result = fetched.error();
  }
  entry.pending.reset();
  mine->done.set();
}

net::Task<Result<std::string>> TokenCache::token(std::string audience) {
  Entry& entry = entries_[audience];
  const auto now = clock_->now();
  const auto steady = clock_->steady_now();
  if (entry.token && now < entry.token->expires_at) {
    const bool rest = steady < entry.quiet_until || steady < entry.refused_until;
    if (now < entry.token->refresh_at || rest) {
      co_return entry.token->value;
    }
    if (now < entry.token->stale_at) {
      const std::string current = entry.token->value;
      if (!entry.pending) {
        entry.pending = std::make_shared<Pending>();
        net::spawn(io_, refresh(audience, entry.pending));
      }
      co_return current;
    }
  }
  if (steady < entry.refused_until) {
    co_return entry.refusal;
  }
  std::shared_ptr<Pending> pending = entry.pending;
  if (pending) {
    if (const bool set = co_await pending->done.wait_for(kPendingTimeout); !set) {
      co_return Error{core::Errc::kTimeout,
                      std::string(credential_->name()) + ": no token within five minutes"};
    }
  } else {
    pending = std::make_shared<Pending>();
    entry.pending = pending;
    co_await refresh(audience, pending);
  }
  co_return pending->result;
}

}  // namespace plumbline::collectors
