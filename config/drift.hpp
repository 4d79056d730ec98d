// The rules in the section `drift` of the configuration. Private to config/.
#pragma once

#include "config/yaml_reader.hpp"
#include "core/model/drift_rules.hpp"

namespace plumbline::config {

/// The keys `flapping`, `include`, `owner_tags` and `expected`.
void read_drift_rules(YamlReader& drift, core::DriftSettings& out);

}  // namespace plumbline::config
