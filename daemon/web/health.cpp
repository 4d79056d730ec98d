#include "daemon/web/health.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace plumbline::daemon {

using nlohmann::json;

namespace {

double seconds_between(core::Time from, core::Time to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

json time_json(std::optional<core::Time> time) {
  return time ? json(core::to_rfc3339(*time)) : json(nullptr);
}

json details(const HealthReport& report) {
  json threads = json::object();
  for (const auto& thread : report.threads) {
    threads[std::string(thread.name)] = {{"stuck", thread.is_stuck},
                                         {"silent_seconds", thread.silent.count()}};
  }
  json evidence = json::object();
  for (const auto& [source, oldest] : report.oldest_evidence) {
    evidence[source] = {{"oldest_at", core::to_rfc3339(oldest)},
                        {"age_seconds", seconds_between(oldest, report.now)}};
  }
  const auto& [running_since, ended_at, sign_in_error] = report.collection;
  json cycle = nullptr;
  if (report.last_cycle) {
    cycle = {{"number", report.last_cycle->number},
             {"kind", report.last_cycle->kind},
             {"committed_at", core::to_rfc3339(report.last_cycle->committed_at)},
             {"age_seconds", seconds_between(report.last_cycle->committed_at, report.now)},
             {"complete", report.last_cycle->complete}};
  }
  return {{"version", PLUMBLINE_VERSION},
          {"time", core::to_rfc3339(report.now)},
          {"healthy", report.is_healthy()},
          {"ready", report.is_ready},
          {"threads", std::move(threads)},
          // Nothing is known before the first pass has ended.
          {"sign_in",
           {{"ok", ended_at ? json(sign_in_error.empty()) : json(nullptr)},
            {"error", sign_in_error.empty() ? json(nullptr) : json(sign_in_error)}}},
          {"collection",
           {{"pass_ended_at", time_json(ended_at)},
            {"pass_running_seconds",
             running_since ? json(seconds_between(*running_since, report.now)) : json(nullptr)}}},
          {"evidence", std::move(evidence)},
          {"last_cycle", std::move(cycle)},
          {"store", {{"size_bytes", report.store_bytes}, {"writable", report.store_writable}}}};
}

bool wants_details(const net::ServerRequest& request) {
  if (request.query_value("verbose")) {
    return true;
  }
  for (const std::string_view range :
       core::split(request.headers.get("Accept").value_or(""), ',')) {
    if (core::iequals(core::trim(range.substr(0, range.find(';'))), "application/json")) {
      return true;
    }
  }
  return false;
}

net::ServerResponse answer(const HealthReport& report,
                           const net::ServerRequest& request,
                           bool good,
                           std::string text) {
  net::ServerResponse response;
  response.status = good ? 200 : 503;
  response.headers.set("Vary", "Accept");
  if (wants_details(request)) {
    response.content_type = "application/json";
    // An error's text may hold bytes of somebody else's: they are shown, not refused.
    response.body = details(report).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  } else {
    response.body = std::move(text);
  }
  return response;
}

}  // namespace

bool HealthReport::is_healthy() const {
  return std::ranges::none_of(threads, &ThreadState::is_stuck);
}

HealthReport examine(App& app) {
  HealthReport report;
  for (std::size_t i = 0; i < Heartbeats::kThreads.size(); ++i) {
    const auto age = app.heartbeats().age(Heartbeats::kThreads.at(i));
    report.threads.at(i) = {.name = Heartbeats::kNames.at(i),
                            .silent = std::chrono::duration_cast<std::chrono::seconds>(age),
                            .is_stuck = age >= Heartbeats::kLimit};
  }
  const auto published = app.published();
  report.is_ready = published->summary != nullptr;
  if (report.is_ready) {
    report.oldest_evidence = published->summary->oldest_evidence;
    report.last_cycle = published->summary->last_cycle;
  }
  report.collection = app.collection();
  report.store_bytes = app.store().size_bytes();
  report.store_writable = app.store().writable();
  report.now = app.clock().now();
  return report;
}

net::ServerResponse health_answer(const HealthReport& report, const net::ServerRequest& request) {
  std::string text;
  for (const auto& thread : report.threads) {
    if (thread.is_stuck) {
      text += fmt::format(
          "The {} thread has not answered for {} s.\n", thread.name, thread.silent.count());
    }
  }
  const bool good = report.is_healthy();
  return answer(report, request, good, good ? "Plumbline is Healthy.\n" : std::move(text));
}

net::ServerResponse readiness_answer(const HealthReport& report,
                                     const net::ServerRequest& request) {
  std::string text =
      report.is_ready ? "Plumbline is Ready.\n" : "The last committed state is not served yet.\n";
  if (const std::string& error = report.collection.sign_in_error;
      report.is_ready && !error.empty()) {
    text += fmt::format("Collection: Azure cannot be asked: {}\n", error);
  }
  return answer(report, request, report.is_ready, std::move(text));
}

}  // namespace plumbline::daemon
