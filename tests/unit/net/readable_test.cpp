#include "net/readable.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>

using namespace plumbline;
using namespace std::chrono_literals;

namespace {

net::Task<void> wait_for(int descriptor,
                         std::chrono::nanoseconds timeout,
                         core::Result<bool>* out) {
  *out = co_await net::readable_within(descriptor, timeout);
}

}  // namespace

TEST_CASE("a borrowed descriptor is waited for and stays open") {
  net::Worker io("io", 1);
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  core::Result<bool> ready = false;
  const auto wait = [&](std::chrono::nanoseconds timeout) {
    net::run_blocking(io.executor(), wait_for(ends[0], timeout, &ready));
    REQUIRE(ready);
    return *ready;
  };
  CHECK_FALSE(wait(20ms));
  REQUIRE(::write(ends[1], "x", 1) == 1);
  CHECK(wait(10s));
  CHECK(wait(10s));  // still unread
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  CHECK_FALSE(wait(0s));
  ::close(ends[1]);
  CHECK(wait(10s));  // the end
  CHECK(::close(ends[0]) == 0);

  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  net::run_blocking(io.executor(), wait_for(file, 1s, &ready));
  REQUIRE_FALSE(ready);
  CHECK(ready.error().code == core::Errc::kIo);
  ::close(file);
}
