// How a table of many rows is cut into queries that run at the same time.
#pragma once

#include "core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

/// One query: the rows of these subscriptions, or of one of them the part whose ids fall into one
/// of so many pieces.
struct GraphPartition {
  std::vector<std::string> subscriptions;
  int piece = 0;
  int pieces = 1;
  std::int64_t expected = 0;
};

using RowCounts = std::map<std::string, std::int64_t, std::less<>>;  // by subscription

/// At most `width` pieces of about the same size where there are enough rows to be worth it: a
/// piece costs part of a page. Every subscription is in one of them, whether or not it has rows.
[[nodiscard]] std::vector<GraphPartition> partitions_of(
    const std::vector<std::string>& subscriptions, const RowCounts& counts, std::size_t width);

/// The only table of which a sweep takes more than it takes to count it.
inline constexpr std::string_view kLargestTable = "resources";

/// Whether a table is counted before it is swept. `stored`: resources that are known.
[[nodiscard]] bool is_counted_first(std::string_view table, std::int64_t stored);

/// Rows of one type in one subscription.
struct TypeCount {
  std::string subscription;  // lower case; empty: above the subscriptions
  std::string type;          // lower case
  std::int64_t count = 0;
};

struct TypeCountPage {
  std::vector<TypeCount> rows;
  std::string skip_token;  // empty: the last page
};

/// Reads a page of the answer to resource_graph_type_count_query.
[[nodiscard]] core::Result<TypeCountPage> parse_type_counts(std::string_view body);

/// The key of the first row of an answer that has ids; empty where there is none.
[[nodiscard]] core::Result<std::string> first_id(std::string_view body);

/// Reads the answer to resource_graph_count_query.
[[nodiscard]] core::Result<RowCounts> parse_counts(std::string_view body);

}  // namespace plumbline::collectors
