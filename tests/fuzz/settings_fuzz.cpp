#include "config/settings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace plumbline;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(config::parse_settings(text, "fuzz.yaml").has_value());
  static_cast<void>(config::parse_listen_address(text).has_value());
  return 0;
}
