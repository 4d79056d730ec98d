#include "config/settings.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("who is told is changed by a restart") {
  auto running = parse("{log: true}").value();
  auto wanted = parse("").value();
  CHECK(config::keys_needing_restart(running, wanted) == std::vector<std::string>{"events"});
}
