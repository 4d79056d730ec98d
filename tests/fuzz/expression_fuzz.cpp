// A template expression: `[concat(field('name'), '-x')]`, evaluated on a resource.
#include "core/text.hpp"
#include "policy/engine.hpp"

#include <fmt/format.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumbline;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static const auto kAliases = policy::AliasCatalogue::raw_paths();
  const std::string rule = fmt::format(
      R"({{"if":{{"value":{},"equals":"x"}},"then":{{"effect":"audit"}}}})",
      core::json_quote(input.starts_with('[') ? std::string(input) : fmt::format("[{}]", input)));
  const auto compiled = policy::compile_definition(rule, "fuzz.json", *kAliases);
  if (!compiled) {
    return 0;
  }
  policy::BindOptions options;
  options.lenient = true;
  const auto bound = policy::bind_parameters(*compiled, "{}", options);
  static simdjson::dom::parser parser;
  static const std::string kText =
      R"({"id":"/subscriptions/s/resourceGroups/g/providers/M.X/t/n","type":"M.X/t","name":"n",)"
      R"("location":"westeurope","tags":{"a":"1"},"properties":{"list":[{"a":1},{"a":"b"},null],)"
      R"("when":"2026-01-31T23:59:59Z","address":"10.0.0.0/8","n":-1.5}})";
  static const simdjson::dom::element kResource = parser.parse(kText).value();
  if (bound) {
    static_cast<void>(policy::evaluate(**bound, kResource, {}, true));
  }
  return 0;
}
