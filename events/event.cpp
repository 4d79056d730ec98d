#include "events/event.hpp"

#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plumbline::events {

using core::ComplianceState;
using core::DriftState;
using core::DriftStep;
using core::Result;
using nlohmann::json;

namespace {

constexpr std::string_view kTypePrefix = "io.plumbline.";

json state_or_null(const std::optional<ComplianceState>& state) {
  return state ? json(core::to_string(*state)) : json(nullptr);
}

/// `change`: how a verdict moved the score, where it did: -1, 0 or 1.
json score_json(const std::optional<CheckFacts>& check, int change) {
  if (!check || !check->score) {
    return nullptr;
  }
  return {{"now", *check->score},
          {"change", change == 0 ? json(nullptr) : json(change * check->share)}};
}

json check_json(const std::optional<CheckFacts>& check) {
  return check ? json{{"title", check->title}, {"controls", check->controls}} : json(nullptr);
}

void add_link(json& data, std::string link) {
  if (!link.empty()) {
    data["link"] = std::move(link);
  }
}

int change_of_score(const core::Transition& transition) {
  const auto good = ComplianceState::kCompliant;
  const auto bad = ComplianceState::kNonCompliant;
  return transition.from == good && transition.to == bad   ? -1
         : transition.from == bad && transition.to == good ? 1
                                                           : 0;
}

/// Rows of both sequences, one behind the other.
class Merger {
 public:
  Merger(std::vector<core::TransitionRow> transitions,
         std::vector<core::DriftEventRow> steps,
         std::size_t limit)
      : transitions_(std::move(transitions)),
        steps_(std::move(steps)),
        transitions_cut_(transitions_.size() == limit),
        steps_cut_(steps_.size() == limit) {}

  /// Whether there is a next one that is known to be next: what comes after the end of a list that
  /// was cut may be earlier than what the other list has.
  [[nodiscard]] bool has_next() const {
    const bool transition_left = transition_ < transitions_.size();
    const bool step_left = step_ < steps_.size();
    return (transition_left || !transitions_cut_) && (step_left || !steps_cut_) &&
           (transition_left || step_left);
  }

  [[nodiscard]] bool is_transition() const {
    return transition_ < transitions_.size() &&
           (step_ >= steps_.size() || transitions_[transition_].cycle <= steps_[step_].cycle);
  }

  [[nodiscard]] const core::TransitionRow& take_transition() { return transitions_[transition_++]; }

  [[nodiscard]] const core::DriftEventRow& take_step() { return steps_[step_++]; }

  [[nodiscard]] bool is_cut() const { return transitions_cut_ || steps_cut_; }

 private:
  std::vector<core::TransitionRow> transitions_;
  std::vector<core::DriftEventRow> steps_;
  std::size_t transition_ = 0;
  std::size_t step_ = 0;
  bool transitions_cut_;
  bool steps_cut_;
};

/// nullopt: nobody wants it.
Result<std::optional<Event>> make_step(core::Snapshot& snapshot,
                                       Facts& facts,
                                       const core::DriftEventRow& step,
                                       const Filter& filter,
                                       std::string_view external_url) {
  core::DriftFilter only;
  only.id = step.drift;
  auto rows = snapshot.drift(only);
  if (!rows) {
    return rows.error();
  }
  // Who was told that it opened is told how it ends, whatever a rule has made of it.
  if (rows->empty() || std::max(rows->front().item.severity, rows->front().item.opened_severity) <
                           filter.min_severity) {
    return std::optional<Event>();
  }
  const auto row = after_step(std::move(rows->front()), step);
  auto item = facts.drift(row);
  if (!item) {
    return item.error();
  }
  const auto check = row.reference.empty() ? std::optional<CheckFacts>()
                                           : facts.check(row.assignment, row.reference);
  return std::optional(drift_event(step, row, *std::move(item), check, external_url));
}

std::optional<Event> make_transition(Facts& facts,
                                     const core::TransitionRow& row,
                                     const Filter& filter,
                                     std::string_view external_url) {
  const auto check = facts.check(row.assignment, row.reference);
  auto event = compliance_event(row, check, external_url);
  return event.severity < filter.min_severity ? std::nullopt : std::optional(std::move(event));
}

/// A step whose rows are damaged: waiting does not mend them.
Event unreadable(const core::DriftEventRow& step, const core::Error& error) {
  Event out;
  out.family = Family::kDrift;
  out.id = core::event_id(step);
  out.at = step.at;
  out.error = error.message;
  return out;
}

}  // namespace

core::DriftRow after_step(core::DriftRow row, const core::DriftEventRow& event) {
  const bool covers = event.acceptance != 0 && event.step != DriftStep::kReopened &&
                      event.step != DriftStep::kResolved;
  row.item.acceptance = covers ? event.acceptance : 0;
  if (event.step == DriftStep::kOpened || event.step == DriftStep::kChanged) {
    row.item.severity = row.item.opened_severity;
  }
  if (event.step == DriftStep::kResolved) {
    row.state = DriftState::kResolved;
    return row;
  }
  row.state = !covers         ? DriftState::kOpen
              : event.snoozes ? DriftState::kSnoozed
                              : DriftState::kAccepted;
  row.item.resolved_cycle.reset();
  row.item.resolved_at.reset();
  return row;
}

std::string page_link(std::string_view external_url,
                      std::string_view resource_id,
                      std::string_view assignment,
                      std::string_view reference) {
  if (external_url.empty()) {
    return {};
  }
  while (external_url.ends_with('/')) {
    external_url.remove_suffix(1);
  }
  auto link = fmt::format("{}/#/resource?id={}", external_url, core::percent_encode(resource_id));
  if (!reference.empty()) {
    link += fmt::format("&assignment={}&reference={}",
                        core::percent_encode(assignment),
                        core::percent_encode(reference));
  }
  return link;
}

Event drift_event(const core::DriftEventRow& event,
                  const core::DriftRow& row,
                  json item,
                  const std::optional<CheckFacts>& check,
                  std::string_view external_url) {
  const int change = row.item.kind != core::DriftKind::kBaseline ? 0
                     : event.step == DriftStep::kOpened          ? -1
                     : event.step == DriftStep::kResolved        ? 1
                                                                 : 0;
  Event out;
  out.family = Family::kDrift;
  out.id = core::event_id(event);
  out.type = fmt::format("{}drift.{}", kTypePrefix, core::to_string(event.step));
  out.subject = row.resource_id;
  out.at = event.at;
  out.severity = row.item.severity;
  out.data = std::move(item);
  out.data["step"] = core::to_string(event.step);
  out.data["cycle"] = event.cycle;
  out.data["subscription"] = row.subscription;
  out.data["check"] = check_json(check);
  out.data["score"] = score_json(check, change);
  add_link(out.data, page_link(external_url, row.resource_id, row.assignment, row.reference));
  return out;
}

Event compliance_event(const core::TransitionRow& row,
                       const std::optional<CheckFacts>& check,
                       std::string_view external_url) {
  const auto severity = check ? check->severity : core::Severity::kLow;
  Event out;
  out.family = Family::kCompliance;
  out.id = core::event_id(row);
  out.type = fmt::format("{}compliance.changed", kTypePrefix);
  out.subject = row.resource_id;
  out.at = row.at;
  out.severity = severity;
  out.data = {{"from", state_or_null(row.transition.from)},
              {"to", state_or_null(row.transition.to)},
              {"reason", row.transition.reason},
              {"cause", core::to_string(row.transition.cause)},
              {"assignment", row.assignment},
              {"reference", row.reference},
              {"severity", core::to_string(severity)},
              {"resource_id", row.resource_id},
              {"resource_key", row.resource_key},
              {"type", row.resource_type},
              {"subscription", core::subscription_of_key(row.resource_key)},
              {"cycle", row.cycle},
              {"check", check_json(check)},
              {"score", score_json(check, change_of_score(row.transition))}};
  add_link(out.data, page_link(external_url, row.resource_id, row.assignment, row.reference));
  return out;
}

std::string structured(const Event& event, std::string_view source) {
  const json envelope = {{"specversion", "1.0"},
                         {"id", event.id},
                         {"source", source},
                         {"type", event.type},
                         {"subject", event.subject},
                         {"time", core::to_rfc3339(event.at)},
                         {"datacontenttype", "application/json"},
                         {"data", event.data}};
  // What Azure sent may hold anything; an event that cannot be written would block all others.
  return envelope.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<Batch> read_events(core::Snapshot& snapshot,
                          Facts& facts,
                          const core::EventPosition& after,
                          const Filter& filter,
                          std::string_view external_url,
                          std::size_t limit) {
  Batch batch;
  batch.end = after;
  if (!filter.drift || !filter.compliance) {
    const auto last = snapshot.last_events();
    if (!last) {
      return last.error();
    }
    batch.end.drift_event = filter.drift ? after.drift_event : last->drift_event;
    batch.end.transition = filter.compliance ? after.transition : last->transition;
  }
  batch.begin = batch.end;
  auto pending = snapshot.pending_events(batch.begin);
  auto transitions = snapshot.transitions_after(batch.begin.transition, limit);
  auto steps = snapshot.drift_events(batch.begin.drift_event, limit);
  if (!pending || !transitions || !steps) {
    return !pending ? pending.error() : !transitions ? transitions.error() : steps.error();
  }
  batch.pending = *pending;
  Merger rows(*std::move(transitions), *std::move(steps), limit);
  while (rows.has_next()) {
    std::optional<Event> event;
    if (rows.is_transition()) {
      const auto& row = rows.take_transition();
      batch.lost += row.row - batch.end.transition - 1;
      batch.end.transition = row.row;
      event = make_transition(facts, row, filter, external_url);
    } else {
      const auto& row = rows.take_step();
      batch.lost += row.id - batch.end.drift_event - 1;
      batch.end.drift_event = row.id;
      auto made = make_step(snapshot, facts, row, filter, external_url);
      if (!made && made.error().code != core::Errc::kCorrupt) {
        return made.error();
      }
      event = made ? *std::move(made) : unreadable(row, made.error());
    }
    if (event) {
      event->position = batch.end;
      event->lost = std::exchange(batch.lost, 0);
      batch.events.push_back(*std::move(event));
    }
  }
  batch.has_more = rows.is_cut();
  return batch;
}

}  // namespace plumbline::events
