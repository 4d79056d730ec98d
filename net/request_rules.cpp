#include "net/request_rules.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace plumbline::net {

namespace {

std::ptrdiff_t count(const Headers& headers, std::string_view name) {
  return std::ranges::count_if(
      headers.fields(), [name](const auto& field) { return core::iequals(field.first, name); });
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Origin form, absolute form, or the asterisk of OPTIONS (RFC 9112 section 3.2). The authority
/// form is for proxies.
bool is_target(const RequestHead& head) {
  if (head.target.contains('#')) {
    return false;
  }
  return head.target.starts_with('/') || core::istarts_with(head.target, "http://") ||
         core::istarts_with(head.target, "https://") ||
         (head.target == "*" && head.method == "OPTIONS");
}

/// RFC 9112 section 6: one way only to tell where the body ends.
int refuse_framing(const RequestHead& head) {
  const auto lengths = count(*head.headers, "Content-Length");
  const auto encodings = count(*head.headers, "Transfer-Encoding");
  if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0)) {
    return 400;
  }
  if (lengths == 1 && !is_digits(*head.headers->get("Content-Length"))) {
    return 400;
  }
  if (encodings == 1) {
    if (head.version < 11) {
      return 400;
    }
    if (!core::iequals(*head.headers->get("Transfer-Encoding"), "chunked")) {
      return 501;
    }
  }
  return 0;
}

}  // namespace

HeaderScanner::Result HeaderScanner::scan(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (at_ >= max_header_) {
      return {431, false};
    }
    if (in_request_line_ && at_ - line_start_ > max_request_line_) {
      return {414, false};
    }
    const bool after_return = at_ > 0 && bytes[at_ - 1] == '\r';
    if (c == '\0' || (c == '\n') != after_return) {
      return {400, false};
    }
    if ((c == ' ' || c == '\t') && at_ == line_start_) {
      return {400, false};
    }
    if (c != '\n') {
      continue;
    }
    const bool empty_line = at_ == line_start_ + 1;
    line_start_ = at_ + 1;
    if (!empty_line) {
      in_request_line_ = false;
    } else if (!in_request_line_) {
      return {0, true};
    } else if (at_ > 1) {
      return {400, false};  // one empty line before a request is let pass (RFC 9112 section 2.2)
    }
  }
  return {};
}

int refuse_head(const RequestHead& head) {
  const auto hosts = count(*head.headers, "Host");
  if (hosts > 1 || (hosts == 0 && head.version >= 11) || !is_target(head)) {
    return 400;
  }
  if (const int status = refuse_framing(head); status != 0) {
    return status;
  }
  const auto expect = head.headers->get("Expect");
  return expect && !core::iequals(*expect, "100-continue") ? 417 : 0;
}

}  // namespace plumbline::net
