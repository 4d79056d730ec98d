// Which differences between two versions of a resource are configuration drift, and how much each
// matters.
#pragma once

#include "compliance/noise.hpp"
#include "compliance/read_paths.hpp"
#include "core/model/drift_rules.hpp"
#include "core/model/verdict.hpp"

#include <simdjson.h>

#include <span>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Types whose configuration is Azure Monitor's (docs/drift-rules.md lists them).
[[nodiscard]] std::span<const std::string_view> monitor_types() noexcept;

/// A difference that counts.
struct DriftChange {
  JsonChange change;
  /// The highest of the checks that read the property; low where none does.
  core::Severity severity = core::Severity::kLow;
  auto operator<=>(const DriftChange&) const = default;
};

/// Immutable.
class DriftRules {
 public:
  DriftRules() = default;
  DriftRules(Noise noise, ReadPaths reads, std::vector<core::DriftInclude> include);

  /// Whether all that is no noise counts for a type (lower case), also that a resource of it comes
  /// and goes.
  [[nodiscard]] bool counts_whole(std::string_view type) const;

  /// What counts of the differences between two bodies of a type (lower case), in the order of
  /// paths. `is_detail`: they are detail documents.
  [[nodiscard]] std::vector<DriftChange> differences(std::string_view type,
                                                     bool is_detail,
                                                     simdjson::dom::element before,
                                                     simdjson::dom::element after) const;

 private:
  Noise noise_;
  ReadPaths reads_;
  std::vector<core::DriftInclude> include_;
};

}  // namespace plumbline::compliance
