#include "daemon/drift_json.hpp"

#include "compliance/drift.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "daemon/json_values.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using json = nlohmann::json;

namespace {

constexpr std::size_t kRowsAtOnce = 1000;

json version_or_null(std::int64_t version) {
  return version == 0 ? json(nullptr) : json(version);
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
  // Who asks for one of them means it, whatever has become of it.
  const auto states =
      parameter("state").empty() && !parameter("item").empty() ? "all" : parameter("state");
  for (const auto& status :
       {read_states(states, filter.states),
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
  filter.subscription = core::to_lower(parameter("subscription"));
  const auto scope = parameter("scope");
  filter.scope = scope.empty() || scope == "/" ? std::string() : core::resource_key(scope);
  return filter;
}

json acceptance_json(const core::Acceptance& acceptance) {
  return {{"id", acceptance.id},
          {"name", acceptance.name},
          {"drift", acceptance.drift == 0 ? json(nullptr) : json(acceptance.drift)},
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

Result<std::string> DriftRenderer::owner(const std::string& key) {
  if (owner_tags_->empty()) {
    return std::string();
  }
  if (const auto known = owners_.find(key); known != owners_.end()) {
    return known->second;
  }
  // A list belongs to its resource; tags are there, on its group, or on its subscription.
  auto id = core::parse_resource_id(key);
  std::string resource = key;
  while (!id && resource.contains('/')) {
    resource.erase(resource.rfind('/'));
    id = core::parse_resource_id(resource);
  }
  const std::array keys = {resource,
                           id ? id->resource_group_key() : std::string(),
                           id ? id->subscription_key() : std::string()};
  std::array<simdjson::dom::parser, 3> parsers;
  std::array<std::optional<simdjson::dom::element>, 3> bodies;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto found = keys.at(i).empty() ? Result<std::optional<core::StoredResource>>(std::nullopt)
                                    : snapshot_->find(keys.at(i));
    if (!found) {
      return found.error();
    }
    simdjson::dom::element body;
    if (*found && parsers.at(i).parse((*found)->body).get(body) == simdjson::SUCCESS) {
      bodies.at(i) = body;
    }
  }
  return owners_[key] =
             compliance::owner_of(*owner_tags_, bodies.at(0), bodies.at(1), bodies.at(2));
}

Result<json> DriftRenderer::render(const core::DriftRow& row) {
  auto owner = this->owner(row.resource_key);
  auto attribution = compliance::attribution_of(*snapshot_, row);
  auto covered_by = acceptance(row.item.acceptance);
  if (!covered_by) {
    return covered_by.error();
  }
  json unreadable = nullptr;
  for (const auto* error :
       {owner ? nullptr : &owner.error(), attribution ? nullptr : &attribution.error()}) {
    if (error != nullptr && error->code != Errc::kCorrupt) {
      return *error;
    }
    unreadable = error != nullptr ? json(error->message) : std::move(unreadable);
  }
  return json{
      {"id", row.item.id},
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
      {"old_version", version_or_null(row.item.old_version)},
      {"new_version", version_or_null(row.item.new_version)},
      {"owner", owner ? *std::move(owner) : std::string()},
      {"change", attribution && *attribution ? attribution_json(**attribution) : json(nullptr)},
      {"unreadable", std::move(unreadable)},
      {"opened_cycle", row.item.opened_cycle},
      {"opened_at", core::to_rfc3339(row.item.opened_at)},
      {"resolved_at", time_or_null(row.item.resolved_at)},
      {"flapping", row.item.flapping},
      {"quiet_since", time_or_null(row.item.quiet_since)},
      {"acceptance", *std::move(covered_by)}};
}

Result<json> DriftRenderer::acceptance(std::int64_t id) {
  if (id == 0) {
    return json(nullptr);
  }
  const auto [entry, is_new] = acceptances_.try_emplace(id);
  if (is_new) {
    const auto found = snapshot_->find_acceptance(id);
    if (!found) {
      acceptances_.erase(entry);
      return found.error();
    }
    entry->second = *found ? acceptance_json(**found) : json(nullptr);
  }
  return entry->second;
}

Result<DriftPage> read_drift(core::Snapshot& snapshot,
                             DriftRenderer& renderer,
                             core::DriftFilter filter,
                             const DriftWish& wish,
                             std::size_t most) {
  const auto limit = filter.limit;
  filter.limit = wish.empty() ? limit + 1 : kRowsAtOnce;
  const auto is_wanted = [&wish](const json& row) {
    const auto& change = row["change"];
    return (wish.owner.empty() || core::iequals(row["owner"].get<std::string>(), wish.owner)) &&
           (wish.actor.empty() ||
            (change.is_object() &&
             core::iequals(change.value("changed_by", std::string()), wish.actor)));
  };
  DriftPage page;
  std::size_t looked_at = 0;
  std::int64_t last = 0;
  for (;;) {
    const auto rows = snapshot.drift(filter);
    if (!rows) {
      return rows.error();
    }
    for (const auto& row : *rows) {
      if (looked_at == most || (wish.empty() && page.rows.size() == limit)) {
        page.next = last;
        return page;
      }
      ++looked_at;
      if (wish.control == nullptr || wish.control->any(row)) {
        auto rendered = renderer.render(row);
        if (!rendered) {
          return rendered.error();
        }
        if (is_wanted(*rendered)) {
          if (page.rows.size() == limit) {
            page.next = last;
            return page;
          }
          page.rows.push_back(*std::move(rendered));
        }
      }
      last = row.item.id;
    }
    if (rows->size() < filter.limit) {
      return page;
    }
    filter.before = last;
  }
}

json attribution_json(const compliance::Attribution& attribution) {
  json out = {
      {"not_before",
       attribution.not_before == core::Time() ? json(nullptr)
                                              : json(core::to_rfc3339(attribution.not_before))},
      {"not_after", core::to_rfc3339(attribution.not_after)},
      {"complete", attribution.is_complete}};
  if (attribution.is_exact) {
    out["changed_by"] = attribution.changed_by;
    out["changed_by_type"] = attribution.changed_by_type;
    out["client_type"] = attribution.client_type;
    out["operation"] = attribution.operation;
    out["correlation_id"] = attribution.correlation_id;
    out["at"] = time_or_null(attribution.at);
  }
  return out;
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
