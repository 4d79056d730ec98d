// The subset of Kusto that the simulator evaluates, on rows held in memory.
//
//   table [| where e] [| project a, b = e] [| project-away a] [| extend a = e] [| distinct a]
//         [| order by e asc|desc] [| take n] [| count] [| summarize count() by a]
//
// with and, or, not(), comparisons, in, contains, startswith, endswith, has, their negations, paths
// into dynamic values, + - * / %, and the functions that docs/simulator.md lists. All else is an
// error with the place where it stands. Pure; any thread.
#pragma once

#include "core/clock.hpp"
#include "simulator/json.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::simulator::kql {

/// Why a query was refused. Lines and positions begin at 1 and 0, as Resource Graph reports them.
struct Refusal {
  std::string code;  // of the second entry of `details`: ParserFailure, UnknownFunction, ...
  std::string message;
  int line = 1;
  int position = 0;
  std::string token;
  std::string expected;
};

/// A row is an object with a member for every column; rows are shared, never changed.
using Row = std::shared_ptr<const Json>;

struct Column {
  std::string name;
  std::string type;  // string, integer, number, boolean, object or datetime
};

struct Table {
  std::vector<Column> columns;
  std::vector<Row> rows;
};

struct Outcome {
  Table table;
  bool has_limit = false;  // take or limit was used: Resource Graph then gives no skip token
};

class Query {
 public:
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;
  ~Query();

  [[nodiscard]] static std::expected<Query, Refusal> parse(std::string_view text);

  /// Lower-cased name of the table at the head.
  [[nodiscard]] const std::string& table() const;
  /// Refuses references to columns that do not exist where they are used.
  [[nodiscard]] std::expected<Outcome, Refusal> run(Table input, core::Time now) const;

 private:
  struct Parts;
  explicit Query(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace plumbline::simulator::kql
