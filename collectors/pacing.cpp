#include "collectors/pacing.hpp"

#include <algorithm>
#include <cmath>

namespace plumbline::collectors {

using namespace std::chrono_literals;

namespace {

/// Rounded up, so that who waits it out need not wait again.
std::chrono::milliseconds until(std::chrono::steady_clock::time_point then,
                                std::chrono::steady_clock::time_point now) {
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(then - now), 1ms);
}

std::chrono::seconds asked_pause(const QuotaTold& told, std::chrono::seconds otherwise) {
  if (!told.retry_after && !told.resets_after) {
    return otherwise;
  }
  return std::max({told.retry_after.value_or(0s), told.resets_after.value_or(0s), 1s});
}

}  // namespace

std::int64_t graph_allowance(double share, int limit) {
  return static_cast<std::int64_t>(std::max(1.0, std::floor((limit * share) + 1e-9)));
}

void GraphQuota::forget_before(Time now) {
  while (!sent_.empty() && sent_.front() + kWindow <= now) {
    sent_.pop_front();
  }
}

std::chrono::milliseconds GraphQuota::take(Time now) {
  if (now < blocked_until_) {
    return until(blocked_until_, now);
  }
  forget_before(now);
  const auto ours = static_cast<std::size_t>(graph_allowance(share_, limit_));
  if (sent_.size() >= ours) {
    return until(sent_[sent_.size() - ours] + kWindow, now);
  }
  sent_.push_back(now);
  ++in_flight_;
  return 0ms;
}

void GraphQuota::told(const QuotaTold& told, Time now) {
  in_flight_ = std::max(0, in_flight_ - 1);
  forget_before(now);
  const auto own = static_cast<int>(sent_.size());
  if (told.refused) {
    // The quota is smaller than was thought, or others are at work.
    limit_ = std::clamp(own - 1, 1, limit_);
    blocked_until_ = std::max(blocked_until_, now + asked_pause(told, 5s));
    return;
  }
  if (!told.remaining) {
    return;
  }
  limit_ = std::max(limit_, *told.remaining + 1);
  const bool others = limit_ - *told.remaining > own;
  if (others && *told.remaining <= in_flight_) {
    blocked_until_ = std::max(blocked_until_, now + told.resets_after.value_or(5s));
  }
}

ReadBuckets::Bucket& ReadBuckets::bucket(const std::string& subscription, Time now) {
  const auto [entry, added] = buckets_.try_emplace(subscription, Bucket{kCapacity * share_, now});
  Bucket& found = entry->second;
  const std::chrono::duration<double> passed = now - found.at;
  found.tokens = std::min(kCapacity * share_, found.tokens + passed.count() * kRefill * share_);
  found.at = now;
  return found;
}

std::chrono::milliseconds ReadBuckets::take(const std::string& subscription, Time now) {
  Bucket& found = bucket(subscription, now);
  if (now < found.blocked_until) {
    return until(found.blocked_until, now);
  }
  if (found.tokens < 1) {
    const std::chrono::duration<double> missing{(1 - found.tokens) / (kRefill * share_)};
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(missing), 1ms);
  }
  found.tokens -= 1;
  return 0ms;
}

void ReadBuckets::told(const std::string& subscription, const QuotaTold& told, Time now) {
  Bucket& found = bucket(subscription, now);
  if (told.refused) {
    found.tokens = 0;
    found.blocked_until = std::max(found.blocked_until, now + asked_pause(told, 1s));
  } else if (told.remaining) {
    // Others draw from it as well, and other clouds have smaller ones.
    found.tokens = std::min(found.tokens, static_cast<double>(*told.remaining));
  }
}

}  // namespace plumbline::collectors
