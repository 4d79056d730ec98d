// Faults: what goes wrong, for which requests, how often. The format is that of faults.json and of
// the admin API (docs/simulator.md). One thread.
#pragma once

#include "core/result.hpp"
#include "net/http_server.hpp"
#include "simulator/reply.hpp"

#include <chrono>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace plumbline::simulator {

enum class FaultKind {
  kAnswer,           // the status and body given, or only a delay or a cut
  kClose,            // the connection closes without an answer
  kMalformedJson,    // the true answer, its end replaced by what is no JSON
  kForeignNextLink,  // the true answer, with a nextLink to another host
};

struct Fault {
  // Match: everything that is set must agree.
  std::string method;
  std::string path_prefix;  // lower-cased
  std::optional<std::regex> path_regex;
  std::string subscription;   // lower-cased: in the path or in Resource Graph's scope
  std::string body_contains;  // e.g. the name of a table

  FaultKind kind = FaultKind::kAnswer;
  std::optional<int> status;
  std::string body_code;
  std::string message;
  std::optional<std::string> body;  // sent as it is
  std::string retry_after;
  net::Headers headers;
  std::optional<std::size_t> truncate_body_at;
  std::chrono::milliseconds delay{0};
  std::optional<int> times;  // how many requests it still concerns; unset: all
  std::string next_link;
};

class Faults {
 public:
  /// Replaces all faults; kParse, with the index of the first bad one, changes nothing.
  [[nodiscard]] core::Status replace(const Json& faults);
  void clear();

  /// The first fault that matches; its `times` counts down.
  [[nodiscard]] std::optional<Fault> take(const net::ServerRequest& request);

  [[nodiscard]] std::size_t size() const { return faults_.size(); }

 private:
  std::vector<Fault> faults_;
};

/// The answer of a fault that has a status.
[[nodiscard]] Reply fault_reply(const Fault& fault);

}  // namespace plumbline::simulator
