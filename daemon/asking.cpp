#include "daemon/asking.hpp"

#include "collectors/identity/credential_chain.hpp"
#include "collectors/identity/token_cache.hpp"
#include "daemon/azure_options.hpp"
#include "daemon/sign_in.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <span>

namespace plumbline::daemon {

using namespace std::chrono_literals;

collectors::AzureClientOptions impatient_options(const config::Settings& settings) {
  auto options = azure_options(settings);
  options.max_retries = 1;
  options.base_delay = 500ms;
  options.max_delay = 5s;
  return options;
}

namespace {

net::Task<void> fetch_all(collectors::AzureClient* azure,
                          net::Executor cpu,
                          std::map<std::string, core::DefinitionReference> references,
                          core::Time now,
                          FetchedInitiatives* out) {
  for (const auto& [key, reference] : references) {
    auto document = co_await fetch_initiative(azure, cpu, reference);
    auto files = document ? compliance::read_initiative_document(*document, reference)
                          : core::Result<compliance::InitiativeFiles>(document.error());
    if (files) {
      out->kept.emplace(key, FetchedInitiative{*std::move(files), now});
    } else {
      out->failures.emplace(key, files.error().message);
    }
  }
}

FetchedInitiatives all_failed(const config::Settings& settings, const core::Error& error) {
  FetchedInitiatives out;
  for (const auto& [key, reference] : azure_initiatives(settings)) {
    out.failures.emplace(key, fmt::format("{}: {}", reference.id, error.message));
  }
  return out;
}

}  // namespace

FetchedInitiatives fetch_initiatives(const config::Settings& settings) {
  if (azure_initiatives(settings).empty()) {
    return {};
  }
  const auto environment = collectors::process_environment();
  auto client = client_options(settings, environment);
  if (!client) {
    return all_failed(settings, client.error());
  }
  Surroundings around;
  net::Worker io("io", 1);
  net::Worker cpu("cpu", 1);
  auto transport = net::make_http_client(io.executor(), *std::move(client));
  if (!transport) {
    return all_failed(settings, transport.error());
  }
  auto credential = make_credential(
      settings,
      {.transport = transport->get(), .clock = &around.clock, .metrics = &around.metrics},
      environment,
      around.log);
  if (!credential) {
    return all_failed(settings, credential.error());
  }
  collectors::TokenCache tokens(
      io.executor(), **credential, around.clock, around.log, around.metrics);
  collectors::AzureClient azure(
      **transport, tokens, around.clock, around.log, around.metrics, impatient_options(settings));
  FetchedInitiatives out;
  net::run_blocking(
      io.executor(),
      fetch_all(&azure, cpu.executor(), azure_initiatives(settings), around.clock.now(), &out));
  return out;
}

FetchedInitiatives kept_initiatives(const config::Settings& settings) {
  if (azure_initiatives(settings).empty()) {
    return {};
  }
  auto snapshot = storage::read_store(settings.storage_path);
  auto known = snapshot ? known_initiatives(**snapshot, settings)
                        : core::Result<FetchedInitiatives>(snapshot.error());
  return known ? *std::move(known) : all_failed(settings, known.error());
}

std::vector<std::string> types_asked_for(const core::CollectionPlan& plan) {
  std::set<std::string> types = {"microsoft.resourcegraph/resources"};
  for (const auto& table : plan.tables) {
    types.insert(table.types.begin(), table.types.end());
  }
  for (const auto& detail : plan.details) {
    types.insert(detail.type);
  }
  return {types.begin(), types.end()};
}

std::string some_of(const std::vector<std::string>& items) {
  constexpr std::size_t kMostNamed = 5;
  const auto shown = std::min(items.size(), kMostNamed);
  const std::span<const std::string> first(items.data(), shown);
  return fmt::format("{}{}",
                     fmt::join(first, ", "),
                     items.size() > shown ? fmt::format(" and {} more", items.size() - shown) : "");
}

}  // namespace plumbline::daemon
