// The calls of /api/v1: one table from which requests are routed and checked, and from which the
// OpenAPI document is made. So what the document says is what happens.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plumbline::daemon {

enum class Operation : std::uint8_t {
  kStatus,
  kScores,
  kControls,
  kChecks,
  kResults,
  kResource,
  kResources,
  kVersions,
  kHistory,
  kExplain,
  kDrift,
  kAcceptances,
  kEvents,
  kExemptions,
  kTransitions,
  kCycles,
  kOutbox,
  kDocument,
};

struct Route {
  std::string_view name;  // after /api/v1/
  Operation operation;
  std::string_view summary;
  /// Names of parameters, separated by blanks; those that must be given end in `!`.
  std::string_view parameters;
  std::string_view schema;  // of the answer, in schemas.json
  bool may_miss = false;    // 404 is an answer to a well-formed request
  /// Whether published summary, last cycle and horizon decide the answer; else it is compared as a
  /// whole.
  bool is_of_state = true;
};

[[nodiscard]] std::span<const Route> api_routes();
/// Null: there is no such call.
[[nodiscard]] const Route* find_route(std::string_view path);

/// What is asked for, checked against the table: no unknown or repeated names, every value one that
/// the parameter can have. Empty values count as not given.
class Parameters {
 public:
  [[nodiscard]] static core::Result<Parameters> read(const Route& route, std::string_view query);

  /// Empty: not given.
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// The OpenAPI 3.1 document, as JSON.
[[nodiscard]] const std::string& openapi_document();

}  // namespace plumbline::daemon
