#include "events/log_sink.hpp"

namespace plumbline::events {

namespace {

constexpr std::size_t kLongestValue = 200;
namespace field = core::log_field;

/// A member as text; empty where there is none.
std::string text(const nlohmann::json& data, const char* name) {
  const auto found = data.find(name);
  if (found == data.end() || found->is_null()) {
    return {};
  }
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string clipped(std::string value) {
  if (value.size() > kLongestValue) {
    auto end = kLongestValue;
    while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U) {
      --end;  // no character is cut in two
    }
    value.resize(end);
    value += "...";
  }
  return value;
}

std::string first_control(const nlohmann::json& data) {
  const auto check = data.find("check");
  if (check == data.end() || !check->is_object() || check->at("controls").empty()) {
    return {};
  }
  return check->at("controls").front().get<std::string>();
}

void log_drift(core::Log& log, const Event& event) {
  const auto& data = event.data;
  const auto change = data.find("change");
  const bool is_known = change != data.end() && change->is_object();
  log.info("drift_event",
           {{field::kId, event.id},
            {field::kStep, text(data, "step")},
            {field::kKind, text(data, "kind")},
            {field::kSeverity, std::string(core::to_string(event.severity))},
            {field::kResourceId, event.subject},
            {field::kType, text(data, "type")},
            {field::kAssignment, text(data, "assignment")},
            {field::kCheck, text(data, "reference")},
            {field::kControl, first_control(data)},
            {field::kPath, text(data, "path")},
            {field::kOld, clipped(text(data, "old"))},
            {field::kNew, clipped(text(data, "new"))},
            {field::kActor, is_known ? text(*change, "changed_by") : std::string()},
            {field::kOwner, text(data, "owner")},
            {field::kDrift, text(data, "identity")},
            {field::kCycle, text(data, "cycle")}});
}

void log_verdict(core::Log& log, const Event& event) {
  const auto& data = event.data;
  log.info("verdict_changed",
           {{field::kId, event.id},
            {field::kSeverity, std::string(core::to_string(event.severity))},
            {field::kResourceId, event.subject},
            {field::kType, text(data, "type")},
            {field::kAssignment, text(data, "assignment")},
            {field::kCheck, text(data, "reference")},
            {field::kControl, first_control(data)},
            {field::kFrom, text(data, "from")},
            {field::kTo, text(data, "to")},
            {field::kCause, text(data, "cause")},
            {field::kReason, text(data, "reason")},
            {field::kCycle, text(data, "cycle")}});
}

}  // namespace

net::Task<Outcome> LogSink::deliver(Event event) {
  if (event.family == Family::kDrift) {
    log_drift(*log_, event);
  } else {
    log_verdict(*log_, event);
  }
  co_return Outcome{};
}

}  // namespace plumbline::events
