#include "compliance/expected.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using core::ExpectedRule;
using core::Severity;

namespace {

core::Time at(const char* text) {
  return *core::parse_rfc3339(text);
}

/// Told exactly at an instant, or known to lie between two.
compliance::Attribution told(const char* when) {
  compliance::Attribution out;
  out.is_exact = true;
  out.changed_by = "11111111-2222";
  out.client_type = "Azure Portal";
  out.operation = "microsoft.insights/components/write";
  out.at = at(when);
  out.not_before = at("2026-01-01");
  out.not_after = at("2026-12-31");
  return out;
}

compliance::Attribution between(const char* from, const char* to) {
  compliance::Attribution out;
  out.not_before = at(from);
  out.not_after = at(to);
  return out;
}

constexpr const char* kKey =
    "/subscriptions/s/resourcegroups/rg/providers/microsoft.insights/components/c";
constexpr const char* kType = "microsoft.insights/components";
constexpr const char* kWednesday = "2026-06-03T12:00:00Z";

/// An ExpectedRule of which only what matters has to be written.
struct Rule {
  std::string name;
  ExpectedRule::Effect effect = ExpectedRule::Effect::kAccept;
  std::vector<std::string> actors{};
  std::vector<std::string> clients{};
  std::vector<std::string> operations{};
  std::vector<std::string> scopes{};
  std::vector<std::string> types{};
  std::vector<ExpectedRule::Window> windows{};

  [[nodiscard]] ExpectedRule make() const {
    return {name, effect, actors, clients, operations, scopes, types, windows};
  }
};

Rule windowed(std::vector<unsigned> days, unsigned from, unsigned to) {
  return {.name = "r", .windows = {{std::move(days), from, to}}};
}

}  // namespace

TEST_CASE("a rule holds where all that it asks certainly holds") {
  struct Case {
    const char* name;
    Rule rule;
    compliance::Attribution attribution;
    bool holds;
  };

  const auto known = told(kWednesday);
  const auto unknown = between("2026-06-03T11:00:00Z", "2026-06-03T13:00:00Z");
  const Case cases[] = {
      {"actor", {.name = "r", .actors = {"11111111-*"}}, known, true},
      {"one of two actors", {.name = "r", .actors = {"x", "11111111-2222"}}, known, true},
      {"another actor", {.name = "r", .actors = {"2*"}}, known, false},
      {"an actor that is not known", {.name = "r", .actors = {"*"}}, unknown, false},
      {"client", {.name = "r", .clients = {"azure portal"}}, known, true},
      {"another client", {.name = "r", .clients = {"CLI"}}, known, false},
      {"a client that is not known", {.name = "r", .clients = {"*"}}, unknown, false},
      {"operation", {.name = "r", .operations = {"*/WRITE"}}, known, true},
      {"another operation", {.name = "r", .operations = {"*/delete"}}, known, false},
      {"scope", {.name = "r", .scopes = {"/subscriptions/s/resourcegroups/rg"}}, unknown, true},
      {"another scope",
       {.name = "r", .scopes = {"/subscriptions/s/resourcegroups/r"}},
       known,
       false},
      {"type", {.name = "r", .types = {"microsoft.insights/*"}}, unknown, true},
      {"another type", {.name = "r", .types = {"microsoft.web/*"}}, known, false},
      {"all of it",
       {.name = "r", .actors = {"1*"}, .types = {kType}, .windows = {{{3}, 0, 24 * 60}}},
       known,
       true},
      {"all but one",
       {.name = "r", .actors = {"1*"}, .types = {kType}, .windows = {{{4}, 0, 24 * 60}}},
       known,
       false},
      {"day", windowed({3}, 0, 24 * 60), known, true},
      {"another day", windowed({2, 4}, 0, 24 * 60), known, false},
      {"the first minute", windowed({}, 12 * 60, 13 * 60), known, true},
      {"the minute after the last", windowed({}, 11 * 60, 12 * 60), known, false},
      {"over midnight, late", windowed({3}, 22 * 60, 6 * 60), told("2026-06-03T23:00:00Z"), true},
      {"over midnight, early", windowed({3}, 22 * 60, 6 * 60), told("2026-06-04T05:59:59Z"), true},
      {"over midnight, of the day before",
       windowed({3}, 22 * 60, 6 * 60),
       told("2026-06-03T05:00:00Z"),
       false},
      {"over midnight, at noon", windowed({3}, 22 * 60, 6 * 60), known, false},
      {"the interval lies in the window", windowed({}, 10 * 60, 14 * 60), unknown, true},
      {"the interval begins before it", windowed({}, 12 * 60, 14 * 60), unknown, false},
      {"the interval ends after it", windowed({}, 10 * 60, 12 * 60 + 30), unknown, false},
      {"two days of the same window",
       windowed({}, 10 * 60, 14 * 60),
       between("2026-06-03T11:00:00Z", "2026-06-04T11:00:00Z"),
       false},
      {"no beginning is known", windowed({}, 0, 24 * 60), between("1970-01-01", kWednesday), false},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto rule = c.rule.make();
      const auto ruling = compliance::ruling_of(std::span(&rule, 1), kKey, kType, c.attribution);
      CHECK(ruling.expectation.has_value() == c.holds);
    }
  }
}

TEST_CASE("the first rule that holds decides") {
  const std::vector<ExpectedRule> rules = {
      Rule{.name = "elsewhere", .effect = ExpectedRule::Effect::kAccept, .types = {"a/b"}}.make(),
      Rule{.name = "portal", .effect = ExpectedRule::Effect::kEscalate, .clients = {"Azure Portal"}}
          .make(),
      Rule{.name = "all", .effect = ExpectedRule::Effect::kDowngrade, .types = {"*"}}.make(),
  };
  const auto portal = compliance::ruling_of(rules, kKey, kType, told(kWednesday)).expectation;
  REQUIRE(portal);
  CHECK(portal->rule == "portal");
  CHECK(portal->effect == ExpectedRule::Effect::kEscalate);
  const auto other =
      compliance::ruling_of(rules, kKey, kType, between("2026-06-01", "2026-06-02")).expectation;
  REQUIRE(other);
  CHECK(other->rule == "all");
  CHECK_FALSE(compliance::ruling_of({}, kKey, kType, told(kWednesday)).expectation);
}

TEST_CASE("a ruling is final once no record can make it another") {
  const auto noon = between("2026-06-03T11:00:00Z", "2026-06-03T13:00:00Z");
  auto complete = told(kWednesday);
  complete.is_complete = true;
  const Rule who{.name = "who", .actors = {"11111111-2222"}};
  const Rule elsewhere{.name = "elsewhere", .actors = {"x"}, .types = {"a/b"}};
  const Rule anyway{.name = "anyway", .types = {"*"}};
  const Rule at_noon = windowed({}, 10 * 60, 14 * 60);
  const Rule after_noon = windowed({}, 12 * 60, 14 * 60);

  struct Case {
    const char* name;
    std::vector<Rule> rules;
    compliance::Attribution attribution;
    bool is_final;
  };

  const std::vector<Case> cases = {
      {"no rules", {}, noon, true},
      {"only rules about others", {elsewhere}, noon, true},
      {"who did it, so far", {who}, told(kWednesday), false},
      {"nobody is known yet", {who}, noon, false},
      {"who did it", {who}, complete, true},
      {"whoever did it", {anyway}, noon, true},
      {"whoever did it, unless it was somebody", {who, anyway}, noon, false},
      {"what comes later does not matter", {anyway, who}, noon, true},
      {"whenever it was", {at_noon}, noon, true},
      {"perhaps after noon", {after_noon}, noon, false},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      std::vector<ExpectedRule> rules;
      for (const auto& rule : c.rules) {
        rules.push_back(rule.make());
      }
      CHECK(compliance::ruling_of(rules, kKey, kType, c.attribution).is_final == c.is_final);
    }
  }
}

TEST_CASE("severity by a decision") {
  using Effect = ExpectedRule::Effect;
  CHECK(compliance::severity_by(Effect::kEscalate, Severity::kMedium) == Severity::kHigh);
  CHECK(compliance::severity_by(Effect::kEscalate, Severity::kCritical) == Severity::kCritical);
  CHECK(compliance::severity_by(Effect::kDowngrade, Severity::kMedium) == Severity::kLow);
  CHECK(compliance::severity_by(Effect::kDowngrade, Severity::kLow) == Severity::kLow);
  CHECK(compliance::severity_by(Effect::kAccept, Severity::kHigh) == Severity::kHigh);
}
