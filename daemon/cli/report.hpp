// A report of the committed state, for a terminal or a pipeline.
#pragma once

#include "daemon/app.hpp"
#include "daemon/cli/options.hpp"

#include <string>
#include <string_view>

namespace plumbline::daemon {

/// Table: scores, controls, findings. JSON and CSV: one object or row a finding.
[[nodiscard]] core::Result<std::string> render_report(App& app, Format format);

/// 2 error before 1 non-compliant before 3 incomplete evidence before 0.
[[nodiscard]] int exit_code_of(const compliance::Summary& summary,
                               const collectors::PassReport& pass);

/// A cell of a CSV: quoted where RFC 4180 wants it; a leading =, +, - or @ would be run by a
/// spreadsheet.
[[nodiscard]] std::string csv_cell(std::string_view text);

}  // namespace plumbline::daemon
