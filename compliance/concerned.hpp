// Which checks a piece of drift is about.
#pragma once

#include "compliance/baseline.hpp"
#include "compliance/read_paths.hpp"
#include "core/ports/snapshot.hpp"

#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Some checks of a baseline, which must outlive it. Immutable.
class ConcernedChecks {
 public:
  /// Those of a control; empty: all.
  ConcernedChecks(const Baseline& baseline, std::string_view control);

  /// The check of baseline drift; of configuration drift those that read the property.
  [[nodiscard]] std::vector<const Check*> of(const core::DriftRow& row) const;

  [[nodiscard]] bool any(const core::DriftRow& row) const { return !of(row).empty(); }

 private:
  struct Entry {
    const Check* check = nullptr;
    ReadPaths reads;
  };

  std::vector<Entry> entries_;
};

}  // namespace plumbline::compliance
