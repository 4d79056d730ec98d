// A report of the committed state, for a terminal or a pipeline.
#pragma once

#include "daemon/app.hpp"
#include "daemon/cli/options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace plumbline::daemon {

/// Table: scores, controls, findings. JSON and CSV: one object or row a finding.
[[nodiscard]] core::Result<std::string> render_report(const compliance::Summary& summary,
                                                      core::Snapshot& snapshot,
                                                      core::Time now,
                                                      Format format);

/// The last cycle, or the one that was the last at an instant (RFC 3339).
[[nodiscard]] core::Result<std::int64_t> report_cycle(core::Snapshot& snapshot,
                                                      const std::string& at);

/// `71.4 %`, or `-`.
[[nodiscard]] std::string percent_text(std::optional<double> ratio);

/// 2 error before 1 non-compliant before 3 incomplete evidence before 0.
[[nodiscard]] int exit_code_of(const compliance::Summary& summary,
                               const collectors::PassReport& pass);

/// A cell of a CSV: quoted where RFC 4180 wants it; a leading =, +, - or @ would be run by a
/// spreadsheet.
[[nodiscard]] std::string csv_cell(std::string_view text);

}  // namespace plumbline::daemon
