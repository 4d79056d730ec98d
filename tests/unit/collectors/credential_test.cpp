#include "collectors/identity/azure_cli.hpp"
#include "collectors/identity/child_process.hpp"
#include "collectors/identity/credential_chain.hpp"
#include "collectors/identity/entra.hpp"
#include "collectors/identity/managed_identity.hpp"
#include "collectors/identity/token_cache.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

using namespace plumbline;
using namespace std::chrono_literals;
using collectors::arc_key_path;
using collectors::imds_retry_delay;
using collectors::parse_token_response;

TEST_CASE("token answers are read as the endpoints write them") {
  struct Case {
    const char* name;
    const char* body;
    long expires_in;  // 0: refused
    long refresh_in;
  };

  const Case cases[] = {
      {"IMDS: all strings",
       R"({"access_token":"t","expires_in":"3599","expires_on":"1"})",
       3599,
       3299},
      {"Entra: numbers", R"({"access_token":"t","expires_in":3600})", 3600, 3300},
      {"App Service: expires_on only",
       R"({"access_token":"t","expires_on":"1700007000"})",
       7000,
       6700},
      {"long-lived: half", R"({"access_token":"t","expires_in":"86400"})", 86400, 43200},
      {"refresh_in", R"({"access_token":"t","expires_in":86400,"refresh_in":1000})", 86400, 1000},
      {"no token", R"({"expires_in":"3599"})", 0, 0},
      {"no expiry", R"({"access_token":"t"})", 0, 0},
      {"a date, as App Service wrote it once",
       R"({"access_token":"t","expires_on":"11/14/2023 23:13:20 +00:00"})",
       3600,
       3300},
      {"a date of Arc", R"({"access_token":"t","expires_on":"2023-11-14 23:13:20"})", 3600, 3300},
      {"RFC 3339", R"({"access_token":"t","expires_on":"2023-11-14T23:13:20Z"})", 3600, 3300},
      {"no date", R"({"access_token":"t","expires_on":"13/14/2023 23:13:20"})", 0, 0},
      {"HTML", "<html>", 0, 0},
      {"an array", "[]", 0, 0},
      {"expiry overflow", R"({"access_token":"t","expires_in":"99999999999999999999"})", 0, 0},
  };
  const tests::FakeClock clock;
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto token = parse_token_response(c.body, clock.now());
      REQUIRE(token.has_value() == (c.expires_in != 0));
      if (token) {
        CHECK(token->expires_at - clock.now() == std::chrono::seconds(c.expires_in));
        CHECK(token->refresh_at - clock.now() == std::chrono::seconds(c.refresh_in));
      } else {
        CHECK_FALSE(token.error().message.contains("html"));
      }
    }
  }
}

TEST_CASE("only transient answers are retried, and 410 for longer than its 70 seconds") {
  for (const int status : {404, 408, 429, 500, 503}) {
    CHECK(imds_retry_delay(status, 0) == 1s);
    CHECK(imds_retry_delay(status, 2) == 4s);
    CHECK_FALSE(imds_retry_delay(status, 3).has_value());
  }
  std::chrono::milliseconds total{0};
  for (int attempt = 0; imds_retry_delay(410, attempt); ++attempt) {
    total += *imds_retry_delay(410, attempt);
  }
  CHECK(total >= 70s);
  for (const int status : {400, 401, 403, 200}) {
    CHECK_FALSE(imds_retry_delay(status, 0).has_value());
  }
}

namespace {

const std::string kAudience = "https://management.azure.com/";

struct Fixture {
  std::deque<net::HttpResponse> answers;
  std::map<std::string, std::string> variables;
  tests::FakeClock clock;
  tests::FakeLog log;
  prometheus::Registry registry;
  collectors::CollectorMetrics metrics{registry};
  tests::ScriptedTransport transport{
      [this](const net::HttpRequest&) -> core::Result<net::HttpResponse> {
        if (answers.empty()) {
          return core::Error{core::Errc::kInvalidArgument, "nothing was expected"};
        }
        auto answer = answers.front();
        answers.pop_front();
        return answer;
      }};
  collectors::IdentityParts parts{.transport = &transport, .clock = &clock, .metrics = &metrics};
  tests::TempDirectory directory;
  net::Worker io{"io", 1};

  collectors::Environment environment() {
    return [this](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::string() : found->second;
    };
  }

  static net::Task<void> ask(collectors::TokenCache* cache, core::Result<std::string>* out) {
    *out = co_await cache->token(kAudience);
  }

  static net::Task<void> nothing() { co_return; }

  core::Result<std::string> token(collectors::TokenCache& cache) {
    core::Result<std::string> out;
    net::run_blocking(io.executor(), ask(&cache, &out));
    net::run_blocking(io.executor(), nothing());  // what was begun in the background is done
    return out;
  }

  core::Result<std::string> token_of(collectors::Credential& credential) {
    collectors::TokenCache cache(io.executor(), credential, clock, log, metrics);
    return token(cache);
  }

  std::unique_ptr<collectors::Credential> managed(collectors::ManagedIdentityOptions options = {}) {
    options.arc_agent = directory.file("no-agent");
    options.arc_keys = directory.file("keys");
    return *collectors::make_managed_identity(parts, environment(), options);
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory.file(name)) << text;
  }

  [[nodiscard]] bool logged(std::string_view part) const {
    return std::ranges::any_of(log.lines, [&](const auto& line) { return line.contains(part); });
  }
};

net::HttpResponse challenge(const std::string& path) {
  auto response = tests::response(401, "{}");
  response.headers.add("WWW-Authenticate", "Basic realm=" + path);
  return response;
}

net::HttpResponse token_answer(const std::string& value) {
  return tests::response(200, R"({"access_token":")" + value + R"(","expires_in":"3600"})");
}

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a token is asked for as documented, kept, and refreshed ahead of time") {
  variables["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = "http://127.0.0.1:1/";
  collectors::ManagedIdentityOptions options;
  options.identity.client_id = "abc";
  const auto credential = managed(options);
  collectors::TokenCache cache(io.executor(), *credential, clock, log, metrics);

  answers = {token_answer("one")};
  CHECK(token(cache).value() == "one");
  CHECK(transport.requests.at(0).url ==
        "http://127.0.0.1:1/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
        "https%3A%2F%2Fmanagement.azure.com%2F&client_id=abc");
  CHECK(transport.requests.at(0).headers.get("Metadata") == "true");

  clock.advance(54min);
  CHECK(token(cache).value() == "one");
  CHECK(transport.requests.size() == 1);

  clock.advance(2min);  // past refresh, before expiry
  answers = {tests::response(
      400, R"({"error":"invalid_request","error_description":"Identity not found"})")};
  CHECK(token(cache).value() == "one");
  CHECK(token(cache).value() == "one");
  CHECK(transport.requests.size() == 2);  // the failure is given a rest
  clock.advance(31s);
  answers = {token_answer("two")};
  CHECK(token(cache).value() == "two");

  clock.advance(2h);
  answers = {tests::response(400, R"({"error":"invalid_request"})")};
  const auto refused = token(cache);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == core::Errc::kUnauthorized);
  CHECK(refused.error().message == "managed identity: status 400 invalid_request");

  answers = {token_answer("three"), token_answer("four")};
  CHECK(token(cache).value() == "three");
  cache.discard(kAudience);
  CHECK(token(cache).value() == "four");
  for (const char* secret : {"one", "two", "three", "four"}) {
    CHECK_FALSE(logged(std::string("=") + secret));
  }
}

TEST_CASE_FIXTURE(Fixture, "a long-lived token is refreshed beside its use") {
  const auto credential = managed();
  collectors::TokenCache cache(io.executor(), *credential, clock, log, metrics);
  answers = {tests::response(200, R"({"access_token":"one","expires_in":"86400"})")};
  CHECK(token(cache).value() == "one");
  clock.advance(12h);
  answers = {token_answer("two")};
  CHECK(token(cache).value() == "one");  // nobody waits
  CHECK(transport.requests.size() == 2);
  CHECK(token(cache).value() == "two");
  CHECK(transport.requests.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "a pause that Entra asks for is kept without asking") {
  variables["SECRET"] = "s3cret&";
  const auto credential = collectors::make_client_secret(
      parts,
      {.authority = "https://login.example/", .tenant_id = "ten", .client_id = "app"},
      {.file = "", .credential = "", .environment = "SECRET"},
      environment());
  collectors::TokenCache cache(io.executor(), *credential, clock, log, metrics);
  auto busy = tests::response(503, "{}");
  busy.headers.add("Retry-After", "120");
  answers = {busy};
  CHECK(token(cache).error().code == core::Errc::kUnavailable);
  CHECK(token(cache).error().code == core::Errc::kUnavailable);
  CHECK(transport.requests.size() == 1);
  CHECK(transport.requests[0].url == "https://login.example/ten/oauth2/v2.0/token");
  CHECK(transport.requests[0].body ==
        "grant_type=client_credentials&client_id=app&scope=https%3A%2F%2Fmanagement.azure.com%2F."
        "default&client_secret=s3cret%26");
  clock.advance(121s);
  answers = {token_answer("one")};
  CHECK(token(cache).value() == "one");
}

TEST_CASE_FIXTURE(Fixture,
                  "Entra's refusals are told by code and meaning, without ids or secrets") {
  variables["SECRET"] = "s3cret";
  const auto credential = collectors::make_client_secret(
      parts,
      {.authority = "https://login.example", .tenant_id = "ten", .client_id = "app"},
      {.file = "", .credential = "", .environment = "SECRET"},
      environment());

  struct Case {
    const char* body;
    const char* want;
  };

  for (
      const auto& c :
      {Case{
           R"({"error":"invalid_client","error_codes":[7000215],"error_description":"for app 'x'"})",
           "status 401 invalid_client AADSTS7000215 (the client secret is wrong)"},
       Case{R"({"error":"invalid_resource","error_codes":"[500011]"})",
            "status 401 invalid_resource AADSTS500011 (the tenant does not know the audience)"},
       Case{R"({"error":"invalid_client","error_description":"AADSTS12345: of app 'x'"})",
            "status 401 invalid_client AADSTS12345"},
       Case{"<html>s3cret</html>", "status 401"}}) {
    answers = {tests::response(401, c.body)};
    CHECK(token_of(*credential).error().message == std::string("client secret: ") + c.want);
  }
  variables.clear();
  CHECK(token_of(*credential).error().message == "client secret: $SECRET is empty");
}

TEST_CASE_FIXTURE(Fixture, "secrets are read from where they are, again each time") {
  const auto read = [&](const collectors::SecretSource& source) {
    return collectors::read_secret(source, environment());
  };
  const collectors::SecretSource file{directory.file("secret"), "", ""};
  CHECK(read(file).error().code == core::Errc::kNotFound);
  write("secret", "one\r\n");
  CHECK(read(file).value() == "one");
  write("secret", " two \n\n");
  CHECK(read(file).value() == " two ");
  write("secret", std::string(70'000, 'x'));
  CHECK(read(file).error().code == core::Errc::kLimit);
  CHECK(read({directory.file(""), "", ""}).error().code == core::Errc::kIo);
  const collectors::SecretSource credential{"", "azure", ""};
  CHECK(read(credential).error().message ==
        "systemd credential azure: CREDENTIALS_DIRECTORY is not set");
  variables["CREDENTIALS_DIRECTORY"] = directory.file("");
  write("azure", "three");
  CHECK(read(credential).value() == "three");
}

TEST_CASE_FIXTURE(Fixture, "a federated token is read again for every token") {
  const auto credential = collectors::make_workload_identity(
      parts,
      {.authority = "https://login.example", .tenant_id = "ten", .client_id = "app"},
      directory.file("token"));
  CHECK(token_of(*credential).error().code == core::Errc::kNotFound);
  for (const std::string content : {"a.b.c\n", "d.e.f"}) {
    write("token", content);
    answers = {token_answer("one")};
    CHECK(token_of(*credential).value() == "one");
    CHECK(transport.requests.back().body.ends_with(
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        "&client_assertion=" +
        content.substr(0, 5)));
  }
}

TEST_CASE_FIXTURE(Fixture, "App Service is asked with its header, also where it has changed") {
  variables = {{"IDENTITY_ENDPOINT", "http://localhost:42356/msi/token?x=1"},
               {"IDENTITY_HEADER", "first"}};
  collectors::ManagedIdentityOptions options;
  options.identity.object_id = "o/1";
  const auto credential = managed(options);
  answers = {tests::response(200, R"({"access_token":"one","expires_on":"1700003600"})")};
  CHECK(token_of(*credential).value() == "one");
  CHECK(transport.requests[0].url ==
        "http://localhost:42356/msi/token?x=1&api-version=2019-08-01&resource="
        "https%3A%2F%2Fmanagement.azure.com%2F&principal_id=o%2F1");
  CHECK(transport.requests[0].headers.get("X-IDENTITY-HEADER") == "first");
  CHECK_FALSE(transport.requests[0].headers.get("Metadata"));
  variables["IDENTITY_HEADER"] = "second";
  answers = {tests::response(400, R"({"statusCode":400,"message":"first"})")};
  CHECK(token_of(*credential).error().message == "managed identity (App Service): status 400");
  CHECK(transport.requests[1].headers.get("X-IDENTITY-HEADER") == "second");
  variables["IDENTITY_SERVER_THUMBPRINT"] = "x";
  CHECK_FALSE(collectors::make_managed_identity(parts, environment(), {}));
  variables = {{"IDENTITY_ENDPOINT", "localhost"}, {"IDENTITY_HEADER", "h"}};
  CHECK(collectors::make_managed_identity(parts, environment(), {})
            .error()
            .message.starts_with("IDENTITY_ENDPOINT: "));
}

TEST_CASE("an Arc challenge may name a key of its directory and nothing else") {
  const std::string directory = "/var/opt/azcmagent/tokens";
  CHECK(arc_key_path("Basic realm=/var/opt/azcmagent/tokens/a.key", directory).value() ==
        "/var/opt/azcmagent/tokens/a.key");
  CHECK(arc_key_path("basic Realm= /var/opt/azcmagent/tokens/a.key", directory));
  for (const char* const bad : {"",
                                "Basic",
                                "Basic realm",
                                "Bearer realm=/var/opt/azcmagent/tokens/a.key",
                                "Basic charset=/var/opt/azcmagent/tokens/a.key",
                                "Basic realm=/var/opt/azcmagent/tokens/a=b.key",
                                "Basic realm=/etc/shadow",
                                "Basic realm=a.key",
                                "Basic realm=/etc/a.key",
                                "Basic realm=/var/opt/azcmagent/tokens/a.txt",
                                "Basic realm=/var/opt/azcmagent/tokens/../a.key",
                                "Basic realm=/var/opt/azcmagent/tokens/x/a.key",
                                "Basic realm=/var/opt/azcmagent/tokens//a.key",
                                "Basic realm=/VAR/opt/azcmagent/tokens/a.key"}) {
    CAPTURE(bad);
    CHECK_FALSE(arc_key_path(bad, directory));
  }
}

TEST_CASE_FIXTURE(Fixture, "Azure Arc gives a token to who shows the key, and opens nothing else") {
  variables = {{"IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token"},
               {"IMDS_ENDPOINT", "http://localhost:40342"}};
  const auto credential = managed();
  std::filesystem::create_directory(directory.file("keys"));
  write("keys/a.key", "k e y");
  write("keys/large.key", std::string(4097, 'k'));
  write("keys/lines.key", "k\r\nX-Other: y");
  std::filesystem::create_symlink(directory.file("keys/a.key"), directory.file("keys/link.key"));

  answers = {challenge(directory.file("keys/a.key")), token_answer("one")};
  CHECK(token_of(*credential).value() == "one");
  REQUIRE(transport.requests.size() == 2);
  CHECK(transport.requests[0].url ==
        "http://localhost:40342/metadata/identity/oauth2/token?api-version=2020-06-01&resource="
        "https%3A%2F%2Fmanagement.azure.com%2F");
  CHECK_FALSE(transport.requests[0].headers.get("Authorization"));
  CHECK(transport.requests[1].headers.get("Authorization") == "Basic k e y");
  CHECK(transport.requests[1].headers.get("Metadata") == "true");

  for (const char* const name : {"large.key", "link.key", "missing.key", "a.txt"}) {
    CAPTURE(name);
    const auto before = transport.requests.size();
    answers = {challenge(directory.file(std::string("keys/") + name))};
    CHECK_FALSE(token_of(*credential));
    CHECK(transport.requests.size() == before + 1);
  }
  answers = {token_answer("one")};
  CHECK(token_of(*credential).error().message ==
        "managed identity (Azure Arc): the agent answered 200 without a challenge");
  collectors::ManagedIdentityOptions options;
  options.identity.client_id = "x";
  CHECK_FALSE(collectors::make_managed_identity(parts, environment(), options));
}

TEST_CASE("what az prints is read") {
  const auto now = core::Time(1'700'000'000s);
  const auto token = collectors::parse_azure_cli(
      R"({"accessToken":"t","expiresOn":"2030-01-01 00:00:00.000000","expires_on":1700003600})",
      now);
  REQUIRE(token);
  CHECK(token->value == "t");
  CHECK(token->expires_at - now == 1h);
  const auto older = collectors::parse_azure_cli(
      R"({"accessToken":"t","expiresOn":"2023-12-24 12:00:00.000000"})", now);
  REQUIRE(older);
  // In local time, whichever that is here.
  CHECK(std::chrono::abs(older->expires_at - *core::parse_rfc3339("2023-12-24T12:00:00Z")) <= 14h);
  for (const char* const bad :
       {"", "{}", "Please run 'az login'", R"({"accessToken":"t"})", R"({"accessToken":""})"}) {
    CHECK_FALSE(collectors::parse_azure_cli(bad, now));
  }
}

namespace {

net::Task<void> run(std::vector<std::string> arguments,
                    std::chrono::milliseconds patience,
                    core::Result<collectors::ChildOutput>* out) {
  *out = co_await collectors::run_child(std::move(arguments), patience, 1000);
}

/// Whether the process that a file names ends soon: killed, though whoever adopted it may not have
/// collected it yet.
bool ends(const std::string& file) {
  long process = 0;
  std::ifstream(file) >> process;
  if (process <= 0) {
    return false;
  }
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (handle < 0) {
    return errno == ESRCH;
  }
  pollfd ended{handle, POLLIN, 0};
  const bool is_gone = ::poll(&ended, 1, 2000) == 1;
  ::close(handle);
  return is_gone;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "children are run within bounds of time and output") {
  core::Result<collectors::ChildOutput> out;
  const auto child = [&](const std::string& script, std::chrono::milliseconds patience) {
    net::run_blocking(io.executor(), run({"sh", "-c", script}, patience, &out));
  };
  child("echo out; echo err >&2; exit 3", 10s);
  REQUIRE(out);
  CHECK(out->exit_code == 3);
  CHECK(out->out == "out\n");
  CHECK(out->err == "err\n");
  child("cat; wc -l </proc/self/fd/0", 10s);  // nothing to read, and no terminal
  CHECK(out->out == "0\n");
  child("yes", 10s);
  CHECK(out.error().code == core::Errc::kLimit);
  child("kill -9 $$", 10s);
  CHECK(out.error().message == "sh was ended by signal 9");
  const std::string pid = directory.file("pid");
  child("sleep 600 & echo $! >" + pid + "; wait", 300ms);
  CHECK(out.error().code == core::Errc::kTimeout);
  CHECK(ends(pid));
  // Its output is still open when the program has ended.
  const auto began = std::chrono::steady_clock::now();
  child("sleep 600 & echo $! >" + pid + "; echo done", 10s);
  REQUIRE(out);
  CHECK(out->out == "done\n");
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  CHECK(ends(pid));
  // Closed outputs are no end.
  child("exec >/dev/null 2>&1; sleep 0.2; exit 4", 10s);
  REQUIRE(out);
  CHECK(out->exit_code == 4);
  net::run_blocking(io.executor(), run({"no-such-program-anywhere"}, 10s, &out));
  CHECK(out.error().code == core::Errc::kNotFound);
}

namespace {

/// Answers from a list, and says how often it was asked.
class Scripted final : public collectors::Credential {
 public:
  Scripted(std::string name, std::deque<collectors::TokenAttempt> answers, int* asked)
      : name_(std::move(name)), answers_(std::move(answers)), asked_(asked) {}

  [[nodiscard]] std::string_view name() const override { return name_; }

  net::Task<collectors::TokenAttempt> ask(std::string /*audience*/) override {
    ++*asked_;
    auto answer = answers_.front();
    answers_.pop_front();
    co_return answer;
  }

  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_delay(
      const collectors::TokenAttempt& /*failed*/, int /*attempt*/) const override {
    return std::nullopt;
  }

 private:
  std::string name_;
  std::deque<collectors::TokenAttempt> answers_;
  int* asked_;
};

collectors::TokenAttempt refusal(const std::string& why) {
  return collectors::TokenAttempt::failed({core::Errc::kUnauthorized, why});
}

collectors::TokenAttempt absence(const std::string& why) {
  return collectors::TokenAttempt::absent({core::Errc::kNotFound, why});
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a chain keeps the first that gives a token, and stops at a refusal") {
  int first = 0;
  int second = 0;
  collectors::TokenAttempt good;
  good.token = collectors::with_lifetime("one", clock.now(), clock.now() + 1h, std::nullopt);
  const auto chain_of = [&](std::deque<collectors::TokenAttempt> a,
                            std::deque<collectors::TokenAttempt> b) {
    std::vector<std::unique_ptr<collectors::Credential>> members;
    members.push_back(std::make_unique<Scripted>("a", std::move(a), &first));
    members.push_back(std::make_unique<Scripted>("b", std::move(b), &second));
    return collectors::make_chain(std::move(members), log);
  };
  auto chain = chain_of({absence("not here")}, {good, absence("gone"), good});
  CHECK(token_of(*chain).value() == "one");
  CHECK(logged("credential_chosen kind=b"));
  CHECK(token_of(*chain).error().message == "default: b: gone");
  CHECK(token_of(*chain).value() == "one");
  CHECK(first == 1);
  CHECK(second == 3);

  chain = chain_of({refusal("wrong secret")}, {good});
  CHECK(token_of(*chain).error().message == "default: a: wrong secret");
  CHECK(second == 3);

  chain = chain_of({absence("not here")}, {absence("nor here")});
  CHECK(token_of(*chain).error().message ==
        "default: no way of signing in exists here: a: not here; b: nor here");
}

TEST_CASE_FIXTURE(Fixture, "in a chain the metadata service is probed without its header") {
  collectors::ManagedIdentityOptions options;
  options.in_chain = true;
  const auto credential = managed(options);
  std::vector<std::unique_ptr<collectors::Credential>> members;
  members.push_back(managed(options));
  const auto chain = collectors::make_chain(std::move(members), log);
  answers = {tests::response(400, "{}"), tests::response(400, R"({"error":"invalid_request"})")};
  CHECK(token_of(*chain).error().message ==
        "default: no way of signing in exists here: managed identity: status 400 invalid_request");
  REQUIRE(transport.requests.size() == 2);
  CHECK_FALSE(transport.requests[0].headers.get("Metadata"));
  CHECK(transport.requests[0].deadlines.total == 1s);
  CHECK(transport.requests[1].headers.get("Metadata") == "true");
  answers = {tests::response(400, "{}"), token_answer("one"), token_answer("two")};
  CHECK(token_of(*chain).value() == "one");
  CHECK(token_of(*chain).value() == "two");  // no probe any more
}
