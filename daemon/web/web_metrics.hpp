// Operational metrics of the web side.
#pragma once

#include <prometheus/registry.h>

#include <string_view>

namespace plumbline::daemon {

class WebMetrics {
 public:
  explicit WebMetrics(prometheus::Registry& registry);

  void set_config_reload(bool successful);
  void count_answer(std::string_view endpoint, int status);
  void count_cut(std::string_view reason);

 private:
  prometheus::Family<prometheus::Counter>* requests_;
  prometheus::Family<prometheus::Counter>* cuts_;
  prometheus::Gauge* config_reload_;
};

}  // namespace plumbline::daemon
