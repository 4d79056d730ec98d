// Hostile and damaged input ends in a clear error on that input alone.
#include "core/text.hpp"
#include "policy/engine.hpp"
#include "tests/unit/policy/files.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>

using namespace plumbline;
using namespace plumbline::policy;

namespace {

std::shared_ptr<const AliasCatalogue> aliases() {
  auto catalogue = AliasCatalogue::shipped();
  REQUIRE(catalogue);
  return *std::move(catalogue);
}

std::string rule_of(std::string_view condition) {
  return R"({"mode": "All", "policyRule": {"if": )" + std::string(condition) +
         R"(, "then": {"effect": "audit"}}})";
}

Evaluation evaluate_text(std::string_view definition, std::string_view resource_text) {
  const auto compiled = compile_definition(definition, "d.json", *aliases());
  REQUIRE_MESSAGE(compiled, (compiled ? "" : compiled.error().message));
  const auto bound = bind_parameters(*compiled, "{}");
  REQUIRE_MESSAGE(bound, (bound ? "" : bound.error().message));
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(resource_text);
  const Json resource = parser.parse(padded);
  return evaluate(**bound, resource, {}, true);
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += text;
  }
  return out;
}

/// A small deterministic generator: the same mutations on every machine.
class Dice {
 public:
  std::size_t roll(std::size_t sides) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(state_ >> 33U) % sides;
  }

 private:
  std::uint64_t state_ = 42;
};

std::string mutate(std::string text, Dice& dice) {
  static constexpr std::string_view kPieces[] = {"{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "\"",
                                                 ",",
                                                 ":",
                                                 "[*]",
                                                 "null",
                                                 "'",
                                                 "(",
                                                 ")",
                                                 "1e999",
                                                 "-",
                                                 "\\u0000",
                                                 "current()"};
  for (std::size_t i = 0; i < 1 + dice.roll(4); ++i) {
    const std::size_t at = dice.roll(text.size());
    switch (dice.roll(4)) {
      case 0:
        text.erase(at, 1 + dice.roll(8));
        break;
      case 1:
        text.insert(at, kPieces[dice.roll(std::size(kPieces))]);
        break;
      case 2:
        text[at] = static_cast<char>(dice.roll(256));
        break;
      default:
        text.insert(dice.roll(text.size()), text.substr(at, dice.roll(40)));
        break;
    }
    if (text.empty()) {
      text = "{}";
    }
  }
  return text;
}

}  // namespace

TEST_CASE("depth is bounded") {
  const auto catalogue = aliases();

  struct Case {
    const char* name;
    std::string text;
  };

  const Case cases[] = {
      {"not",
       rule_of(repeat(R"({"not":)", 70) + R"({"field":"type","equals":"a"})" + repeat("}", 70))},
      {"calls",
       rule_of(R"({"value":"[)" + repeat("first(", 200) + "'a'" + repeat(")", 200) +
               R"(]","equals":"a"})")},
      {"accessors", rule_of(R"({"value":"[policy())" + repeat(".a", 5000) + R"(]","equals":"a"})")},
      {"indexes",
       rule_of(R"({"value":"[)" + repeat("policy()[", 300) + "0" + repeat("]", 300) +
               R"(]","equals":"a"})")},
      {"arrays",
       rule_of(R"({"value":)" + repeat("[", 120) + repeat("]", 120) + R"(,"equals":"a"})")},
      {"json", repeat("[", 100'000)},
      {"open objects", repeat(R"({"if":)", 50'000)},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto compiled = compile_definition(c.text, "d.json", *catalogue);
      REQUIRE_FALSE(compiled);
      CHECK(compiled.error().message.starts_with("d.json:"));
    }
  }
}

TEST_CASE("work is bounded") {
  const std::string range = "[range(0, 3000)]";
  const std::string inner =
      R"({"count":{"value":")" + range +
      R"(","name":"b","where":{"value":"[current('b')]","equals":-1}},"equals":1})";
  const std::string nested = rule_of(R"({"count":{"value":")" + range + R"(","name":"a","where":)" +
                                     inner + R"(},"equals":0})");
  const auto verdict = evaluate_text(nested, R"({"type":"a/b","name":"x"})");
  CHECK(verdict.outcome == Outcome::kError);
  CHECK(verdict.reason.contains("too many steps"));

  // Text that doubles again and again.
  std::string doubling = "field('name')";
  for (int i = 0; i < 12; ++i) {
    doubling = "replace(" + doubling + ", 'a', 'aaaaaaaa')";
  }
  const auto grown = evaluate_text(rule_of(R"({"value":"[)" + doubling + R"(]","equals":"a"})"),
                                   R"({"type":"a/b","name":"aaaaaaaa"})");
  CHECK(grown.outcome == Outcome::kError);

  const auto padded = evaluate_text(
      rule_of(R"({"value":"[padLeft('x', 2000000000)]","equals":"a"})"), R"({"type":"a/b"})");
  CHECK(padded.outcome == Outcome::kError);
}

TEST_CASE("parameters are checked when they are bound") {
  const auto compiled = compile_definition(
      R"({"parameters": {"n": {"type": "Integer"}, "list": {"type": "Array", "allowedValues": ["a", "b"], "defaultValue": ["a"]}},
          "policyRule": {"if": {"value": "[parameters('N')]", "equals": 1}, "then": {"effect": "audit"}}})",
      "d.json",
      *aliases());
  REQUIRE(compiled);

  struct Case {
    const char* name;
    const char* parameters;
    const char* want;  // empty: accepted
  };

  const Case cases[] = {
      {"good", R"({"n": 1})", ""},
      {"wrapped", R"({"N": {"value": 1}})", ""},
      {"missing", "{}", "parameter 'n' has neither a value nor a default"},
      {"wrong type", R"({"n": "1"})", "parameter 'n' must be of type integer, not a string"},
      {"unknown", R"({"n": 1, "m": 2})", "unknown parameter 'm'; the definition has 'n', 'list'"},
      {"allowed in any case", R"({"n": 1, "list": ["A"]})", ""},
      {"not allowed",
       R"({"n": 1, "list": ["a", "c"]})",
       R"(parameter 'list': ["a","c"] is not one of ["a","b"])"},
      {"no object", "[]", "parameters: expected an object"},
      {"no JSON", "{", "parameters: invalid JSON"},
  };
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      const auto bound = bind_parameters(*compiled, c.parameters);
      CHECK(bound.has_value() == std::string_view(c.want).empty());
      if (!bound) {
        CHECK(bound.error().code == core::Errc::kInvalidArgument);
        CHECK(bound.error().message.starts_with(c.want));
      }
    }
  }
}

TEST_CASE("damaged definitions and resources never do more than fail") {
  const auto shipped = aliases();
  const auto raw = AliasCatalogue::raw_paths();
  Dice dice;
  std::size_t compiled_count = 0;
  std::size_t evaluated_count = 0;
  for (const std::string name : {"evidence", "existence", "language", "verdicts"}) {
    const auto content =
        read_file(std::string(PLUMBLINE_SOURCE_DIR) + "/tests/data/policy/" + name + ".jsonl");
    REQUIRE(content);
    for (const auto line : core::split(*content, '\n')) {
      if (line.empty()) {
        continue;
      }
      simdjson::dom::parser parser;
      const simdjson::padded_string padded(line);
      const Json root = parser.parse(padded);
      const std::string definition = simdjson::to_string(root["definition"].value());
      const std::string resource = simdjson::to_string(root["resource"].value());
      for (int round = 0; round < 8; ++round) {
        const auto compiled =
            compile_definition(mutate(definition, dice), "d.json", round < 2 ? *shipped : *raw);
        if (!compiled) {
          CHECK(compiled.error().message.starts_with("d.json:"));
          continue;
        }
        ++compiled_count;
        const auto bound =
            bind_parameters(*compiled, "{}", {.effect_override = {}, .lenient = true});
        simdjson::dom::parser resource_parser;
        const simdjson::padded_string mutated(round % 2 == 0 ? resource : mutate(resource, dice));
        Json element;
        if (!bound || resource_parser.parse(mutated).get(element) != simdjson::SUCCESS) {
          continue;
        }
        ++evaluated_count;
        const auto plain = evaluate(**bound, element, {});
        const auto explained = evaluate(**bound, element, {}, true);
        CHECK(plain.outcome == explained.outcome);
      }
    }
  }
  CHECK(compiled_count > 100);
  CHECK(evaluated_count > 50);
}
