// What the compiler asks of an alias catalogue, behind the public AliasCatalogue.
#pragma once

#include "policy/engine.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumbline::policy {

/// An alias as listed under one resource type.
struct AliasTarget {
  std::string type{};  // lower case
  std::string default_path{};
  /// Paths for particular API versions.
  std::vector<std::pair<std::string, std::vector<std::string>>> paths{};
  /// Whether `modify` may name it; nullopt where the catalogue does not say.
  std::optional<bool> modifiable{};
};

class AliasSource : public AliasCatalogue {
 public:
  /// The entries of that name, compared without regard to case; empty where there are none.
  [[nodiscard]] virtual std::vector<AliasTarget> find(std::string_view name) const = 0;
  /// A listed name much like this one.
  [[nodiscard]] virtual std::optional<std::string> suggest(std::string_view name) const = 0;

  /// Any field is a path.
  [[nodiscard]] virtual bool raw() const { return false; }
};

/// Entries of a name, or those derived from `name[*]` when only that is listed.
[[nodiscard]] std::vector<AliasTarget> find_alias(const AliasSource& source, std::string_view name);

}  // namespace plumbline::policy
