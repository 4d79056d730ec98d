// The metrics that speak of verdicts, as exposition text; rendered once per summary.
#pragma once

#include "compliance/summary.hpp"

#include <string>

namespace plumbline::daemon {

/// No more than this many series; what is beyond is counted in plumbline_series_dropped_total.
inline constexpr std::size_t kMaxVerdictSeries = 10'000;

/// Prometheus text format 0.0.4. Nothing counted means no series.
[[nodiscard]] std::string render_verdict_metrics(const compliance::Summary& summary,
                                                 std::size_t max_series = kMaxVerdictSeries);

}  // namespace plumbline::daemon
