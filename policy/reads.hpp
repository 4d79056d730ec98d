// Which properties a compiled definition reads. Private to policy/.
#pragma once

#include "policy/program.hpp"

#include <vector>

namespace plumbline::policy {

/// For DefinitionInfo::reads; needs the types and lookups of the program's info.
[[nodiscard]] std::vector<ReadPath> paths_read(const Program& program);

}  // namespace plumbline::policy
