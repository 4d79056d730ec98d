#include "simulator/simulator.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "net/gzip.hpp"
#include "net/http_server.hpp"
#include "simulator/arg.hpp"
#include "simulator/arm.hpp"
#include "simulator/faults.hpp"
#include "simulator/identity.hpp"
#include "simulator/store.hpp"
#include "simulator/timeline.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace plumbline::simulator {

namespace {

constexpr std::chrono::hours kCertificateLifetime{24 * 30};
constexpr std::size_t kCompressFrom = 1024;
// Subscription reads: bucket and refill a second (contracts 3.4).
constexpr double kReads = 250;
constexpr double kReadsPerSecond = 25;

net::ServerResponse to_response(const Reply& reply) {
  net::ServerResponse response;
  response.status = reply.status;
  response.content_type = "application/json; charset=utf-8";
  response.headers = reply.headers;
  response.body = reply.raw ? *reply.raw : dump(reply.body);
  return response;
}

Reply plain_reply(int status, Json body) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

Reply status_reply(const core::Status& status) {
  if (status) {
    return plain_reply(200, {{"ok", true}});
  }
  const int code = status.error().code == core::Errc::kNotFound ? 404 : 400;
  return plain_reply(code, {{"error", status.error().message}});
}

/// The nextLink of an answer, whatever its spelling there, led to another host.
void redirect_next_link(net::ServerResponse& response, const std::string& target) {
  Json body = Json::parse(response.body, nullptr, false);
  if (body.is_object()) {
    body["nextLink"] = target;
    response.body = dump(body);
  }
}

constexpr std::string_view kGraphPath = "/providers/microsoft.resourcegraph/resources";

void compress(const net::ServerRequest& request, net::ServerResponse& response) {
  const std::string accepted = core::to_lower(request.headers.get("Accept-Encoding").value_or(""));
  if (response.body.size() < kCompressFrom || accepted.find("gzip") == std::string::npos) {
    return;
  }
  if (auto packed = net::gzip_compress(response.body, 1)) {
    response.body = *std::move(packed);
    response.headers.set("Content-Encoding", "gzip");
  }
}

}  // namespace

struct Simulator::State {
  State(const core::Clock* time, const Options& chosen)
      : clock(time),
        options(chosen),
        store(time),
        generator(chosen.generator),
        graph(&store, time, chosen.enforce_quota),
        identity(time, chosen.token_lifetime) {
    store.set_delays(chosen.delays);
  }

  struct Bucket {
    double tokens = kReads;
    std::chrono::steady_clock::time_point filled;
  };

  const core::Clock* clock;
  Options options;
  Store store;
  Generator generator;
  ResourceGraph graph;
  Identity identity;
  Faults faults;
  Timeline timeline;
  ArmOptions arm;
  LoadCounts counts;
  std::string certificate;
  std::map<std::string, std::uint64_t> by_route;
  std::map<std::string, std::uint64_t> by_status;
  std::set<std::string> queries;  // of Resource Graph, each once
  std::uint64_t requests = 0;
  std::map<std::string, Bucket> reads;
  net::Event ready;  // everything above is in place
  net::Event stopped;
  std::unique_ptr<net::HttpServer> arm_server;
  std::unique_ptr<net::HttpServer> imds_server;

  /// The reads that are left, after one was taken.
  int take_read(const std::string& subscription) {
    const auto now = clock->steady_now();
    if (reads.size() > 10'000) {
      reads.clear();
    }
    Bucket& bucket = reads.try_emplace(subscription, Bucket{kReads, now}).first->second;
    const std::chrono::duration<double> passed = now - bucket.filled;
    bucket.tokens = std::min(kReads, bucket.tokens + passed.count() * kReadsPerSecond);
    bucket.filled = now;
    bucket.tokens = std::max(0.0, bucket.tokens - 1);
    return static_cast<int>(bucket.tokens);
  }

  ArmAnswer answer_https(const net::ServerRequest& request) {
    const std::string path = core::to_lower(request.path);
    if (path.ends_with("/oauth2/v2.0/token")) {
      return {"entra.token", identity.answer_entra(request, arm.endpoint)};
    }
    constexpr std::string_view kDiscovery = "/v2.0/.well-known/openid-configuration";
    if (path.ends_with(kDiscovery) && request.method == "GET") {
      return {"entra.discovery",
              plain_reply(200, discovery(path.substr(1, path.size() - 1 - kDiscovery.size())))};
    }
    if (path == "/metadata/endpoints") {
      return {"arm.endpoints", plain_reply(200, endpoints())};
    }
    if (auto refused = identity.refuse(request)) {
      return {"unauthorized", *std::move(refused)};
    }
    if (path == kGraphPath && request.method == "POST") {
      if (!request.query_value("api-version")) {
        return {"arg.query",
                arm_error(400,
                          "MissingApiVersionParameter",
                          "Requests to the resource manager name an api-version in their query.")};
      }
      remember_query(request);
      return {"arg.query", graph.answer(request)};
    }
    ArmAnswer answer = answer_arm(store, arm, request);
    const auto segments = core::split(path, '/');
    if (segments.size() > 2 && segments[1] == "subscriptions") {
      answer.reply.headers.add("x-ms-ratelimit-remaining-subscription-reads",
                               std::to_string(take_read(std::string(segments[2]))));
    } else {
      answer.reply.headers.add("x-ms-ratelimit-remaining-tenant-reads",
                               std::to_string(take_read("")));
    }
    return answer;
  }

  /// What Microsoft's libraries ask for before they ask for a token.
  [[nodiscard]] Json discovery(const std::string& tenant) const {
    const std::string base = arm.endpoint + "/" + tenant;
    return {{"token_endpoint", base + "/oauth2/v2.0/token"},
            {"authorization_endpoint", base + "/oauth2/v2.0/authorize"},
            {"jwks_uri", base + "/discovery/v2.0/keys"},
            {"issuer", base + "/v2.0"}};
  }

  void remember_query(const net::ServerRequest& request) {
    constexpr std::size_t kMaxQueries = 10'000;
    if (queries.size() < kMaxQueries) {
      queries.insert(string_member(Json::parse(request.body, nullptr, false), "query"));
    }
  }

  [[nodiscard]] Json endpoints() const {
    return Json::array({{{"name", "Simulator"},
                         {"resourceManager", arm.endpoint},
                         {"authentication",
                          {{"loginEndpoint", arm.endpoint},
                           {"audiences", Json::array({arm.endpoint})},
                           {"tenant", store.tenant_id()}}}}});
  }

  Reply answer_admin(const net::ServerRequest& request) {
    if (request.path == "/admin/ready" && request.method == "GET") {
      return plain_reply(200,
                         {{"ready", true},
                          {"subscriptions", store.subscriptions().size()},
                          {"resources", store.resources().size()},
                          {"revision", store.revision()}});
    }
    if (request.path == "/admin/requests" && request.method == "GET") {
      return plain_reply(200, {{"total", requests}, {"routes", by_route}, {"statuses", by_status}});
    }
    if (request.path == "/admin/queries" && request.method == "GET") {
      return plain_reply(200, {{"queries", queries}});
    }
    if (request.path == "/admin/faults") {
      return admin_faults(request);
    }
    if (request.path == "/admin/tokens" && request.method == "DELETE") {
      identity.revoke_all();
      return plain_reply(200, {{"ok", true}});
    }
    if (request.path == "/admin/identity" && request.method == "PUT") {
      const core::Result<Json> body = parse_json(request.body, "request body");
      return body ? status_reply(identity.set_rules(*body)) : status_reply(body.error());
    }
    if (request.path == "/admin/omissions" && request.method == "PUT") {
      const core::Result<Json> body = parse_json(request.body, "request body");
      return body ? status_reply(store.set_omissions(*body)) : status_reply(body.error());
    }
    if (request.path == "/admin/delays" && request.method == "PUT") {
      return admin_delays(request);
    }
    if (request.path == "/admin/resources") {
      return admin_resources(request);
    }
    return plain_reply(404, {{"error", "no such admin path or method"}});
  }

  Reply admin_faults(const net::ServerRequest& request) {
    if (request.method == "DELETE") {
      faults.clear();
      return plain_reply(200, {{"ok", true}});
    }
    if (request.method == "GET") {
      return plain_reply(200, {{"faults", faults.size()}});
    }
    if (request.method != "POST") {
      return plain_reply(405, {{"error", "POST, GET or DELETE"}});
    }
    const core::Result<Json> body = parse_json(request.body, "request body");
    return body ? status_reply(faults.replace(*body)) : status_reply(body.error());
  }

  Reply admin_delays(const net::ServerRequest& request) {
    const core::Result<Json> body = parse_json(request.body, "request body");
    if (!body || !body->is_object()) {
      return plain_reply(400, {{"error", "an object with changes_ms, activity_ms, graph_ms"}});
    }
    Delays delays = store.delays();
    for (const auto& [name, value] : body->items()) {
      std::chrono::milliseconds* const delay = name == "changes_ms"    ? &delays.changes
                                               : name == "activity_ms" ? &delays.activity
                                               : name == "graph_ms"    ? &delays.graph
                                                                       : nullptr;
      if (delay == nullptr || !value.is_number_unsigned()) {
        return plain_reply(400, {{"error", name + ": no such delay, or not a number from 0 on"}});
      }
      *delay = std::chrono::milliseconds(value.get<std::int64_t>());
    }
    store.set_delays(delays);
    return plain_reply(200, {{"ok", true}});
  }

  /// From its first change on Resource Manager knows a generated resource, too.
  Reply patch_generated(std::size_t index, const Json& patch, const Cause& cause) {
    const std::string id = generator.id(index);
    if (store.find(id) == nullptr) {
      std::string row;
      generator.append_row(index, row);
      store.add(Json::parse(row));
    }
    const auto patched = store.patch(id, patch, cause);
    if (patched) {
      generator.patch(index, patch);
    }
    return status_reply(patched);
  }

  Reply admin_resources(const net::ServerRequest& request) {
    const auto id = request.query_value("id");
    if (!id) {
      return plain_reply(400, {{"error", "the query names no id"}});
    }
    Cause cause;
    cause.changed_by = request.query_value("changed_by").value_or(cause.changed_by);
    cause.client_type = request.query_value("client_type").value_or(cause.client_type);
    if (request.method == "DELETE") {
      return status_reply(store.remove(*id, cause));
    }
    if (request.method == "GET") {
      const Resource* const resource = store.find(*id);
      return resource != nullptr ? plain_reply(200, resource->body)
                                 : plain_reply(404, {{"error", "not found"}});
    }
    const core::Result<Json> body = parse_json(request.body, "request body");
    if (!body) {
      return status_reply(body.error());
    }
    if (const auto generated = generator.index_of(*id)) {
      if (request.method != "PATCH") {
        return plain_reply(405, {{"error", "generated resources can only be patched"}});
      }
      return patch_generated(*generated, *body, cause);
    }
    if (request.method == "PUT") {
      return status_reply(store.put(*id, *body, cause));
    }
    if (request.method == "PATCH") {
      return status_reply(store.patch(*id, *body, cause));
    }
    return plain_reply(405, {{"error", "GET, PUT, PATCH or DELETE"}});
  }

  ArmAnswer answer_plain(const net::ServerRequest& request) {
    std::string path = request.path;
    if (path.ends_with('/')) {
      path.pop_back();
    }
    if (path == "/metadata/identity/oauth2/token") {
      return {"imds.token", identity.answer_imds(request)};
    }
    if (path == "/msi/token") {
      return {"app_service.token", identity.answer_app_service(request)};
    }
    if (path == "/arc/metadata/identity/oauth2/token") {
      return {"azure_arc.token", identity.answer_arc(request)};
    }
    Reply missing;
    missing.status = 404;
    missing.body = {{"error", "Not found"}};
    return {"imds.other", std::move(missing)};
  }

  void count(const std::string& route, int status) {
    ++requests;
    ++by_route[route];
    ++by_status[std::to_string(status)];
  }
};

namespace {

/// Waits when asked to; nothing otherwise.
net::Task<void> wait(std::chrono::milliseconds duration, net::Event stopped) {
  if (duration > std::chrono::milliseconds::zero()) {
    co_await net::sleep_for(duration, std::move(stopped));
  }
}

}  // namespace

namespace {

template <class State>
net::Task<net::ServerResponse> serve(std::shared_ptr<State> state,
                                     net::ServerRequest request,
                                     bool https) {
  if (!state->ready.is_set()) {
    co_await state->ready.wait_for(std::chrono::seconds(10));
  }
  if (!https && request.path.starts_with("/admin/")) {
    co_return to_response(state->answer_admin(request));
  }
  const std::optional<Fault> fault = state->faults.take(request);
  std::chrono::milliseconds delay =
      state->options.latency + (fault ? fault->delay : std::chrono::milliseconds::zero());
  if (https && core::to_lower(request.path) == kGraphPath) {
    delay += state->options.graph_latency;
  }
  co_await wait(delay, state->stopped);

  ArmAnswer answer;
  if (fault && fault->kind == FaultKind::kAnswer && fault->status) {
    answer.route = "fault";
    answer.reply = fault_reply(*fault);
  } else if (fault && fault->kind == FaultKind::kClose) {
    answer.route = "fault";
    answer.reply.status = 0;
  } else {
    answer = https ? state->answer_https(request) : state->answer_plain(request);
  }
  state->count(answer.route, answer.reply.status);
  spdlog::debug("{} {} {} {}", answer.route, answer.reply.status, request.method, request.path);
  net::ServerResponse response = to_response(answer.reply);
  if (https) {
    const std::string id = core::random_uuid();
    response.headers.set("x-ms-request-id", id);
    response.headers.set(
        "x-ms-correlation-request-id",
        std::string(request.headers.get("x-ms-correlation-request-id").value_or(id)));
    response.headers.set("Cache-Control", "no-cache");
    if (request.headers.get("x-ms-return-client-request-id") == "true") {
      response.headers.set("x-ms-client-request-id",
                           std::string(request.headers.get("x-ms-client-request-id").value_or("")));
    }
  }
  if (fault) {
    response.drop_connection = fault->kind == FaultKind::kClose;
    response.truncate_body_at = fault->truncate_body_at;
    if (fault->kind == FaultKind::kMalformedJson) {
      response.body.resize(response.body.size() / 2);
      response.body += "\"<malformed";
    } else if (fault->kind == FaultKind::kForeignNextLink) {
      redirect_next_link(response, fault->next_link);
    }
  }
  if (https && !response.truncate_body_at) {
    compress(request, response);
  }
  co_return response;
}

template <class State>
net::Task<void> replay(std::shared_ptr<State> state) {
  for (;;) {
    const auto begun = state->clock->steady_now();
    while (const auto next = state->timeline.next()) {
      const auto elapsed = state->clock->steady_now() - begun;
      if (*next > elapsed) {
        const bool slept = co_await net::sleep_for(*next - elapsed, state->stopped);
        if (!slept) {
          co_return;
        }
      }
      const auto now = state->clock->steady_now() - begun;
      state->timeline.apply(state->store,
                            std::chrono::duration_cast<std::chrono::milliseconds>(now));
    }
    if (state->options.timeline != Replay::kLoop) {
      co_return;
    }
    // A moment between the last entry and the next round, and never a round without one.
    const bool slept = co_await net::sleep_for(std::chrono::seconds(10), state->stopped);
    if (!slept) {
      co_return;
    }
    state->timeline.rewind(state->store);
  }
}

template <class State>
struct Serving {
  std::shared_ptr<State> state;
  bool https;

  net::Task<net::ServerResponse> operator()(net::ServerRequest request) const {
    return serve(state, std::move(request), https);
  }
};

void log_counts(const std::string& directory, const LoadCounts& counts) {
  spdlog::info("{}: {} files ({} unreadable), {} resources, {} duplicates, {} without a usable id",
               directory,
               counts.files,
               counts.unreadable_files,
               counts.resources,
               counts.duplicates,
               counts.rejected);
}

}  // namespace

core::Result<std::unique_ptr<Simulator>> Simulator::start(const net::Executor& executor,
                                                          const core::Clock* clock,
                                                          const Options& options) {
  auto state = std::make_shared<State>(clock, options);
  if (options.generator.resources > 0) {
    if (auto taken = state->store.set_tenant(state->generator.tenant()); !taken) {
      return taken.error();
    }
    state->graph.set_generator(&state->generator);
  }
  if (!options.scenario.empty()) {
    const auto scenario = load_scenario(options.scenario, state->store, state->counts);
    if (!scenario) {
      return scenario.error();
    }
    if (const core::Status taken = state->faults.replace(scenario->faults); !taken) {
      return taken.error().with_context(options.scenario + "/faults.json");
    }
    auto timeline = Timeline::parse(scenario->timeline);
    if (!timeline) {
      return timeline.error().with_context(options.scenario);
    }
    state->timeline = *std::move(timeline);
    state->arm.providers = scenario->providers;
    log_counts(options.scenario, state->counts);
  }
  if (!options.data.empty()) {
    const auto counts = load_data(options.data, state->store);
    if (!counts) {
      return counts.error();
    }
    log_counts(options.data, *counts);
    state->counts.files += counts->files;
    state->counts.unreadable_files += counts->unreadable_files;
    state->counts.resources += counts->resources;
    state->counts.duplicates += counts->duplicates;
    state->counts.rejected += counts->rejected;
  }
  const auto certificate = net::make_self_signed_certificate(kCertificateLifetime);
  if (!certificate) {
    return certificate.error();
  }
  state->certificate = certificate->certificate_pem;

  net::ServerOptions https;
  https.port = options.arm_port;
  https.certificate_pem = certificate->certificate_pem;
  https.private_key_pem = certificate->private_key_pem;
  net::ServerOptions plain;
  plain.port = options.imds_port;
  plain.max_body_bytes = std::size_t{16} << 20U;
  auto arm_server = net::HttpServer::listen(executor, https, Serving<State>{state, true});
  if (!arm_server) {
    return arm_server.error();
  }
  state->arm_server = *std::move(arm_server);
  state->arm.endpoint = fmt::format("https://127.0.0.1:{}", state->arm_server->port());
  state->arm.page_size = options.page_size;
  auto simulator = std::unique_ptr<Simulator>(new Simulator(state));
  auto imds_server = net::HttpServer::listen(executor, plain, Serving<State>{state, false});
  if (!imds_server) {
    return imds_server.error();
  }
  state->imds_server = *std::move(imds_server);
  state->ready.set();
  if (options.timeline != Replay::kOff && state->timeline.next()) {
    net::spawn(executor, replay(state));
  }
  return simulator;
}

Simulator::Simulator(std::shared_ptr<State> state) : state_(std::move(state)) {}

Simulator::~Simulator() {
  state_->stopped.set();
  // The servers' handlers hold the state: without this the two would keep each other.
  state_->arm_server.reset();
  state_->imds_server.reset();
}

std::uint16_t Simulator::arm_port() const {
  return state_->arm_server->port();
}

std::uint16_t Simulator::imds_port() const {
  return state_->imds_server->port();
}

const std::string& Simulator::certificate() const {
  return state_->certificate;
}

const LoadCounts& Simulator::counts() const {
  return state_->counts;
}

}  // namespace plumbline::simulator
