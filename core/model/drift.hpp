// Drift: what moved away from what was agreed, and what a team has agreed to live with.
#pragma once

#include "core/clock.hpp"
#include "core/model/verdict.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plumbline::core {

enum class DriftKind : std::uint8_t {
  kBaseline,       // a non-compliant verdict
  kConfiguration,  // a property that differs, a resource that was added or removed
};
inline constexpr std::array kDriftKinds = {DriftKind::kBaseline, DriftKind::kConfiguration};
[[nodiscard]] std::string_view to_string(DriftKind kind) noexcept;
[[nodiscard]] std::optional<DriftKind> parse_drift_kind(std::string_view text) noexcept;

enum class DriftState : std::uint8_t { kOpen, kAccepted, kSnoozed, kResolved };
inline constexpr std::array kDriftStates = {
    DriftState::kOpen, DriftState::kAccepted, DriftState::kSnoozed, DriftState::kResolved};
[[nodiscard]] std::string_view to_string(DriftState state) noexcept;
[[nodiscard]] std::optional<DriftState> parse_drift_state(std::string_view text) noexcept;

/// One piece of drift, from its opening to its end. What it is about (check and resource, or
/// resource and path) has at most one that has not been resolved.
struct DriftItem {
  std::int64_t id = 0;
  DriftKind kind = DriftKind::kBaseline;
  std::int64_t check = 0;  // 0 for configuration drift
  std::int64_t resource = 0;
  std::string path;       // JSON pointer (RFC 6901); empty: the verdict, or the resource as a whole
  std::string old_value;  // JSON text, bounded; empty: the property or resource was absent
  std::string new_value;  // JSON text, bounded; empty: the property or resource is gone
  Severity severity = Severity::kLow;
  Severity opened_severity = Severity::kLow;  // before a rule decided
  std::int64_t old_version = 0;               // the agreed one; 0: none, or from before schema 4
  std::int64_t new_version = 0;               // that shows it
  std::int64_t opened_cycle = 0;
  Time opened_at;
  std::int64_t acceptance = 0;      // what covers it; 0: nothing
  bool flapping = false;            // keeps coming and going
  std::optional<Time> quiet_since;  // of one that flaps and is not there at the moment
  bool awaits_records = false;      // a rule about expected changes may still decide
  std::optional<std::int64_t> resolved_cycle;
  std::optional<Time> resolved_at;
};

/// What is known of drift from outside: the facts by which acceptances choose.
struct DriftFacts {
  DriftKind kind = DriftKind::kBaseline;
  std::string_view resource_key;
  std::string_view type;
  std::string_view path;
  std::string_view assignment;
  std::string_view reference;
  std::int64_t opened_cycle = 0;
  std::string list_entry;  // key of the entry of a list that it is about; empty: of none
  std::span<const std::string> management_groups;  // keys of those above the resource
};

/// What a team has agreed to live with: one item, or drift that every given member fits. Empty
/// members choose nothing in particular.
struct Acceptance {
  std::int64_t id = 0;
  std::string name;        // of an entry of the file; empty: accepted by command
  std::int64_t drift = 0;  // the one item that it covers, and nothing else; 0: what is chosen below
  std::optional<DriftKind> kind;
  std::string scope;  // key of a management group, subscription, group, resource or list entry
  std::string type;   // lower case
  std::string path;   // JSON pointer, and what lies below
  std::string assignment;
  std::string reference;  // policyDefinitionReferenceId
  /// Only what had been opened when this cycle was committed; nullopt: whatever comes, too.
  std::optional<std::int64_t> up_to_cycle;
  bool snooze = false;  // only put off until it expires
  std::string reason;
  std::string author;
  std::optional<Time> expires_at;
  std::int64_t cycle = 0;  // that recorded it
  Time accepted_at;
  std::optional<Time> ended_at;  // expired, withdrawn, or taken out of the file

  [[nodiscard]] bool covers(const DriftFacts& facts) const;
};

/// A step in the life of drift; the history that nobody rewrites.
enum class DriftStep : std::uint8_t {
  kOpened,
  kChanged,  // opened in place of one about the same property, whose value was another
  kAccepted,
  kSnoozed,
  kReopened,   // what covered it ended
  kFlapping,   // it keeps coming and going, and is not resolved before it stays away
  kEscalated,  // a rule about expected changes has decided so
  kDowngraded,
  kResolved,
};
inline constexpr std::array kDriftSteps = {DriftStep::kOpened,
                                           DriftStep::kChanged,
                                           DriftStep::kAccepted,
                                           DriftStep::kSnoozed,
                                           DriftStep::kReopened,
                                           DriftStep::kFlapping,
                                           DriftStep::kEscalated,
                                           DriftStep::kDowngraded,
                                           DriftStep::kResolved};
[[nodiscard]] std::string_view to_string(DriftStep step) noexcept;
[[nodiscard]] std::optional<DriftStep> parse_drift_step(std::string_view text) noexcept;

}  // namespace plumbline::core
