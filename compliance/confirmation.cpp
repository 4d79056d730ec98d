#include "compliance/confirmation.hpp"

#include "compliance/explain.hpp"
#include "compliance/related.hpp"
#include "compliance/shared_reads.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace plumbline::compliance {

using core::Result;
using policy::Json;

namespace {

constexpr std::size_t kMostPaths = 10;

/// nullopt: there is none, or it is null.
std::optional<Json> member(Json object, std::string_view name) {
  Json value;
  if (!object.is_object() ||
      object.get_object().value_unsafe().at_key_case_insensitive(name).get(value) !=
          simdjson::SUCCESS ||
      value.is_null()) {
    return std::nullopt;
  }
  return value;
}

void append(std::string& out, std::string_view name, std::string_view value) {
  if (!out.ends_with('{')) {
    out += ',';
  }
  out += core::json_quote(name);
  out += ':';
  out += value;
}

bool is_relation(std::string_view path) {
  return path.starts_with(policy::kRelationsProperty);
}

/// Calls `visit` with the path of each condition on the resource's own properties that the outcome
/// rests on; with an empty one where it is not told which of them were read.
template <class Visit>
void each_decisive_path(const policy::Explanation& node, std::string_view key, Visit visit) {
  if (!node.decisive) {
    return;
  }
  if (node.text.starts_with("related ")) {
    // Rules look for the resource itself to say what it must have. What others have is not its own.
    for (const auto& found : node.children) {
      if (found.path.empty() || core::resource_key(found.path) != key) {
        continue;
      }
      if (found.children.empty()) {
        visit(std::string());  // in the place of the condition's path is the id
      }
      for (const auto& child : found.children) {
        each_decisive_path(child, key, visit);
      }
    }
    return;
  }
  const bool is_count =
      node.text.starts_with("count ") && !node.text.contains(policy::kRelationAliasPrefix);
  if (!node.path.empty() && !is_relation(node.path)) {
    visit(node.path);
  } else if (node.path.empty() && (is_count || node.text.contains("field("))) {
    visit(std::string());
  }
  for (const auto& child : node.children) {
    each_decisive_path(child, key, visit);
  }
}

/// Up to the first array: what its elements have is a matter of each.
bool is_absent(Json body, std::string_view path) {
  Json at = body;
  for (const auto segment : core::split(path, '.')) {
    const auto bracket = segment.find('[');
    const auto found = member(at, segment.substr(0, bracket));
    if (!found) {
      return true;
    }
    if (bracket != std::string_view::npos) {
      return false;
    }
    at = *found;
  }
  return false;
}

std::map<std::pair<std::string, std::string>, const Check*> checks_by_name(
    const Baseline& baseline) {
  std::map<std::pair<std::string, std::string>, const Check*> out;
  for (const auto& check : baseline.checks) {
    out.emplace(std::pair(check.assignment, check.reference), &check);
  }
  return out;
}

}  // namespace

std::string overlaid(Json graph, Json manager) {
  if (!graph.is_object() || !manager.is_object()) {
    return simdjson::minify(manager);
  }
  std::string out = "{";
  for (const auto field : graph.get_object().value_unsafe()) {
    const auto over = member(manager, field.key);
    append(out, field.key, over ? overlaid(field.value, *over) : simdjson::minify(field.value));
  }
  for (const auto field : manager.get_object().value_unsafe()) {
    Json known;
    const bool only_here = graph.get_object().value_unsafe().at_key_case_insensitive(field.key).get(
                               known) != simdjson::SUCCESS;
    if (only_here && !field.value.is_null()) {
      append(out, field.key, simdjson::minify(field.value));
    }
  }
  return out + "}";
}

std::vector<std::string> decisive_paths(std::string_view key,
                                        const policy::Explanation& explanation) {
  std::set<std::string> paths;
  each_decisive_path(explanation, key, [&](const std::string& path) {
    if (!path.empty() && path != "type") {
      paths.insert(path);
    }
  });
  std::vector<std::string> out(paths.begin(), paths.end());
  out.resize(std::min(out.size(), kMostPaths));
  return out;
}

bool rests_on_absent(const policy::DefinitionInfo& definition,
                     const core::StoredResource& resource,
                     Json body,
                     const policy::Explanation& explanation) {
  const auto any_read_is_absent = [&] {
    return std::ranges::any_of(definition.reads, [&](const policy::ReadPath& read) {
      return (read.type.empty() || read.type == resource.type) && read.relation.empty() &&
             !is_relation(read.path) && is_absent(body, read.path);
    });
  };
  bool rests = false;
  each_decisive_path(explanation, resource.key, [&](const std::string& path) {
    rests = rests || (path.empty() ? any_read_is_absent() : is_absent(body, path));
  });
  return rests;
}

namespace {

using Skip = std::function<bool(const std::string&)>;

core::ConfirmationRequest request_about(const core::StoredResource& stored) {
  core::ConfirmationRequest request;
  request.key = stored.key;
  request.id = stored.id;
  request.type = stored.type;
  request.fingerprint = stored.fingerprint;
  request.from_cycle = stored.from_cycle;
  return request;
}

/// What waits by its verdicts, the most severe first.
Result<std::vector<core::ConfirmationRequest>> waiting_of(const Baseline& baseline,
                                                          core::Snapshot& snapshot) {
  auto rows = snapshot.confirming();
  if (!rows) {
    return rows.error();
  }
  std::vector<core::ConfirmationRequest> waiting;
  if (rows->empty()) {
    return waiting;
  }
  const auto checks = checks_by_name(baseline);
  for (auto& row : *rows) {
    if (waiting.empty() || waiting.back().key != row.resource_key) {
      waiting.emplace_back().key = row.resource_key;
    }
    auto& request = waiting.back();
    request.checks.emplace_back(std::move(row.assignment), std::move(row.reference));
    if (const auto check = checks.find(request.checks.back()); check != checks.end()) {
      request.severity = std::max(request.severity, check->second->severity);
    }
  }
  std::ranges::sort(waiting, [](const auto& a, const auto& b) {
    return std::tie(b.severity, a.key) < std::tie(a.severity, b.key);
  });
  return waiting;
}

core::Status add_renewals(core::Snapshot& snapshot,
                          std::size_t limit,
                          const Skip& skip,
                          core::Time before,
                          core::PendingConfirmations& out) {
  const auto evidence = snapshot.all_evidence();
  if (!evidence) {
    return evidence.error();
  }
  for (const auto& item : *evidence) {
    if (out.requests.size() == limit) {
      break;
    }
    const auto key = core::confirmed_by(item.key);
    const bool requested =
        std::ranges::find(out.requests, key, &core::ConfirmationRequest::key) != out.requests.end();
    if (key.empty() || item.observed_at >= before || requested || (skip && skip(key))) {
      continue;
    }
    const auto stored = snapshot.find(key);
    const auto answer = snapshot.find(core::confirmation_key(key));
    if (!stored || !answer) {
      return !stored ? stored.error() : answer.error();
    }
    simdjson::dom::parser parser;
    if (*stored && *answer && confirms(**answer, **stored, parser)) {
      out.requests.push_back(request_about(**stored));
    }
  }
  return core::Status::ok();
}

}  // namespace

std::optional<Json> confirms(const core::StoredResource& answer,
                             const core::StoredResource& resource,
                             simdjson::dom::parser& parser) {
  Json root;
  Json said;
  std::string_view fingerprint;
  // What was said of a body that has gone and come back was said of another time.
  if (answer.from_cycle < resource.from_cycle ||
      parser.parse(answer.body).get(root) != simdjson::SUCCESS ||
      root["fingerprint"].get(fingerprint) != simdjson::SUCCESS ||
      root["resource"].get(said) != simdjson::SUCCESS || !root["apiVersion"].is_string() ||
      fingerprint != core::to_hex(resource.fingerprint)) {
    return std::nullopt;
  }
  return root;
}

Result<core::PendingConfirmations> pending_confirmations(const Baseline& baseline,
                                                         core::Snapshot& snapshot,
                                                         std::size_t limit,
                                                         const Skip& skip,
                                                         std::optional<core::Time> renew_before) {
  auto waiting = waiting_of(baseline, snapshot);
  if (!waiting) {
    return waiting.error();
  }
  core::PendingConfirmations out;
  out.resources = waiting->size();
  for (auto& wanted : *waiting) {
    if (out.requests.size() == limit) {
      break;
    }
    if (skip && skip(wanted.key)) {
      continue;
    }
    const auto stored = snapshot.find(wanted.key);
    if (!stored) {
      return stored.error();
    }
    if (*stored) {
      auto& request = out.requests.emplace_back(request_about(**stored));
      request.severity = wanted.severity;
      request.checks = std::move(wanted.checks);
    }
  }
  if (renew_before && out.requests.size() < limit) {
    if (auto added = add_renewals(snapshot, limit, skip, *renew_before, out); !added) {
      return added.error();
    }
  }
  return out;
}

namespace {

/// What a check had rested on, without what Resource Manager said.
Result<std::vector<std::string>> paths_before(const Check& check,
                                              SharedReads& reads,
                                              const std::string& key,
                                              core::Time now) {
  auto document = reads.find(key);
  if (!document) {
    return document.error();
  }
  if (*document == nullptr) {
    return std::vector<std::string>();
  }
  Surroundings surroundings(reads, *document);
  const auto evaluation = evaluate_check(check, surroundings, now, /*explain=*/true);
  if (surroundings.failure()) {
    return *surroundings.failure();
  }
  return evaluation.explanation ? decisive_paths(key, *evaluation.explanation)
                                : std::vector<std::string>();
}

}  // namespace

Result<core::ConfirmationOutcome> outcome_of(const Baseline& baseline,
                                             core::Snapshot& snapshot,
                                             const std::vector<core::ConfirmationRequest>& requests,
                                             core::Time now) {
  const auto checks = checks_by_name(baseline);
  SharedReads reads(snapshot, SharedReads::Confirmations::kIgnored);
  core::ConfirmationOutcome out;
  for (const auto& request : requests) {
    std::size_t confirmed = 0;
    std::size_t contradicted = 0;
    for (const auto& name : request.checks) {
      core::VerdictFilter filter;
      filter.assignment = name.first;
      filter.reference = name.second;
      filter.resource_key = request.key;
      auto verdicts = snapshot.verdicts(filter);
      if (!verdicts) {
        return verdicts.error();
      }
      const auto state =
          verdicts->empty() ? std::nullopt : std::optional(verdicts->front().verdict.state);
      if (state == core::ComplianceState::kNonCompliant) {
        ++confirmed;
        continue;
      }
      if (state && !core::rests_on_evidence(*state)) {
        continue;  // something else is missing now
      }
      ++contradicted;
      core::Contradiction contradiction{
          request.key,
          name.first,
          name.second,
          std::string(state ? core::to_string(*state) : "NotApplicable"),
          {}};
      if (const auto check = checks.find(name); check != checks.end()) {
        auto paths = paths_before(*check->second, reads, request.key, now);
        if (!paths) {
          return paths.error();
        }
        contradiction.paths = *std::move(paths);
      }
      out.contradictions.push_back(std::move(contradiction));
    }
    out.contradicted += contradicted > 0 ? 1 : 0;
    out.confirmed += contradicted == 0 && confirmed > 0 ? 1 : 0;
  }
  return out;
}

}  // namespace plumbline::compliance
