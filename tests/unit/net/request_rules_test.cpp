// The scanner of headers, fed in every way that bytes can arrive; what whole requests come to is in
// exchange_test.cpp.
#include "net/request_rules.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace plumbline::net;

namespace {

/// Feeds the bytes `step` at a time; gives the number that had arrived when it was decided, and the
/// status.
std::pair<std::size_t, int> feed(const std::string& bytes, std::size_t step) {
  HeaderScanner scanner(200, 50);
  for (std::size_t size = std::min(step, bytes.size());;
       size = std::min(size + step, bytes.size())) {
    const auto result = scanner.scan(std::string_view(bytes).substr(0, size));
    if (result.complete || result.status != 0) {
      return {size, result.status};
    }
    if (size == bytes.size()) {
      return {size, -1};
    }
  }
}

}  // namespace

TEST_CASE("headers are found however their bytes arrive") {
  const std::string line = "GET / HTTP/1.1\r\n";

  const struct {
    std::string bytes;
    int status;  // -1: not decided yet
  } cases[] = {
      {line + "\r\n", 0},
      {line + "Host: a\r\n\r\n", 0},
      {"\r\n" + line + "\r\n", 0},
      {line + "Host: a\r\n\r\nmore\n", 0},
      {line + "Host: a\r\n", -1},
      {line + "Host: a\r\n\r", -1},
      {"", -1},
      {"\r\n\r\n" + line, 400},
      {line + "a: b\n\r\n", 400},
      {line + "a: b\r\r\n\r\n", 400},
      {line + "a: b\r\n c\r\n\r\n", 400},
      {line + std::string("a: \0\r\n\r\n", 8), 400},
      {"\n" + line, 400},
      {std::string(52, 'a'), 414},
      {"\r\n" + std::string(52, 'a'), 414},
      {line + "a: " + std::string(200, 'a'), 431},
  };

  for (const auto& test : cases) {
    CAPTURE(test.bytes);
    for (const std::size_t step : {1U, 2U, 3U, 7U, 1000U}) {
      CHECK(feed(test.bytes, step).second == test.status);
    }
  }
  // Decided at the byte that decides, not at the end.
  CHECK(feed(line + "\n" + std::string(100, 'a'), 1).first == line.size() + 1);
  CHECK(feed(std::string(1000, 'a'), 1).first == 52);
}
