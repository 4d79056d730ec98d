#include "compliance/related.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::compliance {

using policy::Json;

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

Surroundings::Surroundings(core::Snapshot& snapshot, std::string_view key)
    : snapshot_(&snapshot), id_(core::parse_resource_id(key).value_or(core::ResourceId{})) {
  id_.key = key;
}

std::optional<Json> Surroundings::keep(const std::string& body) {
  documents_.push_back(std::make_unique<simdjson::dom::parser>());
  Json root;
  if (const auto error = documents_.back()->parse(body).get(root); error != simdjson::SUCCESS) {
    failure_ = core::Error{core::Errc::kCorrupt, simdjson::error_message(error)};
    return std::nullopt;
  }
  return root;
}

std::optional<core::StoredResource> Surroundings::load(std::string_view key) {
  auto found = snapshot_->find(key);
  if (!found) {
    failure_ = found.error();
    return std::nullopt;
  }
  return *std::move(found);
}

std::optional<std::string> Surroundings::missing(const std::string& evidence_key) {
  dependencies_.insert(target_of_evidence(evidence_key));
  const auto evidence = snapshot_->evidence(evidence_key);
  if (!evidence) {
    failure_ = evidence.error();
    return "store_failed";
  }
  if (!*evidence) {
    return "not_collected";
  }
  return (*evidence)->complete ? std::nullopt : std::optional((*evidence)->reason);
}

std::optional<std::string> Surroundings::lost(const core::StoredResource& resource) {
  for (const auto& key :
       {resource.source, std::string(core::kResourceEvidencePrefix) + resource.key}) {
    dependencies_.insert(target_of_evidence(key));
    const auto evidence = snapshot_->evidence(key);
    if (!evidence) {
      failure_ = evidence.error();
    } else if (*evidence && !(*evidence)->complete) {
      return (*evidence)->reason;
    }
  }
  return std::nullopt;
}

policy::RelatedAnswer Surroundings::find(const policy::ExistenceQuery& query) {
  policy::RelatedAnswer answer;
  const std::string type(query.type);
  const auto table = core::resource_graph_table(type);
  if (table.empty() && query.scope == policy::ExistenceScope::kResource) {
    const std::string key = core::detail_document_key(id_.key, type);
    dependencies_.insert(target_of_key(key));
    answer.missing = missing(core::detail_evidence_key(key));
    // A list whose last fetch failed tells what was, not what is.
    if (const auto document = answer.missing ? std::nullopt : load(key)) {
      if (const auto root = keep(document->body)) {
        answer.candidates = source_elements(*root, true);
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
  const auto visited =
      snapshot_->for_each_of_type(type, scope, [&](const core::StoredResource& resource) {
        if (const auto root = keep(resource.body)) {
          answer.candidates.push_back(*root);
        }
      });
  if (!visited) {
    failure_ = visited.error();
  }
  return answer;
}

void Surroundings::add_related(std::string& out, std::string_view target) {
  dependencies_.insert(target_of_key(target));
  const auto resource = load(target);
  if (!out.ends_with('[')) {
    out += ',';
  }
  // A target outside the inventory is known by its id only: it may not exist, or not be readable.
  // One whose own evidence is lost is no better known than that.
  const auto reason = resource ? lost(*resource) : std::optional<std::string>("not_collected");
  if (!reason) {
    out += resource->body;
    return;
  }
  out += fmt::format("{{\"{}\":{},\"id\":{}}}",
                     policy::kNoEvidenceKey,
                     core::json_quote(*reason),
                     core::json_quote(target));
}

std::optional<std::string> Surroundings::sources_missing(const Relation& relation) {
  dependencies_.insert(target_of_relation_sources(relation.name));
  const auto all = snapshot_->all_evidence();
  if (!all) {
    failure_ = all.error();
    return "store_failed";
  }
  const auto table = core::resource_graph_table(relation.source_type);
  const std::string partition = core::partition_evidence_key(table, "");
  const std::string detail_suffix =
      table.empty() ? (core::is_extension_type(relation.source_type)
                           ? "/providers/" + relation.source_type
                           : relation.source_type.substr(relation.source_type.rfind('/')))
                    : std::string();
  bool asked = false;
  for (const auto& evidence : *all) {
    const bool concerned =
        table.empty() ? evidence.key.starts_with("detail:") && evidence.key.ends_with(detail_suffix)
                      : evidence.key.starts_with(partition);
    asked = asked || concerned;
    if (concerned && !evidence.complete) {
      return evidence.reason;
    }
  }
  return asked ? std::nullopt : std::optional<std::string>("not_collected");
}

void Surroundings::add_sources(std::string& out, const Relation& forward) {
  dependencies_.insert(target_of_relation(forward.name, id_.key));
  const auto rows = snapshot_->referring(forward.name, id_.key);
  if (!rows) {
    failure_ = rows.error();
    return;
  }
  const bool is_detail = core::resource_graph_table(forward.source_type).empty();
  for (const auto row : *rows) {
    const auto source = snapshot_->find_row(row);
    if (!source) {
      failure_ = source.error();
      return;
    }
    const auto root = *source ? keep((*source)->body) : std::nullopt;
    if (!root) {
      continue;
    }
    for (const auto item : source_elements(*root, is_detail)) {
      // A detail document holds several elements; only those that point here belong.
      if (std::ranges::binary_search(relation_targets(forward, item), id_.key)) {
        if (!out.ends_with('[')) {
          out += ',';
        }
        out += simdjson::minify(item);
      }
    }
  }
}

std::string Surroundings::relations_json(const std::vector<const Relation*>& relations,
                                         Json resource) {
  std::string out = "{";
  for (const Relation* relation : relations) {
    if (out.size() > 1) {
      out += ',';
    }
    core::append_json_quoted(out, relation->name);
    out += ":[";
    if (relation->is_inverse()) {
      add_sources(out, *relation->forward);
      if (const auto reason = sources_missing(*relation->forward)) {
        if (!out.ends_with('[')) {
          out += ',';
        }
        out += fmt::format("{{\"{}\":{}}}", policy::kNoEvidenceKey, core::json_quote(*reason));
      }
    } else {
      for (const auto& target : relation_targets(*relation, resource)) {
        add_related(out, target);
      }
    }
    out += ']';
  }
  return out + "}";
}

std::optional<Json> Surroundings::subscription() {
  if (id_.subscription.empty()) {
    return std::nullopt;
  }
  const auto stored = load(id_.subscription_key());
  std::string_view name = id_.subscription;
  std::string tags = "{}";
  std::string display_name;
  if (stored) {
    if (const auto root = keep(stored->body)) {
      std::string_view text;
      if ((*root)["name"].get(text) == simdjson::SUCCESS) {
        display_name = text;
      }
      Json value;
      if ((*root)["tags"].get(value) == simdjson::SUCCESS && value.is_object()) {
        tags = simdjson::minify(value);
      }
    }
  }
  return keep(fmt::format(
      R"({{"id":"/subscriptions/{}","subscriptionId":"{}","displayName":{},"tags":{}}})",
      name,
      name,
      core::json_quote(display_name),
      tags));
}

std::optional<Json> Surroundings::resource_group() {
  const std::string key = id_.resource_group_key();
  const auto stored = key.empty() ? std::nullopt : load(key);
  return stored ? keep(stored->body) : std::nullopt;
}

std::vector<std::string> Surroundings::dependencies() const {
  return {dependencies_.begin(), dependencies_.end()};
}

}  // namespace plumbline::compliance
