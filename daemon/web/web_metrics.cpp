#include "daemon/web/web_metrics.hpp"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include <string>

namespace plumbline::daemon {

WebMetrics::WebMetrics(prometheus::Registry& registry)
    : requests_(&prometheus::BuildCounter()
                     .Name("plumbline_http_requests_total")
                     .Help("Requests to this daemon by kind of endpoint and status of the answer.")
                     .Register(registry)),
      cuts_(&prometheus::BuildCounter()
                 .Name("plumbline_http_connections_cut_total")
                 .Help("Connections that the daemon ended for its own good, by reason.")
                 .Register(registry)),
      config_reload_(&prometheus::BuildGauge()
                          .Name("plumbline_web_config_last_reload_successful")
                          .Help("Whether the last attempt to read the web config file succeeded.")
                          .Register(registry)
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
