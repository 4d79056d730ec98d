#include "daemon/web/web_metrics.hpp"

#include "core/metrics.hpp"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <string>

namespace plumbline::daemon {

namespace metrics = core::metrics;

WebMetrics::WebMetrics(prometheus::Registry& registry)
    : requests_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kHttpRequestsTotal)),
      cuts_(&core::register_in(
          registry, prometheus::BuildCounter(), metrics::kHttpConnectionsCutTotal)),
      config_reload_(&core::register_in(registry,
                                        prometheus::BuildGauge(),
                                        metrics::kWebConfigLastReloadSuccessful)
                          .Add({})) {
  config_reload_->Set(1);
}

void WebMetrics::set_config_reload(bool successful) {
  config_reload_->Set(successful ? 1 : 0);
}

void WebMetrics::count_cut(std::string_view reason) {
  cuts_->Add({{"reason", std::string(reason)}}).Increment();
}

void WebMetrics::count_answer(std::string_view endpoint, int status) {
  requests_->Add({{"endpoint", std::string(endpoint)}, {"code", fmt::format("{}", status)}})
      .Increment();
}

}  // namespace plumbline::daemon
