#include "policy/engine.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using policy::AliasCatalogue;

namespace {

std::shared_ptr<const AliasCatalogue> listed(std::string_view json) {
  auto catalogue = AliasCatalogue::from_providers(json, "test");
  if (!catalogue) {
    FAIL(catalogue.error().message);
  }
  return *std::move(catalogue);
}

constexpr std::string_view kOld = R"({"value": [{"namespace": "Microsoft.Fake", "resourceTypes": [
  {"resourceType": "things", "aliases": [
    {"name": "Microsoft.Fake/things/a", "defaultPath": "properties.a", "paths": []},
    {"name": "Microsoft.Fake/things/b", "defaultPath": "properties.b", "paths": []}]}]}]})";

/// `b` has moved, `c` is new, `a` says of one API version what its default path says already.
constexpr std::string_view kNew = R"({"namespace": "Microsoft.Fake", "resourceTypes": [
  {"resourceType": "operations"},
  {"resourceType": "things", "aliases": [
    {"name": "Microsoft.Fake/things/c", "defaultPath": "properties.c", "paths": [
      {"path": "properties.old.c", "apiVersions": ["2020-01-01"]},
      {"path": "properties.c", "apiVersions": ["2021-01-01"]}]},
    {"name": "Microsoft.Fake/things/a", "defaultPath": "properties.a", "paths": [
      {"path": "properties.a", "apiVersions": ["2020-01-01"]}]},
    {"name": "Microsoft.Fake/things/b", "defaultPath": "properties.moved.b",
     "defaultMetadata": {"type": "String", "attributes": "Modifiable"}}]}]})";

std::shared_ptr<const policy::CompiledDefinition> compile(std::string_view field,
                                                          const AliasCatalogue& aliases) {
  const std::string rule = std::string(R"({"if": {"allOf": [
      {"field": "type", "equals": "Microsoft.Fake/things"}, {"field": ")") +
                           std::string(field) +
                           R"(", "equals": "yes"}]}, "then": {"effect": "audit"}})";
  auto compiled = policy::compile_definition(rule, "rule", aliases);
  if (!compiled) {
    FAIL(compiled.error().message);
  }
  return *std::move(compiled);
}

policy::Outcome outcome(std::string_view field,
                        const AliasCatalogue& aliases,
                        std::string_view resource) {
  const auto bound = policy::bind_parameters(compile(field, aliases), "{}");
  REQUIRE(bound);
  simdjson::dom::parser parser;
  policy::Json body;
  REQUIRE(parser.parse(simdjson::padded_string(resource)).get(body) == simdjson::SUCCESS);
  return policy::evaluate(**bound, body, {}).outcome;
}

}  // namespace

TEST_CASE("the differences of a catalogue are what another one says and it does not") {
  const auto old = listed(kOld);
  const auto differences = policy::alias_differences(*old, kNew, "test");
  REQUIRE(differences);
  CHECK(*differences ==
        R"({"value":[{"namespace":"microsoft.fake","resourceTypes":[{"aliases":[)"
        R"({"defaultMetadata":{"attributes":"Modifiable"},"defaultPath":"properties.moved.b",)"
        R"("name":"Microsoft.Fake/things/b"},)"
        R"({"defaultPath":"properties.c","name":"Microsoft.Fake/things/c",)"
        R"("paths":[{"apiVersions":["2020-01-01"],"path":"properties.old.c"}]}],)"
        R"("resourceType":"things"}]}]})");
  CHECK(*policy::alias_differences(*old, kOld, "test") == R"({"value":[]})");
  CHECK_FALSE(policy::alias_differences(*old, "{}", "test"));
  CHECK_FALSE(policy::alias_differences(*old, "{", "test"));
}

TEST_CASE("an overlaid catalogue decides where it says something") {
  const auto old = listed(kOld);
  const auto both =
      AliasCatalogue::overlaid(old, listed(*policy::alias_differences(*old, kNew, "test")));
  constexpr std::string_view kResource = R"({"id": "/x", "type": "Microsoft.Fake/things",
      "location": "eu", "properties": {"a": "yes", "b": "no", "moved": {"b": "yes"}, "c": "yes"}})";
  using enum policy::Outcome;
  CHECK(outcome("Microsoft.Fake/things/a", *both, kResource) == kNonCompliant);
  CHECK(outcome("Microsoft.Fake/things/b", *old, kResource) == kCompliant);
  CHECK(outcome("Microsoft.Fake/things/b", *both, kResource) == kNonCompliant);
  CHECK(outcome("Microsoft.Fake/things/c", *both, kResource) == kNonCompliant);
}

TEST_CASE("a definition tells the providers of its aliases, and when their paths change") {
  const auto old = listed(kOld);
  const auto both =
      AliasCatalogue::overlaid(old, listed(*policy::alias_differences(*old, kNew, "test")));
  const auto digest = [](std::string_view field, const auto& catalogue) {
    return compile(field, *catalogue)->info().alias_digest;
  };
  CHECK(compile("Microsoft.Fake/things/a", *old)->info().alias_providers ==
        std::vector<std::string>{"microsoft.fake"});
  CHECK(digest("Microsoft.Fake/things/a", old) == digest("Microsoft.Fake/things/a", both));
  CHECK(digest("Microsoft.Fake/things/b", old) != digest("Microsoft.Fake/things/b", both));
  CHECK(digest("tags", old).empty());
}
