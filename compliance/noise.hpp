// Differences that tell nothing: what no rule of the baseline reads and a noise rule names, and
// values that only look different.
#pragma once

#include "compliance/json_diff.hpp"
#include "compliance/read_paths.hpp"
#include "core/model/drift_rules.hpp"

#include <simdjson.h>

#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Noise rules, compiled. Immutable.
class Noise {
 public:
  /// What the fingerprint of a body leaves out is noise without any rule.
  Noise();
  explicit Noise(const std::vector<core::NoiseRule>& rules);

  /// What differs between two bodies of a type without what is noise. `reads` must outlive the
  /// call: what it names is never ignored. Of a detail document (`is_detail`) the rules are about
  /// its elements.
  [[nodiscard]] std::vector<JsonChange> diff(std::string_view lower_type,
                                             bool is_detail,
                                             simdjson::dom::element before,
                                             simdjson::dom::element after,
                                             const ReadPaths& reads) const;

  /// One rule with what it says in the form that comparing needs.
  struct Rule {
    core::NoiseRule::Kind kind = core::NoiseRule::Kind::kIgnore;
    std::vector<std::string> types;
    std::vector<core::PathPattern> paths;
    DiffRules::Unordered unordered;
    std::string value;  // JSON text
  };

 private:
  std::vector<Rule> rules_;
};

/// What of a path is about a resource: all of it, or of a detail document what follows the element.
[[nodiscard]] DiffPath resource_path(bool is_detail, DiffPath path);

}  // namespace plumbline::compliance
