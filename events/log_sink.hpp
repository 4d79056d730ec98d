// Events as lines of the log, of a fixed shape.
#pragma once

#include "core/log.hpp"
#include "events/sink.hpp"

namespace plumbline::events {

class LogSink final : public Sink {
 public:
  /// `log` must outlive it.
  explicit LogSink(core::Log& log) : log_(&log) {}

  [[nodiscard]] std::string name() const override { return "log"; }

  [[nodiscard]] std::string target() const override { return "log"; }

  [[nodiscard]] Filter filter() const override { return {}; }

  [[nodiscard]] std::chrono::seconds give_up_after() const override { return {}; }

  net::Task<Outcome> deliver(Event event) override;

 private:
  core::Log* log_;
};

}  // namespace plumbline::events
