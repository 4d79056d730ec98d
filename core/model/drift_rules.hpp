// What is configured of drift, as it is written down.
#pragma once

#include "core/clock.hpp"
#include "core/path_pattern.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::core {

/// A difference that tells nothing (docs/drift-rules.md).
struct NoiseRule {
  enum class Kind : std::uint8_t {
    kIgnore,     // what stands there, and below
    kUnordered,  // the order of an array
    kDefault,    // a value that says what its absence says
    kCase,       // the letters of a text
  };

  Kind kind = Kind::kIgnore;
  std::vector<std::string> types;  // `*` stands for any text
  std::vector<PathPattern> paths;
  std::vector<std::string> by;      // kUnordered: properties that tell elements apart
  std::string value_json = "null";  // kDefault
  std::string reason;
};

/// What else counts as configuration drift: properties of types, or all of them.
struct DriftInclude {
  std::vector<std::string> types;
  std::vector<PathPattern> paths;  // empty: the whole resource, also that it comes and goes
};

/// What a change that was expected, or never is, becomes. A rule holds where all that it names
/// does.
struct ExpectedRule {
  enum class Effect : std::uint8_t {
    kAccept,     // no drift
    kDowngrade,  // one severity lower
    kEscalate,   // one severity higher
  };

  /// By UTC. A window that ends at or before its start goes on after midnight and belongs to the
  /// day on which it began.
  struct Window {
    std::vector<unsigned> days;  // 0: Sunday; empty: every day
    unsigned from = 0;           // minutes since midnight
    unsigned to = 24 * 60;
  };

  std::string name;
  Effect effect = Effect::kAccept;
  // Of who and what made the change: empty lists do not filter, `*` stands for any text.
  std::vector<std::string> actors;
  std::vector<std::string> clients;
  std::vector<std::string> operations;
  // Of the resource.
  std::vector<std::string> scopes;  // keys
  std::vector<std::string> types;
  std::vector<Window> windows;  // none: at any time

  /// Whether it asks who or what made the change.
  [[nodiscard]] bool asks_who() const {
    return !actors.empty() || !clients.empty() || !operations.empty();
  }
};

/// Drift that opens this often within the window is flapping: it is resolved only once it has
/// stayed away for as long as the window.
struct FlappingRule {
  std::int64_t openings = 3;  // 0: nothing is
  std::chrono::seconds window{3600};
};

struct DriftSettings {
  std::vector<NoiseRule> noise;  // beyond what baselines bring
  std::vector<DriftInclude> include;
  std::vector<std::string> owner_tags;  // the first one found names the owner
  std::vector<ExpectedRule> expected;   // the first one that holds decides
  FlappingRule flapping;
};

}  // namespace plumbline::core
