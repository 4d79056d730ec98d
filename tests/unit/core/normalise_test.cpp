#include "core/normalise.hpp"

#include <doctest/doctest.h>

using namespace plumbline::core;

namespace {

Normalised normalise(const char* json) {
  simdjson::dom::parser parser;
  const Normaliser normaliser("test key");
  return normaliser.normalise(parser.parse(std::string_view(json)).value());
}

}  // namespace

TEST_CASE("key order, absent columns and noise do not change the fingerprint") {
  const auto a = normalise(R"({"id":"/x","properties":{"b":1,"a":[1,2.5,true,null]},"etag":"1"})");
  const auto b = normalise(
      R"({"properties":{"a":[1,2.5,true,null],"b":1},"zones":null,"id":"/x","etag":"2"})");
  CHECK(a.fingerprint == b.fingerprint);
  CHECK(a.body == R"({"etag":"1","id":"/x","properties":{"a":[1,2.5,true,null],"b":1}})");
  const auto c = normalise(R"({"id":"/x","properties":{"a":[2.5,1,true,null],"b":1}})");
  CHECK(c.fingerprint != a.fingerprint);
}

TEST_CASE("modification dates are noise, other properties are not") {
  const auto a = normalise(R"({"properties":{"modifiedDate":"1","x":1}})");
  CHECK(a.fingerprint == normalise(R"({"properties":{"modifiedDate":"2","x":1}})").fingerprint);
  CHECK(a.fingerprint != normalise(R"({"properties":{"modifiedDate":"1","x":2}})").fingerprint);
  CHECK(a.fingerprint != normalise(R"({"x":1})").fingerprint);
}

TEST_CASE("the value of a request header is a secret whatever its name") {
  const auto body =
      normalise(R"({"Request":{"Headers":[{"key":"X-Probe","value":"hush"}],"Url":"http://a/"}})")
          .body;
  CHECK_FALSE(body.contains("hush"));
  CHECK(body.contains("X-Probe"));
  CHECK(body.contains("redacted:"));
}

TEST_CASE("a secret whose name does not tell is known by what it lies in") {
  for (const char* json : {R"({"requestHeaders":{"Authorization":"Bearer hush"}})",
                           R"({"properties":{"storageAccount":{"id":"/x","key":"hush"}}})",
                           R"({"properties":{"actions":{"webHookProperties":{"any":"hush"}}}})",
                           R"({"actions":[{"webhookProperties":{"a":{"b":1},"c":"hush"}}]})"}) {
    CAPTURE(json);
    const auto body = normalise(json).body;
    CHECK_FALSE(body.contains("hush"));
    CHECK(body.contains("redacted:"));
  }
  // The same names elsewhere are no secrets.
  const char* harmless = R"({"tags":{"key":"v"},"x":{"authorization":"y","value":"z"}})";
  CHECK(normalise(harmless).body == harmless);
}

TEST_CASE("secrets are replaced, and a changed secret still shows") {
  struct Case {
    const char* name;
    const char* property;
    const char* text;
    const char* keeps;  // part that must survive
    const char* loses;  // part that must not
  };

  const Case cases[] = {
      {"webhook path and query",
       "serviceUri",
       "https://hooks.example.com/T0/B1/zzz?code=abc",
       "https://hooks.example.com/",
       "zzz"},
      {"webhook query value",
       "serviceUri",
       "https://f.example.net/api/x?code=S3CRET&v=1",
       "?code=",
       "S3CRET"},
      {"plain http stays visible",
       "serviceUri",
       "http://f.example.net/api",
       "http://f.example.net/",
       "api"},
      {"connection string by name",
       "ConnectionString",
       "InstrumentationKey=1;Endpoint=x",
       "redacted:",
       "Instr"},
      {"connection string by content",
       "value",
       "Endpoint=sb://x/;SharedAccessKey=abc=",
       "redacted:",
       "abc"},
      {"suffix", "smtpPassword", "hunter2", "redacted:", "hunter2"},
      {"a token of another product", "HockeyAppToken", "hunter2", "redacted:", "hunter2"},
      {"SAS in an ordinary URI",
       "templateLink",
       "https://a.blob.example/c/f.json?sv=1&sig=QQQ",
       "https://a.blob.example/c/f.json?sv=redacted:",
       "QQQ"},
      {"user information", "url", "https://bob:pw@git.example/x", "git.example/x", "bob"},
  };
  const Normaliser one("key one");
  const Normaliser two("key two");
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const std::string out = one.redact(c.property, c.text);
      CHECK(out.contains(c.keeps));
      CHECK_FALSE(out.contains(c.loses));
      CHECK(one.redact(c.property, out) == out);
      CHECK(two.redact(c.property, c.text) != out);
      CHECK(one.redact(c.property, std::string(c.text) + "x") != out);
    }
  }
}

TEST_CASE("what is no secret stays") {
  const Normaliser normaliser("k");
  CHECK(normaliser.redact("vaultUri", "https://kv.vault.azure.net/") ==
        "https://kv.vault.azure.net/");
  CHECK(normaliser.redact("query", "T | where a == 'b'") == "T | where a == 'b'");
  CHECK(normaliser.redact("clientSecret", "").empty());
  CHECK(normaliser.redact("$skipToken", "abc") == "abc");
}

TEST_CASE("a switch that is named like a secret stays readable") {
  // Grafana's `apiKey` says whether keys may be used.
  CHECK(normalise(R"({"properties":{"apiKey":"Disabled"}})").body ==
        R"({"properties":{"apiKey":"Disabled"}})");
  CHECK(normalise(R"({"properties":{"apiKey":"enabled"}})").body ==
        R"({"properties":{"apiKey":"enabled"}})");
  CHECK_FALSE(normalise(R"({"properties":{"apiKey":"Disabled-1"}})").body.contains("Disabled-1"));
}

TEST_CASE("what Azure says cannot pass for a statement about evidence") {
  // Anyone who may write a tag could otherwise turn a verdict into NoEvidence, or invent relations.
  const auto body =
      normalise(R"({"$plumblineRelations":{"a":[]},"properties":{"x":[{"$noEvidence":"y"}]},)"
                R"("tags":{"$noEvidence":"not_collected"}})")
          .body;
  CHECK(body == R"({"~$plumblineRelations":{"a":[]},"properties":{"x":[{"~$noEvidence":"y"}]},)"
                R"("tags":{"~$noEvidence":"not_collected"}})");
}
