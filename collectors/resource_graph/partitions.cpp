#include "collectors/resource_graph/partitions.hpp"

#include "collectors/json_answer.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <numeric>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;

namespace {

// Below this a second query costs more of the quota than it gains in time.
constexpr std::int64_t kWorthAPiece = 5'000;
constexpr std::int64_t kWorthCounting = 5'000;

}  // namespace

std::vector<GraphPartition> partitions_of(const std::vector<std::string>& subscriptions,
                                          const RowCounts& counts,
                                          std::size_t width) {
  const auto rows_of = [&](const std::string& subscription) {
    const auto found = counts.find(subscription);
    return found == counts.end() ? 0 : found->second;
  };
  const auto total = std::accumulate(
      subscriptions.begin(), subscriptions.end(), std::int64_t{0}, [&](auto sum, const auto& id) {
        return sum + rows_of(id);
      });
  const auto most = std::max<std::int64_t>(1, static_cast<std::int64_t>(width));
  const auto wanted = std::clamp<std::int64_t>(total / kWorthAPiece, 1, most);
  const auto size = std::max<std::int64_t>(1, (total + wanted - 1) / wanted);
  std::vector<std::string> ordered = subscriptions;
  std::ranges::sort(ordered, [&](const std::string& a, const std::string& b) {
    return std::pair(rows_of(b), std::string_view(a)) < std::pair(rows_of(a), std::string_view(b));
  });
  std::vector<GraphPartition> out;
  GraphPartition shared;
  for (auto& id : ordered) {
    const auto rows = rows_of(id);
    if (const auto pieces = (rows + size / 2) / size; pieces > 1) {
      for (std::int64_t piece = 0; piece < pieces; ++piece) {
        out.push_back({{id}, static_cast<int>(piece), static_cast<int>(pieces), rows / pieces});
      }
      continue;
    }
    if (!shared.subscriptions.empty() && shared.expected + rows > size + size / 8) {
      out.push_back(std::move(shared));
      shared = {};
    }
    shared.subscriptions.push_back(std::move(id));
    shared.expected += rows;
  }
  if (!shared.subscriptions.empty()) {
    out.push_back(std::move(shared));
  }
  return out;
}

bool is_counted_first(std::string_view table, std::int64_t stored) {
  // Of the other tables few rows are configuration; counting them would cost more than it gains.
  return table == kLargestTable && (stored == 0 || stored >= kWorthCounting);
}

Result<TypeCountPage> parse_type_counts(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "data", "the answer");
  if (!answer) {
    return answer.error();
  }
  TypeCountPage page;
  page.skip_token = text_member(answer->root, "$skipToken");
  if (page.skip_token.empty() &&
      core::iequals(text_member(answer->root, "resultTruncated"), "true")) {
    return Error{Errc::kTruncated, "Resource Graph did not give the counts of all types"};
  }
  for (const auto row : answer->items) {
    TypeCount count{core::to_lower(text_member(row, "subscriptionId")),
                    core::to_lower(text_member(row, "type"))};
    if (count.type.empty() || row["count_"].get(count.count) != simdjson::SUCCESS) {
      return Error{Errc::kParse, "a row has no type or no count"};
    }
    page.rows.push_back(std::move(count));
  }
  return page;
}

Result<std::string> first_id(std::string_view body) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "data", "the answer");
  if (!answer) {
    return answer.error();
  }
  for (const auto row : answer->items) {
    const auto id = core::parse_resource_id(text_member(row, "id"));
    return id ? id->key : std::string();
  }
  return std::string();
}

Result<RowCounts> parse_counts(std::string_view body) {
  simdjson::dom::parser parser;
  const auto parsed = parse_answer(parser, body);
  if (!parsed) {
    return parsed.error();
  }
  simdjson::dom::array data;
  if ((*parsed)["data"].get(data) != simdjson::SUCCESS ||
      text_member(*parsed, "$skipToken") != "" ||
      core::iequals(text_member(*parsed, "resultTruncated"), "true")) {
    return Error{Errc::kParse, "not the counts of all subscriptions"};
  }
  RowCounts counts;
  for (const auto row : data) {
    std::int64_t count = 0;
    if (row["count_"].get(count) != simdjson::SUCCESS) {
      return Error{Errc::kParse, "a row has no count"};
    }
    counts[core::to_lower(text_member(row, "subscriptionId"))] += count;
  }
  return counts;
}

}  // namespace plumbline::collectors
