// Which properties of which types the checks of a baseline read, and how much hangs on them.
#pragma once

#include "compliance/baseline.hpp"
#include "compliance/json_diff.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Immutable. Of checks that are not switched off: what their rules read of the resource itself, of
/// those that they look for or that relations lead to, and the ids by which relations get there.
class ReadPaths {
 public:
  ReadPaths() = default;
  explicit ReadPaths(const std::vector<Check>& checks);
  explicit ReadPaths(const Check& check);

  /// The highest severity of a check that reads the property, something in it, or what it lies in;
  /// nullopt: none does.
  [[nodiscard]] std::optional<core::Severity> severity_of(std::string_view lower_type,
                                                          DiffPath path) const;

 private:
  struct Read {
    policy::Path path;
    bool whole = true;
    core::Severity severity = core::Severity::kLow;
  };

  void add(const Check& check);
  void add(const std::string& type, const Read& read);

  std::map<std::string, std::vector<Read>, std::less<>> by_type_;  // empty: any type
};

}  // namespace plumbline::compliance
