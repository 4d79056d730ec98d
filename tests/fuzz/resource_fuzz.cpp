// A hostile resource under definitions of every kind: it ends as a verdict, the same with and
// without explanation.
#include "policy/engine.hpp"

#include <array>

namespace {

using namespace plumbline;

constexpr std::array kDefinitions = {
    R"({"if":{"allOf":[{"field":"type","equals":"M.X/t"},{"field":"properties.a[*].b","notEquals":"1"}]},)"
    R"("then":{"effect":"audit"}})",
    R"({"if":{"count":{"field":"properties.a[*]","where":{"anyOf":[{"field":"properties.a[*].b","greater":1},)"
    R"({"value":"[current('properties.a[*]').c]","exists":true}]}},"greaterOrEquals":1},"then":{"effect":"audit"}})",
    R"({"if":{"field":"tags.x","like":"a*b"},"then":{"effect":"auditIfNotExists","details":)"
    R"({"type":"M.X/t","name":"[field('name')]","existenceCondition":{"field":"location","in":["a","b"]}}}})",
    R"({"if":{"anyOf":[{"value":"[length(field('properties.a[*]'))]","less":3},)"
    R"({"value":"[ipRangeContains('10.0.0.0/8', field('properties.ip'))]","equals":true},)"
    R"({"value":"[addDays(field('properties.when'), 3)]","lessOrEquals":"2026-01-01T00:00:00Z"},)"
    R"({"field":"fullName","match":"##-??"},{"field":"properties","containsKey":"k"}]},"then":{"effect":"audit"}})",
};

std::vector<std::shared_ptr<const policy::BoundDefinition>> bound_definitions() {
  std::vector<std::shared_ptr<const policy::BoundDefinition>> bound;
  const auto aliases = policy::AliasCatalogue::raw_paths();
  for (const char* const text : kDefinitions) {
    const auto compiled = policy::compile_definition(text, "fuzz.json", *aliases);
    const auto made = compiled ? policy::bind_parameters(*compiled, "{}") : compiled.error();
    if (!made) {
      __builtin_trap();
    }
    bound.push_back(*made);
  }
  return bound;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto kBound = bound_definitions();
  simdjson::dom::parser parser;
  simdjson::dom::element resource;
  const simdjson::padded_string text(reinterpret_cast<const char*>(data), size);
  if (parser.parse(text).get(resource) != simdjson::SUCCESS) {
    return 0;
  }
  for (const auto& definition : kBound) {
    const auto plain = policy::evaluate(*definition, resource, {});
    const auto explained = policy::evaluate(*definition, resource, {}, true);
    if (plain.outcome != explained.outcome) {
      __builtin_trap();
    }
  }
  return 0;
}
