// What the metrics are called and say. docs/metrics.md is made from the same declarations.
#pragma once

namespace plumbline::core {

struct Metric {
  const char* name;
  const char* type;
  const char* help;
};

/// A family of prometheus-cpp, by any of its builders.
template <class Registry, class Builder>
auto& register_in(Registry& registry, Builder builder, const Metric& metric) {
  return builder.Name(metric.name).Help(metric.help).Register(registry);
}

namespace metrics {

#define METRIC(constant, table, type, name, labels, unit, help, page) \
  inline constexpr Metric constant{name, #type, help};
#include "core/metrics.def"
#undef METRIC

}  // namespace metrics

}  // namespace plumbline::core
