#include "compliance/attribution.hpp"

#include "compliance/json_diff.hpp"
#include "compliance/noise.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::compliance {

using core::ChangeRecord;

namespace {

/// More of one resource between two observations name nobody for certain anyway.
constexpr std::size_t kMostRecords = 1000;

using Records = std::vector<const ChangeRecord*>;

/// Takes one segment off the front of a record's path; false: it names something else.
bool take_segment(std::string_view& path, std::string_view segment) {
  if (path.starts_with('[')) {
    const auto close = path.find(']');
    if (close == std::string_view::npos) {
      return false;
    }
    auto inside = path.substr(1, close - 1);
    const bool is_index =
        !inside.empty() && std::ranges::all_of(inside, [](char c) { return c >= '0' && c <= '9'; });
    if (!is_index) {
      if (inside.size() >= 2 && (inside.front() == '\'' || inside.front() == '"')) {
        inside = inside.substr(1, inside.size() - 2);
      }
      if (!core::iequals(inside, segment)) {
        return false;
      }
    }
    path.remove_prefix(close + 1);
    return true;
  }
  if (path.starts_with('.')) {
    path.remove_prefix(1);
  }
  // A name may hold dots: the segment tells where it ends.
  if (segment.empty() || !core::istarts_with(path, segment)) {
    return false;
  }
  const auto rest = path.substr(segment.size());
  if (!rest.empty() && rest.front() != '.' && rest.front() != '[') {
    return false;
  }
  path = rest;
  return true;
}

bool covers(std::string_view record_path, std::span<const std::string> segments) {
  // The value of a tag is a text: what goes on after its name is another tag's.
  if (segments.size() == 2 && core::iequals(segments[0], "tags") &&
      core::istarts_with(record_path, "tags.")) {
    return core::iequals(record_path.substr(5), segments[1]);
  }
  for (const auto& segment : segments) {
    if (record_path.empty()) {
      return true;
    }
    if (!take_segment(record_path, segment)) {
      return false;
    }
  }
  return true;
}

/// The feed and the activity log tell of one act in two records.
template <class Act>
bool is_same_act(const Act& a, const Act& b) {
  return !a.correlation_id.empty() && core::iequals(a.correlation_id, b.correlation_id);
}

template <class Act>
bool is_same_actor(const Act& a, const Act& b) {
  return is_same_act(a, b) || (!a.changed_by.empty() && core::iequals(a.changed_by, b.changed_by));
}

/// The more a record tells, the later it is preferred.
bool tells_less(const ChangeRecord* a, const ChangeRecord* b) {
  const auto rank = [](const ChangeRecord& record) {
    return std::pair(!record.client_type.empty(), record.at);
  };
  return rank(*a) < rank(*b);
}

/// The record that speaks for all, if one actor made them.
const ChangeRecord* only_act(const Records& records) {
  if (records.empty() || !std::ranges::all_of(records, [&](const ChangeRecord* record) {
        return is_same_actor(*record, *records.front());
      })) {
    return nullptr;
  }
  return *std::ranges::max_element(records, tells_less);
}

const ChangeRecord* find_whole(const Records& records, std::string_view kind) {
  Records found;
  std::ranges::copy_if(records, std::back_inserter(found), [&](const ChangeRecord* record) {
    return record->kind == kind;
  });
  return only_act(found);
}

/// What changed a property: those that name it, unless one that names nothing may have been it.
const ChangeRecord* find_update(const Records& records, std::span<const std::string> segments) {
  Records found;
  Records open;
  for (const auto* record : records) {
    if (record->paths.empty()) {
      open.push_back(record);
    } else if (std::ranges::any_of(record->paths,
                                   [&](const auto& path) { return covers(path, segments); })) {
      found.push_back(record);
    }
  }
  const auto* act = only_act(found);
  if (act == nullptr || std::ranges::any_of(open, [&](const ChangeRecord* record) {
        // The same act as one with paths, also where those name other properties.
        return !is_same_actor(*record, *act) &&
               std::ranges::none_of(records, [&](const ChangeRecord* other) {
                 return !other->paths.empty() && is_same_act(*record, *other);
               });
      })) {
    return nullptr;
  }
  return act;
}

/// What changed an element of a list: a write of it is about nothing else, so that a record without
/// paths speaks for all of it.
const ChangeRecord* find_element(const Records& records, std::span<const std::string> segments) {
  Records found;
  std::ranges::copy_if(records, std::back_inserter(found), [&](const ChangeRecord* record) {
    return record->paths.empty() || std::ranges::any_of(record->paths, [&](const auto& path) {
             return covers(path, segments);
           });
  });
  return only_act(found);
}

/// The records of an entry of a list; of all entries where it is empty.
Records of_entry(const Records& records, const std::string& entry) {
  if (entry.empty()) {
    return records;
  }
  Records out;
  std::ranges::copy_if(records, std::back_inserter(out), [&](const ChangeRecord* record) {
    return record->key == entry;
  });
  return out;
}

}  // namespace

bool is_about(std::string_view record_path, std::string_view drift_path) {
  return covers(record_path, pointer_segments(drift_path));
}

Attribution attribute(const ObservedChange& change, std::span<const ChangeRecord> records) {
  Attribution out;
  out.not_before = change.not_before;
  out.not_after = change.not_after;
  Records between;
  for (const auto& record : records) {
    const bool concerns =
        change.is_detail ? record.key.starts_with(change.key + "/") : record.key == change.key;
    if (concerns && record.at > change.not_before && record.at <= change.not_after) {
      between.push_back(&record);
    }
  }
  const auto segments = pointer_segments(change.path);
  const ChangeRecord* act = nullptr;
  if (change.is_detail) {
    const auto inner = std::span(segments).subspan(std::min<std::size_t>(segments.size(), 2));
    act = find_element(of_entry(between, list_entry_key(change.key, change.path)), inner);
  } else if (change.kind == ObservedChange::Kind::kChanged) {
    act = find_update(between, segments);
  } else {
    act = find_whole(between, change.kind == ObservedChange::Kind::kAppeared ? "Create" : "Delete");
  }
  if (act != nullptr) {
    out.is_exact = true;
    out.changed_by = act->changed_by;
    out.changed_by_type = act->changed_by_type;
    out.client_type = act->client_type;
    out.operation = act->operation;
    out.correlation_id = act->correlation_id;
    out.at = act->at;
  }
  return out;
}

namespace {

core::Result<bool> is_complete(core::Snapshot& snapshot,
                               std::string_view lower_type,
                               const ObservedChange& change) {
  const auto source = core::change_source_of(change.key, lower_type, change.is_detail);
  const auto read_to = snapshot.watermark(source.name);
  const auto whole_since = snapshot.watermark(core::whole_since(source.name));
  if (!read_to || !whole_since) {
    return !read_to ? read_to.error() : whole_since.error();
  }
  // Of what appeared, no observation from before tells where its creation can lie.
  const auto from =
      change.kind == ObservedChange::Kind::kAppeared ? change.not_after : change.not_before;
  return *read_to && **read_to >= change.not_after + source.lateness && *whole_since &&
         **whole_since <= from;
}

/// Whether a verdict became NonCompliant because of the resource, but not before its evidence came.
core::Result<bool> has_waited(core::Snapshot& snapshot, const core::DriftRow& row) {
  constexpr std::size_t kMostTransitions = 200;
  if (row.has_waited || row.item.kind != core::DriftKind::kBaseline) {
    return row.has_waited;
  }
  const auto transitions = snapshot.transitions_of(row.resource_key, kMostTransitions);
  if (!transitions) {
    return transitions.error();
  }
  return std::ranges::any_of(*transitions, [&](const core::TransitionRow& found) {
    const auto& transition = found.transition;
    return found.cycle == row.item.opened_cycle && transition.check == row.item.check &&
           transition.from == core::ComplianceState::kNoEvidence &&
           transition.cause == core::Cause::kResource;
  });
}

}  // namespace

core::Result<std::optional<Attribution>> attribution_of(core::Snapshot& snapshot,
                                                        const core::DriftRow& row) {
  const auto versions = snapshot.versions(row.resource_key);
  if (!versions) {
    return versions.error();
  }
  const core::VersionRow* before = nullptr;
  const core::VersionRow* after = nullptr;
  for (const auto& version : *versions) {
    after = version.from_cycle == row.item.opened_cycle ? &version : after;
    before = version.to_cycle == row.item.opened_cycle ? &version : before;
  }
  if (before == nullptr && after == nullptr) {
    // What waited for evidence opened later than the change that it is about.
    const auto waited = has_waited(snapshot, row);
    if (!waited) {
      return waited.error();
    }
    for (const auto& version : *versions) {
      if (*waited && after == nullptr && version.from_cycle < row.item.opened_cycle) {
        after = &version;
      } else if (after != nullptr && version.to_cycle == after->from_cycle) {
        before = &version;
      }
    }
  }
  if (before == nullptr && after == nullptr) {
    return std::optional<Attribution>();
  }
  ObservedChange change;
  change.key = row.resource_key;
  change.is_detail = row.is_detail;
  change.path = row.item.path;
  change.kind = before == nullptr  ? ObservedChange::Kind::kAppeared
                : after == nullptr ? ObservedChange::Kind::kWent
                                   : ObservedChange::Kind::kChanged;
  change.not_before = before == nullptr ? core::Time() : before->observed_at;
  change.not_after = after == nullptr ? row.item.opened_at : after->observed_at;
  const auto records = row.is_detail ? snapshot.change_records_below(row.resource_key, kMostRecords)
                                     : snapshot.change_records(row.resource_key, kMostRecords);
  if (!records) {
    return records.error();
  }
  const auto complete = is_complete(snapshot, row.resource_type, change);
  if (!complete) {
    return complete.error();
  }
  auto out = attribute(change, *records);
  out.is_complete = *complete;
  return std::optional(std::move(out));
}

core::Result<Attribution> attribution_of(core::Snapshot& snapshot,
                                         std::string_view key,
                                         const core::VersionRow* before,
                                         const core::VersionRow* after,
                                         core::Time committed_at) {
  ObservedChange change;
  change.key = key;
  change.kind = before == nullptr  ? ObservedChange::Kind::kAppeared
                : after == nullptr ? ObservedChange::Kind::kWent
                                   : ObservedChange::Kind::kChanged;
  change.not_before = before == nullptr ? core::Time() : before->observed_at;
  change.not_after = after == nullptr ? committed_at : after->observed_at;
  std::vector<JsonChange> differences(1);  // the resource as a whole
  const auto newer = snapshot.find_version((after == nullptr ? before : after)->row);
  if (!newer) {
    return newer.error();
  }
  change.is_detail = *newer && (*newer)->source.starts_with("detail:");
  if (change.kind == ObservedChange::Kind::kChanged) {
    const auto older = snapshot.find_version(before->row);
    if (!older) {
      return older.error();
    }
    std::array<simdjson::dom::parser, 2> parsers;
    simdjson::dom::element left;
    simdjson::dom::element right;
    differences.clear();
    if (*older && *newer && parsers[0].parse((*older)->body).get(left) == simdjson::SUCCESS &&
        parsers[1].parse((*newer)->body).get(right) == simdjson::SUCCESS) {
      differences = Noise().diff((*newer)->type, change.is_detail, left, right, ReadPaths());
    }
  }
  const auto records = change.is_detail ? snapshot.change_records_below(key, kMostRecords)
                                        : snapshot.change_records(key, kMostRecords);
  if (!records) {
    return records.error();
  }
  std::optional<Attribution> out;
  for (const auto& difference : differences) {
    change.path = difference.path;
    auto own = attribute(change, *records);
    if (!own.is_exact || (out && !is_same_actor(*out, own))) {
      out.reset();
      break;
    }
    out = out && own.at < out->at ? std::move(out) : std::optional(std::move(own));
  }
  const auto id = core::parse_resource_id(key);
  const auto complete =
      is_complete(snapshot, id ? core::to_lower(id->type) : std::string(), change);
  if (!complete) {
    return complete.error();
  }
  Attribution nobody;
  nobody.not_before = change.not_before;
  nobody.not_after = change.not_after;
  auto told = std::move(out).value_or(nobody);
  told.is_complete = *complete;
  return told;
}

std::string list_entry_key(std::string_view list_key, std::string_view drift_path) {
  const auto segments = pointer_segments(drift_path);
  if (segments.size() < 2) {
    return {};
  }
  const auto& entry = segments[1];  // after `value`
  return entry.starts_with('/') ? core::resource_key(entry)
                                : std::string(list_key) + "/" + core::to_lower(entry);
}

std::string owner_of(std::span<const std::string> names,
                     std::optional<simdjson::dom::element> resource,
                     std::optional<simdjson::dom::element> group,
                     std::optional<simdjson::dom::element> subscription) {
  for (const auto& body : {resource, group, subscription}) {
    simdjson::dom::object tags;
    if (!body || (*body)["tags"].get(tags) != simdjson::SUCCESS) {
      continue;
    }
    for (const auto& name : names) {
      for (const auto& [key, value] : tags) {
        std::string_view text;
        if (core::iequals(key, name) && value.get(text) == simdjson::SUCCESS &&
            !core::trim(text).empty()) {
          return std::string(core::trim(text));
        }
      }
    }
  }
  return {};
}

}  // namespace plumbline::compliance
