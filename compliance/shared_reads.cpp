#include "compliance/shared_reads.hpp"

#include "compliance/confirmation.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::compliance {

using core::Result;
using core::Status;

namespace {

/// Text, its parsed form and what holds the two: some twelve times the text.
std::size_t cost_of(const Document& document) {
  return 512 + 12 * document.stored.body.size();
}

}  // namespace

bool Sources::contain(std::string_view evidence_key) const {
  return evidence_key.size() >= prefix.size() + suffix.size() && evidence_key.starts_with(prefix) &&
         evidence_key.ends_with(suffix);
}

Sources sources_of(const std::string& type, const std::string& within) {
  const auto table = core::resource_graph_table(type);
  if (!table.empty()) {
    return {core::partition_evidence_key(table, ""), ""};
  }
  // The key of a list begins with that of its resource.
  return {core::detail_evidence_key(within.empty() ? within : within + "/"),
          core::detail_document_key("", type)};
}

Result<DocumentPointer> SharedReads::parse(core::StoredResource stored) {
  auto document = std::make_shared<Document>();
  document->stored = std::move(stored);
  if (const auto error =
          parser_.parse_into_document(document->parsed, document->stored.body).error();
      error != simdjson::SUCCESS) {
    return core::Error{core::Errc::kCorrupt,
                       fmt::format("{}: {}", document->stored.key, simdjson::error_message(error))};
  }
  if (document->stored.has_confirmation && confirmations_ == Confirmations::kApplied) {
    if (auto confirmed = confirm(*document); !confirmed) {
      return confirmed.error();
    }
  }
  return DocumentPointer(std::move(document));
}

Status SharedReads::confirm(Document& document) {
  const auto stored = snapshot_->find(core::confirmation_key(document.stored.key));
  if (!stored) {
    return stored.error();
  }
  simdjson::dom::parser parser;
  const auto answer = *stored ? confirms(**stored, document.stored, parser) : std::nullopt;
  if (!answer) {
    return Status::ok();
  }
  const policy::Json resource = (*answer)["resource"].value_unsafe();
  const std::string_view api_version = (*answer)["apiVersion"].get_string().value_unsafe();
  auto body = overlaid(document.root(), resource);
  if (const auto error = parser_.parse_into_document(document.parsed, body).error();
      error != simdjson::SUCCESS) {
    return core::Error{core::Errc::kCorrupt,
                       fmt::format("{}: {}", document.stored.key, simdjson::error_message(error))};
  }
  document.stored.body = std::move(body);
  document.confirmation = Confirmation{(*stored)->observed_at, std::string(api_version)};
  return Status::ok();
}

Result<DocumentPointer> SharedReads::keep(const std::string& name,
                                          Result<std::optional<core::StoredResource>> stored) {
  if (!stored) {
    return stored.error();
  }
  if (!*stored) {
    return DocumentPointer();
  }
  auto document = parse(**std::move(stored));
  if (document) {
    documents_.put(name, *document, cost_of(**document));
  }
  return document;
}

Result<DocumentPointer> SharedReads::find(std::string_view key) {
  const std::string name(key);
  auto kept = documents_.get(name);
  return kept ? kept : keep(name, snapshot_->find(key));
}

Result<DocumentPointer> SharedReads::find_row(std::int64_t row) {
  const std::string name = fmt::format("#{}", row);
  auto kept = documents_.get(name);
  return kept ? kept : keep(name, snapshot_->find_row(row));
}

Result<std::shared_ptr<const Documents>> SharedReads::find_type(std::string_view type,
                                                                std::string_view scope) {
  const std::string name = fmt::format("{}|{}", type, scope);
  if (auto kept = types_.get(name)) {
    return kept;
  }
  auto documents = std::make_shared<Documents>();
  std::size_t cost = 0;
  std::optional<core::Error> failure;
  const auto visited =
      snapshot_->for_each_of_type(type, scope, [&](const core::StoredResource& resource) {
        auto document = failure ? Result<DocumentPointer>(*failure) : parse(resource);
        if (!document) {
          failure = document.error();
          return;
        }
        cost += cost_of(**document);
        documents->push_back(*std::move(document));
      });
  if (!visited) {
    return visited.error();
  }
  if (failure) {
    return *failure;
  }
  types_.put(name, documents, cost);
  return std::shared_ptr<const Documents>(std::move(documents));
}

Result<policy::Json> SharedReads::keep_container(std::string name, const std::string& text) {
  simdjson::dom::document document;
  if (const auto error = parser_.parse_into_document(document, text).error();
      error != simdjson::SUCCESS) {
    return core::Error{core::Errc::kCorrupt, simdjson::error_message(error)};
  }
  return containers_.emplace(std::move(name), std::move(document)).first->second.root();
}

Result<policy::Json> SharedReads::subscription(const std::string& id,
                                               const std::optional<std::string>& missing) {
  std::string name = id + '|' + missing.value_or("");
  if (const auto known = containers_.find(name); known != containers_.end()) {
    return known->second.root();
  }
  std::string display_name = R"("")";
  std::string tags = "{}";
  if (missing) {
    display_name = tags =
        fmt::format(R"({{"{}":{}}})", policy::kNoEvidenceKey, core::json_quote(*missing));
  } else {
    auto stored = find("/subscriptions/" + id);
    if (!stored) {
      return stored.error();
    }
    const auto root = *stored != nullptr ? (*stored)->root() : policy::Json();
    policy::Json value;
    if (*stored != nullptr && root["name"].get(value) == simdjson::SUCCESS && value.is_string()) {
      display_name = simdjson::minify(value);
    }
    if (*stored != nullptr && root["tags"].get(value) == simdjson::SUCCESS && value.is_object()) {
      tags = simdjson::minify(value);
    }
  }
  return keep_container(std::move(name),
                        fmt::format(R"({{"id":{},"subscriptionId":{},"displayName":{},"tags":{}}})",
                                    core::json_quote("/subscriptions/" + id),
                                    core::json_quote(id),
                                    display_name,
                                    tags));
}

Result<policy::Json> SharedReads::unknown_group(const std::string& key,
                                                const std::string& missing) {
  std::string name = key + '|' + missing;
  if (const auto known = containers_.find(name); known != containers_.end()) {
    return known->second.root();
  }
  return keep_container(
      std::move(name),
      fmt::format(R"({{"{}":{},"id":{},"name":{},"type":{}}})",
                  policy::kNoEvidenceKey,
                  core::json_quote(missing),
                  core::json_quote(key),
                  core::json_quote(key.substr(key.rfind('/') + 1)),
                  core::json_quote("microsoft.resources/subscriptions/resourcegroups")));
}

Status SharedReads::load_gaps() {
  if (gaps_) {
    return Status::ok();
  }
  auto rows = snapshot_->incomplete_evidence();
  if (!rows) {
    return rows.error();
  }
  gaps_.emplace();
  for (auto& row : *rows) {
    gaps_->emplace(std::move(row.key), std::move(row.reason));
  }
  return Status::ok();
}

Result<std::optional<std::string>> SharedReads::incomplete(const std::string& evidence_key) {
  if (auto loaded = load_gaps(); !loaded) {
    return loaded.error();
  }
  const auto found = gaps_->find(evidence_key);
  return found == gaps_->end() ? std::nullopt : std::optional(found->second);
}

Result<std::optional<std::string>> SharedReads::type_incomplete(const std::string& type,
                                                                const std::string& within) {
  const auto known = type_gaps_.find({type, within});
  if (known != type_gaps_.end()) {
    return known->second;
  }
  if (auto loaded = load_gaps(); !loaded) {
    return loaded.error();
  }
  auto reason = first_gap(*gaps_, sources_of(type, within), 0);
  if (reason) {
    type_gaps_.emplace(std::pair(type, within), *reason);
  }
  return reason;
}

Result<std::optional<std::string>> SharedReads::type_was_incomplete(
    const std::string& type, const std::vector<core::EvidenceChange>& changes) {
  if (auto loaded = load_gaps(); !loaded) {
    return loaded.error();
  }
  if (!gaps_before_) {
    gaps_before_ = gaps_;
    for (const auto& change : changes) {
      gaps_before_->erase(change.now.key);
      if (change.was_known && !change.was_complete) {
        gaps_before_->emplace(change.now.key, change.was_reason);
      }
    }
  }
  const auto sources = sources_of(type, "");
  return first_gap(*gaps_before_,
                   sources,
                   std::ranges::count_if(changes, [&](const core::EvidenceChange& change) {
                     return !change.was_known && sources.contain(change.now.key);
                   }));
}

Result<std::optional<std::string>> SharedReads::first_gap(const Gaps& gaps,
                                                          const Sources& sources,
                                                          std::int64_t not_counted) {
  for (auto gap = gaps.lower_bound(sources.prefix);
       gap != gaps.end() && gap->first.starts_with(sources.prefix);
       ++gap) {
    if (sources.contain(gap->first)) {
      return std::optional(gap->second);
    }
  }
  auto asked = snapshot_->count_evidence(sources.prefix, sources.suffix, not_counted + 1);
  if (!asked) {
    return asked.error();
  }
  return *asked > not_counted ? std::nullopt : std::optional<std::string>("not_collected");
}

}  // namespace plumbline::compliance
