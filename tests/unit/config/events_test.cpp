#include "config/settings.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace plumbline;

namespace {

core::Result<config::Settings> parse(const std::string& events) {
  return config::parse_settings(
      "baseline: {assignments: [{name: a, initiative: base}]}\nevents: " + events, "/etc/p.yaml");
}

std::string error_of(const std::string& events) {
  const auto parsed = parse(events);
  return parsed ? "accepted" : parsed.error().message;
}

}  // namespace

TEST_CASE("nobody is told unless configured") {
  const auto events = parse("").value().events;
  CHECK(events.webhooks.empty());
  CHECK_FALSE(events.log);
  CHECK(events.alertmanager.urls.empty());
}

TEST_CASE("a webhook has all it needs, or its defaults") {
  const auto least =
      parse("{webhooks: [{name: a, url: 'https://h/x', secret: {file: s}}]}").value().events;
  REQUIRE(least.webhooks.size() == 1);
  CHECK(least.webhooks[0].secret.file == "/etc/s");
  CHECK(least.webhooks[0].drift);
  CHECK(least.webhooks[0].compliance);
  CHECK(least.webhooks[0].min_severity == core::Severity::kLow);
  CHECK(least.webhooks[0].give_up_after == std::chrono::hours(72));

  const auto most = parse(
                        "{webhooks: [{name: a, url: 'http://h/x', insecure: true, secret: "
                        "{credential: s}, types: [drift], min_severity: critical, ca_file: ca, "
                        "give_up_after: 7d}], log: true, alertmanager: {urls: ['http://am'], "
                        "min_severity: low, resend: 5s, ca_file: /ca}}")
                        .value()
                        .events;
  CHECK(most.webhooks[0].drift);
  CHECK_FALSE(most.webhooks[0].compliance);
  CHECK(most.webhooks[0].min_severity == core::Severity::kCritical);
  CHECK(most.webhooks[0].ca_file == "/etc/ca");
  CHECK(most.webhooks[0].give_up_after == std::chrono::hours(168));
  CHECK(most.log);
  CHECK(most.alertmanager.urls == std::vector<std::string>{"http://am"});
  CHECK(most.alertmanager.min_severity == core::Severity::kLow);
  CHECK(most.alertmanager.resend == std::chrono::seconds(5));
  CHECK(most.alertmanager.ca_file == "/ca");
}

TEST_CASE("what is wrong with events is said where, and without the URL") {
  CHECK(error_of("{webhooks: [{name: a, secret: {file: s}, url: 'http://h/secret-path'}]}") ==
        "/etc/p.yaml:2:55: `url`: events go to other machines by https:// only, unless `insecure` "
        "says that they may be read on the way");
  for (const auto* host : {"localhost.h", "127.0.0.1.h", "127.0.0.10", "[::2]", "u@localhost"}) {
    CAPTURE(host);
    const auto error = error_of(std::string("{webhooks: [{name: a, secret: {file: s}, url: "
                                            "'http://") +
                                host + "/secret-path'}]}");
    CHECK(error.contains("`url`"));
    CHECK_FALSE(error.contains("secret-path"));
  }
  CHECK(error_of("{webhooks: [{name: a, url: 'https://h', secret: FAKE-SECRET}]}")
            .contains("it never stands here itself"));
  CHECK_FALSE(
      error_of("{webhooks: [{name: a, url: 'https://h', secret: FAKE-SECRET}]}").contains("FAKE"));
  const std::string hook = "{name: a, url: 'https://h', secret: {file: s}}";
  CHECK(error_of("{webhooks: [" + hook + ", " + hook + "]}")
            .contains("`a` is the name of another webhook, too"));
  CHECK(error_of("{alertmanager: {}}").contains("needs `urls`"));
  CHECK(error_of("{webhooks: [{name: a b, url: 'https://h', secret: {file: s}}]}")
            .contains("needs a `name`"));
}

TEST_CASE("events: each URL has a host and a port that can be") {
  struct Case {
    const char* url;
    const char* wrong;  // empty: nothing
  };

  const Case cases[] = {
      {"https://h", ""},
      {"https://h:443/x?code=1", ""},
      {"https://[2001:db8::1]:8443/x", ""},
      {"https://", "needs the name or address of a host"},
      {"https:///x", "needs the name or address of a host"},
      {"https://:443/x", "needs the name or address of a host"},
      {"https://h,i/x", "needs the name or address of a host"},
      {"https://[]/x", "needs the name or address of a host"},
      {"https://[zz]/x", "needs the name or address of a host"},
      {"https://h:/x", "a number from 1 to 65535"},
      {"https://h:0/x", "a number from 1 to 65535"},
      {"https://h:65536/x", "a number from 1 to 65535"},
      {"https://h:http/x", "a number from 1 to 65535"},
      {"https://[::1]x/x", "a number from 1 to 65535"},
      {"https://h/x#part", "what follows a `#`"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.url);
    const auto error =
        error_of(std::string("{webhooks: [{name: a, secret: {file: s}, url: '") + c.url + "'}]}");
    if (*c.wrong == '\0') {
      CHECK(error == "accepted");
    } else {
      CHECK(error.starts_with("/etc/p.yaml:2:55: `url`: "));
      CHECK(error.contains(c.wrong));
    }
  }
}

TEST_CASE("events: nobody is told of nothing, and none twice") {
  CHECK(error_of("{webhooks: [{name: a, url: 'https://h', secret: {file: s}, types: []}]}") ==
        "/etc/p.yaml:2:75: `types` needs at least one of drift, compliance");
  CHECK(error_of("{alertmanager: {urls: ['http://am', 'http://bm:80', 'HTTP://am']}}")
            .contains("begins with https:// or http://"));
  for (const char* const again : {"http://am", "http://AM/", "http://am:80", "http://am:80//"}) {
    CAPTURE(again);
    CHECK(error_of(std::string("{alertmanager: {urls: ['http://am', '") + again + "']}}") ==
          "/etc/p.yaml:2:45: this Alertmanager is named twice");
  }
  for (const char* const other : {"https://am", "http://am:9093", "http://am/team", "http://bm"}) {
    CAPTURE(other);
    CHECK(error_of(std::string("{alertmanager: {urls: ['http://am', '") + other + "']}}") ==
          "accepted");
  }
  CHECK(error_of("{alertmanager: {urls: ['http://am/x?tenant=1']}}") ==
        "/etc/p.yaml:2:32: the path of Alertmanager's API is put behind it: there can be no `?`");
  CHECK(error_of("{alertmanager: {urls: ['http://am#x']}}").contains("what follows a `#`"));
}

TEST_CASE("events.log below a level that hides it is told") {
  CHECK(parse("{log: true}").value().warnings.empty());
  CHECK(parse("{log: false}\nlog: {level: warn}").value().warnings.empty());
  const auto told = parse("{log: true}\nlog: {level: warn}").value().warnings;
  REQUIRE(told.size() == 1);
  CHECK(told.front() ==
        "/etc/p.yaml:2:15: `log` writes lines of level info, which `log.level: warn` hides");
}

TEST_CASE("the files that a configuration names are looked at where it names them") {
  const tests::TempDirectory directory;
  const auto problems = [&](const std::string& secret, const std::string& ca) {
    std::ofstream(directory.file("s")) << secret;
    std::ofstream(directory.file("ca")) << ca;
    const auto settings = config::parse_settings(
        "baseline: {assignments: [{name: a, initiative: base}]}\n"
        "events: {webhooks: [{name: a, url: 'https://h', secret: {file: s}, ca_file: ca}]}",
        directory.file("p.yaml"));
    REQUIRE(settings);
    return config::problems_of_referenced_files(*settings);
  };
  const std::string pem = "-----BEGIN CERTIFICATE-----\n";
  CHECK(problems("whsec_x\n", pem).empty());
  const auto path = directory.file("p.yaml");
  CHECK(problems("\n", "no certificate") ==
        std::vector<std::string>{
            path + ":2:64: `secret`: " + directory.file("s") + " is empty",
            path + ":2:77: `ca_file`: " + directory.file("ca") + " holds no certificate (PEM)"});
  std::filesystem::remove(directory.file("s"));
  const auto settings = config::parse_settings(
      "azure: {credential: {type: client_secret, tenant_id: t, client_id: c, secret: {file: s}}}\n"
      "baseline: {assignments: [{name: a, initiative: base}]}",
      path);
  REQUIRE(settings);
  const auto missing = config::problems_of_referenced_files(*settings);
  REQUIRE(missing.size() == 1);
  CHECK(missing.front().starts_with(path + ":1:86: `secret`: "));
  CHECK(missing.front().contains("No such file"));
}

TEST_CASE("who is told is changed by a restart") {
  auto running = parse("{log: true}").value();
  auto wanted = parse("").value();
  CHECK(config::keys_needing_restart(running, wanted) == std::vector<std::string>{"events"});
}
