// What the server takes for a request. Stricter than the parser behind it: where two programs could
// read a request in different ways, it is refused, so that nobody can hide one request in another.
// Plain decisions. Private to net/.
#pragma once

#include "net/http.hpp"

#include <cstddef>
#include <string_view>

namespace plumbline::net {

/// Looks for the end of a header in what has arrived so far.
class HeaderScanner {
 public:
  HeaderScanner(std::size_t max_header, std::size_t max_request_line)
      : max_header_(max_header), max_request_line_(max_request_line) {}

  struct Result {
    int status = 0;         // of the refusal; 0: nothing wrong so far
    bool complete = false;  // the header ends in what has arrived
  };

  /// `bytes` begins where it began in the call before and has grown at its end. Refuses line feeds
  /// and carriage returns that are not together, NULs, folded lines, and what is too long.
  [[nodiscard]] Result scan(std::string_view bytes);

 private:
  std::size_t max_header_;
  std::size_t max_request_line_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  bool in_request_line_ = true;
};

/// The parts of a header on which its reading depends.
struct RequestHead {
  std::string_view method;
  std::string_view target;
  unsigned version = 11;  // 10 or 11
  const Headers* headers = nullptr;
};

/// The status of the refusal; 0 for a request that can be taken.
[[nodiscard]] int refuse_head(const RequestHead& head);

}  // namespace plumbline::net
