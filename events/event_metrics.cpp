#include "events/event_metrics.hpp"

namespace plumbline::events {

EventMetrics::EventMetrics(prometheus::Registry& registry)
    : pending_(&prometheus::BuildGauge()
                    .Name("plumbline_outbox_pending")
                    .Help("Rows of the history that a sink has not dealt with yet.")
                    .Register(registry)),
      oldest_(&prometheus::BuildGauge()
                   .Name("plumbline_outbox_oldest_timestamp_seconds")
                   .Help("When the oldest event that a sink has not dealt with happened; 0 when "
                         "there is none.")
                   .Register(registry)),
      dead_letters_(&prometheus::BuildGauge()
                         .Name("plumbline_dead_letters")
                         .Help("Events that a sink did not take and is not offered again; the "
                               "latest thousand are kept.")
                         .Register(registry)),
      taken_(&prometheus::BuildCounter()
                  .Name("plumbline_notifications_total")
                  .Help("Events, or alerts, that a sink took.")
                  .Register(registry)),
      failed_(&prometheus::BuildCounter()
                   .Name("plumbline_notifications_failed_total")
                   .Help("Attempts to deliver that were in vain.")
                   .Register(registry)),
      lost_(&prometheus::BuildCounter()
                 .Name("plumbline_notifications_lost_total")
                 .Help("Rows of the history that retention removed before a sink was told.")
                 .Register(registry)) {}

void EventMetrics::add_sink(const std::string& sink) {
  for (auto* family : {taken_, failed_}) {
    family->Add({{"sink", sink}});
  }
}

void EventMetrics::set_pending(const std::string& sink,
                               double count,
                               std::optional<core::Time> oldest) {
  pending_->Add({{"sink", sink}}).Set(count);
  oldest_->Add({{"sink", sink}})
      .Set(oldest ? static_cast<double>(core::to_micros(*oldest)) / 1e6 : 0);
}

void EventMetrics::set_dead_letters(const std::string& sink, double count) {
  dead_letters_->Add({{"sink", sink}}).Set(count);
}

void EventMetrics::count_taken(const std::string& sink, double events) {
  taken_->Add({{"sink", sink}}).Increment(events);
}

void EventMetrics::count_failed(const std::string& sink) {
  failed_->Add({{"sink", sink}}).Increment();
}

void EventMetrics::count_lost(const std::string& sink, double rows) {
  lost_->Add({{"sink", sink}}).Increment(rows);
}

}  // namespace plumbline::events
