#include "config/web_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumbline;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(config::parse_web_config(text, "fuzz.yml").has_value());
  return 0;
}
