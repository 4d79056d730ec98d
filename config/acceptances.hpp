// The file of accepted drift (`drift.acceptances`). docs/drift.md documents it.
#pragma once

#include "core/model/drift.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::config {

/// Every error reads `file:line:col: message`; the first one found is given. They cover whatever
/// comes, too: none has `up_to_cycle`.
[[nodiscard]] core::Result<std::vector<core::Acceptance>> parse_acceptances(
    const std::string& text, const std::string& path);

/// What keeps an acceptance from being used, or nothing. Puts scope and type into the form that is
/// compared.
[[nodiscard]] core::Status check_acceptance(core::Acceptance& acceptance);

/// The text of such a file.
[[nodiscard]] std::string write_acceptances(const std::vector<core::Acceptance>& acceptances);

}  // namespace plumbline::config
