// The whole simulator over sockets, with the product's own client.
#include "simulator/simulator.hpp"

#include "core/text.hpp"
#include "net/http_client.hpp"
#include "tests/unit/simulator/testing.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>

using namespace plumbline;
using namespace plumbline::simulator;

namespace {

using Answer = core::Result<net::HttpResponse>;

net::Task<void> send_into(net::HttpTransport* client, net::HttpRequest request, Answer* answer) {
  *answer = co_await client->send(std::move(request));
}

class Running {
 public:
  explicit Running(Options options = {}) {
    directory_.write("data/vault.json", dump(resource(kVault, {{"type", "t"}})));
    directory_.write("data/big.json",
                     dump(resource(std::string(kVault) + "-big",
                                   {{"type", "t"}, {"kind", std::string(10'000, 'k')}})));
    options.data = directory_.path() + "/data";
    auto started = Simulator::start(server_.executor(), &clock_, options);
    REQUIRE(started);
    simulator_ = *std::move(started);
    directory_.write("ca.pem", simulator_->certificate());
    net::ClientOptions client;
    client.ca_file = directory_.path() + "/ca.pem";
    client_ = *net::make_http_client(worker_.executor(), client);
  }

  Answer send(const std::string& method,
              const std::string& url,
              const std::string& body = "",
              const net::Headers& headers = {}) {
    net::HttpRequest request;
    request.method = method;
    request.url = url;
    request.headers = headers;
    request.body = body;
    Answer answer;
    net::run_blocking(worker_.executor(), send_into(client_.get(), std::move(request), &answer));
    return answer;
  }

  Answer plain(const std::string& method, const std::string& target, const std::string& body = "") {
    const net::Headers headers = {{"Metadata", "true"}};
    return send(method,
                "http://127.0.0.1:" + std::to_string(simulator_->imds_port()) + target,
                body,
                headers);
  }

  std::string token() {
    const Answer answer = plain("GET",
                                "/metadata/identity/oauth2/token/"
                                "?api-version=2018-02-01&resource=https://management.azure.com");
    REQUIRE(answer);
    REQUIRE(answer->status == 200);
    return Json::parse(answer->body)["access_token"];
  }

  Answer arm(const std::string& target,
             const std::string& method = "GET",
             const std::string& body = "") {
    if (!token_) {
      token_ = token();
    }
    const net::Headers headers = {{"Authorization", "Bearer " + *token_},
                                  {"Content-Type", "application/json"}};
    return send(method,
                "https://127.0.0.1:" + std::to_string(simulator_->arm_port()) + target,
                body,
                headers);
  }

  void fault(const std::string& json) {
    const Answer answer = plain("POST", "/admin/faults", json);
    REQUIRE(answer);
    REQUIRE(answer->status == 200);
  }

  void forget_token() { token_.reset(); }

 private:
  TemporaryDirectory directory_;
  core::SystemClock clock_;
  net::Worker server_{"simulator", 1};
  net::Worker worker_{"client", 1};
  std::unique_ptr<Simulator> simulator_;
  std::unique_ptr<net::HttpTransport> client_;
  std::optional<std::string> token_;
};

const std::string kVersion = "?api-version=2022-12-01";

}  // namespace

TEST_CASE("a client signs in, lists, gets and queries") {
  Running running;
  const Answer list = running.arm("/subscriptions" + kVersion);
  REQUIRE(list);
  CHECK(list->status == 200);
  CHECK(list->headers.get("x-ms-request-id"));
  CHECK(list->headers.get("x-ms-correlation-request-id"));
  const Answer get = running.arm(kVault + kVersion);
  CHECK(Json::parse(get->body)["id"] == kVault);
  CHECK(get->headers.get("x-ms-ratelimit-remaining-subscription-reads") == "249");
  CHECK(Json::parse(running.arm(kVault + std::string("-big") + kVersion)->body)["kind"]
            .get<std::string>()
            .size() == 10'000);  // over gzip
  const Answer query =
      running.arm("/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
                  "POST",
                  R"({"query":"resources | project id | order by id asc"})");
  REQUIRE(query);
  CHECK(query->status == 200);
  CHECK(query->headers.get("x-ms-user-quota-remaining") == "14");
  CHECK(Json::parse(query->body)["count"] == 2);

  const Json counted = Json::parse(running.plain("GET", "/admin/requests")->body);
  CHECK(counted["total"] == 5);
  CHECK(counted["routes"]["arm.get"] == 2);
  CHECK(counted["routes"]["imds.token"] == 1);
  CHECK(running.plain("GET", "/metadata/other")->status == 404);
  CHECK(running.plain("GET", "/admin/ready")->status == 200);
}

TEST_CASE("without a good token nothing is answered") {
  Running running;
  const Answer answer = running.arm("/subscriptions" + kVersion);
  REQUIRE(answer);
  REQUIRE(running.plain("DELETE", "/admin/tokens")->status == 200);
  const Answer refused = running.arm("/subscriptions" + kVersion);
  REQUIRE(refused);
  CHECK(refused->status == 401);
  CHECK(refused->headers.get("WWW-Authenticate"));
  running.forget_token();
  CHECK(running.arm("/subscriptions" + kVersion)->status == 200);
}

TEST_CASE("resources are changed through the admin API") {
  Running running;
  const std::string id = core::percent_encode(kVault);
  CHECK(running.plain("PATCH", "/admin/resources?id=" + id, R"({"kind":"new"})")->status == 200);
  CHECK(Json::parse(running.arm(kVault + kVersion)->body)["kind"] == "new");
  CHECK(running.plain("DELETE", "/admin/resources?id=" + id + "&changed_by=mia@contoso.example")
            ->status == 200);
  CHECK(running.arm(kVault + kVersion)->status == 404);
  CHECK(running.plain("PUT", "/admin/resources?id=" + id, R"({"kind":"back"})")->status == 200);
  CHECK(running.arm(kVault + kVersion)->status == 200);
  CHECK(running.plain("GET", "/admin/resources?id=" + id)->status == 200);
  CHECK(running.plain("PATCH", "/admin/resources?id=%2Fsubscriptions%2Fx", "{}")->status == 404);
  CHECK(running.plain("PUT", "/admin/resources?id=x", "{}")->status == 400);
  CHECK(running.plain("PUT", "/admin/resources?id=" + id, "{")->status == 400);
  CHECK(running.plain("PUT", "/admin/resources", "{}")->status == 400);
  CHECK(running.plain("PUT", "/admin/delays", R"({"changes_ms":5,"graph_ms":0})")->status == 200);
  for (const char* const bad : {R"({"changes_ms":-1})", R"({"other_ms":1})", "[]", "{"}) {
    CHECK(running.plain("PUT", "/admin/delays", bad)->status == 400);
  }
  const Answer query = running.arm(
      "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
      "POST",
      R"q({"query":"resourcechanges | summarize count() by t = tostring(properties.changeType)"})q");
  CHECK(Json::parse(query->body)["count"] == 3);
}

TEST_CASE("each kind of fault looks to the client like what it is") {
  Running running;
  REQUIRE(running.arm("/subscriptions" + kVersion));
  const std::string target = kVault + std::string("-big") + kVersion;
  const std::string match = R"([{"match":{"path_prefix":"/subscriptions/s1"},)";

  running.fault(match + R"("status":403,"body_code":"AuthorizationFailed"}])");
  CHECK(running.arm(target)->status == 403);
  running.fault(match + R"("status":429,"retry_after":3,"body":""}])");
  const Answer throttled = running.arm(target);
  CHECK(throttled->status == 429);
  CHECK(throttled->body.empty());
  CHECK(throttled->headers.get("Retry-After") == "3");
  running.fault(match + R"("truncate_body_at":100}])");
  CHECK(running.arm(target).error().code == core::Errc::kTruncated);
  running.fault(match + R"("kind":"close"}])");
  CHECK(running.arm(target).error().code == core::Errc::kNetwork);
  running.fault(match + R"("kind":"malformed_json"}])");
  CHECK(Json::parse(running.arm(target)->body, nullptr, false).is_discarded());
  running.fault(match + R"("kind":"foreign_next_link"}])");
  const Json body = Json::parse(running.arm("/subscriptions/S1/resources" + kVersion)->body);
  CHECK(net::parse_url(body["nextLink"].get<std::string>())->host == "attacker.example");
  running.fault(match + R"("delay_ms":20,"times":1}])");
  const auto begun = std::chrono::steady_clock::now();
  CHECK(running.arm(target)->status == 200);
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(20));
  CHECK(running.plain("POST", "/admin/faults", "[{}]")->status == 400);
  CHECK(running.plain("DELETE", "/admin/faults")->status == 200);
  CHECK(running.arm(target)->status == 200);
}

TEST_CASE("bad directories and ports are errors, not crashes") {
  core::SystemClock clock;
  net::Worker worker("w", 1);
  Options options;
  options.scenario = "/nonexistent";
  CHECK(Simulator::start(worker.executor(), &clock, options).error().code == core::Errc::kIo);
  options = {};
  options.data = "/nonexistent";
  CHECK(Simulator::start(worker.executor(), &clock, options).error().code == core::Errc::kIo);
  options = {};
  const auto first = Simulator::start(worker.executor(), &clock, options);
  REQUIRE(first);
  options.imds_port = (*first)->imds_port();
  CHECK(Simulator::start(worker.executor(), &clock, options).error().code == core::Errc::kIo);
}

TEST_CASE("the program says where it listens and ends cleanly on SIGTERM") {
  const TemporaryDirectory directory;
  const std::string ports = directory.path() + "/ports.json";
  const std::string ca = directory.path() + "/ca.pem";
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::execl(PLUMBLINE_SIMULATOR,
            PLUMBLINE_SIMULATOR,
            "--ports-file",
            ports.c_str(),
            "--ca-file",
            ca.c_str(),
            "--log-level",
            "off",
            nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string output;
  char byte = 0;
  while (std::count(output.begin(), output.end(), '\n') < 2 && ::read(ends[0], &byte, 1) == 1) {
    output += byte;
  }
  CHECK(output.find("https://127.0.0.1:") != std::string::npos);
  ::kill(child, SIGTERM);  // taken only once everything is in place
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  ::close(ends[0]);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  const auto written = read_json_file(ports);
  REQUIRE(written);
  CHECK((*written)["arm_port"].get<int>() > 0);
  CHECK((*written)["imds_endpoint"].get<std::string>().starts_with("http://127.0.0.1:"));
  CHECK(read_file(ca).value_or("").starts_with("-----BEGIN CERTIFICATE-----"));
}
