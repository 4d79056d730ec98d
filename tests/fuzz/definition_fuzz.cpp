// A hostile definition ends as an error on that definition; a hostile resource as a verdict.
#include "policy/engine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumbline;
  // The definition and the resource it is evaluated on, divided by a zero byte.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto cut = input.find('\0');
  static const auto kAliases = policy::AliasCatalogue::raw_paths();
  auto compiled = policy::compile_definition(input.substr(0, cut), "fuzz.json", *kAliases);
  if (!compiled) {
    return 0;
  }
  policy::BindOptions options;
  options.lenient = true;
  auto bound = policy::bind_parameters(*compiled, "{}", options);
  simdjson::dom::parser parser;
  simdjson::dom::element resource;
  const std::string body(
      cut == std::string_view::npos
          ? R"({"type":"M.X/t","name":"n","location":"l","properties":{"a":[1]}})"
          : input.substr(cut + 1));
  if (bound && parser.parse(body).get(resource) == simdjson::SUCCESS) {
    static_cast<void>(policy::evaluate(**bound, resource, {}, true));
  }
  return 0;
}
