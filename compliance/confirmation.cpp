#include "compliance/confirmation.hpp"

#include "compliance/explain.hpp"
#include "compliance/related.hpp"
#include "compliance/shared_reads.hpp"
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

template <class Visit>
void each_decisive_leaf(const policy::Explanation& node, Visit visit) {
  if (!node.decisive) {
    return;
  }
  // What was found of other resources is no property of this one.
  if (node.text.starts_with("related ")) {
    return;
  }
  if (node.children.empty() || node.text.starts_with("count ")) {
    visit(node);
  }
  for (const auto& child : node.children) {
    each_decisive_leaf(child, visit);
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
    const bool only_here =
        graph.get_object().value_unsafe().at_key_case_insensitive(field.key).get(known) !=
        simdjson::SUCCESS;
    if (only_here && !field.value.is_null()) {
      append(out, field.key, simdjson::minify(field.value));
    }
  }
  return out + "}";
}

std::vector<std::string> decisive_paths(const policy::Explanation& explanation) {
  std::set<std::string> paths;
  each_decisive_leaf(explanation, [&](const policy::Explanation& leaf) {
    if (!leaf.path.empty() && leaf.path != "type" && !is_relation(leaf.path)) {
      paths.insert(leaf.path);
    }
  });
  std::vector<std::string> out(paths.begin(), paths.end());
  out.resize(std::min(out.size(), kMostPaths));
  return out;
}

bool rests_on_absent(const policy::DefinitionInfo& definition,
                     std::string_view lower_type,
                     Json body,
                     const policy::Explanation& explanation) {
  const auto any_read_is_absent = [&] {
    return std::ranges::any_of(definition.reads, [&](const policy::ReadPath& read) {
      return (read.type.empty() || read.type == lower_type) && read.relation.empty() &&
             !is_relation(read.path) && is_absent(body, read.path);
    });
  };
  bool rests = false;
  each_decisive_leaf(explanation, [&](const policy::Explanation& leaf) {
    if (rests || is_relation(leaf.path)) {
      return;
    }
    if (!leaf.path.empty()) {
      rests = is_absent(body, leaf.path);
      return;
    }
    // A count, or a function of fields: which of them it read is not told.
    const bool computes = leaf.text.starts_with("count ") || leaf.text.contains("field(");
    rests = computes && any_read_is_absent();
  });
  return rests;
}

Result<core::PendingConfirmations> pending_confirmations(
    const Baseline& baseline,
    core::Snapshot& snapshot,
    std::size_t limit,
    const std::function<bool(const std::string&)>& skip) {
  auto rows = snapshot.confirming();
  if (!rows) {
    return rows.error();
  }
  const auto checks = rows->empty() ? std::map<std::pair<std::string, std::string>, const Check*>()
                                    : checks_by_name(baseline);
  std::vector<core::ConfirmationRequest> waiting;
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
  core::PendingConfirmations out;
  out.resources = waiting.size();
  std::ranges::sort(waiting, [](const auto& a, const auto& b) {
    return std::tie(b.severity, a.key) < std::tie(a.severity, b.key);
  });
  for (auto& request : waiting) {
    if (out.requests.size() == limit) {
      break;
    }
    if (skip && skip(request.key)) {
      continue;
    }
    auto stored = snapshot.find(request.key);
    if (!stored) {
      return stored.error();
    }
    if (*stored) {
      request.id = std::move((*stored)->id);
      request.type = std::move((*stored)->type);
      request.fingerprint = (*stored)->fingerprint;
      out.requests.push_back(std::move(request));
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
  return evaluation.explanation ? decisive_paths(*evaluation.explanation)
                                : std::vector<std::string>();
}

}  // namespace

Result<core::ConfirmationOutcome> outcome_of(
    const Baseline& baseline,
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
      const auto state = verdicts->empty() ? std::nullopt
                                           : std::optional(verdicts->front().verdict.state);
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
