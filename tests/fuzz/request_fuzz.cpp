// Headers of requests: what is decided must not depend on how the bytes arrive.
#include "net/request_rules.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using plumbline::net::HeaderScanner;

int decide(std::string_view bytes, std::size_t step) {
  HeaderScanner scanner(4096, 1024);
  for (std::size_t size = 0;;) {
    size = std::min(size + step, bytes.size());
    const auto result = scanner.scan(bytes.substr(0, size));
    if (result.complete || result.status != 0) {
      return result.status;
    }
    if (size == bytes.size()) {
      return -1;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const int whole = decide(bytes, size + 1);
  if (decide(bytes, 1) != whole || decide(bytes, 7) != whole) {
    std::abort();
  }
  return 0;
}
