#include "storage/sqlite_snapshot.hpp"

#include "core/resource_id.hpp"
#include "storage/body_codec.hpp"
#include "storage/ranked_states.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <limits>
#include <set>

namespace plumbline::storage {

using core::Result;
using core::Status;

namespace {

const std::string& resource_columns() {
  static const std::string kColumns = fmt::format(
      "r.id, v.id, r.key, r.display_id, r.type, r.source, "
      "max(v.observed_at, coalesce((SELECT e.observed_at FROM evidence e "
      "WHERE e.key = r.source AND e.complete = 1 AND v.id = r.version_id), 0)), "
      "v.from_cycle, v.body, v.checksum, v.fingerprint, "
      "r.is_detail = 0 AND EXISTS (SELECT 1 FROM resource c "
      "WHERE c.key = r.key || '{}' AND c.version_id IS NOT NULL)",
      core::confirmation_key(""));
  return kColumns;
}

Result<core::StoredResource> read_resource(const Statement& row) {
  auto body = read_body(row.blob(8), row.blob(9));
  if (!body) {
    return body.error().with_context(row.text(2));
  }
  core::StoredResource resource;
  resource.row = row.integer(0);
  resource.version = row.integer(1);
  resource.key = row.text(2);
  resource.id = row.text(3);
  resource.type = row.text(4);
  resource.source = row.text(5);
  resource.observed_at = core::from_micros(row.integer(6));
  resource.from_cycle = row.integer(7);
  resource.body = *std::move(body);
  std::ranges::copy(row.blob(10).substr(0, resource.fingerprint.size()),
                    resource.fingerprint.begin());
  resource.has_confirmation = row.integer(11) != 0;
  return resource;
}

core::ComplianceState state_of(std::string_view text) {
  return core::parse_compliance_state(text).value_or(core::ComplianceState::kError);
}

std::optional<core::ComplianceState> optional_state(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : core::parse_compliance_state(row.text(column));
}

/// A verdict's own columns come first, those it is known by begin at `names`.
core::VerdictRow read_verdict(const Statement& row, int names) {
  core::VerdictRow out;
  out.verdict.check = row.integer(0);
  out.verdict.resource = row.integer(1);
  out.verdict.state = state_of(row.text(2));
  out.verdict.reason = row.text(3);
  out.verdict.cause = core::parse_cause(row.text(4)).value_or(core::Cause::kResource);
  out.verdict.version = row.integer(5);
  out.verdict.since_cycle = row.integer(6);
  out.verdict.evaluated_at = core::from_micros(row.integer(7));
  out.assignment = row.text(names);
  out.reference = row.text(names + 1);
  out.resource_key = row.text(names + 2);
  out.resource_id = row.text(names + 3);
  out.resource_type = row.text(names + 4);
  out.observed_at = core::from_micros(row.integer(names + 5));
  return out;
}

core::Evidence read_evidence(const Statement& row) {
  core::Evidence evidence;
  evidence.key = row.text(0);
  evidence.complete = row.integer(1) != 0;
  evidence.reason = row.text(2);
  evidence.message = row.text(3);
  evidence.observed_at = core::from_micros(row.integer(4));
  return evidence;
}

constexpr std::string_view kTransitionRows =
    "SELECT t.cycle, t.check_id, t.resource_id, t.from_state, t.to_state, t.reason, t.cause, "
    "y.committed_at, c.assignment, c.reference, r.key, t.id, r.display_id, r.type "
    "FROM transition t "
    "JOIN cycle y ON y.number = t.cycle JOIN policy_check c ON c.id = t.check_id "
    "JOIN resource r ON r.id = t.resource_id";

/// Of transitions `t` with their checks `c`: what they brought held once cycle ?1 was committed.
constexpr std::string_view kHeldAt =
    "t.cycle <= ?1 AND t.to_state IS NOT NULL "
    "AND NOT (c.retired = 1 AND coalesce(c.retired_cycle, 0) <= ?1) "
    "AND NOT EXISTS (SELECT 1 FROM transition u WHERE u.resource_id = t.resource_id "
    "AND u.check_id = t.check_id AND u.cycle <= ?1 AND u.id > t.id)";

core::ResourceCount read_resource_count(const Statement& row) {
  return {std::string(row.text(0)), state_of(row.text(1)), row.integer(2)};
}

core::TransitionRow read_transition(const Statement& row) {
  core::TransitionRow out;
  out.cycle = row.integer(0);
  out.transition.check = row.integer(1);
  out.transition.resource = row.integer(2);
  out.transition.from = optional_state(row, 3);
  out.transition.to = optional_state(row, 4);
  out.transition.reason = row.text(5);
  out.transition.cause = core::parse_cause(row.text(6)).value_or(core::Cause::kResource);
  out.at = core::from_micros(row.integer(7));
  out.assignment = row.text(8);
  out.reference = row.text(9);
  out.resource_key = row.text(10);
  out.row = row.integer(11);
  out.resource_id = row.text(12);
  out.resource_type = row.text(13);
  return out;
}

}  // namespace

template <class Base>
Result<std::optional<core::StoredResource>> SnapshotReads<Base>::one(Statement& statement) {
  const auto row = statement.step();
  if (!row) {
    return row.error();
  }
  if (!*row) {
    return std::optional<core::StoredResource>();
  }
  auto resource = read_resource(statement);
  if (!resource) {
    return resource.error();
  }
  return std::optional(*std::move(resource));
}

template <class Base>
Result<std::optional<core::StoredResource>> SnapshotReads<Base>::find(std::string_view key) {
  const Use use(connection_->prepare(
      fmt::format("SELECT {} FROM resource r JOIN version v ON v.id = r.version_id WHERE r.key = ?",
                  resource_columns())));
  use->bind(1, key);
  return one(*use);
}

template <class Base>
Result<std::optional<core::StoredResource>> SnapshotReads<Base>::find_row(std::int64_t row) {
  const Use use(connection_->prepare(
      fmt::format("SELECT {} FROM resource r JOIN version v ON v.id = r.version_id WHERE r.id = ?",
                  resource_columns())));
  use->bind(1, row);
  return one(*use);
}

template <class Base>
Result<std::optional<core::StoredResource>> SnapshotReads<Base>::find_version(
    std::int64_t version) {
  const Use use(connection_->prepare(
      fmt::format("SELECT {} FROM version v JOIN resource r ON r.id = v.resource_id WHERE v.id = ?",
                  resource_columns())));
  use->bind(1, version);
  return one(*use);
}

template <class Base>
Status SnapshotReads<Base>::for_each_of_type(std::string_view type,
                                             std::string_view scope,
                                             const core::Snapshot::ResourceVisitor& visit) {
  // Keys under a scope lie between `scope/` and `scope0` ('0' follows '/').
  const Use use(connection_->prepare(fmt::format(
      "SELECT {} FROM resource r JOIN version v ON v.id = r.version_id "
      "WHERE r.type_id = (SELECT id FROM word WHERE text = ?) AND r.key >= ? AND r.key < ? "
      "AND r.version_id IS NOT NULL ORDER BY r.key",
      resource_columns())));
  use->bind(1, type).bind(2, std::string(scope) + "/").bind(3, std::string(scope) + "0");
  std::optional<core::Error> failure;
  auto done = each_row(*use, [&](const Statement& row) {
    if (failure) {
      return;
    }
    auto resource = read_resource(row);
    if (resource) {
      visit(*resource);
    } else {
      failure = resource.error();
    }
  });
  return failure ? Status(*failure) : done;
}

template <class Base>
Result<std::vector<std::int64_t>> SnapshotReads<Base>::resource_rows(
    const std::vector<std::string>& types) {
  const auto read = [](const Statement& row) { return row.integer(0); };
  if (types.empty()) {
    const Use use(connection_->prepare(
        "SELECT id FROM resource WHERE version_id IS NOT NULL AND is_detail = 0 ORDER BY id"));
    return all_rows<std::int64_t>(*use, read);
  }
  std::vector<std::int64_t> rows;
  for (const auto& type : types) {
    const Use use(connection_->prepare(
        "SELECT id FROM resource_row WHERE type_id = (SELECT id FROM word WHERE text = ?) "
        "AND version_id IS NOT NULL AND is_detail = 0"));
    use->bind(1, type);
    auto some = all_rows<std::int64_t>(*use, read);
    if (!some) {
      return some.error();
    }
    rows.insert(rows.end(), some->begin(), some->end());
  }
  return rows;
}

template <class Base>
Result<std::vector<core::TypedRow>> SnapshotReads<Base>::rows_of_source(std::string_view source) {
  const Use use(
      connection_->prepare("SELECT id, type, is_detail FROM resource WHERE source_id = "
                           "(SELECT id FROM word WHERE text = ?) AND version_id IS NOT NULL"));
  use->bind(1, source);
  return all_rows<core::TypedRow>(*use, [](const Statement& row) {
    return core::TypedRow{row.integer(0), std::string(row.text(1)), row.integer(2) != 0};
  });
}

template <class Base>
Result<std::vector<std::string>> SnapshotReads<Base>::resource_keys(
    std::string_view subscription, const std::vector<std::string>& types) {
  const Use use(
      connection_->prepare("SELECT key, type FROM resource "
                           "WHERE subscription_id = (SELECT id FROM word WHERE text = ?) AND "
                           "version_id IS NOT NULL AND is_detail = 0 ORDER BY key"));
  use->bind(1, subscription);
  const std::set<std::string, std::less<>> wanted(types.begin(), types.end());
  std::vector<std::string> keys;
  auto done = each_row(*use, [&](const Statement& row) {
    if (wanted.empty() || wanted.contains(row.text(1))) {
      keys.emplace_back(row.text(0));
    }
  });
  if (!done) {
    return done.error();
  }
  return keys;
}

template <class Base>
Status SnapshotReads<Base>::for_each_live(const std::function<void(const core::LiveRow&)>& visit) {
  const Use use(connection_->prepare(
      "SELECT key, type, source, is_detail FROM resource WHERE version_id IS NOT NULL"));
  return each_row(*use, [&](const Statement& row) {
    visit({row.text(0), row.text(1), row.text(2), row.integer(3) != 0});
  });
}

template <class Base>
Result<std::vector<std::string>> SnapshotReads<Base>::deleted_since(core::Time since) {
  const Use use(connection_->prepare(
      "SELECT r.key FROM cycle y JOIN version v ON v.to_cycle = y.number "
      "JOIN resource r ON r.id = v.resource_id "
      "WHERE y.committed_at >= ? AND r.version_id IS NULL AND r.is_detail = 0 ORDER BY r.key"));
  use->bind(1, core::to_micros(since));
  return all_rows<std::string>(*use, [](const Statement& row) { return std::string(row.text(0)); });
}

template <class Base>
Result<bool> SnapshotReads<Base>::was_deleted(std::string_view key) {
  const Use use(
      connection_->prepare("SELECT deleted FROM resource WHERE key = ? AND version_id IS NULL"));
  use->bind(1, key);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row && use->integer(0) != 0;
}

template <class Base>
Result<std::vector<std::int64_t>> SnapshotReads<Base>::referring(std::string_view relation,
                                                                 std::string_view target) {
  const Use use(connection_->prepare(
      "SELECT f.resource_id FROM reference f JOIN resource r ON r.id = f.resource_id "
      "WHERE f.relation = ? AND f.target = ? AND r.version_id IS NOT NULL ORDER BY f.resource_id"));
  use->bind(1, relation).bind(2, target);
  return all_rows<std::int64_t>(*use, [](const Statement& row) { return row.integer(0); });
}

template <class Base>
Result<std::optional<core::Evidence>> SnapshotReads<Base>::evidence(std::string_view key) {
  const Use use(connection_->prepare(
      "SELECT key, complete, reason, message, observed_at FROM evidence WHERE key = ?"));
  use->bind(1, key);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(read_evidence(*use)) : std::nullopt;
}

template <class Base>
Result<std::vector<core::Evidence>> SnapshotReads<Base>::all_evidence() {
  const Use use(connection_->prepare(
      "SELECT key, complete, reason, message, observed_at FROM evidence ORDER BY key"));
  return all_rows<core::Evidence>(*use, read_evidence);
}

template <class Base>
Result<std::map<std::string, core::Time>> SnapshotReads<Base>::oldest_evidence() {
  const Use use(connection_->prepare(
      "SELECT substr(key, 1, instr(key || ':', ':') - 1), min(observed_at) FROM evidence "
      "WHERE complete = 1 GROUP BY 1"));
  std::map<std::string, core::Time> out;
  auto read = each_row(*use, [&](const Statement& row) {
    out.emplace(row.text(0), core::from_micros(row.integer(1)));
  });
  return read ? Result<std::map<std::string, core::Time>>(std::move(out)) : read.error();
}

template <class Base>
Result<std::vector<core::Evidence>> SnapshotReads<Base>::incomplete_evidence() {
  const Use use(
      connection_->prepare("SELECT key, complete, reason, message, observed_at FROM evidence "
                           "WHERE complete = 0 ORDER BY key"));
  return all_rows<core::Evidence>(*use, read_evidence);
}

template <class Base>
Result<std::int64_t> SnapshotReads<Base>::count_evidence(std::string_view prefix,
                                                         std::string_view suffix,
                                                         std::int64_t at_most) {
  const Use use(connection_->prepare(
      "SELECT count(*) FROM (SELECT 1 FROM evidence WHERE key >= ?1 AND key < ?1 || char(1114111) "
      "AND (?2 = '' OR substr(key, -length(?2)) = ?2) LIMIT ?3)"));
  use->bind(1, prefix).bind(2, suffix).bind(3, at_most);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return use->integer(0);
}

template <class Base>
Result<std::vector<core::CheckRow>> SnapshotReads<Base>::checks() {
  const Use use(connection_->prepare(
      "SELECT id, assignment, reference, definition_hash, parameters_hash, exemptions_hash FROM "
      "policy_check WHERE retired = 0 ORDER BY id"));
  return all_rows<core::CheckRow>(*use, [](const Statement& row) {
    core::CheckRow check;
    check.row = row.integer(0);
    check.assignment = row.text(1);
    check.reference = row.text(2);
    check.definition_hash = row.text(3);
    check.parameters_hash = row.text(4);
    check.exemptions_hash = row.text(5);
    return check;
  });
}

template <class Base>
Result<std::vector<core::VerdictCount>> SnapshotReads<Base>::verdict_counts() {
  const Use use(connection_->prepare(
      "SELECT check_id, state, subscription, count FROM verdict_count WHERE count <> 0"));
  return all_rows<core::VerdictCount>(*use, [](const Statement& row) {
    core::VerdictCount count;
    count.check = row.integer(0);
    count.state = state_of(row.text(1));
    count.subscription = row.text(2);
    count.count = row.integer(3);
    return count;
  });
}

template <class Base>
Result<std::vector<core::ResourceCount>> SnapshotReads<Base>::resource_counts() {
  const Use use(
      connection_->prepare("SELECT assignment, state, count FROM resource_count WHERE count <> 0"));
  return all_rows<core::ResourceCount>(*use, read_resource_count);
}

template <class Base>
Result<std::vector<core::ExemptCount>> SnapshotReads<Base>::exempt_counts() {
  const Use use(connection_->prepare(
      "SELECT reason, count(*), sum(coalesce(known_state, -1) = 2) FROM verdict_row "
      "WHERE state = 6 GROUP BY reason"));
  return all_rows<core::ExemptCount>(*use, [](const Statement& row) {
    return core::ExemptCount{std::string(row.text(0)), row.integer(1), row.integer(2)};
  });
}

template <class Base>
Result<std::vector<core::VerdictRow>> SnapshotReads<Base>::verdicts(
    const core::VerdictFilter& filter) {
  const Use use(connection_->prepare(
      "SELECT v.check_id, v.resource_id, v.state, v.reason, v.cause, v.version_id, v.since_cycle, "
      "v.evaluated_at, v.known_state, v.known_version, c.assignment, c.reference, r.key, "
      "r.display_id, r.type, max(r.observed_at, coalesce(e.observed_at, 0)) "
      "FROM verdict v JOIN policy_check c ON c.id = v.check_id JOIN resource r ON r.id = "
      "v.resource_id "
      "LEFT JOIN evidence e ON e.key = r.source AND e.complete = 1 "
      "WHERE (v.check_id, v.resource_id) > (?1, ?2) AND (?3 = '' OR v.state = ?3) "
      "AND (?4 = '' OR c.assignment = ?4) AND (?5 = '' OR c.reference = ?5) "
      "AND (?6 = '' OR r.key = ?6) "
      "AND (?7 = '' OR r.subscription_id = (SELECT id FROM word WHERE text = ?7)) "
      "ORDER BY v.check_id, v.resource_id LIMIT ?8"));
  use->bind(1, filter.after_check)
      .bind(2, filter.after_resource)
      .bind(3, filter.state ? core::to_string(*filter.state) : std::string_view())
      .bind(4, filter.assignment)
      .bind(5, filter.reference)
      .bind(6, filter.resource_key)
      .bind(7, filter.subscription)
      .bind(8, static_cast<std::int64_t>(filter.limit));
  return all_rows<core::VerdictRow>(*use, [](const Statement& row) {
    auto out = read_verdict(row, /*names=*/10);
    out.verdict.known_state = optional_state(row, 8);
    out.verdict.known_version = row.integer(9);
    return out;
  });
}

template <class Base>
Result<std::vector<core::TransitionRow>> SnapshotReads<Base>::transitions(std::size_t limit,
                                                                          std::int64_t before) {
  const Use use(connection_->prepare(
      fmt::format("{} WHERE t.id < ? ORDER BY t.id DESC LIMIT ?", kTransitionRows)));
  use->bind(1, before).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<core::TransitionRow>(*use, read_transition);
}

template <class Base>
Result<std::vector<core::TransitionRow>> SnapshotReads<Base>::transitions_of(std::string_view key,
                                                                             std::size_t limit) {
  const Use use(connection_->prepare(
      fmt::format("{} WHERE r.key = ? ORDER BY t.id DESC LIMIT ?", kTransitionRows)));
  use->bind(1, key).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<core::TransitionRow>(*use, read_transition);
}

template <class Base>
Result<std::vector<core::TransitionRow>> SnapshotReads<Base>::transitions_after(std::int64_t after,
                                                                                std::size_t limit) {
  const Use use(connection_->prepare(
      fmt::format("{} WHERE t.id > ?1 ORDER BY t.id LIMIT ?2", kTransitionRows)));
  use->bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<core::TransitionRow>(*use, read_transition);
}

template <class Base>
Result<std::optional<std::int64_t>> SnapshotReads<Base>::cycle_at(core::Time at) {
  const auto kept = horizon();
  if (!kept) {
    return kept.error();
  }
  if (kept->cycle > 0 && at < kept->at) {
    return core::Error{core::Errc::kNotFound,
                       fmt::format("history is kept from {} on", core::to_rfc3339(kept->at))};
  }
  const Use use(connection_->prepare(
      "SELECT number FROM cycle WHERE committed_at <= ? ORDER BY number DESC LIMIT 1"));
  use->bind(1, core::to_micros(at));
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(use->integer(0)) : std::nullopt;
}

template <class Base>
Result<std::optional<core::Time>> SnapshotReads<Base>::committed_at(std::int64_t cycle) {
  const Use use(connection_->prepare("SELECT committed_at FROM cycle WHERE number = ?"));
  use->bind(1, cycle);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(core::from_micros(use->integer(0))) : std::nullopt;
}

template <class Base>
Result<std::optional<core::StoredResource>> SnapshotReads<Base>::find_at(std::string_view key,
                                                                         std::int64_t cycle) {
  const Use use(connection_->prepare(
      fmt::format("SELECT {} FROM resource r JOIN version v ON v.resource_id = r.id "
                  "WHERE r.key = ?1 AND v.from_cycle <= ?2 "
                  "AND (v.to_cycle IS NULL OR v.to_cycle > ?2)",
                  resource_columns())));
  use->bind(1, key).bind(2, cycle);
  return one(*use);
}

template <class Base>
Status SnapshotReads<Base>::for_each_at(std::int64_t cycle,
                                        const std::function<void(core::Observation)>& visit) {
  const Use use(connection_->prepare(
      "SELECT r.key, r.display_id, r.type, r.is_detail, r.source, v.observed_at, v.fingerprint, "
      "v.body, v.checksum FROM version v JOIN resource r ON r.id = v.resource_id "
      "WHERE v.from_cycle <= ?1 AND (v.to_cycle IS NULL OR v.to_cycle > ?1)"));
  use->bind(1, cycle);
  for (;;) {
    const auto row = use->step();
    if (!row || !*row) {
      return row ? Status::ok() : Status(row.error());
    }
    auto body = read_body(use->blob(7), use->blob(8));
    if (!body) {
      return body.error().with_context(use->text(0));
    }
    core::Observation observation;
    observation.key = use->text(0);
    observation.id = use->text(1);
    observation.type = use->text(2);
    observation.is_detail = use->integer(3) != 0;
    observation.source = use->text(4);
    observation.observed_at = core::from_micros(use->integer(5));
    std::ranges::copy(use->blob(6).substr(0, observation.fingerprint.size()),
                      observation.fingerprint.begin());
    observation.body = *std::move(body);
    visit(std::move(observation));
  }
}

template <class Base>
Result<std::vector<std::string>> SnapshotReads<Base>::changed_keys(std::int64_t after_cycle,
                                                                   std::int64_t to_cycle,
                                                                   std::string_view scope) {
  // '0' follows '/' in the order of bytes.
  const Use use(connection_->prepare(
      "SELECT DISTINCT r.key FROM version v JOIN resource r ON r.id = v.resource_id "
      "WHERE ((v.from_cycle > ?1 AND v.from_cycle <= ?2) OR (v.to_cycle > ?1 AND v.to_cycle <= "
      "?2)) "
      "AND (?3 = '' OR r.key = ?3 OR (r.key > ?3 || '/' AND r.key < ?3 || '0')) ORDER BY r.key"));
  use->bind(1, after_cycle).bind(2, to_cycle).bind(3, scope);
  return all_rows<std::string>(*use, [](const Statement& row) { return std::string(row.text(0)); });
}

template <class Base>
Result<std::vector<core::PastVerdict>> SnapshotReads<Base>::verdicts_at(std::string_view key,
                                                                        std::int64_t cycle) {
  const Use use(connection_->prepare(fmt::format(
      "SELECT c.assignment, c.reference, t.to_state, t.reason, t.cycle FROM transition t "
      "JOIN resource r ON r.id = t.resource_id JOIN policy_check c ON c.id = t.check_id "
      "WHERE r.key = ?2 AND {} ORDER BY c.assignment, c.reference",
      kHeldAt)));
  use->bind(1, cycle).bind(2, key);
  return all_rows<core::PastVerdict>(*use, [](const Statement& row) {
    core::PastVerdict out;
    out.assignment = row.text(0);
    out.reference = row.text(1);
    out.state = state_of(row.text(2));
    out.reason = row.text(3);
    out.since_cycle = row.integer(4);
    return out;
  });
}

template <class Base>
Result<std::vector<core::VerdictRow>> SnapshotReads<Base>::past_verdicts(
    const core::VerdictFilter& filter, std::int64_t cycle) {
  // By resources, whose transitions an index finds: a page costs what it holds, whatever the length
  // of history.
  const Use use(connection_->prepare(fmt::format(
      "SELECT t.check_id, r.id, t.to_state, t.reason, t.cause, coalesce(v.id, 0), t.cycle, "
      "y.committed_at, c.assignment, c.reference, r.key, r.display_id, r.type, "
      "coalesce(v.observed_at, y.committed_at) "
      "FROM resource r CROSS JOIN transition t ON t.resource_id = r.id "
      "JOIN policy_check c ON c.id = t.check_id JOIN cycle y ON y.number = t.cycle "
      "LEFT JOIN version v ON v.resource_id = r.id AND v.from_cycle <= ?1 "
      "AND (v.to_cycle IS NULL OR v.to_cycle > ?1) "
      "WHERE r.id >= ?2 AND (r.id > ?2 OR t.check_id > ?3) AND {} "
      "AND (?4 = '' OR t.to_state = ?4) AND (?5 = '' OR c.assignment = ?5) "
      "AND (?6 = '' OR c.reference = ?6) AND (?7 = '' OR r.key = ?7) "
      "AND (?8 = '' OR r.subscription_id = (SELECT id FROM word WHERE text = ?8)) ORDER BY r.id, "
      "t.check_id LIMIT ?9",
      kHeldAt)));
  use->bind(1, cycle)
      .bind(2, filter.after_resource)
      .bind(3, filter.after_check)
      .bind(4, filter.state ? core::to_string(*filter.state) : std::string_view())
      .bind(5, filter.assignment)
      .bind(6, filter.reference)
      .bind(7, filter.resource_key)
      .bind(8, filter.subscription)
      .bind(9, static_cast<std::int64_t>(filter.limit));
  return all_rows<core::VerdictRow>(
      *use, [](const Statement& row) { return read_verdict(row, /*names=*/8); });
}

template <class Base>
Result<std::vector<core::PastCount>> SnapshotReads<Base>::past_counts(std::int64_t cycle) {
  const Use use(connection_->prepare(
      fmt::format("SELECT c.assignment, c.reference, t.to_state, r.subscription, count(*) "
                  "FROM transition t JOIN resource r ON r.id = t.resource_id "
                  "JOIN policy_check c ON c.id = t.check_id WHERE {} GROUP BY 1, 2, 3, 4",
                  kHeldAt)));
  use->bind(1, cycle);
  return all_rows<core::PastCount>(*use, [](const Statement& row) {
    return core::PastCount{std::string(row.text(0)),
                           std::string(row.text(1)),
                           state_of(row.text(2)),
                           std::string(row.text(3)),
                           row.integer(4)};
  });
}

template <class Base>
Result<std::vector<core::ResourceCount>> SnapshotReads<Base>::past_resource_counts(
    std::int64_t cycle) {
  const Use use(connection_->prepare(
      fmt::format("WITH ranked (state, rank) AS (VALUES {}) "
                  "SELECT assignment, state, count(*) FROM "
                  "(SELECT c.assignment, ranked.state, min(ranked.rank) FROM transition t "
                  "JOIN policy_check c ON c.id = t.check_id JOIN ranked ON ranked.state = "
                  "t.to_state WHERE {} GROUP BY t.resource_id, c.assignment) GROUP BY 1, 2",
                  ranked_states(),
                  kHeldAt)));
  use->bind(1, cycle);
  return all_rows<core::ResourceCount>(*use, read_resource_count);
}

template <class Base>
Result<std::vector<core::ResourceRow>> SnapshotReads<Base>::resources(
    const core::ResourceFilter& filter) {
  const Use use(connection_->prepare(
      "SELECT r.id, r.key, r.display_id, r.type, r.subscription, v.id, v.from_cycle, v.observed_at "
      "FROM resource r JOIN version v ON v.resource_id = r.id WHERE r.id > ?1 AND r.is_detail = 0 "
      "AND v.from_cycle <= ?2 AND (v.to_cycle IS NULL OR v.to_cycle > ?2) "
      "AND (?3 = '' OR r.type_id = (SELECT id FROM word WHERE text = ?3)) "
      "AND (?4 = '' OR r.subscription_id = (SELECT id FROM word WHERE text = ?4)) "
      "AND (?5 = '' OR instr(r.key, ?5) > 0) ORDER BY r.id LIMIT ?6"));
  use->bind(1, filter.after)
      .bind(2, filter.cycle.value_or(std::numeric_limits<std::int64_t>::max()))
      .bind(3, filter.type)
      .bind(4, filter.subscription)
      .bind(5, filter.text)
      .bind(6, static_cast<std::int64_t>(filter.limit));
  return all_rows<core::ResourceRow>(*use, [](const Statement& row) {
    core::ResourceRow out;
    out.row = row.integer(0);
    out.key = row.text(1);
    out.id = row.text(2);
    out.type = row.text(3);
    out.subscription = row.text(4);
    out.version = row.integer(5);
    out.from_cycle = row.integer(6);
    out.observed_at = core::from_micros(row.integer(7));
    return out;
  });
}

template <class Base>
Result<std::vector<core::VersionRow>> SnapshotReads<Base>::versions(std::string_view key) {
  const Use use(connection_->prepare(
      "SELECT v.id, v.from_cycle, v.to_cycle, v.observed_at FROM version v "
      "JOIN resource r ON r.id = v.resource_id WHERE r.key = ? ORDER BY v.from_cycle DESC"));
  use->bind(1, key);
  return all_rows<core::VersionRow>(*use, [](const Statement& row) {
    core::VersionRow out;
    out.row = row.integer(0);
    out.from_cycle = row.integer(1);
    if (!row.is_null(2)) {
      out.to_cycle = row.integer(2);
    }
    out.observed_at = core::from_micros(row.integer(3));
    return out;
  });
}

template <class Base>
Result<std::vector<core::CycleRow>> SnapshotReads<Base>::cycles(std::size_t limit,
                                                                std::int64_t before) {
  const Use use(connection_->prepare(
      "SELECT number, kind, scope, started_at, committed_at, complete, observed, changed, deleted, "
      "evaluated, transitions FROM cycle WHERE number < ? ORDER BY number DESC LIMIT ?"));
  use->bind(1, before).bind(2, static_cast<std::int64_t>(limit));
  return all_rows<core::CycleRow>(*use, [](const Statement& row) {
    core::CycleRow out;
    out.number = row.integer(0);
    out.kind = row.text(1);
    out.scope = row.text(2);
    out.started_at = core::from_micros(row.integer(3));
    out.committed_at = core::from_micros(row.integer(4));
    out.complete = row.integer(5) != 0;
    out.observed = row.integer(6);
    out.changed = row.integer(7);
    out.deleted = row.integer(8);
    out.evaluated = row.integer(9);
    out.transitions = row.integer(10);
    return out;
  });
}

template <class Base>
Result<std::vector<core::TypeCount>> SnapshotReads<Base>::type_counts() {
  const Use use(connection_->prepare(
      "SELECT type, count(*) FROM resource WHERE version_id IS NOT NULL AND is_detail = 0 "
      "GROUP BY type_id ORDER BY type"));
  return all_rows<core::TypeCount>(*use, [](const Statement& row) {
    core::TypeCount out;
    out.type = row.text(0);
    out.count = row.integer(1);
    return out;
  });
}

template <class Base>
Result<std::vector<core::CachedDocument>> SnapshotReads<Base>::cached_documents(
    std::string_view prefix) {
  const Use use(
      connection_->prepare("SELECT name, fetched_at, body, checksum FROM cached_document "
                           "WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name"));
  use->bind(1, prefix);
  std::vector<core::CachedDocument> documents;
  Status damaged = Status::ok();
  auto read = each_row(*use, [&](const Statement& row) {
    auto body = read_body(row.blob(2), row.blob(3));
    if (!body) {
      damaged = body.error().with_context(row.text(0));
      return;
    }
    documents.push_back(
        {std::string(row.text(0)), core::from_micros(row.integer(1)), *std::move(body)});
  });
  if (!read || !damaged) {
    return !read ? read.error() : damaged.error();
  }
  return documents;
}

template <class Base>
Result<std::vector<core::ConfirmingRow>> SnapshotReads<Base>::confirming() {
  // ';' follows ':' in the order of bytes.
  const Use use(connection_->prepare(
      "SELECT substr(d.target, length('confirming:') + 1), c.assignment, c.reference "
      "FROM dependency d JOIN policy_check c ON c.id = d.check_id "
      "JOIN resource r ON r.id = d.resource_id "
      "WHERE d.target > 'confirming:' AND d.target < 'confirming;' AND r.version_id IS NOT NULL "
      "ORDER BY d.target"));
  return all_rows<core::ConfirmingRow>(*use, [](const Statement& row) {
    return core::ConfirmingRow{
        std::string(row.text(0)), std::string(row.text(1)), std::string(row.text(2))};
  });
}

template <class Base>
Result<std::optional<core::Time>> SnapshotReads<Base>::watermark(std::string_view source) {
  const Use use(connection_->prepare("SELECT position FROM watermark WHERE source = ?"));
  use->bind(1, source);
  const auto row = use->step();
  if (!row) {
    return row.error();
  }
  return *row ? std::optional(core::from_micros(use->integer(0))) : std::nullopt;
}

template <class Base>
Result<std::vector<core::ChangeRecord>> SnapshotReads<Base>::change_records(std::string_view key,
                                                                            std::size_t limit) {
  return records_where("resource_key = ?1", key, limit);
}

template <class Base>
Result<std::vector<core::ChangeRecord>> SnapshotReads<Base>::change_records_below(
    std::string_view key, std::size_t limit) {
  // '0' follows '/' in the order of bytes.
  return records_where("resource_key > ?1 || '/' AND resource_key < ?1 || '0'", key, limit);
}

template <class Base>
Result<std::vector<core::ChangeRecord>> SnapshotReads<Base>::records_where(
    std::string_view condition, std::string_view key, std::size_t limit) {
  const Use use(connection_->prepare(
      fmt::format("SELECT change_id, resource_key, changed_at, kind, changed_by, changed_by_type, "
                  "client_type, operation, correlation_id, paths FROM change_record "
                  "WHERE {} ORDER BY changed_at DESC, id DESC LIMIT ?2",
                  condition)));
  use->bind(1, key).bind(2, static_cast<std::int64_t>(limit));
  simdjson::dom::parser parser;
  return all_rows<core::ChangeRecord>(*use, [&](const Statement& row) {
    core::ChangeRecord record;
    record.id = row.text(0);
    record.key = row.text(1);
    const auto id = core::parse_resource_id(record.key);
    record.type = id ? id->type : std::string();
    record.at = core::from_micros(row.integer(2));
    record.kind = row.text(3);
    record.changed_by = row.text(4);
    record.changed_by_type = row.text(5);
    record.client_type = row.text(6);
    record.operation = row.text(7);
    record.correlation_id = row.text(8);
    simdjson::dom::array paths;
    if (parser.parse(std::string(row.text(9))).get(paths) == simdjson::SUCCESS) {
      for (const auto path : paths) {
        record.paths.emplace_back(path.get_string().value_unsafe());
      }
    }
    return record;
  });
}

template class SnapshotReads<core::Snapshot>;
template class SnapshotReads<core::JudgeView>;

Result<std::unique_ptr<core::Snapshot>> SqliteSnapshot::open(const std::string& path) {
  auto connection = Connection::open(path, Connection::Access::kReadOnly);
  if (!connection) {
    return connection.error();
  }
  if (auto begun = (*connection)->execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN");
      !begun) {
    return begun.error().with_context(path);
  }
  // The read transaction starts with the first read; make it this one.
  if (const auto touched = (*connection)->query_integer("SELECT count(*) FROM sqlite_schema");
      !touched) {
    return touched.error().with_context(path);
  }
  return std::unique_ptr<core::Snapshot>(new SqliteSnapshot(*std::move(connection)));
}

}  // namespace plumbline::storage
