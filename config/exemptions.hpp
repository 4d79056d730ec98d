// The file of exemptions (`baseline.exemptions`). docs/exemptions.md documents it.
#pragma once

#include "core/model/exemption.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::config {

/// Every error reads `file:line:col: message`; the first one found is given.
[[nodiscard]] core::Result<std::vector<core::ExemptionSpec>> parse_exemptions(
    const std::string& text, const std::string& path);

}  // namespace plumbline::config
