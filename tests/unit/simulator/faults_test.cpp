#include "simulator/faults.hpp"

#include "simulator/timeline.hpp"
#include "tests/unit/simulator/testing.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline;
using namespace plumbline::simulator;
using namespace std::chrono_literals;

TEST_CASE("faults concern the requests they match") {
  const auto post = make_request("POST",
                                 "/providers/Microsoft.ResourceGraph/resources",
                                 "",
                                 R"({"subscriptions":["S1"],"query":"resourcechanges"})");
  const auto get =
      make_request("GET", std::string(kVault) + "/providers/Microsoft.Insights/diagnosticSettings");

  const struct {
    std::string match;
    bool post;
    bool get;
  } cases[] = {
      {R"({})", true, true},
      {R"({"method":"get"})", false, true},
      {R"({"path_prefix":"/SUBSCRIPTIONS/s1"})", false, true},
      {R"({"path_regex":"(?i)/vaults/KV/.*SETTINGS$"})", false, true},
      {R"({"path_regex":"/vaults/KV/"})", false, false},
      {R"({"subscription":"s1"})", true, true},
      {R"({"subscription":"s"})", true, false},
      {R"({"subscription":"s2"})", false, false},
      {R"({"body_contains":"resourcechanges"})", true, false},
      {R"({"method":"POST","body_contains":"resourcechanges"})", true, false},
  };

  for (const auto& test : cases) {
    CAPTURE(test.match);
    Faults faults;
    REQUIRE(faults.replace(Json::array({{{"match", Json::parse(test.match)}, {"status", 500}}})));
    CHECK(faults.take(post).has_value() == test.post);
    CHECK(faults.take(get).has_value() == test.get);
  }
}

TEST_CASE("a fault counts down and the next one takes over") {
  Faults faults;
  REQUIRE(faults.replace(Json::parse(R"([
    {"match":{},"status":429,"retry_after":7,"times":2,"body_code":"RateLimiting"},
    {"match":{},"status":401}])")));
  const auto request = make_request("GET", "/x");
  for (int i = 0; i < 2; ++i) {
    const Reply reply = fault_reply(*faults.take(request));
    CHECK(reply.status == 429);
    CHECK(reply.headers.get("Retry-After") == "7");
    CHECK(reply.body["error"]["code"] == "RateLimiting");
  }
  const Reply reply = fault_reply(*faults.take(request));
  CHECK(reply.status == 401);
  CHECK(reply.body["error"]["code"] == "InvalidAuthenticationToken");
  CHECK(reply.headers.get("WWW-Authenticate"));
  faults.clear();
  CHECK_FALSE(faults.take(request));
}

TEST_CASE("malformed faults are refused and change nothing") {
  Faults faults;
  REQUIRE(faults.replace(Json::parse(R"([{"match":{},"status":500}])")));
  const char* const cases[] = {
      R"({})",
      R"([1])",
      R"([{"status":500}])",
      R"([{"match":{},"staus":500}])",
      R"([{"match":{"path":"/x"},"status":500}])",
      R"([{"match":{"path_regex":"("},"status":500}])",
      R"([{"match":{},"status":99}])",
      R"([{"match":{},"status":"500"}])",
      R"([{"match":{},"times":-1}])",
      R"([{"match":{},"kind":"explode"}])",
  };
  for (const char* const text : cases) {
    CAPTURE(text);
    CHECK_FALSE(faults.replace(Json::parse(text)));
  }
  CHECK(faults.size() == 1);
}

TEST_CASE("a timeline applies what is due, and rewinds") {
  FixedClock clock;
  Store store(&clock);
  store.add(resource(kVault));
  const std::string other = std::string(kVault) + "2";
  const Json entries = Json::array(
      {{{"after_seconds", 20}, {"action", "delete"}, {"id", kVault}},
       {{"after_seconds", 10}, {"action", "put"}, {"id", other}, {"resource", resource(other)}},
       {{"after_seconds", 10.5}, {"action", "patch"}, {"id", other}, {"patch", {{"kind", "k"}}}},
       {{"after_seconds", 30}, {"action", "patch"}, {"id", kVault}, {"patch", Json::object()}}});
  auto timeline = Timeline::parse(entries);
  REQUIRE(timeline);
  CHECK(timeline->next() == 10s);
  CHECK(timeline->apply(store, 9s) == 0);
  CHECK(timeline->apply(store, 10s) == 1);
  CHECK(timeline->apply(store, 20s) == 2);
  CHECK(store.find(other)->body["kind"] == "k");
  CHECK(store.find(kVault) == nullptr);
  CHECK(timeline->apply(store, 1h) == 0);  // nothing left to patch
  CHECK_FALSE(timeline->next());
  timeline->rewind(store);
  CHECK(store.find(other) == nullptr);
  CHECK(store.find(kVault) != nullptr);
  CHECK(timeline->next() == 10s);

  for (const char* const bad :
       {R"({})",
        R"([{"after_seconds":-1,"action":"delete","id":"/subscriptions/x"}])",
        R"([{"after_seconds":1,"action":"drop","id":"/subscriptions/x"}])",
        R"([{"after_seconds":1,"action":"put","id":"/subscriptions/x"}])",
        R"([{"after_seconds":1,"action":"delete","id":"x"}])"}) {
    CAPTURE(bad);
    CHECK_FALSE(Timeline::parse(Json::parse(bad)));
  }
}
