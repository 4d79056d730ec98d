// What the commands share that ask Azure a few questions and keep nothing.
#pragma once

#include "collectors/azure_client.hpp"
#include "collectors/collector_metrics.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/model/collection_plan.hpp"
#include "daemon/azure_initiatives.hpp"

#include <prometheus/registry.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace plumbline::daemon {

inline constexpr const char* kSubscriptionsPath = "/subscriptions?api-version=2022-12-01";
/// Two requests each: a tenant of thousands would keep whoever asks waiting for minutes.
inline constexpr std::size_t kMostSubscriptions = 200;

/// Such a command prints what goes wrong.
class NoLog final : public core::Log {
 public:
  void write(core::LogLevel /*level*/,
             std::string_view /*event*/,
             std::initializer_list<core::LogField> /*fields*/) override {}
};

/// What collectors need beside Azure, and nobody looks at here.
struct Surroundings {
  core::SystemClock clock;
  NoLog log;
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  collectors::CollectorMetrics metrics{*registry};
};

/// Somebody waits for the answers.
[[nodiscard]] collectors::AzureClientOptions impatient_options(const config::Settings& settings);

/// The initiatives that the settings name by their Azure ids, asked for now.
[[nodiscard]] FetchedInitiatives fetch_initiatives(const config::Settings& settings);
/// Those that the store keeps, where it can be read.
[[nodiscard]] FetchedInitiatives kept_initiatives(const config::Settings& settings);

/// Everything that must be readable for a plan; queries are a type of their own.
[[nodiscard]] std::vector<std::string> types_asked_for(const core::CollectionPlan& plan);

/// The first few, and how many more there are.
[[nodiscard]] std::string some_of(const std::vector<std::string>& items);

}  // namespace plumbline::daemon
