// A tenant of any size that is computed row by row: nothing of it is kept but what was changed
// since, and the same seed gives the same tenant.
#pragma once

#include "simulator/json.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::simulator {

struct GeneratorOptions {
  std::size_t resources = 0;  // 0: nothing is generated
  std::size_t subscriptions = 10;
  std::uint64_t seed = 1;
};

class Generator {
 public:
  explicit Generator(const GeneratorOptions& options) : options_(options) {}

  [[nodiscard]] std::size_t size() const { return options_.resources; }

  /// The document of its subscriptions, as tenant.json.
  [[nodiscard]] Json tenant() const;

  /// Ids grow with the index.
  [[nodiscard]] std::string id(std::size_t index) const;
  [[nodiscard]] std::string_view type(std::size_t index) const;
  [[nodiscard]] std::string subscription(std::size_t index) const;
  /// nullopt: it is no id of this tenant's. In any letters.
  [[nodiscard]] std::optional<std::size_t> index_of(std::string_view id) const;
  /// The row of Resource Graph, about 2 KB of JSON.
  void append_row(std::size_t index, std::string& out) const;
  /// The row from now on, by RFC 7396.
  void patch(std::size_t index, const Json& patch);

 private:
  struct Place {
    std::size_t subscription = 0;
    std::size_t group = 0;
    std::size_t type = 0;
  };

  [[nodiscard]] Place place(std::size_t index) const;
  [[nodiscard]] std::string subscription_id(std::size_t number) const;

  GeneratorOptions options_;
  std::map<std::size_t, std::string> patched_;  // rows, by index
};

/// Which of the generated rows a query wants, and how; nullopt for a query that it does not know.
struct GeneratedQuery {
  std::vector<std::string> types;  // lower case; empty: all
  std::vector<std::string> ids;    // lower case; empty: all
  std::uint64_t pieces = 1;
  std::uint64_t piece = 0;
  bool count_by_subscription = false;
};

[[nodiscard]] std::optional<GeneratedQuery> parse_generated_query(const std::string& text);

[[nodiscard]] bool is_in_piece(std::string_view id, const GeneratedQuery& query);

}  // namespace plumbline::simulator
