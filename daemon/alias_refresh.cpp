#include "daemon/alias_refresh.hpp"

#include "collectors/resource_manager/arm_list.hpp"
#include "core/log.hpp"

#include <fmt/format.h>

#include <map>

namespace plumbline::daemon {

using core::Result;

namespace {

constexpr std::string_view kPrefix = "provider_aliases/";
constexpr auto kMaxAge = std::chrono::hours(24);

Result<std::vector<core::CachedDocument>> kept_answers(core::Store& store) {
  auto snapshot = store.snapshot();
  if (!snapshot) {
    return snapshot.error();
  }
  return (*snapshot)->cached_documents(kPrefix);
}

}  // namespace

Result<std::shared_ptr<const policy::AliasCatalogue>> known_aliases(core::Store& store,
                                                                    core::Log& log) {
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return aliases.error();
  }
  auto kept = kept_answers(store);
  if (!kept) {
    log.warn("kept_aliases_unreadable", {{core::log_field::kError, kept.error().message}});
    return aliases;
  }
  for (const auto& document : *kept) {
    auto newer = policy::AliasCatalogue::from_providers(document.body, document.name);
    if (!newer) {
      log.warn("kept_aliases_unreadable", {{core::log_field::kError, newer.error().message}});
      continue;
    }
    aliases = policy::AliasCatalogue::overlaid(*std::move(aliases), *std::move(newer));
  }
  return aliases;
}

Result<std::shared_ptr<const policy::AliasCatalogue>> known_aliases(core::Snapshot& snapshot) {
  auto aliases = policy::AliasCatalogue::shipped();
  if (!aliases) {
    return aliases.error();
  }
  auto kept = snapshot.cached_documents(kPrefix);
  if (!kept) {
    return kept.error();
  }
  for (const auto& document : *kept) {
    auto newer = policy::AliasCatalogue::from_providers(document.body, document.name);
    if (!newer) {
      return newer.error();
    }
    aliases = policy::AliasCatalogue::overlaid(*std::move(aliases), *std::move(newer));
  }
  return aliases;
}

net::Task<bool> AliasRefresh::run(std::set<std::string> providers) {
  auto read = [this]() { return kept_answers(parts_.store); };
  auto kept = co_await net::offload(parts_.cpu, std::move(read));
  std::map<std::string, std::string> bodies;
  if (kept) {
    for (auto& document : *kept) {
      const auto provider = document.name.substr(kPrefix.size());
      if (parts_.clock.now() - document.fetched_at < kMaxAge) {
        providers.erase(provider);
      }
      bodies[provider] = std::move(document.body);
    }
  }
  if (providers.empty()) {
    co_return false;
  }
  auto shipped =
      co_await net::offload(parts_.cpu, [] { return policy::AliasCatalogue::shipped(); });
  std::size_t changed = 0;
  std::size_t failed = 0;
  std::string first_error;
  for (const auto& provider : providers) {
    auto refreshed = shipped ? co_await refresh(*shipped, provider, bodies[provider])
                             : Result<bool>(shipped.error());
    if (refreshed) {
      changed += *refreshed ? 1 : 0;
    } else if (++failed == 1) {
      first_error = refreshed.error().message;
    }
  }
  parts_.log.info("aliases_refreshed",
                  {{core::log_field::kObserved, fmt::format("{}", providers.size() - failed)},
                   {core::log_field::kChanged, fmt::format("{}", changed)},
                   {core::log_field::kReason, failed == 0 ? "complete" : "incomplete"},
                   {core::log_field::kError, first_error}});
  co_return changed > 0;
}

net::Task<Result<bool>> AliasRefresh::refresh(std::shared_ptr<const policy::AliasCatalogue> shipped,
                                              std::string provider,
                                              std::string kept) {
  auto path = collectors::provider_path(provider);
  auto answer = co_await parts_.azure.get(std::move(path));
  if (!answer) {
    co_return answer.error();
  }
  auto compare = [body = std::move(answer->body), shipped, provider]() {
    return policy::alias_differences(*shipped, body, provider);
  };
  auto differences = co_await net::offload(parts_.cpu, std::move(compare));
  if (!differences) {
    co_return differences.error();
  }
  // A provider that has never been asked adds nothing unless it says something.
  const bool changed = kept.empty() ? differences->contains("\"namespace\"") : *differences != kept;
  core::CachedDocument document;
  document.name = std::string(kPrefix) + provider;
  document.fetched_at = parts_.clock.now();
  document.body = *std::move(differences);
  auto keep = [this, document = std::move(document)]() {
    return parts_.store.put_cached_document(document);
  };
  auto stored = co_await net::offload(parts_.storage, std::move(keep));
  if (!stored) {
    co_return stored.error();
  }
  co_return changed;
}

}  // namespace plumbline::daemon
