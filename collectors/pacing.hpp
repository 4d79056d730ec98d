// When a request may go, so that Azure refuses none and the user's other tools keep their part.
// Decisions only; time is given.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace plumbline::collectors {

/// What an answer says of a quota; nullopt: nothing.
struct QuotaTold {
  std::optional<int> remaining;
  std::optional<std::chrono::seconds> resets_after;
  std::optional<std::chrono::seconds> retry_after;
  bool refused = false;  // status 429
};

/// How many requests to Resource Graph a share of its quota lets go in one window.
[[nodiscard]] std::int64_t graph_allowance(double share, int limit = 15);

/// Resource Graph's quota: so many requests of one identity in a window (contracts 2.5). Whether
/// Azure's window slides or is fixed is not known, so no window of that length, wherever it begins,
/// holds more than our share.
class GraphQuota {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Longer than Azure's by what two requests may differ in on their way.
  static constexpr std::chrono::milliseconds kWindow{5100};
  static constexpr int kLimit = 15;

  /// `share` in (0, 1]: what of the quota is ours.
  explicit GraphQuota(double share) : share_(share) {}

  /// Zero: the request may go, and counts. Otherwise how long to wait before the next question.
  [[nodiscard]] std::chrono::milliseconds take(Time now);
  /// One answer for each request that went, also where nothing came.
  void told(const QuotaTold& told, Time now);

 private:
  void forget_before(Time now);

  double share_;
  int limit_ = kLimit;
  int in_flight_ = 0;
  std::deque<Time> sent_;  // of the last window
  Time blocked_until_{};
};

/// Resource Manager's buckets, one for each subscription (contracts 3.4).
class ReadBuckets {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr double kCapacity = 250;
  static constexpr double kRefill = 25;  // a second

  explicit ReadBuckets(double share) : share_(share) {}

  [[nodiscard]] std::chrono::milliseconds take(const std::string& subscription, Time now);
  void told(const std::string& subscription, const QuotaTold& told, Time now);

 private:
  struct Bucket {
    double tokens = 0;
    Time at;
    Time blocked_until{};
  };

  Bucket& bucket(const std::string& subscription, Time now);

  double share_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace plumbline::collectors
