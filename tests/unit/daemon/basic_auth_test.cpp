#include "daemon/web/basic_auth.hpp"

#include "tests/support/fakes.hpp"
#include "tests/support/held_worker.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <functional>

using namespace plumbline;
using daemon::Login;

namespace {

// "secret" at cost 4, in the spellings that other programs write.
const std::string kSecret2b = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const std::string kSecret2y = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
// The same password at cost 10.
const std::string kSlow = "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u";

// alice:secret, alice:wrong, nobody:secret
const std::string kAlice = "Basic YWxpY2U6c2VjcmV0";
const std::string kWrong = "Basic YWxpY2U6d3Jvbmc=";
const std::string kNobody = "Basic bm9ib2R5OnNlY3JldA==";

std::shared_ptr<const config::WebConfig> users(const std::string& hash) {
  config::WebConfig config;
  config.users.emplace("alice", hash);
  return std::make_shared<const config::WebConfig>(std::move(config));
}

/// An authenticator with its threads.
struct Bench {
  core::SystemClock clock;
  net::Worker io{"io", 1};
  net::Worker hashing{"hashing", 1};  // ends first: its work in flight refers to the I/O thread
  daemon::Authenticator authenticator{hashing.executor(), clock};

  Login check(std::shared_ptr<const config::WebConfig> config, std::string authorization) {
    Login login = Login::kBusy;
    net::run_blocking(io.executor(),
                      into(&authenticator, std::move(config), std::move(authorization), &login));
    return login;
  }

  static net::Task<void> into(daemon::Authenticator* authenticator,
                              std::shared_ptr<const config::WebConfig> config,
                              std::string authorization,
                              Login* out) {
    *out = co_await authenticator->check(std::move(config), std::move(authorization));
  }
};

struct Tally {
  std::atomic<int> allowed = 0;
  std::atomic<int> denied = 0;
  std::atomic<int> busy = 0;
  net::Event done;
};

net::Task<void> count(daemon::Authenticator* authenticator,
                      std::shared_ptr<const config::WebConfig> config,
                      std::string authorization,
                      Tally* tally,
                      int expected) {
  const Login login = co_await authenticator->check(std::move(config), std::move(authorization));
  ++(login == Login::kAllowed  ? tally->allowed
     : login == Login::kDenied ? tally->denied
                               : tally->busy);
  if (tally->allowed + tally->denied + tally->busy == expected) {
    tally->done.set();
  }
}

net::Task<void> wait(net::Event done) {
  co_await done.wait_for(std::chrono::seconds(60));
}

/// CPU time of the process: what the clock on the wall says depends on what else runs.
double seconds_of(const std::function<void()>& work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("authorization headers") {
  const struct {
    const char* value;
    const char* user;  // null: refused
    const char* password;
  } cases[] = {
      {"Basic YWxpY2U6c2VjcmV0", "alice", "secret"},
      {"basic YWxpY2U6c2VjcmV0", "alice", "secret"},
      {"BASIC  YWxpY2U6c2VjcmV0 ", "alice", "secret"},
      {"Basic YWxpY2U6d3Jvbmc=", "alice", "wrong"},
      {"Basic YWxpY2U6d3Jvbmc", "alice", "wrong"},
      {"Basic YTpiOmM=", "a", "b:c"},
      {"Basic YTo=", "a", ""},
      {"Basic Og==", "", ""},
      {"", nullptr, nullptr},
      {"Basic", nullptr, nullptr},
      {"Basic ", nullptr, nullptr},
      {"Basic YWxpY2U=", nullptr, nullptr},  // no colon
      {"Basic YWxp-2U6", nullptr, nullptr},  // not the alphabet
      {"Basic YWxpY2U6c2VjcmV0A", nullptr, nullptr},
      {"Basic YTpiAGM=", nullptr, nullptr},  // a NUL in the password
      {"Bearer YWxpY2U6c2VjcmV0", nullptr, nullptr},
      {"Basic YWxpY2U6c2VjcmV0, Basic YTpi", nullptr, nullptr},
  };

  for (const auto& test : cases) {
    CAPTURE(test.value);
    const auto credentials = daemon::parse_basic_authorization(test.value);
    REQUIRE(credentials.has_value() == (test.user != nullptr));
    if (credentials) {
      CHECK(credentials->user == test.user);
      CHECK(credentials->password == test.password);
    }
  }
}

TEST_CASE("bcrypt hashes as other programs write them") {
  // The first is a published test vector.
  CHECK(daemon::matches_bcrypt("U*U",
                               "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
  CHECK(daemon::matches_bcrypt("secret", kSecret2b));
  CHECK(daemon::matches_bcrypt("secret", kSecret2y));
  CHECK(daemon::matches_bcrypt("p\xc3\xa4ssword",
                               "$2y$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG"));
  // The salt's last character with bits that mean nothing.
  CHECK(daemon::matches_bcrypt("secret",
                               "$2b$04$abcdefghijklmnopqrstuv2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"));
  CHECK_FALSE(daemon::matches_bcrypt("Secret", kSecret2b));
  CHECK_FALSE(daemon::matches_bcrypt("", kSecret2b));
  CHECK_FALSE(daemon::matches_bcrypt("secret", "$2b$04$" + std::string(53, '.')));
  CHECK_FALSE(daemon::matches_bcrypt("secret", "nonsense"));
  CHECK_FALSE(daemon::matches_bcrypt("", ""));
  CHECK_FALSE(daemon::matches_bcrypt(std::string(5000, 'a'), kSecret2b));
}

TEST_CASE("logins are allowed, denied and remembered") {
  Bench bench;
  const auto slow = users(kSlow);
  Login login = Login::kBusy;
  const double first = seconds_of([&] { login = bench.check(slow, kAlice); });
  CHECK(login == Login::kAllowed);
  const double again = seconds_of([&] { login = bench.check(slow, kAlice); });
  CHECK(login == Login::kAllowed);
  CHECK(again < first / 4);
  CHECK(bench.check(slow, kWrong) == Login::kDenied);
  CHECK(bench.check(slow, kNobody) == Login::kDenied);
  CHECK(bench.check(slow, "Basic nonsense!") == Login::kDenied);
  // A changed hash is another login, and so is a user who is no longer there.
  CHECK(bench.check(users(kSecret2b), kAlice) == Login::kAllowed);
  CHECK(bench.check(users("$2b$04$" + std::string(53, 'a')), kAlice) == Login::kDenied);
  CHECK(bench.check(std::make_shared<const config::WebConfig>(), kAlice) == Login::kDenied);
}

TEST_CASE("a user who does not exist takes as long as one who does") {
  Bench bench;
  const auto slow = users(kSlow);
  // The quickest of several: the machine is shared.
  const auto quickest = [&](const std::string& authorization) {
    double least = 1e9;
    for (int i = 0; i < 5; ++i) {
      least = std::min(least, seconds_of([&] { bench.check(slow, authorization); }));
    }
    return least;
  };
  const double known = quickest(kWrong);
  const double unknown = quickest(kNobody);
  CHECK(unknown > known / 2);
  CHECK(unknown < known * 2);
}

TEST_CASE("300 logins at once, half of them wrong") {
  Bench bench;
  Tally tally;
  const auto config = users(kSecret2b);
  for (int i = 0; i < 300; ++i) {
    net::spawn(bench.io.executor(),
               count(&bench.authenticator, config, i % 2 == 0 ? kAlice : kWrong, &tally, 300));
  }
  net::run_blocking(bench.io.executor(), wait(tally.done));
  CHECK(tally.allowed == 150);
  CHECK(tally.denied == 150);
}

TEST_CASE("300 equal logins at once are one") {
  Bench bench;
  Tally tally;
  const auto config = users(kSlow);
  const double alone = seconds_of([&] { CHECK(daemon::matches_bcrypt("secret", kSlow)); });
  const double all = seconds_of([&] {
    for (int i = 0; i < 300; ++i) {
      net::spawn(bench.io.executor(), count(&bench.authenticator, config, kAlice, &tally, 300));
    }
    net::run_blocking(bench.io.executor(), wait(tally.done));
  });
  CHECK(tally.allowed == 300);
  CHECK(all < alone * 50);
}

TEST_CASE("a login that has waited too long is not hashed any more") {
  tests::FakeClock clock;
  net::Worker io("io", 1);
  net::Worker hashing("hashing", 1);
  daemon::Authenticator authenticator(hashing.executor(), clock);
  tests::HeldWorker busy(hashing.executor());
  Tally tally;
  const auto config = users(kSecret2b);
  net::spawn(io.executor(), count(&authenticator, config, kAlice, &tally, 1));
  tests::drain(io.executor());  // the login has been queued
  // What needs no hashing does not wait for it.
  Tally quick;
  net::spawn(io.executor(), count(&authenticator, config, "Basic nonsense!", &quick, 1));
  net::run_blocking(io.executor(), wait(quick.done));
  CHECK(quick.denied == 1);
  clock.advance(std::chrono::seconds(31));
  busy.release();
  net::run_blocking(io.executor(), wait(tally.done));
  CHECK(tally.busy == 1);
}
