// The section `drift` of the configuration. Private to config/.
#pragma once

#include "config/yaml_reader.hpp"
#include "core/model/drift_rules.hpp"

#include <string>

namespace plumbline::config {

/// `noise_file` is as written.
void read_drift(YamlReader& drift, core::DriftSettings& out, std::string& noise_file);

}  // namespace plumbline::config
