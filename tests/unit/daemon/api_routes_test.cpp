#include "daemon/web/api_routes.hpp"

#include "daemon/web/conditional.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <set>

using namespace plumbline;
using daemon::Parameters;

TEST_CASE("calls are found by their whole path, and no two have one name") {
  std::set<std::string_view> names;
  std::set<daemon::Operation> operations;
  for (const auto& route : daemon::api_routes()) {
    CHECK(names.insert(route.name).second);
    CHECK(operations.insert(route.operation).second);
    CHECK(daemon::find_route("/api/v1/" + std::string(route.name)) == &route);
  }
  for (const char* path :
       {"/api/v1/", "/api/v1/scores/", "/api/v1/score", "/api/v2/scores", "scores"}) {
    CAPTURE(path);
    CHECK(daemon::find_route(path) == nullptr);
  }
}

TEST_CASE("parameters are those of the call, once each, with values they can have") {
  const struct {
    const char* call;
    const char* query;
    const char* message;  // empty: taken
  } cases[] = {
      {"results", "", ""},
      {"results", "state=Error&limit=1000&after=", ""},
      {"results", "severity=&at=", ""},
      {"results", "at=2026-11-22T10:00:00Z&q=a%26b", ""},
      {"results", "stat=Error", "`stat` is no parameter of `results`; it takes state, assignment"},
      {"results", "State=Error", "`State` is no parameter"},
      {"results", "limit=1&limit=1", "`limit` is given twice"},
      {"results", "limit=0", "`limit` must be 1 to 1000"},
      {"results", "limit=1e3", "`limit` must be 1 to 1000"},
      {"results", "limit=99999999999999999999", "`limit` must be 1 to 1000"},
      {"results", "state=error", "`state` must be one of NonCompliant, NoEvidence"},
      {"results", "at=yesterday", "`at` must be an instant"},
      {"status", "limit=1", "`status` takes no parameters"},
      {"resource", "id=/a&version=7", ""},
      {"resource", "id=/a&version=new", "`version` must be a number"},
      {"resource", "version=7", "`id` must be given"},
      {"resource", "id=", "`id` must be given"},
  };

  for (const auto& test : cases) {
    CAPTURE(std::string(test.call));
    CAPTURE(std::string(test.query));
    const auto* route = daemon::find_route("/api/v1/" + std::string(test.call));
    REQUIRE(route != nullptr);
    const auto parameters = Parameters::read(*route, test.query);
    CAPTURE((parameters ? std::string() : parameters.error().message));
    CHECK(parameters.has_value() == std::string_view(test.message).empty());
    if (!parameters) {
      CHECK(parameters.error().message.starts_with(test.message));
    }
  }
  const auto* route = daemon::find_route("/api/v1/results");
  const auto given = Parameters::read(*route, "limit=7&q=a%26b");
  REQUIRE(given);
  CHECK(given->number("limit") == 7);
  CHECK(given->text("q") == "a&b");
  CHECK_FALSE(given->number("after").has_value());
}

TEST_CASE("the document has every call, and every schema that it names") {
  const auto document = nlohmann::json::parse(daemon::openapi_document());
  CHECK(document.at("paths").size() == daemon::api_routes().size());
  const auto& schemas = document.at("components").at("schemas");
  for (const auto& route : daemon::api_routes()) {
    CHECK(schemas.contains(std::string(route.schema)));
    const auto& call = document.at("paths").at("/api/v1/" + std::string(route.name)).at("get");
    CHECK(call.at("responses").contains("404") == route.may_miss);
  }
}

TEST_CASE("a client's copy is known by its ETag") {
  const auto tag = daemon::etag_of("body");
  CHECK(tag != daemon::etag_of("another"));
  CHECK(daemon::names_etag(tag, tag));
  CHECK(daemon::names_etag("\"x\" , " + tag, tag));
  CHECK(daemon::names_etag("W/" + tag, tag));
  CHECK(daemon::names_etag("*", tag));
  CHECK_FALSE(daemon::names_etag("", tag));
  CHECK_FALSE(daemon::names_etag("\"x\"", tag));
  CHECK_FALSE(daemon::names_etag(tag.substr(0, 5), tag));
}
