#include "compliance/related.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plumbline::compliance {

using policy::Json;

namespace {

void append_element(std::string& out, std::string_view text) {
  if (!out.ends_with('[')) {
    out += ',';
  }
  out += text;
}

/// Every path is one like `$subscription`: only what lies under a target, or belongs to it, can
/// point at it.
bool points_at_own_container(const Relation& forward) {
  return !forward.reads_body();
}

bool points_at_parent_only(const Relation& forward) {
  return !forward.ancestor && std::ranges::all_of(forward.paths, [](const auto& path) {
    return path.kind == RelationPath::Kind::kParent;
  });
}

}  // namespace

std::string target_of_key(std::string_view key) {
  return fmt::format("key:{}", key);
}

std::string target_of_type(std::string_view type, std::string_view scope_key) {
  return fmt::format("type:{}|{}", type, scope_key);
}

std::string target_of_relation(std::string_view relation, std::string_view key) {
  return fmt::format("relation:{}|{}", core::to_lower(relation), key);
}

std::string target_of_relation_sources(std::string_view relation) {
  return fmt::format("sources:{}", core::to_lower(relation));
}

std::string target_of_evidence(std::string_view evidence_key) {
  return fmt::format("evidence:{}", evidence_key);
}

bool Surroundings::Found::is_full() {
  if (nodes.size() < kMaxRelated) {
    return false;
  }
  missing.emplace("limit");
  return true;
}

void Surroundings::Found::add(Node node) {
  if (is_full()) {
    return;
  }
  if (seen.insert(node.identity).second) {
    nodes.push_back(std::move(node));
  }
}

Surroundings::Surroundings(SharedReads& reads, DocumentPointer resource)
    : reads_(&reads),
      resource_(std::move(resource)),
      id_(core::parse_resource_id(resource_->stored.key).value_or(core::ResourceId{})) {
  id_.key = resource_->stored.key;
}

template <class T>
std::optional<T> Surroundings::check(core::Result<T> result) {
  if (!result) {
    if (!failure_) {
      failure_ = result.error();
    }
    return std::nullopt;
  }
  return *std::move(result);
}

/// A failed look-up is missing evidence as well, so that nothing is decided on it.
std::optional<std::string> Surroundings::check_reason(
    core::Result<std::optional<std::string>> result) {
  return check(std::move(result)).value_or(std::optional<std::string>("store_failed"));
}

DocumentPointer Surroundings::load(std::string_view key) {
  auto document = check(reads_->find(key)).value_or(nullptr);
  if (document != nullptr) {
    held_.push_back(document);
  }
  return document;
}

std::optional<std::string> Surroundings::missing(const std::string& evidence_key) {
  dependencies_.insert(target_of_evidence(evidence_key));
  const auto evidence = check(reads_->snapshot().evidence(evidence_key));
  if (!evidence) {
    return "store_failed";
  }
  if (!*evidence) {
    return "not_collected";
  }
  return (*evidence)->complete ? std::nullopt : std::optional((*evidence)->reason);
}

std::optional<std::string> Surroundings::lost(const core::StoredResource& resource, bool record) {
  for (const auto& key :
       {resource.source, std::string(core::kResourceEvidencePrefix) + resource.key}) {
    if (record) {
      dependencies_.insert(target_of_evidence(key));
    }
    if (auto reason = check_reason(reads_->incomplete(key))) {
      return reason;
    }
  }
  return std::nullopt;
}

policy::RelatedAnswer Surroundings::find(const policy::ExistenceQuery& query) {
  policy::RelatedAnswer answer;
  const std::string type(query.type);
  const auto table = core::resource_graph_table(type);
  if (table.empty() && query.scope == policy::ExistenceScope::kResource) {
    // Some types are listed for a whole subscription, whatever resource they belong to.
    const bool of_subscription =
        core::detail_parent_type(type) == "microsoft.resources/subscriptions";
    const std::string key =
        core::detail_document_key(of_subscription ? id_.subscription_key() : id_.key, type);
    const std::string own = fmt::format("{}/providers/{}/", id_.key, type);
    dependencies_.insert(target_of_key(key));
    answer.missing = missing(core::detail_evidence_key(key));
    // A list whose last fetch failed tells what was, not what is.
    if (const auto document = answer.missing ? nullptr : load(key)) {
      for (const auto& end : ends_of(key, type, document->root())) {
        if (!of_subscription || end.key.starts_with(own)) {
          answer.candidates.push_back(*end.body);
        }
      }
    }
    return answer;
  }
  std::string scope = id_.key;
  if (query.scope == policy::ExistenceScope::kSubscription) {
    scope = id_.subscription_key();
  } else if (query.scope == policy::ExistenceScope::kResourceGroup) {
    scope = query.resource_group.empty() ? id_.resource_group_key()
                                         : fmt::format("{}/resourcegroups/{}",
                                                       id_.subscription_key(),
                                                       core::to_lower(query.resource_group));
  }
  if (table.empty() || scope.empty()) {
    answer.missing = "not_collected";
    return answer;
  }
  dependencies_.insert(target_of_type(type, scope));
  answer.missing = missing(core::partition_evidence_key(table, id_.subscription));
  if (answer.missing) {
    return answer;
  }
  if (const auto documents = check(reads_->find_type(type, scope))) {
    held_lists_.push_back(*documents);
    for (const auto& document : **documents) {
      // One that may be gone satisfies nothing.
      if (auto reason = lost(document->stored, /*record=*/false)) {
        answer.missing = std::move(reason);
      } else {
        answer.candidates.push_back(document->root());
      }
    }
  }
  return answer;
}

void Surroundings::resolve_element(Node& node) {
  const auto key = core::detail_document_key(node.end.parent, node.end.type);
  dependencies_.insert(target_of_key(key));
  if (auto reason = missing(core::detail_evidence_key(key))) {
    node.reason = *std::move(reason);
    return;
  }
  node.document = load(key);
  if (node.document == nullptr) {
    return;
  }
  for (auto& end : ends_of(key, node.end.type, node.document->root())) {
    if (end.key == node.end.key) {
      node.end = std::move(end);
      return;
    }
  }
}

bool Surroundings::is_gone(const RelationEnd& end) {
  const auto table = core::resource_graph_table(end.type);
  return !missing(core::partition_evidence_key(table, core::subscription_of_key(end.key))) &&
         check(reads_->snapshot().was_deleted(end.key)).value_or(false);
}

void Surroundings::resolve(Node& node) {
  if (node.resolved) {
    return;
  }
  node.resolved = true;
  // A target outside the inventory is known by its id only: it may not exist, or not be readable.
  node.reason = "not_collected";
  if (core::resource_graph_table(node.end.type).empty()) {
    resolve_element(node);
    return;
  }
  dependencies_.insert(target_of_key(node.end.key));
  node.document = load(node.end.key);
  if (node.document == nullptr) {
    node.is_gone = is_gone(node.end);
    return;
  }
  // One whose own evidence is lost is no better known than that.
  if (auto reason = lost(node.document->stored, /*record=*/true)) {
    node.reason = *std::move(reason);
    return;
  }
  node.end.type = node.document->stored.type;
  node.end.body = node.document->root();
}

void Surroundings::add_targets(const Relation& forward, Node& from, Found& out) {
  if (!forward.starts_at(from.end.type)) {
    return;
  }
  if (forward.reads_body()) {
    resolve(from);
    if (!from.end.body && !from.is_gone) {
      out.missing.insert(from.reason);
    }
  }
  for (auto& key : relation_targets(forward, from.end)) {
    Node node;
    node.end = end_of_key(key);
    node.identity = std::move(key);
    out.add(std::move(node));
  }
}

void Surroundings::add_missing_sources(const Relation& forward, const Node& target, Found& out) {
  for (const auto& type : forward.source_types) {
    std::optional<std::string> reason;
    const bool is_detail = core::resource_graph_table(type).empty();
    if (points_at_own_container(forward) && !is_detail) {
      reason = missing(core::partition_evidence_key(core::resource_graph_table(type),
                                                    core::subscription_of_key(target.end.key)));
    } else if (points_at_parent_only(forward)) {
      reason = missing(core::detail_evidence_key(core::detail_document_key(target.end.key, type)));
    } else {
      dependencies_.insert(target_of_relation_sources(forward.name));
      reason = check_reason(reads_->type_incomplete(
          type, points_at_own_container(forward) ? target.end.key : std::string()));
    }
    if (reason) {
      out.missing.insert(*std::move(reason));
    }
  }
}

void Surroundings::add_sources(const Relation& forward, const Node& from, Found& out) {
  if (!forward.leads_to(from.end.type)) {
    return;
  }
  dependencies_.insert(target_of_relation(forward.name, from.end.key));
  const auto rows = check(reads_->snapshot().referring(forward.name, from.end.key));
  for (const auto row : rows.value_or(std::vector<std::int64_t>())) {
    if (out.is_full()) {
      break;
    }
    const auto document = check(reads_->find_row(row)).value_or(nullptr);
    if (document == nullptr || !forward.starts_at(document->stored.type)) {
      continue;
    }
    // What it pointed at is not what it points at. Whatever says so touches the relation.
    if (auto reason = lost(document->stored, /*record=*/false)) {
      out.missing.insert(*std::move(reason));
      continue;
    }
    std::size_t index = 0;
    for (auto& end : ends_of(document->stored.key, document->stored.type, document->root())) {
      ++index;
      // A detail document holds several elements; only those that point here belong.
      if (std::ranges::binary_search(relation_targets(forward, end), from.end.key)) {
        Node node;
        node.identity = end.key.empty() ? fmt::format("#{}/{}", row, index) : end.key;
        node.end = std::move(end);
        node.document = document;
        node.resolved = true;
        out.add(std::move(node));
      }
    }
  }
  add_missing_sources(forward, from, out);
}

void Surroundings::follow_composition(const Relation& relation,
                                      bool backwards,
                                      const Node& from,
                                      Found& out) {
  std::vector<Node> at = {from};
  for (std::size_t i = 0; i < relation.parts.size(); ++i) {
    const auto& part = relation.parts[backwards ? relation.parts.size() - 1 - i : i];
    Found next;
    for (auto& node : at) {
      follow(*part, backwards, node, next);
    }
    // Whoever is missing on the way may lead to anything.
    out.missing.merge(next.missing);
    at = std::move(next.nodes);
  }
  for (auto& node : at) {
    out.add(std::move(node));
  }
}

void Surroundings::follow(const Relation& relation, bool backwards, Node& from, Found& out) {
  switch (relation.kind) {
    case Relation::Kind::kForward:
      backwards ? add_sources(relation, from, out) : add_targets(relation, from, out);
      return;
    case Relation::Kind::kInverse:
      follow(*relation.parts.front(), !backwards, from, out);
      return;
    case Relation::Kind::kUnion:
      for (const auto& part : relation.parts) {
        follow(*part, backwards, from, out);
      }
      return;
    case Relation::Kind::kComposition:
      follow_composition(relation, backwards, from, out);
      return;
  }
}

const Surroundings::Joined& Surroundings::join(const Relation& relation) {
  if (const auto known = joined_.find(&relation); known != joined_.end()) {
    dependencies_.insert(known->second.dependencies.begin(), known->second.dependencies.end());
    return known->second;
  }
  auto before = std::exchange(dependencies_, {});
  Node self;
  self.end = end_of_key(resource_->stored.key);
  self.end.type = resource_->stored.type;
  self.end.body = resource_->root();
  self.identity = resource_->stored.key;
  self.document = resource_;
  self.resolved = true;
  Found found;
  follow(relation, /*backwards=*/false, self, found);
  Joined joined;
  joined.json = "[";
  for (auto& node : found.nodes) {
    if (joined.json.size() > kMaxRelatedBytes) {
      found.missing.emplace("limit");
      break;
    }
    resolve(node);
    if (node.is_gone) {
      append_element(joined.json,
                     fmt::format(R"({{"id":{},"type":{}}})",
                                 core::json_quote(node.end.key),
                                 core::json_quote(node.end.type)));
    } else if (!node.end.body) {
      append_element(joined.json,
                     fmt::format(R"({{"{}":{},"id":{},"type":{}}})",
                                 policy::kNoEvidenceKey,
                                 core::json_quote(node.reason),
                                 core::json_quote(node.end.key),
                                 core::json_quote(node.end.type)));
    } else if (core::resource_graph_table(node.end.type).empty()) {
      append_element(joined.json, simdjson::minify(*node.end.body));
    } else {
      append_element(joined.json, node.document->stored.body);
    }
  }
  for (const auto& reason : found.missing) {
    append_element(joined.json,
                   fmt::format(R"({{"{}":{}}})", policy::kNoEvidenceKey, core::json_quote(reason)));
  }
  joined.json += ']';
  joined.dependencies = dependencies_;
  dependencies_.merge(before);
  return joined_.emplace(&relation, std::move(joined)).first->second;
}

core::Result<Json> Surroundings::body_with(const std::vector<const Relation*>& relations) {
  const std::string& body = resource_->stored.body;
  if (relations.empty() || body.size() <= 2) {
    return resource_->root();
  }
  std::string text = body.substr(0, body.size() - 1);
  text += ',';
  core::append_json_quoted(text, policy::kRelationsProperty);
  text += ":{";
  for (const Relation* relation : relations) {
    if (!text.ends_with('{')) {
      text += ',';
    }
    core::append_json_quoted(text, relation->name);
    text += ':';
    text += join(*relation).json;
  }
  text += "}}";
  Json root;
  if (const auto error = parser_.parse(text).get(root); error != simdjson::SUCCESS) {
    return core::Error{
        core::Errc::kCorrupt,
        fmt::format("{} with its relations: {}", id_.key, simdjson::error_message(error))};
  }
  return root;
}

std::optional<std::string> Surroundings::container_missing(const std::string& key,
                                                           DocumentPointer& document) {
  dependencies_.insert(target_of_key(key));
  document = load(key);
  if (document != nullptr) {
    return lost(document->stored, /*record=*/true);
  }
  return missing(core::partition_evidence_key("resourcecontainers", id_.subscription))
      .value_or("not_collected");
}

std::optional<Json> Surroundings::subscription() {
  if (id_.subscription.empty()) {
    return std::nullopt;
  }
  DocumentPointer document;
  const auto reason = container_missing(id_.subscription_key(), document);
  return check(reads_->subscription(id_.subscription, reason));
}

std::optional<Json> Surroundings::resource_group() {
  const std::string key = id_.resource_group_key();
  if (key.empty()) {
    return std::nullopt;
  }
  DocumentPointer document;
  const auto reason = container_missing(key, document);
  return reason ? check(reads_->unknown_group(key, *reason)) : std::optional(document->root());
}

std::vector<std::string> Surroundings::take_dependencies() {
  const auto taken = std::exchange(dependencies_, {});
  return {taken.begin(), taken.end()};
}

}  // namespace plumbline::compliance
