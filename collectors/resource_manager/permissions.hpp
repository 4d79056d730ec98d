// What Azure says that the caller may do at a scope (Microsoft.Authorization/permissions).
#pragma once

#include "core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace plumbline::collectors {

/// Path of the question, for a scope such as `/subscriptions/x`.
[[nodiscard]] std::string permissions_path(std::string_view scope);

/// Entries of the answer: each allows its actions but for its exceptions.
class Permissions {
 public:
  [[nodiscard]] static core::Result<Permissions> parse(std::string_view body);

  /// Whether any entry allows an action (lower case), such as `microsoft.insights/components/read`.
  [[nodiscard]] bool allow(std::string_view action) const;

 private:
  struct Entry {
    std::vector<std::string> actions;  // lower case; `*` stands for any text, slashes included
    std::vector<std::string> exceptions;
  };

  std::vector<Entry> entries_;
};

}  // namespace plumbline::collectors
