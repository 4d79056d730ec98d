// The pages of one Resource Graph query (contracts 2.3).
#pragma once

#include "collectors/collection.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

struct GraphQuery {
  std::string text;
  std::vector<std::string> subscriptions;  // empty: the whole tenant
  bool above_and_below = false;
  int top = 1000;
};

/// `while (!pager.done()) { body = fetch(); parse; advance(); }`
class GraphPager {
 public:
  /// `parts` must outlive it.
  GraphPager(const Collection* parts, GraphQuery query)
      : parts_(parts), query_(std::move(query)), top_(query_.top) {}

  /// The current page's body. A page too large for an answer is asked for again with half the rows.
  net::Task<core::Result<std::string>> fetch();
  /// What the page said of the next one and of how many rows there are. Fails where rows are lost:
  /// cut off without a token, a token that has been used before, fewer rows than told of.
  [[nodiscard]] core::Status advance(std::string_view skip_token,
                                     bool truncated,
                                     std::int64_t rows,
                                     std::int64_t total);

  [[nodiscard]] bool done() const { return done_; }

  [[nodiscard]] std::int64_t rows() const { return rows_; }

  /// When the current page was asked for.
  [[nodiscard]] core::Time sent_at() const { return sent_at_; }

 private:
  const Collection* parts_;
  GraphQuery query_;
  int top_;
  std::string token_;
  std::set<std::size_t> used_tokens_;  // hashes: tokens are long
  std::int64_t rows_ = 0;
  int pages_ = 0;
  core::Time sent_at_;
  bool done_ = false;
};

/// Resource Graph answers no question to a whole tenant or management group of so many; also for an
/// answer that left some of them out.
inline constexpr std::string_view kTooManySubscriptions = "TooManySubscriptionsUnderScope";

/// Whether an error is Resource Graph's, with this word among its details.
[[nodiscard]] bool says(const core::Error& error, std::string_view word);

}  // namespace plumbline::collectors
