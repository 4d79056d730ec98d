#include "daemon/azure_initiatives.hpp"

#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <utility>

namespace plumbline::daemon {

using core::DefinitionReference;
using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::string_view kPrefix = "azure_initiatives/";
constexpr std::size_t kMaxDocumentBytes = std::size_t{32} << 20U;

/// contracts 3: of definitions and initiatives, and of their versions.
std::string definition_path(std::string_view id, std::string_view version) {
  std::string path;
  for (const auto segment : core::split(id.substr(1), '/')) {
    path += "/" + core::percent_encode(segment);
  }
  if (!version.empty()) {
    path += "/versions/" + core::percent_encode(version);
  }
  return path + "?api-version=2023-04-01";
}

net::Task<Result<compliance::AzureDefinition>> ask(collectors::AzureClient* azure,
                                                   net::Executor cpu,
                                                   std::string path) {
  auto answer = co_await azure->get(std::move(path));
  if (!answer) {
    co_return answer.error();
  }
  auto read = [body = std::move(answer->body)]() {
    return compliance::read_azure_definition(body);
  };
  co_return co_await net::offload(cpu, std::move(read));
}

/// The newest version of those that are wanted.
net::Task<Result<compliance::AzureDefinition>> fetch(collectors::AzureClient* azure,
                                                     net::Executor cpu,
                                                     DefinitionReference reference) {
  if (!core::definition_kind(reference.id)) {
    co_return Error{Errc::kParse, fmt::format("`{}` is no id of a definition", reference.id)};
  }
  auto current = co_await ask(azure, cpu, definition_path(reference.id, ""));
  if (!current) {
    co_return current.error().with_context(reference.id);
  }
  const auto& wanted = reference.version;
  // Definitions of one's own have no versions unless somebody gives them one.
  if (wanted.empty() || (current->version.empty() && current->versions.empty())) {
    co_return current;
  }
  auto versions = current->versions;
  versions.push_back(current->version);
  const auto version = core::newest_version(versions, wanted);
  if (version == current->version) {
    co_return current;
  }
  if (!version) {
    co_return Error{Errc::kNotFound,
                    fmt::format("{}: there is no version {}; the current one is {}",
                                reference.id,
                                wanted,
                                current->version)};
  }
  auto chosen = co_await ask(azure, cpu, definition_path(reference.id, *version));
  if (!chosen) {
    co_return chosen.error().with_context(fmt::format("{} version {}", reference.id, *version));
  }
  co_return chosen;
}

/// Of this definition alone: the others can be had.
bool is_its_own(Errc code) {
  return code == Errc::kNotFound || code == Errc::kForbidden || code == Errc::kParse ||
         code == Errc::kLimit;
}

bool is_due(const core::CachedDocument& document, core::Time now, std::chrono::seconds max_age) {
  return now - document.fetched_at >= max_age;
}

}  // namespace

std::string FetchedInitiatives::why_not(const DefinitionReference& reference) const {
  const auto failure = failures.find(core::key_of(reference));
  return failure != failures.end() ? failure->second
                                   : fmt::format("{}: not fetched from Azure yet", reference.id);
}

std::optional<DefinitionReference> azure_initiative(const config::AssignmentConfig& assignment) {
  if (!core::definition_kind(assignment.initiative)) {
    return std::nullopt;
  }
  return DefinitionReference{assignment.initiative, assignment.definition_version};
}

std::map<std::string, DefinitionReference> azure_initiatives(const config::Settings& settings) {
  std::map<std::string, DefinitionReference> out;
  for (const auto& assignment : settings.assignments) {
    if (auto reference = azure_initiative(assignment)) {
      auto key = core::key_of(*reference);
      out.emplace(std::move(key), *std::move(reference));
    }
  }
  return out;
}

Result<FetchedInitiatives> known_initiatives(core::Snapshot& snapshot,
                                             const config::Settings& settings) {
  FetchedInitiatives out;
  const auto wanted = azure_initiatives(settings);
  if (wanted.empty()) {
    return out;
  }
  auto documents = snapshot.cached_documents(kPrefix);
  if (!documents) {
    return documents.error();
  }
  for (const auto& document : *documents) {
    const auto reference = wanted.find(document.name.substr(kPrefix.size()));
    if (reference == wanted.end()) {
      continue;
    }
    auto files = compliance::read_initiative_document(document.body, reference->second);
    if (files) {
      out.kept.emplace(reference->first, FetchedInitiative{*std::move(files), document.fetched_at});
    } else {
      out.failures.emplace(reference->first, files.error().message);
    }
  }
  return out;
}

net::Task<Result<std::string>> fetch_initiative(collectors::AzureClient* azure,
                                                net::Executor cpu,
                                                DefinitionReference reference) {
  auto initiative = co_await fetch(azure, cpu, reference);
  if (!initiative) {
    co_return initiative.error();
  }
  const auto members = compliance::members_of(*initiative, reference);
  if (!members) {
    co_return members.error().with_context(reference.id);
  }
  std::vector<compliance::FetchedMember> fetched;
  std::size_t bytes = initiative->text.size();
  for (const auto& member : *members) {
    compliance::FetchedMember item{.reference = member, .text = {}, .error = {}};
    if (core::key_of(member) == core::key_of(reference)) {
      item.text = initiative->text;
    } else {
      auto definition = co_await fetch(azure, cpu, member);
      if (definition) {
        item.text = std::move(definition->text);
      } else if (is_its_own(definition.error().code)) {
        item.error = definition.error().message;
      } else {
        co_return definition.error();
      }
    }
    bytes += item.text.size();
    if (bytes > kMaxDocumentBytes) {
      co_return Error{Errc::kLimit,
                      fmt::format("{}: more than {} bytes", reference.id, kMaxDocumentBytes)};
    }
    fetched.push_back(std::move(item));
  }
  co_return compliance::initiative_document(*initiative, fetched);
}

net::Task<bool> InitiativeRefresh::run(config::Settings settings, Check check) {
  const auto wanted = azure_initiatives(settings);
  if (wanted.empty()) {
    co_return false;
  }
  auto read = [this]() -> Result<std::vector<core::CachedDocument>> {
    auto snapshot = parts_.store.snapshot();
    return snapshot ? (*snapshot)->cached_documents(kPrefix) : snapshot.error();
  };
  auto documents = co_await net::offload(parts_.cpu, std::move(read));
  std::map<std::string, core::CachedDocument> kept;
  if (documents) {
    for (auto& document : *documents) {
      auto key = document.name.substr(kPrefix.size());
      kept.emplace(std::move(key), std::move(document));
    }
  }
  bool changed = false;
  for (const auto& [key, reference] : wanted) {
    const auto old = kept.find(key);
    const bool has_old =
        old != kept.end() && compliance::read_initiative_document(old->second.body, reference);
    if (has_old && !is_due(old->second, parts_.clock.now(), settings.initiative_refresh)) {
      continue;
    }
    auto refreshed = co_await refresh(
        reference, has_old ? std::optional(old->second.body) : std::nullopt, check);
    if (refreshed) {
      changed = changed || *refreshed;
      note(key, {});
      parts_.log.info("initiative_fetched",
                      {{core::log_field::kId, reference.id},
                       {core::log_field::kVersion, reference.version},
                       {core::log_field::kChanged, *refreshed ? "true" : "false"}});
    } else {
      note(key, refreshed.error().message);
      parts_.log.error("initiative_not_fetched",
                       {{core::log_field::kId, reference.id},
                        {core::log_field::kVersion, reference.version},
                        {core::log_field::kFetchedAt,
                         has_old ? core::to_rfc3339(old->second.fetched_at) : "never"},
                        {core::log_field::kError, refreshed.error().message}});
    }
  }
  co_return changed;
}

net::Task<Result<bool>> InitiativeRefresh::refresh(DefinitionReference reference,
                                                   std::optional<std::string> kept,
                                                   Check check) {
  auto fetched = co_await fetch_initiative(&parts_.azure, parts_.cpu, reference);
  if (!fetched) {
    co_return fetched.error();
  }
  const bool changed = kept != *fetched;
  const auto key = core::key_of(reference);
  core::CachedDocument document;
  document.name = std::string(kPrefix) + key;
  document.fetched_at = parts_.clock.now();
  document.body = *std::move(fetched);
  if (changed) {
    auto job = [&document, &reference, &key, &check]() -> core::Status {
      auto files = compliance::read_initiative_document(document.body, reference);
      return files ? check(key, FetchedInitiative{*std::move(files), document.fetched_at})
                   : files.error();
    };
    if (auto usable = co_await net::offload(parts_.cpu, std::move(job)); !usable) {
      co_return usable.error();
    }
  }
  auto keep = [this, document = std::move(document)]() {
    return parts_.store.put_cached_document(document);
  };
  auto stored = co_await net::offload(parts_.storage, std::move(keep));
  if (!stored) {
    co_return stored.error();
  }
  co_return changed;
}

void InitiativeRefresh::note(const std::string& key, std::string failure) {
  const std::lock_guard lock(mutex_);
  if (failure.empty()) {
    failures_.erase(key);
  } else {
    failures_[key] = std::move(failure);
  }
}

std::map<std::string, std::string> InitiativeRefresh::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

}  // namespace plumbline::daemon
