#include "net/readable.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>

namespace plumbline::net {

namespace asio = boost::asio;

namespace {

/// Asio closes what it is given; this one is given back.
class Borrowed {
 public:
  Borrowed(const Executor& executor, int descriptor) : asio_(executor) {
    asio_.assign(descriptor, error_);
  }

  ~Borrowed() {
    if (asio_.is_open()) {
      asio_.release();
    }
  }

  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  Borrowed(Borrowed&&) = delete;
  Borrowed& operator=(Borrowed&&) = delete;

  [[nodiscard]] const boost::system::error_code& error() const { return error_; }

  asio::posix::stream_descriptor& descriptor() { return asio_; }

 private:
  asio::posix::stream_descriptor asio_;
  boost::system::error_code error_;
};

}  // namespace

Task<core::Result<bool>> readable_within(int descriptor, std::chrono::nanoseconds timeout) {
  using core::Errc;
  using core::Error;
  const auto executor = co_await asio::this_coro::executor;
  Borrowed borrowed(executor, descriptor);
  if (borrowed.error()) {
    co_return Error{Errc::kIo, "a descriptor cannot be waited for: " + borrowed.error().message()};
  }
  asio::steady_timer timer(executor);
  timer.expires_after(std::max(timeout, std::chrono::nanoseconds::zero()));
  auto both = asio::experimental::make_parallel_group(
      borrowed.descriptor().async_wait(asio::posix::descriptor_base::wait_read, asio::deferred),
      timer.async_wait(asio::deferred));
  const asio::experimental::wait_for_one first;
  const auto [order, readable, late] = co_await both.async_wait(first, asio::use_awaitable);
  const bool is_readable = order[0] == 0;
  const auto& error = is_readable ? readable : late;
  if (error == asio::error::operation_aborted) {
    co_return Error{Errc::kCancelled, "the wait was cancelled"};
  }
  if (error) {
    co_return Error{Errc::kIo, "a descriptor cannot be waited for: " + error.message()};
  }
  co_return is_readable;
}

}  // namespace plumbline::net
