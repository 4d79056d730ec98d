// Resource Graph answers, taken apart.
#pragma once

#include "core/model/resource.hpp"
#include "core/normalise.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::collectors {

struct GraphPage {
  std::vector<core::Observation> rows;
  std::string skip_token;  // empty: the last page
  bool truncated = false;  // rows are missing although no token says so
  std::int64_t total_records = 0;
  std::int64_t row_count = 0;  // rows in the answer, usable or not
  std::int64_t unusable = 0;   // rows without id or type, or that are no JSON
};

/// Reads one page. `table` and `sent_at` go into the observations. Pure; for a CPU thread. A row
/// that can't be read spoils itself alone. Fails with kParse or kLimit when the page as a whole
/// can't be read.
[[nodiscard]] core::Result<GraphPage> parse_graph_page(std::string_view body,
                                                       std::string_view table,
                                                       core::Time sent_at,
                                                       const core::Normaliser& normaliser);

/// One resource as ARM or Resource Graph describes it; nullopt without a usable id. `type` may be
/// null or absent: the id names it (contracts 3.8).
[[nodiscard]] std::optional<core::Observation> observe_resource(simdjson::dom::element resource,
                                                                std::string_view table,
                                                                core::Time sent_at,
                                                                const core::Normaliser& normaliser);

}  // namespace plumbline::collectors
