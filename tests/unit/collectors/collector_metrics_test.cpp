#include "collectors/collector_metrics.hpp"

#include <doctest/doctest.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

using namespace plumbline;
using namespace std::chrono_literals;

TEST_CASE("what is left of a quota is the lowest of five minutes") {
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics(registry);
  const auto shown = [&](const std::string& service) {
    std::map<std::string, double> out;
    for (const auto& family : registry.Collect()) {
      if (family.name == "plumbline_azure_quota_remaining") {
        for (const auto& metric : family.metric) {
          out[metric.label.at(0).value] = metric.gauge.value;
        }
      }
    }
    return out.at(service);
  };
  const std::chrono::steady_clock::time_point start{};
  const auto told = [&](std::chrono::seconds after, double remaining) {
    metrics.set_quota_remaining("resource_graph", remaining, start + after);
    return shown("resource_graph");
  };
  CHECK(told(0s, 14) == 14);
  CHECK(told(1s, 3) == 3);
  CHECK(told(2s, 9) == 3);
  CHECK(told(60s, 15) == 3);
  CHECK(told(301s, 12) == 3);
  CHECK(told(302s, 15) == 9);
  CHECK(told(303s, 14) == 12);
  CHECK(told(1000s, 13) == 13);
  metrics.set_quota_remaining("resource_manager", 1, start);
  CHECK(shown("resource_manager") == 1);
  CHECK(shown("resource_graph") == 13);
}
