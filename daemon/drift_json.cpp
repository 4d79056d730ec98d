#include "daemon/drift_json.hpp"

#include "compliance/drift.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <charconv>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using json = nlohmann::json;

namespace {

json time_or_null(const std::optional<core::Time>& time) {
  return time ? json(core::to_rfc3339(*time)) : json(nullptr);
}

/// nullopt when the text is no such word; empty text chooses nothing.
template <class T, class Parse>
core::Status read_word(std::string_view name,
                       const std::string& text,
                       Parse parse,
                       std::optional<T>& out) {
  if (text.empty()) {
    return core::Status::ok();
  }
  out = parse(text);
  if (!out) {
    return Error{Errc::kInvalidArgument, fmt::format("`{}` cannot be `{}`", name, text)};
  }
  return core::Status::ok();
}

core::Status read_number(std::string_view name, const std::string& text, std::int64_t& out) {
  if (text.empty()) {
    return core::Status::ok();
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < 1) {
    return Error{Errc::kInvalidArgument, fmt::format("`{}` must be a number from 1 on", name)};
  }
  return core::Status::ok();
}

core::Status read_states(const std::string& text, std::vector<core::DriftState>& out) {
  if (text == "all") {
    return core::Status::ok();
  }
  const std::string words = text.empty() ? "open" : text;
  for (const auto word : core::split(words, ',')) {
    const auto state = core::parse_drift_state(word);
    if (!state) {
      return Error{Errc::kInvalidArgument,
                   "`state` must be all, or some of open, accepted, snoozed and resolved"};
    }
    out.push_back(*state);
  }
  return core::Status::ok();
}

}  // namespace

Result<core::DriftFilter> drift_filter(
    const std::function<std::string(std::string_view)>& parameter) {
  core::DriftFilter filter;
  for (const auto& status :
       {read_states(parameter("state"), filter.states),
        read_word("kind", parameter("kind"), core::parse_drift_kind, filter.kind),
        read_word("severity", parameter("severity"), core::parse_severity, filter.severity),
        read_number("item", parameter("item"), filter.id),
        read_number("after", parameter("after"), filter.before)}) {
    if (!status) {
      return status.error();
    }
  }
  filter.assignment = parameter("assignment");
  filter.reference = parameter("reference");
  filter.type = core::to_lower(parameter("type"));
  const auto scope = parameter("scope");
  filter.scope = scope.empty() || scope == "/" ? std::string() : core::resource_key(scope);
  return filter;
}

Result<std::map<std::int64_t, core::Acceptance>> acceptances_by_id(core::Snapshot& snapshot) {
  auto all = snapshot.acceptances(/*in_force_only=*/false);
  if (!all) {
    return all.error();
  }
  std::map<std::int64_t, core::Acceptance> out;
  for (auto& acceptance : *all) {
    out.emplace(acceptance.id, std::move(acceptance));
  }
  return out;
}

json acceptance_json(const core::Acceptance& acceptance) {
  return {{"id", acceptance.id},
          {"name", acceptance.name},
          {"kind", acceptance.kind ? core::to_string(*acceptance.kind) : ""},
          {"scope", acceptance.scope.empty() ? "/" : acceptance.scope},
          {"type", acceptance.type},
          {"path", acceptance.path},
          {"assignment", acceptance.assignment},
          {"reference", acceptance.reference},
          {"standing", !acceptance.up_to_cycle},
          {"snooze", acceptance.snooze},
          {"reason", acceptance.reason},
          {"author", acceptance.author},
          {"accepted_at", core::to_rfc3339(acceptance.accepted_at)},
          {"expires_at", time_or_null(acceptance.expires_at)},
          {"ended_at", time_or_null(acceptance.ended_at)}};
}

json drift_json(const core::DriftRow& row,
                const std::map<std::int64_t, core::Acceptance>& acceptances) {
  const auto covering = acceptances.find(row.item.acceptance);
  return {{"id", row.item.id},
          {"identity", compliance::identity_of(row)},
          {"kind", core::to_string(row.item.kind)},
          {"state", core::to_string(row.state)},
          {"severity", core::to_string(row.item.severity)},
          {"assignment", row.assignment},
          {"reference", row.reference},
          {"resource_id", row.resource_id},
          {"resource_key", row.resource_key},
          {"type", row.resource_type},
          {"path", row.item.path},
          {"old", row.item.old_value},
          {"new", row.item.new_value},
          {"opened_cycle", row.item.opened_cycle},
          {"opened_at", core::to_rfc3339(row.item.opened_at)},
          {"resolved_at", time_or_null(row.item.resolved_at)},
          {"acceptance",
           covering == acceptances.end() ? json(nullptr) : acceptance_json(covering->second)}};
}

json drift_event_json(const core::DriftEventRow& event) {
  return {{"id", event.id},
          {"cycle", event.cycle},
          {"at", core::to_rfc3339(event.at)},
          {"step", core::to_string(event.step)},
          {"drift", event.drift},
          {"acceptance", event.acceptance == 0 ? json(nullptr) : json(event.acceptance)}};
}

}  // namespace plumbline::daemon
