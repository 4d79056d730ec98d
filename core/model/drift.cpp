#include "core/model/drift.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace plumbline::core {

namespace {

template <class Values>
auto parse(const Values& values, std::string_view text)
    -> std::optional<typename Values::value_type> {
  for (const auto value : values) {
    if (iequals(to_string(value), text)) {
      return value;
    }
  }
  return std::nullopt;
}

/// Whether `text` is `base` or continues it after a slash.
bool lies_in(std::string_view text, std::string_view base) {
  return base.empty() ||
         (text.starts_with(base) && (text.size() == base.size() || text[base.size()] == '/'));
}

}  // namespace

std::string_view to_string(DriftKind kind) noexcept {
  return kind == DriftKind::kBaseline ? "baseline" : "configuration";
}

std::optional<DriftKind> parse_drift_kind(std::string_view text) noexcept {
  return parse(kDriftKinds, text);
}

std::string_view to_string(DriftState state) noexcept {
  switch (state) {
    case DriftState::kOpen:
      return "open";
    case DriftState::kAccepted:
      return "accepted";
    case DriftState::kSnoozed:
      return "snoozed";
    case DriftState::kResolved:
      return "resolved";
  }
  return "";
}

std::optional<DriftState> parse_drift_state(std::string_view text) noexcept {
  return parse(kDriftStates, text);
}

std::string_view to_string(DriftStep step) noexcept {
  switch (step) {
    case DriftStep::kOpened:
      return "opened";
    case DriftStep::kChanged:
      return "changed";
    case DriftStep::kAccepted:
      return "accepted";
    case DriftStep::kSnoozed:
      return "snoozed";
    case DriftStep::kReopened:
      return "reopened";
    case DriftStep::kFlapping:
      return "flapping";
    case DriftStep::kEscalated:
      return "escalated";
    case DriftStep::kDowngraded:
      return "downgraded";
    case DriftStep::kResolved:
      return "resolved";
  }
  return "";
}

std::optional<DriftStep> parse_drift_step(std::string_view text) noexcept {
  return parse(kDriftSteps, text);
}

bool Acceptance::covers(const DriftFacts& facts) const {
  const bool in_scope =
      lies_in(facts.resource_key, scope) ||
      (!facts.list_entry.empty() && lies_in(facts.list_entry, scope)) ||
      std::ranges::find(facts.management_groups, scope) != facts.management_groups.end();
  return drift == 0 && (!kind || *kind == facts.kind) && in_scope &&
         (type.empty() || type == facts.type) && lies_in(facts.path, path) &&
         (assignment.empty() || iequals(assignment, facts.assignment)) &&
         (reference.empty() || iequals(reference, facts.reference)) &&
         (!up_to_cycle || facts.opened_cycle <= *up_to_cycle);
}

}  // namespace plumbline::core
