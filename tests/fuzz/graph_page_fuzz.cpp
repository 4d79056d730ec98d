// Whatever Azure, or something that answers in its place, sends.
#include "collectors/azure_client.hpp"
#include "collectors/identity/credential.hpp"
#include "collectors/resource_graph/rows.hpp"
#include "collectors/resource_manager/arm_list.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumbline;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const core::Normaliser normaliser("key");
  const auto page = collectors::parse_graph_page(input, "resources", {}, normaliser);
  static_cast<void>(collectors::parse_subscriptions(input).has_value());
  static_cast<void>(
      collectors::parse_detail(input, "/subscriptions/s", "m.i/d", {}, normaliser).has_value());
  static_cast<void>(collectors::parse_arm_error(input));
  static_cast<void>(collectors::parse_token_response(input, {}).has_value());
  if (page) {
    for (const auto& row : page->rows) {
      // What is stored must be readable again.
      simdjson::dom::parser parser;
      if (parser.parse(row.body).error() != simdjson::SUCCESS) {
        __builtin_trap();
      }
    }
  }
  return 0;
}
